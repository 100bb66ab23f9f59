"""What became of delimited files, told alike by the reader's definition, by the job, and by the corpus's data."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import cache
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from alur import contracts
from alur.contracts import BronzeTable, Contract, FieldDeclaration
from alur.delimited import Row, judge, read_file
from alur.errors import FileError

if TYPE_CHECKING:
    from workbench import Workbench

CORPUS = Path(__file__).parent / "data" / "csv"
CONTRACTS = CORPUS / "contracts.json"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CHUNK_BYTES = 65_536


@dataclass(frozen=True)
class Outcome:
    """What a file came to; rows and rejects in an order of their own, for a table has none.

    Attributes:
        rows: the stored values in their text form, and behind them what was rescued.
        rejects: line, column, reason and record.
        error: the type and the message of a failed file; None: it is completed.
    """

    rows: list[tuple[Any, ...]] = field(default_factory=list)
    rejects: list[tuple[int, str | None, str, str]] = field(default_factory=list)
    error: tuple[str, str] | None = None

    def __post_init__(self) -> None:
        self.rows.sort(key=repr)
        self.rejects.sort(key=repr)


# ------------------------------------------------------------------------------------------ contracts as data


def declared(fields: Mapping[str, Mapping[str, Any]]) -> dict[str, FieldDeclaration]:
    """Return the columns that a JSON text declares.

    Args:
        fields: the class under `type`, and what it is called with, by column.
    """
    return {
        name: getattr(contracts, said["type"])(**{key: value for key, value in said.items() if key != "type"})
        for name, said in fields.items()
    }


def contract_without_tables(fields: Mapping[str, FieldDeclaration], **meta: Any) -> Contract:
    """Return a contract for what needs no job.

    Args:
        fields: its columns.
        meta: its `Meta`.
    """
    said = {"source_path": "s3://landing/**", "source_system": "test", **meta}
    table: Any = type("CorpusBronze", (BronzeTable,), {**fields, "Meta": type("Meta", (), said)})
    made: Contract = table.contract()
    return made


# ------------------------------------------------------------------------------------------------- the corpus


@dataclass(frozen=True)
class Case:
    """A file of the corpus, and what it is to come to.

    Attributes:
        file: its name.
        contract: its contract's name.
        records: how many records stand in it, the header not counted; None: it fails.
        rows: as in `Outcome`.
        rejects: line, column, a part of the reason, and the record.
        error_type: of a failed file.
        message: parts of its message.
    """

    file: str
    contract: str
    records: int | None
    rows: tuple[tuple[Any, ...], ...]
    rejects: tuple[tuple[int, str | None, str, str], ...]
    error_type: str | None
    message: tuple[str, ...]

    @property
    def content(self) -> bytes:
        """The file's bytes."""
        return (CORPUS / self.file).read_bytes()


@cache
def cases() -> tuple[Case, ...]:
    """Return the corpus."""
    return tuple(_case(path) for path in sorted(CORPUS.glob("*.json")) if path != CONTRACTS)


@cache
def corpus_contracts() -> Mapping[str, Mapping[str, Any]]:
    """Return the fields and the Meta of the corpus's contracts, by name."""
    found: Mapping[str, Mapping[str, Any]] = json.loads(CONTRACTS.read_text(encoding="utf-8"))
    return found


def _case(path: Path) -> Case:
    said = json.loads(path.read_text(encoding="utf-8"))
    unknown = set(said) - {"about", "contract", "file", "records", "rows", "rejects", "error"}
    assert not unknown, f"{path.name}: {unknown}"
    contract = corpus_contracts()[said["contract"]]
    error = said.get("error")
    assert said["about"], path.name
    assert (error is None) == ("records" in said), f"{path.name}: records, or an error"
    width = len(contract["fields"])
    rows = [tuple(_unfolded(cell) for cell in row) for row in said.get("rows", ())]
    assert all(len(row) in (width, width + 1) for row in rows), f"{path.name}: a row of another width"
    return Case(
        said["file"],
        said["contract"],
        said.get("records"),
        tuple(sorted((row if len(row) > width else (*row, None) for row in rows), key=repr)),
        tuple(
            sorted(
                (
                    (one["line"], one["column"], one["reason"], _unfolded(one["record"]))
                    for one in said.get("rejects", ())
                ),
                key=repr,
            )
        ),
        None if error is None else error["type"],
        () if error is None else tuple(error["message"]),
    )


def _unfolded(cell: Any) -> Any:
    """Return a text that the data fold: `["abc", {"repeat": "x", "times": 3}]` is `abcxxx`."""
    if not isinstance(cell, list):
        return cell
    return "".join(part if isinstance(part, str) else part["repeat"] * part["times"] for part in cell)


def check(case: Case, outcome: Outcome) -> None:
    """Compare what a file of the corpus came to with what it is to come to.

    Args:
        case: the file.
        outcome: what it came to.
    """
    if case.error_type is not None:
        assert outcome.error is not None, outcome
        assert outcome.error[0] == case.error_type, outcome.error
        for part in case.message:
            assert part in outcome.error[1]
        assert outcome.rows == []
        assert outcome.rejects == []
        return
    assert outcome.error is None
    assert outcome.rows == list(case.rows)
    assert [(line, column, record) for line, column, _, record in outcome.rejects] == [
        (line, column, record) for line, column, _, record in case.rejects
    ]
    for (_, _, reason, _), (_, _, part, _) in zip(outcome.rejects, case.rejects, strict=True):
        assert part in reason
    assert len(outcome.rows) + len(outcome.rejects) == case.records


# ----------------------------------------------------------------------------------------------- what is told


def as_text(value: Any) -> str | None:
    """Return a stored value in the text form of the corpus.

    Args:
        value: of a row.
    """
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        if math.isinf(value):
            return "Infinity" if value > 0 else "-Infinity"
        return "NaN" if math.isnan(value) else repr(value)
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    assert isinstance(value, (int, Decimal, date)), value
    return str(value)


def by_definition(path: str, chunks: bytes | Iterable[bytes], contract: Contract) -> Outcome:
    """Return what a file comes to by `alur.delimited` alone.

    Args:
        path: of the file, for messages.
        chunks: its bytes.
        contract: of its table.
    """
    rows, rejects = [], []
    try:
        for found in read_file(path, _chunks(chunks) if isinstance(chunks, bytes) else chunks, contract):
            if isinstance(found, Row):
                rescued = None if found.rescued is None else json.loads(found.rescued)
                rows.append((*map(as_text, found.values), rescued))
            else:
                rejects.append(found)
    except FileError as error:
        return Outcome(error=(type(error).__name__, str(error)))
    broken = judge(path, contract, len(rows), len(rejects), rejects)
    if broken is not None:
        return Outcome(error=(type(broken).__name__, str(broken)))
    return Outcome(rows, [(one.line, one.column, one.reason, one.record) for one in rejects])


def _chunks(data: bytes) -> Iterable[bytes]:
    rest = iter(range(0, len(data), _CHUNK_BYTES))
    for start in islice(rest, None):
        yield data[start : start + _CHUNK_BYTES]


def by_job(bench: Workbench, names: Sequence[str]) -> dict[str, Outcome]:
    """Return what files came to in their table, the table of the rejects and the ledger.

    Args:
        bench: of their table, whose job has run.
        names: of the files, below the table's folder.
    """
    folder = bench.path("")
    rows: dict[str, list[tuple[Any, ...]]] = {name: [] for name in names}
    columns = [
        f"unix_micros(`{one.name}`)" if one.spark_type == "timestamp" else f"`{one.name}`"
        for one in bench.contract.fields
    ]
    moments = {number for number, one in enumerate(bench.contract.fields) if one.spark_type == "timestamp"}
    selected = f"SELECT {', '.join(columns)}, _rescued_data, _source_file FROM {bench.table_name}"
    for *values, rescued, path in bench.spark.sql(selected).collect():
        name = path.removeprefix(folder)
        if name in rows:
            told = [as_text(moment(value) if number in moments else value) for number, value in enumerate(values)]
            rows[name].append((*told, None if rescued is None else json.loads(rescued)))
    rejects: dict[str, list[tuple[int, str | None, str, str]]] = {name: [] for name in names}
    for name, line, record, column, reason in bench.rejects():
        if name in rejects:
            rejects[name].append((line, column, reason, record))
    items = bench.files.read(bench.key, [bench.path(name) for name in names])
    outcomes = {}
    for name in names:
        item = items[bench.path(name)]
        error = None
        if item.status.value == "failed":
            assert item.error_type is not None
            error = (item.error_type, item.error_message or "")
        else:
            assert item.status.value == "completed", (name, item)
            assert item.rows == len(rows[name]), (name, item)
            assert bench.attributes(name)["rows_rejected"] == len(rejects[name]), name
        outcomes[name] = Outcome(rows[name], rejects[name], error)
    return outcomes


def moment(micros: int | None) -> datetime | None:
    """Return the moment that Spark's `unix_micros` tells.

    Args:
        micros: what it told.
    """
    return None if micros is None else _EPOCH + timedelta(microseconds=micros)


def drawn(strategy: st.SearchStrategy[Any], count: int) -> list[Any]:
    """Return examples, the same each time: a job is run for all of them, not for each."""
    found: list[Any] = []

    @settings(
        max_examples=count,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def collect(example: Any) -> None:
        found.append(example)

    collect()
    return found
