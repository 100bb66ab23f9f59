"""`alur state rebuild`: what it asks, what it prints of what was restored, and when that is no success."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from alur.aws.clients import client
from alur.dispatch.tasks import Task
from cli_support import Place
from task_support import FakeEmr, answer_with, install_emr


def restored(name: str, rows: int = 3) -> dict[str, Any]:
    return {"path": path(name), "etag": "e1", "batch_id": "b1", "rows": rows, "snapshot_id": "5"}


def path(name: str) -> str:
    return f"s3://landing/orders/{name}"


def report(*files: Mapping[str, Any], **said: Any) -> dict[str, Any]:
    return {
        "schema_version": 1,
        "table": "alur.bronze.orders",
        "ingestion_key": "orders",
        "snapshot_id": "5781947118336215154",
        "is_dry_run": False,
        "restored": list(files),
        "kept": [],
        "removed": [],
        "unknown": [],
        "overtaken": [],
        "history_is_whole": True,
        **said,
    }


@pytest.fixture
def emr(place: Place, monkeypatch: pytest.MonkeyPatch) -> FakeEmr:
    return install_emr(place, monkeypatch)


def answer(emr: FakeEmr, document: Mapping[str, Any]) -> None:
    emr.on_start = answer_with(client("s3"), {"done": True, "task": "rebuild", "result": document})


def test_it_asks_writes_and_says_what_was_restored(place: Place, emr: FakeEmr):
    answer(emr, report(restored("a.csv"), restored("b.csv", 1), kept=[path("c.csv")]))
    result = place.call("state", "rebuild", "OrdersBronze", answer="y\n")
    assert result.exit_code == 0
    (orders,) = emr.orders
    assert (orders.task, orders.subject, orders.dry_run) == (Task.REBUILD, "orders", False)
    assert "stay as they are" in result.stderr
    assert result.stdout.splitlines()[-4:] == [
        "orders: 2 entries restored from snapshot 5781947118336215154 of alur.bronze.orders, 1 there already",
        f"  {path('a.csv')}: 3 rows of version e1 by batch b1",
        f"  {path('b.csv')}: 1 row of version e1 by batch b1",
        f"the whole report: s3://{orders.lake_bucket}/alur/runs/{orders.token}/result.json",
    ]


def test_a_no_starts_no_run(place: Place, emr: FakeEmr):
    assert place.call("state", "rebuild", "orders", answer="n\n").exit_code == 1
    assert place.call("state", "rebuild", "orders").exit_code == 1
    assert emr.started == []


def test_a_rehearsal_asks_nothing_and_the_run_is_told_that_it_is_one(place: Place, emr: FakeEmr):
    answer(emr, report(restored("a.csv"), is_dry_run=True))
    result = place.call("state", "rebuild", "orders", "--dry-run")
    assert result.exit_code == 0
    assert [orders.dry_run for orders in emr.orders] == [True]
    assert "orders: 1 entry would be restored from" in result.stdout


def test_what_is_not_restored_is_named_with_the_reason(place: Place, emr: FakeEmr):
    answer(emr, report(removed=[path("r.csv")], unknown=[path("u.csv"), path("v.csv")], history_is_whole=False))
    result = place.call("state", "rebuild", "orders", "--yes")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[:6] == [
        "orders: 0 entries restored from snapshot 5781947118336215154 of alur.bronze.orders, 0 there already",
        "1 file: not restored, because somebody removed its rows from the table",
        f"  {path('r.csv')}",
        "2 files: in the bucket, and neither the table nor the ledger know it: it is read when it is named next",
        f"  {path('u.csv')}",
        f"  {path('v.csv')}",
    ]
    assert lines[6].startswith("older snapshots have expired")


def test_what_a_run_published_meanwhile_is_named_and_is_exit_1(place: Place, emr: FakeEmr):
    answer(emr, report(restored("a.csv"), overtaken=[path("a.csv")]))
    result = place.call("state", "rebuild", "orders", "--yes")
    assert result.exit_code == 1
    assert "1 file: published by a run meanwhile: delete its entry, and rebuild again\n" in result.stdout


def test_of_long_lists_fifty_are_printed(place: Place, emr: FakeEmr):
    answer(emr, report(*(restored(f"{number:03}.csv") for number in range(120))))
    result = place.call("state", "rebuild", "orders", "--yes")
    assert result.stdout.count("rows of version") == 50
    assert "  ... and 70 more, in s3://" in result.stdout


def test_json_is_the_whole_report(place: Place, emr: FakeEmr):
    document = report(*(restored(f"{number:03}.csv") for number in range(120)))
    answer(emr, document)
    told = json.loads(place.call("state", "rebuild", "orders", "--yes", "--json").stdout)
    assert {name: told[name] for name in document} == document
    assert (told["run_id"], told["result"][-12:]) == ("r1", "/result.json")


def test_a_run_that_failed_says_what_stands(place: Place, emr: FakeEmr):
    emr.on_start = answer_with(client("s3"), {"done": False, "error_type": "CommitRefused", "error_message": "moved"})
    result = place.call("state", "rebuild", "orders", "--yes")
    assert result.exit_code == 1
    assert "moved" in result.stderr
    assert "the same command again writes the rest" in result.stderr
