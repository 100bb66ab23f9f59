"""The guide's Python: loading, writing and asking in a session, from buckets of any name, and with the ledger off."""

from __future__ import annotations

import time

import pytest

from acceptance import commands
from acceptance.cells import ROWS_BY_FILE, UNMANAGED_ROWS, WRITE_DF, run_pipeline
from acceptance.guide import GUIDE
from acceptance.world import LANDING

pytestmark = [pytest.mark.e2e, pytest.mark.stack, pytest.mark.spark]

(LOAD,) = GUIDE.take("Load Flow with Idempotency", __name__)
(WRITE,) = GUIDE.take("Write Flow with Tracking", __name__)
(MULTI_SOURCE,) = GUIDE.take("Test 4:", __name__)
(DISABLED,) = GUIDE.take("Test 5:", __name__)
(ASK,) = GUIDE.take("Python Query", __name__)
(SCHEDULED,) = GUIDE.take("1. Use Idempotency for Scheduled Pipelines", __name__)
(BACKFILL,) = GUIDE.take("2. Disable for Backfills", __name__)
(CLEAN_UP,) = GUIDE.take("4. Clean Up Old Entries", __name__)


@pytest.fixture
def files(project):
    return {name: project / "test_data" / f"{name}.csv" for name in ("good_orders", "edge_cases")} | {
        "new_orders": project / "new_orders.csv"
    }


def test_a_load_takes_the_files_of_all_its_globs_and_a_write_completes_them(world, notebook, files):
    first = world.put("s3://bucket/orders/one.csv", files["good_orders"])
    second = world.put("s3://bucket/archive/orders/two.csv", files["edge_cases"])
    world.put("s3://bucket/orders/deeper/not_meant.csv", files["new_orders"])
    loaded = notebook.runs(LOAD, __name__)
    assert loaded.supplied == ("OrdersBronze", "spark")
    assert world.table().rows == 0
    assert {status for status, _ in world.status_and_rows().values()} == {"processing"}
    tracked = notebook.does("df._alur_files_to_track").value
    assert {(file["ingestion_key"], file["file_path"]) for file in tracked} == {("orders", first), ("orders", second)}

    written = notebook.does(WRITE_DF).value
    assert (written["files"], written["rows"], written["failed"]) == (2, 103, [])
    assert world.status_and_rows() == {first: ("completed", 100), second: ("completed", 3)}

    again = notebook.runs(LOAD, __name__)
    assert "All files have been processed. No new data to ingest." in again.log
    assert notebook.does("[df.count(), len(df.columns)]").value == [0, 15]
    assert world.table().rows == 103


def test_a_runner_runs_the_pipeline_of_the_project(world, notebook, files):
    path = world.put(f"s3://{LANDING}/orders/good_orders.csv", files["good_orders"])
    ran = notebook.runs(WRITE, __name__)
    assert ran.supplied == ()
    assert {name: ran.value[name] for name in ("pipeline", "files", "rows", "skipped", "failed")} == {
        "pipeline": "ingest_orders",
        "files": 1,
        "rows": 100,
        "skipped": 0,
        "failed": [],
    }
    assert world.status_and_rows() == {path: ("completed", 100)}
    again = notebook.runs(WRITE, __name__)
    assert (again.value["files"], again.value["rows"], again.value["skipped"]) == (0, 0, 1)
    assert world.table().rows == 100


def test_the_adapter_says_which_files_are_processed(world, notebook, files):
    before = notebook.runs(ASK, __name__)
    assert (before.supplied, before.printed) == ((), "Processed 0 files\n")
    assert notebook.does("is_processed").value is False

    world.put("s3://bucket/orders/file.csv", files["edge_cases"])
    world.put("s3://bucket/orders/other.csv", files["new_orders"])
    notebook.runs(LOAD, __name__)
    # Claimed is not processed.
    assert notebook.runs(ASK, __name__).printed == "Processed 0 files\n"
    notebook.does(WRITE_DF)
    assert notebook.runs(ASK, __name__).printed == "Processed 2 files\n"
    assert notebook.does("[is_processed, processed_files]").value == [
        True,
        ["s3://bucket/orders/file.csv", "s3://bucket/orders/other.csv"],
    ]


def test_4_three_sources_are_one_pipeline_and_the_next_run_takes_what_is_new_in_any(world, notebook, terminal, files):
    place = f"s3://{LANDING}"
    world.put(f"{place}/orders/good_orders.csv", files["good_orders"])
    terminal.succeeds(commands.FILL_SOURCES)
    first = {
        f"{place}/orders/good_orders.csv": ("completed", 100),
        f"{place}/archive/orders/edge_cases.csv": ("completed", 3),
        f"{place}/backfill/orders/new_orders.csv": ("completed", 20),
    }
    assert notebook.runs(MULTI_SOURCE, __name__).supplied == (
        "OrdersBronze",
        "get_spark_session",
        "load_to_bronze",
        "pipeline",
    )
    ran = notebook.does(run_pipeline("ingest_orders_multi_source")).value
    assert (ran["files"], ran["rows"], ran["skipped"]) == (3, 123, 0)
    assert world.status_and_rows() == first

    # One that is new beside old ones, one that breaks the contract: it says strict_mode=False.
    new = world.put(f"{place}/backfill/orders/newer.csv", files["edge_cases"])
    broken = world.put(f"{place}/archive/orders/broken.csv", b"id\n1\n")
    ran = notebook.does(run_pipeline("ingest_orders_multi_source")).value
    assert (ran["files"], ran["rows"], ran["skipped"]) == (1, 3, 3)
    assert [(path, kind) for path, kind, _ in ran["failed"]] == [(broken, "HeaderMismatch")]
    assert world.status_and_rows() == {**first, new: ("completed", 3), broken: ("failed", None)}
    assert notebook.does(ROWS_BY_FILE).value == {**{path: rows for path, (_, rows) in first.items()}, new: 3}


def test_5_without_idempotency_every_run_reads_everything_and_no_request_goes_to_dynamodb(world, notebook, files):
    path = world.put("s3://bucket/orders/good_orders.csv", files["good_orders"])
    notebook.runs(LOAD, __name__)
    notebook.does(WRITE_DF)
    before = world.items()
    for turn in (1, 2):
        loaded = notebook.runs(DISABLED, __name__)
        written = notebook.does(WRITE_DF)
        assert loaded.dynamodb + written.dynamodb == ()
        assert any(line.startswith("enable_idempotency=False: all 1 files are read") for line in loaded.log)
        assert written.value["rows"] == 100
        assert notebook.does(ROWS_BY_FILE).value == {path: 100 + turn * 100}
    assert world.items() == before
    assert notebook.does(UNMANAGED_ROWS).value == 200


def test_a_scheduled_pipeline_ingests_a_bucket_of_another_name_once(world, notebook, files):
    path = world.put("s3://landing/orders/good_orders.csv", files["good_orders"])
    loaded = notebook.runs(SCHEDULED, __name__)
    assert loaded.supplied == ("OrdersBronze", "load_to_bronze", "spark")
    # What counts requests sees those that there are.
    assert {"BatchGetItem", "BatchExecuteStatement"} <= set(loaded.dynamodb)
    assert notebook.does(WRITE_DF).value["rows"] == 100
    notebook.runs(SCHEDULED, __name__)
    assert notebook.does(WRITE_DF).value["rows"] == 0
    assert world.status_and_rows() == {path: ("completed", 100)}


def test_a_backfill_reads_folders_of_any_depth_and_leaves_no_trace_in_the_ledger(world, notebook, files):
    paths = [
        world.put(f"s3://archive/2023/{folder}file.csv", files["edge_cases"]) for folder in ("", "01/", "12/31/late/")
    ]
    world.put("s3://archive/2022/file.csv", files["good_orders"])
    assert notebook.runs(BACKFILL, __name__).supplied == ("OrdersBronze", "load_to_bronze", "spark")
    assert notebook.does(WRITE_DF).value["rows"] == 9
    assert notebook.does(ROWS_BY_FILE).value == dict.fromkeys(paths, 3)
    assert world.items() == {}


def test_the_cutoff_of_the_clean_up_is_90_days_ago(notebook):
    assert notebook.runs(CLEAN_UP, __name__).supplied == ()
    assert notebook.does("cutoff").value == pytest.approx(time.time() - 90 * 86_400, abs=60)
