"""The guide's three solutions for files that are to be read again: nothing doubles, but where doubling is asked for."""

from __future__ import annotations

import pytest

from acceptance import commands
from acceptance.cells import BATCH_BY_FILE, ROWS_BY_FILE, WRITE_DF, load, run_pipeline
from acceptance.guide import GUIDE, Block
from acceptance.world import LANDING

pytestmark = [pytest.mark.e2e, pytest.mark.stack, pytest.mark.spark]

(DELETE_ONE,) = GUIDE.take("Solution 1:", __name__)
(DELETE_ALL,) = GUIDE.take("Solution 2:", __name__)
(READ_ALL,) = GUIDE.take("Solution 3:", __name__)

WHERE_PRINTED = "s3://bucket/file.csv"
"""The file that Solution 1 names."""

ALL_WHERE_PRINTED = "s3://bucket/*.csv"


@pytest.fixture
def ingested(world, notebook, project):
    """The landing bucket's files of orders, ingested."""
    paths = [
        world.put(f"s3://{LANDING}/orders/{name}.csv", project / "test_data" / f"{name}.csv")
        for name in ("edge_cases", "good_orders")
    ]
    assert notebook.does(run_pipeline("ingest_orders")).value["rows"] == 103
    return paths


def test_1_a_file_whose_entry_is_deleted_is_read_again_and_its_rows_are_replaced(world, notebook, terminal, project):
    path = world.put(WHERE_PRINTED, project / "test_data" / "good_orders.csv")
    world.put("s3://bucket/other.csv", project / "test_data" / "edge_cases.csv")
    notebook.does(load(ALL_WHERE_PRINTED))
    notebook.does(WRITE_DF)
    before = notebook.does(BATCH_BY_FILE).value
    terminal.runs(DELETE_ONE, __name__)
    assert set(world.items()) == {"s3://bucket/other.csv"}
    assert world.table().rows == 103

    assert notebook.does(load(ALL_WHERE_PRINTED)).value == 100
    assert notebook.does(WRITE_DF).value["paths"] == [path]
    after = notebook.does(BATCH_BY_FILE).value
    assert world.table().rows == 103
    assert {name for name in after if after[name] != before[name]} == {path}
    assert world.status_and_rows()[path] == ("completed", 100)


def test_1_the_next_alur_run_takes_the_file_whose_entry_is_deleted(world, ingested, terminal):
    edge, good = ingested
    (printed,), (typed,) = DELETE_ONE.commands, Block("", "bash", commands.DELETE_GOOD).commands
    assert typed == printed.replace(WHERE_PRINTED, good)
    terminal.succeeds(commands.DELETE_GOOD)
    assert set(world.items()) == {edge}
    ran = terminal.succeeds(commands.RUN)
    assert ran.stdout.startswith("ingest_orders: 1 files, 100 rows into orders; 1 skipped, 0 failed; ")
    assert world.table().rows == 103
    assert world.status_and_rows() == {edge: ("completed", 3), good: ("completed", 100)}


def test_2_after_all_entries_are_deleted_the_next_alur_run_replaces_all_rows(world, ingested, notebook, terminal):
    before = notebook.does(BATCH_BY_FILE).value
    cleared = notebook.runs(DELETE_ALL, __name__)
    assert (cleared.supplied, cleared.printed) == ((), "Cleared 2 entries\n")
    assert (world.items(), world.table().rows) == ({}, 103)

    ran = terminal.succeeds(commands.RUN)
    assert ran.stdout.startswith("ingest_orders: 2 files, 103 rows into orders; 0 skipped, 0 failed; ")
    assert world.table().rows == 103
    after = notebook.does(BATCH_BY_FILE).value
    assert set(after) == set(ingested)
    assert not set(after.values()) & set(before.values())


def test_3_with_idempotency_off_a_processed_file_is_read_again_and_its_rows_double(world, notebook, project):
    world.put("s3://bucket/orders/file.csv", project / "test_data" / "good_orders.csv")
    for rows in (100, 200):
        notebook.begin()
        assert notebook.runs(READ_ALL, __name__).supplied == ("OrdersBronze", "load_to_bronze", "spark")
        notebook.does(WRITE_DF)
        assert world.table().rows == rows
    assert world.items() == {}


def test_3_rows_that_doubled_are_single_again_after_alur_reprocess(world, ingested, notebook, terminal):
    edge, good = ingested
    notebook.does(READ_ALL.text.replace("s3://bucket/orders/*.csv", f"s3://{LANDING}/orders/*.csv"))
    notebook.does(WRITE_DF)
    assert notebook.does(ROWS_BY_FILE).value == {edge: 6, good: 200}
    assert terminal.succeeds(commands.REPROCESS_GOOD).stdout == "read again by the next `alur run`: 1 file\n"
    ran = notebook.does(run_pipeline("ingest_orders")).value
    assert (ran["files"], ran["rows"]) == (1, 100)
    assert notebook.does(ROWS_BY_FILE).value == {edge: 6, good: 100}
