"""Audit and rebuild as tasks of a run: what they leave in the lake for whoever waits, and what a failed one leaves."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest
from workbench import BATCHES_TABLE, DATABASE, LAKE, LANDING, STATE_TABLE, Workbench, make_contract, rows_of

from alur.contracts.contract import Contract
from alur.dispatch.tasks import Task, TaskArguments, progress_uri, result_uri
from alur.engine import tasks
from alur.engine.tasks import run_task
from alur.local.environment import Endpoints

pytestmark = [pytest.mark.spark, pytest.mark.stack]


@pytest.fixture
def bench(
    bench_for: Callable[[Contract], Workbench], aws_servers: Endpoints, monkeypatch: pytest.MonkeyPatch
) -> Workbench:
    """A table that the run's own code declares; its clients find the servers by their environment, as a run's do."""
    contract = make_contract()
    alone = dataclasses.replace(contract, source_paths=(f"s3://{LANDING}/{contract.ingestion_key}/**",))
    monkeypatch.setattr(tasks, "load_contracts", lambda **_: (alone,))
    return bench_for(alone)


def arguments(task: Task, subject: str, **more: Any) -> TaskArguments:
    token = f"task-{task.value}-{subject}"
    return TaskArguments(
        token, task, subject, STATE_TABLE, BATCHES_TABLE, DATABASE, LANDING, LAKE, "us-east-1", 3, **more
    )


def done(bench: Workbench, task: Task, **more: Any) -> dict[str, Any]:
    """Run a task that is done, and return what it came to."""
    orders = arguments(task, bench.key, **more)
    assert run_task(bench.spark, orders)
    assert bench.storage.get_document(progress_uri(LAKE, orders.token))["stage"] == "reading"
    said = bench.storage.get_document(result_uri(LAKE, orders.token))
    assert (said["done"], said["task"]) == (True, task.value)
    result: dict[str, Any] = said["result"]
    return result


def test_an_audit_finds_a_lost_entry_and_only_a_rebuild_that_is_no_rehearsal_writes_it(bench: Workbench):
    for name in ("a.csv", "b.csv"):
        bench.put(name, rows_of(1, 2, 3))
    bench.ingest("a.csv", "b.csv")
    first = done(bench, Task.AUDIT)
    assert (first["agrees"], first["counts"]) == (True, {"agree": 2})

    bench.forget("b.csv")
    second = done(bench, Task.AUDIT)
    assert (second["agrees"], second["counts"]) == (False, {"agree": 1, "no-entry": 1})
    (lost,) = [file for file in second["files"] if file["verdict"] == "no-entry"]
    assert (lost["path"], lost["ledger"], lost["proof"]["rows"]) == (bench.path("b.csv"), None, 3)

    rehearsed = done(bench, Task.REBUILD, dry_run=True)
    assert (rehearsed["is_dry_run"], [file["path"] for file in rehearsed["restored"]]) == (True, [bench.path("b.csv")])
    assert bench.item("b.csv") is None

    rebuilt = done(bench, Task.REBUILD)
    assert (rebuilt["is_dry_run"], rebuilt["restored"]) == (False, rehearsed["restored"])
    assert bench.state("b.csv") == ("completed", 3)
    assert done(bench, Task.AUDIT)["agrees"]


@pytest.mark.parametrize("task", [Task.AUDIT, Task.REBUILD])
def test_a_table_that_is_not_there_is_named_to_whoever_waits(bench: Workbench, task: Task):
    orders = arguments(task, bench.key)
    assert not run_task(bench.spark, orders)
    said = bench.storage.get_document(result_uri(LAKE, orders.token))
    assert (said["done"], said["error_type"]) == (False, "TableUnsupported")
    assert said["error_message"].startswith(f"{bench.table_name}: there is no such table")


def test_a_table_that_this_code_does_not_know_is_named_with_those_that_it_does(bench: Workbench):
    orders = arguments(Task.AUDIT, "nobody")
    assert not run_task(bench.spark, orders)
    said = bench.storage.get_document(result_uri(LAKE, orders.token))
    assert (said["done"], said["error_type"]) == (False, "PipelineError")
    assert f"it has {bench.key}" in said["error_message"]


def test_what_alur_has_no_name_for_is_told_with_its_kind(bench: Workbench, monkeypatch: pytest.MonkeyPatch):
    def broken(**_: Any) -> tuple[Contract, ...]:
        raise ZeroDivisionError("by nought")

    monkeypatch.setattr(tasks, "load_contracts", broken)
    orders = arguments(Task.REBUILD, bench.key)
    assert not run_task(bench.spark, orders)
    said = bench.storage.get_document(result_uri(LAKE, orders.token))
    assert (said["error_type"], said["error_message"]) == ("ZeroDivisionError", "ZeroDivisionError: by nought")
