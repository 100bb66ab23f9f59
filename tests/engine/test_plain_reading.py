"""The plain reading takes a large file in pieces, and says of every line that is not plain that it is not."""

from __future__ import annotations

import contextlib
import random
import re
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import strategies as st
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from workbench import Workbench, contract_of, make_contract

from alur.clock import utc_now
from alur.contracts import (
    BooleanField,
    DateField,
    DecimalField,
    DoubleField,
    FieldDeclaration,
    IntegerField,
    LongField,
    StringField,
    TimestampField,
)
from alur.contracts.contract import Contract
from alur.delimited import Row, read_file
from alur.delimited.cells import converter
from alur.ingestion.headings import expected_heading, reads_plainly
from alur.ingestion.naming import Source
from alur.ingestion.plain import UNCLEAR, read_plainly
from alur.ingestion.spellings import spelling
from csv_support import drawn

pytestmark = [pytest.mark.spark, pytest.mark.stack]

MakeWorkbench = Callable[[Contract], Workbench]

PIECE_BYTES = 64 * 1024
ENDS = (b"\n", b"\r\n", b"\r")


@contextlib.contextmanager
def setting(bench: Workbench, name: str, value: str) -> Iterator[None]:
    """Set one of the session's settings for a while."""
    before = str(bench.spark.conf.get(name))
    bench.spark.conf.set(name, value)
    try:
        yield
    finally:
        bench.spark.conf.set(name, before)


@pytest.fixture
def in_pieces(bench: Workbench) -> Iterator[Workbench]:
    """A session that reads files in pieces far smaller than they would be."""
    with (
        setting(bench, "spark.sql.files.maxPartitionBytes", str(PIECE_BYTES)),
        setting(bench, "spark.sql.files.openCostInBytes", "0"),
    ):
        yield bench


def read(bench: Workbench, name: str) -> DataFrame:
    return read_plainly(
        bench.spark,
        bench.contract,
        [Source(bench.version(name), bench.path(name))],
        heading=expected_heading(bench.contract),
        whole_folders=set(),
        batch_id="batch",
        now=utc_now(),
    )


@pytest.mark.parametrize("seed", [1, 2])
def test_a_file_is_read_in_pieces_whatever_ends_its_lines(in_pieces: Workbench, seed: int):
    dice = random.Random(seed)
    lines = [f"{number},{'é🛒x' * dice.randint(0, 40)},{number}.25".encode() for number in range(8_000)]
    body = b"id,name,amount\n" + b"".join(line + dice.choice(ENDS) for line in lines)
    in_pieces.put("large.csv", body)
    rows = read(in_pieces, "large.csv")
    assert rows.rdd.getNumPartitions() >= len(body) // PIECE_BYTES
    found = {tuple(row) for row in rows.select(*in_pieces.contract.column_names, "_rescued_data").collect()}
    wanted: set[tuple[Any, ...]] = {
        (*row.values, None) for row in read_file("large.csv", [body], in_pieces.contract) if isinstance(row, Row)
    }
    assert len(wanted) == len(lines)
    assert found == wanted


def test_a_quoted_line_end_in_any_piece_is_marked_and_the_file_read_carefully(in_pieces: Workbench):
    lines = [f"{number},name,{number}.25\n".encode() for number in range(20_000)]
    lines[15_000] = b'15000,"two\nlines",1.00\n'
    in_pieces.put("large.csv", b"id,name,amount\n" + b"".join(lines))
    assert read(in_pieces, "large.csv").where(f"_rescued_data = '{UNCLEAR}'").count() == 2
    in_pieces.ingest("large.csv")
    assert in_pieces.state("large.csv") == ("completed", 20_000)
    assert in_pieces.values("name")[-1] == "two\nlines"


@pytest.mark.parametrize(
    "declaration",
    [
        LongField(),
        IntegerField(),
        DoubleField(),
        BooleanField(),
        DateField(),
        TimestampField(),
        DecimalField(9, 2),
        DecimalField(5, 0),
        DecimalField(3, 3),
        DecimalField(38, 10),
    ],
    ids=lambda declaration: declaration.spark_type,
)
def test_whatever_a_spelling_takes_the_engine_converts_as_the_definition_does(
    bench: Workbench, declaration: FieldDeclaration
):
    contract = contract_of({"a": declaration})
    (field,) = contract.fields
    texts = drawn(st.from_regex(re.compile(spelling(field.spark_type)), fullmatch=True), 700)
    cells = bench.spark.createDataFrame([(text,) for text in texts], "a string")
    value = F.col("a").try_cast(field.spark_type)
    shown = F.unix_micros(value) if field.spark_type == "timestamp" else value
    found = cells.select("a", shown).collect()
    with setting(bench, "spark.sql.ansi.enabled", "false"):
        assert cells.select("a", shown).collect() == found
    convert = converter(field, (), contract.dialect)
    differences = {}
    for text, value in found:
        wanted = convert(text)
        got = datetime.fromtimestamp(0, UTC) + timedelta(microseconds=value) if isinstance(wanted, datetime) else value
        if got != wanted:
            differences[text] = (got, wanted)
    assert differences == {}
    assert len(set(texts)) > (5 if field.spark_type == "boolean" else 200)


def test_a_clock_is_read_in_utc_whatever_the_session_s_time_zone(bench_for: MakeWorkbench):
    bench = bench_for(contract_of({"id": LongField(), "at": TimestampField()}))
    texts = [
        "2024-01-23",
        "2024-07-01 10:00",
        "2024-07-01T10:00:00.25Z",
        "2024-03-31 02:30",
        "2024-07-01 10:00:00+0200",
    ]
    bench.put("a.csv", ("id,at\n" + "".join(f"{number},{text}\n" for number, text in enumerate(texts))).encode())
    with setting(bench, "spark.sql.session.timeZone", "Europe/Berlin"):
        rows = read(bench, "a.csv").select("id", F.unix_micros("at").alias("at"), "_rescued_data").collect()
    found = {row["id"]: datetime.fromtimestamp(row["at"] / 1_000_000, UTC).isoformat() for row in rows}
    assert [row["_rescued_data"] for row in rows] == [None] * len(texts)
    assert [found[number] for number in range(len(texts))] == [
        "2024-01-23T00:00:00+00:00",
        "2024-07-01T10:00:00+00:00",
        "2024-07-01T10:00:00.250000+00:00",
        "2024-03-31T02:30:00+00:00",
        "2024-07-01T08:00:00+00:00",
    ]


def test_a_table_of_five_hundred_columns_is_read(bench_for: MakeWorkbench):
    kinds = (LongField(nullable=False), StringField(nullable=False), DecimalField(9, 2), DateField())
    cells = ("17", "text", "1.25", "2024-02-29")
    fields = {f"c{number}": kinds[number % 4] for number in range(500)}
    bench = bench_for(contract_of(fields))
    record = ",".join(cells[number % 4] for number in range(len(fields)))
    bench.put("wide.csv", f"{','.join(fields)}\n{record}\n{record}\n".encode())
    rows = read(bench, "wide.csv").select("c0", "c499", "_rescued_data").collect()
    assert [tuple(row) for row in rows] == [(17, date(2024, 2, 29), None)] * 2


@pytest.mark.parametrize(
    "meta",
    [
        {"encoding": "latin-1"},
        {"multiline": True},
        {"escape": "\\"},
        {"comment": "#"},
        {"skip_lines": 1},
        {"trim": True},
        {"decimal": ",", "delimiter": ";"},
        {"thousands": ","},
        {"delimiter": "\t"},
        {"quote": None},
        {"compression": "gzip"},
    ],
    ids=lambda meta: next(iter(meta)),
)
def test_what_the_engine_would_read_otherwise_is_not_left_to_it(meta: dict[str, Any]):
    contract: Contract = make_contract(**meta)
    assert not reads_plainly(contract, "orders/a.csv")


def test_a_compressed_file_is_known_by_its_name_before_it_is_read():
    contract = make_contract()
    assert reads_plainly(contract, "orders/a.csv")
    assert not any(reads_plainly(contract, f"orders/a.csv{end}") for end in (".gz", ".GZ", ".bz2", ".zst"))
