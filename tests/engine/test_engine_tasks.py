"""Audit and rebuild as tasks of a run: what they leave in the lake for whoever waits, and what a failed one leaves."""

from __future__ import annotations

from typing import Any

import pytest
from workbench import BATCHES_TABLE, DATABASE, LAKE, LANDING, STATE_TABLE, Workbench, rows_of

from alur.contracts.contract import Contract
from alur.dispatch.tasks import Task, TaskArguments, progress_uri, result_uri
from alur.engine import tasks
from alur.engine.tasks import run_task

pytestmark = [pytest.mark.spark, pytest.mark.stack]


def arguments(task: Task, subject: str, **more: Any) -> TaskArguments:
    token = f"task-{task.value}-{subject}"
    return TaskArguments(
        token, task, subject, STATE_TABLE, BATCHES_TABLE, DATABASE, LANDING, LAKE, "us-east-1", 3, **more
    )


def done(declared: Workbench, task: Task, **more: Any) -> dict[str, Any]:
    """Run a task that is done, and return what it came to."""
    orders = arguments(task, declared.key, **more)
    assert run_task(declared.spark, orders)
    assert declared.storage.get_document(progress_uri(LAKE, orders.token))["stage"] == "reading"
    said = declared.storage.get_document(result_uri(LAKE, orders.token))
    assert (said["done"], said["task"]) == (True, task.value)
    result: dict[str, Any] = said["result"]
    return result


def test_an_audit_finds_a_lost_entry_and_only_a_rebuild_that_is_no_rehearsal_writes_it(declared: Workbench):
    for name in ("a.csv", "b.csv"):
        declared.put(name, rows_of(1, 2, 3))
    declared.ingest("a.csv", "b.csv")
    first = done(declared, Task.AUDIT)
    assert (first["agrees"], first["counts"]) == (True, {"agree": 2})

    declared.forget("b.csv")
    second = done(declared, Task.AUDIT)
    assert (second["agrees"], second["counts"]) == (False, {"agree": 1, "no-entry": 1})
    (lost,) = [file for file in second["files"] if file["verdict"] == "no-entry"]
    assert (lost["path"], lost["ledger"], lost["proof"]["rows"]) == (declared.path("b.csv"), None, 3)

    rehearsed = done(declared, Task.REBUILD, dry_run=True)
    assert (rehearsed["is_dry_run"], [file["path"] for file in rehearsed["restored"]]) == (
        True,
        [declared.path("b.csv")],
    )
    assert declared.item("b.csv") is None

    rebuilt = done(declared, Task.REBUILD)
    assert (rebuilt["is_dry_run"], rebuilt["restored"]) == (False, rehearsed["restored"])
    assert declared.state("b.csv") == ("completed", 3)
    assert done(declared, Task.AUDIT)["agrees"]


@pytest.mark.parametrize("task", [Task.AUDIT, Task.REBUILD])
def test_a_table_that_is_not_there_is_named_to_whoever_waits(declared: Workbench, task: Task):
    orders = arguments(task, declared.key)
    assert not run_task(declared.spark, orders)
    said = declared.storage.get_document(result_uri(LAKE, orders.token))
    assert (said["done"], said["error_type"]) == (False, "TableUnsupported")
    assert said["error_message"].startswith(f"{declared.table_name}: there is no such table")


def test_a_table_that_this_code_does_not_know_is_named_with_those_that_it_does(declared: Workbench):
    orders = arguments(Task.AUDIT, "nobody")
    assert not run_task(declared.spark, orders)
    said = declared.storage.get_document(result_uri(LAKE, orders.token))
    assert (said["done"], said["error_type"]) == (False, "PipelineError")
    assert f"it has {declared.key}" in said["error_message"]


def test_what_alur_has_no_name_for_is_told_with_its_kind(declared: Workbench, monkeypatch: pytest.MonkeyPatch):
    def broken(**_: Any) -> tuple[Contract, ...]:
        raise ZeroDivisionError("by nought")

    monkeypatch.setattr(tasks, "load_contracts", broken)
    orders = arguments(Task.REBUILD, declared.key)
    assert not run_task(declared.spark, orders)
    said = declared.storage.get_document(result_uri(LAKE, orders.token))
    assert (said["error_type"], said["error_message"]) == ("ZeroDivisionError", "ZeroDivisionError: by nought")
