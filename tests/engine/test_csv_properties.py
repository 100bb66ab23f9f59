"""Random tables come back as they were written, and a file means the same whichever way it is read."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyspark.sql import functions as F
from workbench import Workbench, contract_of

from alur.clock import utc_now
from alur.contracts import BooleanField, DateField, DecimalField, FieldDeclaration, LongField, StringField
from alur.contracts.contract import Contract
from alur.delimited import Row, read_file
from alur.ingestion.headings import expected_heading
from alur.ingestion.naming import Source
from alur.ingestion.plain import UNCLEAR, read_plainly
from csv_lines import TYPED, nasty_line, typed_cell
from csv_support import Outcome, as_text, by_definition, by_job, contract_without_tables, drawn, moment

pytestmark = [pytest.mark.spark, pytest.mark.stack]

MakeWorkbench = Callable[[Contract], Workbench]

# -------------------------------------------------------------------------- what is written comes back as it was


@dataclass(frozen=True)
class Written:
    """A dialect, as Meta says it and as Python's csv module does."""

    meta: Mapping[str, Any]
    writer: Mapping[str, Any]
    end: str = "\n"


DIALECTS = {
    "as_most": Written({}, {}),
    "crlf_all_quoted": Written({}, {"quoting": csv.QUOTE_ALL}, "\r\n"),
    "lone_cr": Written({}, {"quoting": csv.QUOTE_NONNUMERIC}, "\r"),
    "semicolons_and_apostrophes": Written({"delimiter": ";", "quote": "'"}, {"delimiter": ";", "quotechar": "'"}),
    "tabs": Written({"delimiter": "\t"}, {"delimiter": "\t"}, "\r\n"),
    "backslashes": Written(
        {"delimiter": "|", "escape": "\\"}, {"delimiter": "|", "escapechar": "\\", "doublequote": False}
    ),
    "without_header": Written({"header": False}, {"quoting": csv.QUOTE_ALL}),
}

TABLE: dict[str, FieldDeclaration] = {
    "a": StringField(),
    "b": StringField(),
    "n": LongField(),
    "m": DecimalField(20, 3),
    "d": DateField(),
    "f": BooleanField(),
}

# NUL cannot be stored, and half of a surrogate pair is no text.
TEXTS = st.text(
    st.one_of(
        st.sampled_from(",;|\t\"'\\ \n\r=+-@#\u2028\ufffd\ufeff\ue000\x85\x0b"),
        st.characters(exclude_characters="\0", exclude_categories=("Cs",)),
    ),
    max_size=8,
)
ROWS = st.tuples(
    TEXTS,
    TEXTS,
    st.none() | st.integers(-(2**63), 2**63 - 1),
    st.none() | st.decimals(-(10**16), 10**16, places=3),
    st.none() | st.dates(),
    st.none() | st.booleans(),
)


def written(dialect: Written, rows: list[tuple[Any, ...]]) -> bytes:
    """Return a file as Python's csv module writes it."""
    lines = [list(TABLE)] if dialect.meta.get("header", True) else []
    return "".join(_line(dialect, row) for row in [*lines, *rows]).encode()


def _line(dialect: Written, row: Sequence[Any]) -> str:
    # It quotes those line ends only that it writes itself: let it quote both, whichever end the file has.
    text = io.StringIO(newline="")
    csv.writer(text, **dialect.writer, lineterminator="\r\n").writerow(row)
    return text.getvalue().removesuffix("\r\n") + dialect.end


def stored(dialect: Written, rows: list[tuple[Any, ...]]) -> Outcome:
    """Return what these rows are in the table: an empty text that the writer does not quote is null."""
    quotes_empty = dialect.writer.get("quoting") in (csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC)
    return Outcome(
        [(*[as_text(value) if value != "" or quotes_empty else None for value in row], None) for row in rows]
    )


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_random_table_comes_back_from_the_job_as_it_was_written(bench_for: MakeWorkbench, dialect: str):
    how = DIALECTS[dialect]
    bench = bench_for(contract_of(TABLE, **how.meta))
    tables = {
        f"{number:02d}.csv": rows for number, rows in enumerate(drawn(st.lists(ROWS, min_size=1, max_size=4), 40))
    }
    for name, rows in tables.items():
        bench.put(name, written(how, rows))
    bench.ingest(*tables)
    assert by_job(bench, list(tables)) == {name: stored(how, rows) for name, rows in tables.items()}


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_random_table_comes_back_from_the_reader_as_it_was_written(dialect: str):
    how = DIALECTS[dialect]
    contract = contract_without_tables(TABLE, **how.meta)

    @settings(max_examples=150, derandomize=True, deadline=None)
    @given(st.lists(ROWS, min_size=1, max_size=6))
    def check(rows: list[tuple[Any, ...]]) -> None:
        assert by_definition("a.csv", written(how, rows), contract) == stored(how, rows)

    check()


# ------------------------------------------------------------------------- read plainly or carefully: the same


@dataclass(frozen=True)
class Nasty:
    """A contract, and what makes lines for it."""

    fields: Mapping[str, FieldDeclaration]
    line: Callable[[Random], str]
    meta: Mapping[str, Any]
    clear: float
    """At least such a part of the lines is to be exact when read plainly: else nothing would be compared."""
    other_headers: bool = False


def typed_line(random: Random) -> str:
    """Return a line that has cells of one type or two, or nearly."""
    cells = []
    chosen = random.choice(list(TYPED))
    for column in TYPED:
        cell = typed_cell(random, column) if column == chosen or random.random() < 0.05 else ""
        if any(special in cell for special in '",\r\n') or random.random() < 0.1:
            cell = '"' + cell.replace('"', '""') + '"'
        cells.append(cell)
    return ",".join(cells)


STRINGS: dict[str, FieldDeclaration] = {"a": StringField(), "b": StringField(), "c": StringField()}
SWAPPED = str.maketrans({",": ";", ";": ",", '"': "'", "'": '"'})
PIPES = str.maketrans({",": "|", "|": ","})

NASTY = {
    "types": Nasty(TYPED, typed_line, {}, 0.2),
    "texts": Nasty(STRINGS, lambda random: nasty_line(random, 3, ends=False), {}, 0.4, other_headers=True),
    "null_tokens": Nasty(
        {"a": StringField(), "b": LongField(), "c": StringField()},
        lambda random: nasty_line(random, 3, ends=False),
        {"null_values": ["NA", "a", " ", "=1+1", "é", "1", " - "]},
        0.05,
    ),
    "required_columns": Nasty(
        {"a": StringField(nullable=False), "b": LongField(nullable=False), "c": StringField()},
        lambda random: nasty_line(random, 3, ends=False),
        {},
        0.01,
        other_headers=True,
    ),
    "semicolons_and_apostrophes": Nasty(
        STRINGS,
        lambda random: nasty_line(random, 3, ends=False).translate(SWAPPED),
        {"delimiter": ";", "quote": "'"},
        0.4,
    ),
    "pipes_without_header": Nasty(
        STRINGS,
        lambda random: nasty_line(random, 3, ends=False).translate(PIPES),
        {"delimiter": "|", "header": False, "extra_columns": "ignore"},
        0.4,
    ),
}


@pytest.mark.parametrize("kind", NASTY)
def test_a_line_that_is_read_plainly_means_what_the_definition_says(bench_for: MakeWorkbench, kind: str):
    how = NASTY[kind]
    random = Random(f"plain {kind}")
    # Its number tells which line a row was; every line stands for itself, for it is one that is read plainly.
    bench = bench_for(contract_of({"number": LongField(nullable=False), **how.fields}, **how.meta))
    delimiter = bench.contract.dialect.delimiter
    header = delimiter.join(["number", *how.fields]) + "\n" if bench.contract.dialect.header else ""
    lines = [f"{number}{delimiter}{how.line(random)}\n" for number in range(6_000)]
    bench.put("a.csv", (header + "".join(lines)).encode())
    version = bench.version("a.csv")
    rows = read_plainly(
        bench.spark,
        bench.contract,
        [Source(version, f"s3a://{version.bucket}/{version.key}")],
        heading=expected_heading(bench.contract),
        whole_folders=set(),
        batch_id="none",
        now=utc_now(),
    )
    moments = {number for number, one in enumerate(bench.contract.fields) if one.spark_type == "timestamp"}
    columns = [
        F.unix_micros(one.name) if number in moments else F.col(one.name)
        for number, one in enumerate(bench.contract.fields)
    ]
    assert rows.count() == len(lines)
    # What stands in the others is of no account, and may be nothing that Python can hold.
    clear = rows.where(F.coalesce("_rescued_data", F.lit("")) != UNCLEAR).select(*columns).collect()
    differences = {}
    for row in clear:
        assert row[0] is not None, row
        plainly = [as_text(moment(value) if number in moments else value) for number, value in enumerate(row)]
        line = lines[row[0]]
        defined = list(read_file("a.csv", [(header + line).encode()], bench.contract))
        (only,) = defined if len(defined) == 1 else (None,)
        if not isinstance(only, Row) or only.rescued is not None or [*map(as_text, only.values)] != plainly:
            differences[line] = (plainly, defined)
    assert differences == {}
    assert len(clear) > how.clear * len(lines)


OTHER_HEADERS: tuple[Callable[[list[str]], list[str]], ...] = (
    lambda names: names[::-1],
    lambda names: [name.upper() for name in names],
    lambda names: [f" {name} " for name in names],
    lambda names: names[:-1],
    lambda names: names[1:],
    lambda names: [*names, ""],
    lambda names: [*names, "", "other"],
    lambda names: ["other", *names],
    lambda names: [*names, names[0]],
    lambda names: [f'"{name}"' for name in names],
)


def nasty_file(random: Random, how: Nasty, *, ends: bool) -> bytes:
    """Return a small file of such lines: one line end mostly, or all in a mixture."""
    lines = [how.line(random) for _ in range(random.choice((1, 1, 1, 2, 3)))]
    if how.meta.get("header", True):
        names = list(how.fields)
        if how.other_headers and random.random() < 0.3:
            names = random.choice(OTHER_HEADERS)(names)
        lines.insert(0, how.meta.get("delimiter", ",").join(names))
    end = random.choice(("\n", "\n", "\r\n", "\r"))
    mixed = random.random() < 0.2
    text = "".join(line + (random.choice(("\n", "\r\n", "\r", "\n\n")) if mixed else end) for line in lines)
    if random.random() < 0.3:
        text = text.rstrip("\r\n")
    if ends and random.random() < 0.4:
        place = random.randrange(len(text) + 1)
        text = text[:place] + random.choice(("\n", "\r", "\r\n", "\n\n", "\r\r\n", "\n \n")) + text[place:]
    body = text.encode()
    if random.random() < 0.03:
        place = random.randrange(len(body) + 1)
        body = (
            body[:place] + random.choice((b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xf0\x9f", b"\xc0\x80")) + body[place:]
        )
    return (b"\xef\xbb\xbf" if random.random() < 0.1 else b"") + body


@pytest.mark.parametrize("kind", NASTY)
def test_a_nasty_file_comes_to_the_same_in_the_job_as_by_definition(bench_for: MakeWorkbench, kind: str):
    how = NASTY[kind]
    random = Random(f"files {kind}")
    bench = bench_for(contract_of(how.fields, **how.meta))
    files = {f"{number:03d}.csv": nasty_file(random, how, ends=True) for number in range(80)}
    for name, body in files.items():
        bench.put(name, body)
    bench.ingest(*files)
    found = by_job(bench, list(files))
    defined = {name: by_definition(bench.path(name), body, bench.contract) for name, body in files.items()}
    assert {files[name]: (found[name], defined[name]) for name in files if found[name] != defined[name]} == {}
    kept = [outcome.error is None and not any(row[-1] for row in outcome.rows) for outcome in defined.values()]
    assert 0 < sum(kept) < len(kept)
