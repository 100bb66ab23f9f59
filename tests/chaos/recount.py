"""What a file of orders holds, counted anew from its bytes: by Python's csv module, with nothing of Alur's in it.

It is stricter than it has to be where nobody writes such files (blanks around numbers, offsets of time zones), and
the generator keeps away from there. Of what is no CSV it says nothing: there whoever wrote it knows.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal

COLUMNS = (
    "order_id",
    "customer_id",
    "order_date",
    "status",
    "quantity",
    "amount",
    "currency",
    "notes",
    "created_at",
)
"""The columns of `OrdersBronze`, written out: what is compared must not come from what is tested."""

REQUIRED = frozenset({"order_id", "customer_id", "order_date", "status", "created_at"})
"""Those that must not be empty."""

RESCUED = "_rescued_data"
"""The column of what the others could not hold, as JSON."""

Row = tuple[str | None, ...]
"""A row as text, in `COLUMNS`' order and `RESCUED` behind, spelled as the evidence spells the table's; None is null."""

Reject = tuple[int, str]
"""A record that cannot be stored: the physical line that it begins on, and its text."""

_WHOLE = re.compile(r"[+-]?[0-9]+")
_AMOUNT = re.compile(r"[+-]?[0-9]{1,10}(\.[0-9]{1,2})?")


@dataclass(frozen=True)
class Recount:
    """What became of a count.

    Args:
        rows: the file's rows; none where it is no good file.
        rejects: its rejects; none where it is no good file.
        problem: why it is none; None: it is one.
    """

    rows: tuple[Row, ...]
    rejects: tuple[Reject, ...]
    problem: str | None

    @property
    def is_good(self) -> bool:
        """Whether the file's rows belong into the table."""
        return self.problem is None


def recount(body: bytes) -> Recount:
    """Count the rows and the rejects of a file, or say why it cannot be stored.

    Args:
        body: the file's bytes.
    """
    try:
        plain = gzip.decompress(body) if body.startswith(b"\x1f\x8b") else body
        text = plain.decode("utf-8-sig")
    except (EOFError, OSError) as error:
        return _bad(f"no gzip: {error}")
    except UnicodeDecodeError as error:
        return _bad(f"not UTF-8: {error}")
    if "\x00" in text:
        return _bad("it holds NUL characters")
    try:
        records = list(_records(text))
    except csv.Error as error:
        return _bad(f"no CSV: {error}")
    if not records:
        return _bad("it is empty")
    (_, _, header), *rest = records
    names = [name.lower() for name in header]
    if len(set(names)) < len(names) or not set(names) >= REQUIRED:
        return _bad(f"its header is {','.join(header)}")
    rows: list[Row] = []
    rejects: list[Reject] = []
    for line, record, cells in rest:
        row = _row(names, cells)
        if row is None:
            rejects.append((line, record))
        else:
            rows.append(row)
    if rejects and not rows:
        return _bad("nothing but rejects")
    return Recount(tuple(rows), tuple(rejects), None)


def _bad(problem: str) -> Recount:
    return Recount((), (), problem)


def _records(text: str) -> Iterator[tuple[int, str, list[str]]]:
    """Yield of each record its line, its text and its cells."""
    lines = list(io.StringIO(text, newline=""))
    reader = csv.reader(iter(lines), strict=True)
    begins = 0
    for cells in reader:
        if cells:
            record = "".join(lines[begins : reader.line_num])
            yield begins + 1, re.sub(r"(\r\n|\r|\n)\Z", "", record), cells
        begins = reader.line_num


def _row(names: Sequence[str], cells: Sequence[str]) -> Row | None:
    """Return what a record becomes; None: it is a reject."""
    values: dict[str, str | None] = dict.fromkeys(COLUMNS)
    columns: dict[str, dict[str, str]] = {}
    if not set(names[: len(cells)]) >= REQUIRED:
        return None
    of = dict(zip(names, cells, strict=False))
    for name in [*COLUMNS, *(name for name in of if name not in COLUMNS)]:
        cell = of.get(name, "")
        try:
            values[name] = _canonical(name, cell)
        except ValueError:
            if name in REQUIRED:
                return None
            columns[name] = {"text": cell, "reason": _REASONS[name]}
        if cell and name not in COLUMNS:
            columns[name] = {"text": cell, "reason": "no column of the contract"}
    rescued: dict[str, object] = {"columns": columns} if columns else {}
    if any(cells[len(names) :]):
        rescued["surplus"] = list(cells[len(names) :])
    if len(cells) < len(names):
        rescued["missing_cells"] = len(names) - len(cells)
    told = json.dumps(rescued, ensure_ascii=False, separators=(",", ":")) if rescued else None
    return (*(values[name] for name in COLUMNS), told)


_REASONS = {"quantity": "not a whole number", "amount": "not a decimal number"}


def _canonical(name: str, cell: str) -> str | None:
    if cell == "":
        if name in REQUIRED:
            raise ValueError(f"{name} is empty")
        return None
    return _SPELL.get(name, str)(cell)


def _whole(cell: str) -> str:
    if not _WHOLE.fullmatch(cell):
        raise ValueError(f"{cell!r} is no whole number")
    return str(int(cell))


def _amount(cell: str) -> str:
    if not _AMOUNT.fullmatch(cell):
        raise ValueError(f"{cell!r} is no amount")
    return str(Decimal(cell).quantize(Decimal("0.01")))


def _day(cell: str) -> str:
    return date.fromisoformat(cell).isoformat()


def _moment(cell: str) -> str:
    return datetime.fromisoformat(cell).astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")


_SPELL: dict[str, Callable[[str], str]] = {
    "order_id": _whole,
    "customer_id": _whole,
    "quantity": _whole,
    "amount": _amount,
    "order_date": _day,
    "created_at": _moment,
}
