"""`alur rejects`: what it asks of a run, and what it prints of its report; and where else rejects are told."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from alur.aws.clients import client
from alur.dispatch.tasks import Task
from alur.ledger.transitions import complete
from cli_support import Place
from task_support import FakeEmr, answer_with, install_emr

pytestmark = pytest.mark.stack

RECORD = {"line": 3, "column": "amount", "reason": 'not a decimal number: "x"', "record": "3,x"}
WHOLE = {"line": 1204, "column": None, "reason": "a quote is opened and never closed", "record": '"' + "y" * 300}


def file(name: str, rejects: int, *records: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "path": f"s3://landing/orders/{name}",
        "etag": "e1",
        "batch_id": "b1",
        "ingested_at": "2026-11-23T10:00:00.000Z",
        "rejects": rejects,
        "records": list(records),
    }


def report(*files: Mapping[str, Any], **said: Any) -> dict[str, Any]:
    return {
        "schema_version": 1,
        "table": "alur.bronze.orders__rejects",
        "ingestion_key": "orders",
        "total": sum(one["rejects"] for one in files),
        "file_count": len(files),
        "shown": sum(len(one["records"]) for one in files),
        "files": list(files),
        **said,
    }


@pytest.fixture
def emr(place: Place, monkeypatch: pytest.MonkeyPatch) -> FakeEmr:
    return install_emr(place, monkeypatch)


def answer(emr: FakeEmr, document: Mapping[str, Any]) -> None:
    emr.on_start = answer_with(client("s3"), {"done": True, "task": "rejects", "result": document})


def test_rejects_are_shown_by_file_with_their_count_and_what_to_do(place: Place, emr: FakeEmr):
    answer(emr, report(file("a.csv", 1, RECORD), file("b.csv", 1200, WHOLE)))
    result = place.call("rejects", "OrdersBronze")
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "s3://landing/orders/a.csv: 1 reject; read 2026-11-23 10:00:00 UTC by batch b1",
        '  line 3: column amount: not a decimal number: "x"',
        '    "3,x"',
        "s3://landing/orders/b.csv: 1,200 rejects, the first 1 of them here; read 2026-11-23 10:00:00 UTC by batch b1",
        "  line 1,204: a quote is opened and never closed",
        '    "\\"' + "y" * 99 + '…"',
        "orders: 1,201 rejects of 2 files, the newest 2 of them above",
        "all of them: the table alur.bronze.orders__rejects",
        "what to do: correct the contract, deploy it, and `alur reprocess s3://…`; or correct the file, and upload it "
        "again",
    ]
    (orders,) = emr.orders
    assert (orders.task, orders.subject, orders.file, orders.limit) == (Task.REJECTS, "orders", None, 100)


def test_of_one_file_the_remedy_names_it(place: Place, emr: FakeEmr):
    answer(emr, report(file("a b.csv", 1, RECORD)))
    path = "s3://landing/orders/a b.csv"
    result = place.call("rejects", "orders", "--file", path, "--limit", "7")
    assert f"{path} in orders: 1 reject of 1 file\n" in result.stdout
    assert f"`alur reprocess {path}`" in result.stdout
    (orders,) = emr.orders
    assert (orders.file, orders.limit) == (path, 7)


def test_where_there_are_none_it_says_so(place: Place, emr: FakeEmr):
    answer(emr, report())
    result = place.call("rejects", "orders")
    assert result.exit_code == 0
    assert result.stdout == "orders: every record of what is in the table could be stored\n"


def test_json_is_the_report(place: Place, emr: FakeEmr):
    told = report(file("a.csv", 1, RECORD))
    answer(emr, told)
    said = place.json("rejects", "orders")
    assert {name: said[name] for name in told} == told
    assert (said["run_id"], said["result"][-12:]) == ("r1", "/result.json")


def test_a_run_that_says_why_it_failed_is_quoted(place: Place, emr: FakeEmr):
    emr.on_start = answer_with(
        client("s3"), {"done": False, "error_type": "TableUnsupported", "error_message": "there is no such table"}
    )
    result = place.call("rejects", "orders")
    assert result.exit_code == 1
    assert "there is no such table" in result.stderr


def test_wrong_usage_starts_no_run(place: Place, emr: FakeEmr):
    assert place.call("rejects", "nobody").exit_code == 2
    assert place.call("rejects", "orders", "--file", "a.csv").exit_code == 2
    assert place.call("rejects", "orders", "--limit", "0").exit_code == 2
    assert emr.started == []


def test_where_no_application_is_named_it_exits_3(place: Place, emr: FakeEmr, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("ALUR_APPLICATION_ID")
    assert place.call("rejects", "orders").exit_code == 3


def test_files_and_show_tell_rejects_where_there_are_some(place: Place):
    place.completed("orders/good.csv", rows=3)
    place.world.send(place.world.put("orders/bad.csv"))
    item = place.world.there("orders/bad.csv", "orders")
    assert item.batch_id is not None
    now = place.world.clock()
    change = complete(item, batch_id=item.batch_id, rows=5, snapshot_id="s", queryable_at=now, now=now, rejects=2)
    assert place.world.files.apply([change])[0].applied

    listed = place.call("files", "orders").stdout
    assert listed.count("could not be stored") == 1
    assert "            2 records could not be stored: alur rejects shows them\n" in listed
    documents = [json.loads(line) for line in place.call("files", "orders", "--json").stdout.splitlines()]
    assert [one["rows_rejected"] for one in documents] == [2, 0]

    story = place.call("show", place.path("orders/bad.csv")).stdout
    assert "with 5 rows and 2 rejects" in story
    assert f"`alur rejects orders --file {place.path('orders/bad.csv')}` shows them" in story
    assert "reject" not in place.call("show", place.path("orders/good.csv")).stdout
