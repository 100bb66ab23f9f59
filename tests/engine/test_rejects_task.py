"""The rejects as a task tells them: those of what is published, the newest first, and no more than was asked for."""

from __future__ import annotations

from typing import Any

import pytest
from workbench import BATCHES_TABLE, DATABASE, LAKE, LANDING, STATE_TABLE, Workbench, rows_of

from alur.dispatch.tasks import Task, TaskArguments, result_uri
from alur.engine.tasks import run_task

pytestmark = [pytest.mark.spark, pytest.mark.stack]

BAD = b"id,name,amount\n1,x,1.50\nzwei,y,2.50\n3,z,3.50\n,w,4.50\n"


def told(declared: Workbench, **more: Any) -> dict[str, Any]:
    """Run the task, and return what it came to."""
    token = f"task-rejects-{declared.key}"
    orders = TaskArguments(
        token, Task.REJECTS, declared.key, STATE_TABLE, BATCHES_TABLE, DATABASE, LANDING, LAKE, "us-east-1", 3, **more
    )
    # As the entry point has it: through the arguments of a run.
    assert run_task(declared.spark, TaskArguments.parse(orders.render()))
    said = declared.storage.get_document(result_uri(LAKE, token))
    assert (said["done"], said["task"]) == (True, "rejects")
    result: dict[str, Any] = said["result"]
    return result


def lines(report: dict[str, Any]) -> list[tuple[str, int, list[int]]]:
    """The files of a report: name, how many rejects, the lines that are shown."""
    return [
        (file["path"].rpartition("/")[2], file["rejects"], [one["line"] for one in file["records"]])
        for file in report["files"]
    ]


def test_the_newest_come_first_and_no_more_than_asked_for(declared: Workbench):
    declared.put("a.csv", BAD)
    declared.put("good.csv", rows_of(1, 2))
    declared.ingest("a.csv", "good.csv")
    declared.put("b.csv", b"id,name,amount\n" + b"x,y,1\n" * 3 + b"1,y,1\n")
    declared.ingest("b.csv")

    whole = told(declared)
    assert (whole["total"], whole["file_count"], whole["shown"]) == (5, 2, 5)
    assert (whole["table"], whole["ingestion_key"]) == (f"{declared.table_name}__rejects", declared.key)
    assert lines(whole) == [("b.csv", 3, [2, 3, 4]), ("a.csv", 2, [3, 5])]
    first, second = whole["files"][1]["records"]
    assert first == {"line": 3, "column": "id", "reason": 'not a whole number: "zwei"', "record": "zwei,y,2.50"}
    assert (second["column"], second["record"]) == ("id", ",w,4.50")

    some = told(declared, limit=4)
    assert (some["total"], some["file_count"], some["shown"]) == (5, 2, 4)
    assert lines(some) == [("b.csv", 3, [2, 3, 4]), ("a.csv", 2, [3])]
    assert lines(told(declared, limit=1)) == [("b.csv", 3, [2])]

    one = told(declared, file=declared.path("a.csv"))
    assert (one["total"], lines(one)) == (2, [("a.csv", 2, [3, 5])])
    assert told(declared, file=declared.path("good.csv"))["total"] == 0


def test_a_new_version_has_its_own_rejects_only(declared: Workbench):
    declared.put("a.csv", BAD)
    declared.ingest("a.csv")
    declared.put("a.csv", b"id,name,amount\n1,x,1\ny,y,1\n")
    declared.ingest("a.csv")
    assert lines(told(declared)) == [("a.csv", 1, [3])]
    declared.put("a.csv", rows_of(1))
    declared.ingest("a.csv")
    assert told(declared)["total"] == 0


def test_what_an_attempt_left_that_died_counts_for_nothing(declared: Workbench):
    declared.put("a.csv", BAD)
    declared.ingest("a.csv")
    item = declared.item("a.csv")
    assert item is not None
    table = f"{declared.table_name}__rejects"
    copied = "line_number + 100, record, column_name, reason"
    for ingested, batch, attempt in (
        # Of another batch, and of this batch's attempt before the one that has brought the rows.
        ("_ingested_at", "'20200101t000000000z-00000000'", "'dead'"),
        ("_ingested_at - INTERVAL 1 HOUR", "_batch_id", "'earlier'"),
    ):
        declared.spark.sql(
            f"INSERT INTO {table} SELECT {copied}, {ingested}, _source_system, _source_file, _source_etag, {batch}, "
            f"{attempt} FROM {table} WHERE line_number < 100"
        )
    assert lines(told(declared)) == [("a.csv", 2, [3, 5])]


def test_a_long_record_is_cut(declared: Workbench):
    declared.put("a.csv", b"id,name,amount\n1,x,1\nx," + b"y" * 5000 + b",1\n")
    declared.ingest("a.csv")
    (record,) = told(declared)["files"][0]["records"]
    assert record["record"] == "x," + "y" * 998 + "…"


def test_a_table_that_never_had_any_has_none(declared: Workbench):
    declared.put("a.csv", rows_of(1))
    declared.ingest("a.csv")
    assert told(declared)["total"] == 0
    declared.spark.sql(f"DROP TABLE IF EXISTS {declared.table_name}__rejects")
    report = told(declared)
    assert (report["total"], report["files"]) == (0, [])
