"""The guide's three solutions for files that are to be read again: nothing doubles, but where doubling is asked for."""

from __future__ import annotations

import pytest

from acceptance.cells import BATCH_BY_FILE, WRITE_DF, load, run_pipeline
from acceptance.guide import GUIDE
from acceptance.world import LANDING

pytestmark = [pytest.mark.e2e, pytest.mark.stack, pytest.mark.spark]

(DELETE_ONE,) = GUIDE.take("Solution 1:", __name__)
(DELETE_ALL,) = GUIDE.take("Solution 2:", __name__)
(READ_ALL,) = GUIDE.take("Solution 3:", __name__)

RUN = "alur run ingest_orders --env e2e-test --wait"
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
    terminal.succeeds(DELETE_ONE.text.replace(WHERE_PRINTED, good))
    assert set(world.items()) == {edge}
    ran = terminal.succeeds(RUN)
    assert ran.stdout.startswith("ingest_orders: 1 files, 100 rows into orders; 1 skipped, 0 failed; ")
    assert world.table().rows == 103
    assert world.status_and_rows() == {edge: ("completed", 3), good: ("completed", 100)}


def test_2_after_all_entries_are_deleted_the_next_alur_run_replaces_all_rows(world, ingested, notebook, terminal):
    before = notebook.does(BATCH_BY_FILE).value
    cleared = notebook.runs(DELETE_ALL, __name__)
    assert (cleared.supplied, cleared.printed) == ((), "Cleared 2 entries\n")
    assert (world.items(), world.table().rows) == ({}, 103)

    ran = terminal.succeeds(RUN)
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
