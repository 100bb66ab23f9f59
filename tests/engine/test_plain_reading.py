"""The plain reading takes a large file in pieces, and says of every line that is not plain that it is not."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest
from pyspark.sql import DataFrame
from workbench import Workbench, make_contract

from alur.clock import utc_now
from alur.contracts.contract import Contract
from alur.delimited import Row, read_file
from alur.ingestion.headings import expected_heading, reads_plainly
from alur.ingestion.naming import Source
from alur.ingestion.plain import UNCLEAR, read_plainly

pytestmark = [pytest.mark.spark, pytest.mark.stack]

PIECE_BYTES = 64 * 1024
ENDS = (b"\n", b"\r\n", b"\r")


@pytest.fixture
def in_pieces(bench: Workbench) -> Iterator[Workbench]:
    """A session that reads files in pieces far smaller than they would be."""
    settings = {"spark.sql.files.maxPartitionBytes": str(PIECE_BYTES), "spark.sql.files.openCostInBytes": "0"}
    before = {name: bench.spark.conf.get(name) for name in settings}
    for name, value in settings.items():
        bench.spark.conf.set(name, value)
    yield bench
    for name, value in before.items():
        bench.spark.conf.set(name, str(value))


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
