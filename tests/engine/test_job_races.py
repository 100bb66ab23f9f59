"""Twins, zombies, lost answers, and other people at the table between look and commit: exactly once, each time."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from workbench import Workbench, is_bronze, once_after, once_before, rows_of

from alur.clock import utc_now
from alur.engine.batch import STAGING_LIMIT
from alur.engine.iceberg import IcebergTable
from alur.errors import CommitRefused, CommitUnknown
from alur.ledger.batches import BatchState

pytestmark = [pytest.mark.spark, pytest.mark.stack]


def test_a_twin_that_commits_first_is_adopted_by_the_other(bench: Workbench, monkeypatch: pytest.MonkeyPatch):
    bench.put("a.csv", rows_of(1, 2))
    bench.ingest("a.csv")
    bench.put("a.csv", rows_of(3))
    bench.put("b.csv", rows_of(4))
    batch = bench.claim("a.csv", "b.csv")
    commits = once_before(monkeypatch, IcebergTable, "commit", lambda: bench.run(batch), is_bronze)
    assert bench.batch_run(batch).run().completed == 0
    # Two tried, one was refused, and looked again.
    assert len(commits) == 2
    assert bench.published().count(batch.batch_id) == 1
    assert bench.rows() == {"a.csv": 1, "b.csv": 1}
    assert bench.values("id") == [3, 4]
    assert bench.state("a.csv") == ("completed", 1)
    assert bench.batch_state(batch) is BatchState.CLOSED
    assert bench.branches() == ["main"]


def test_two_runs_of_one_batch_at_the_same_time_bring_its_rows_once(bench: Workbench):
    bench.put("old.csv", rows_of(1))
    bench.ingest("old.csv")
    bench.put("old.csv", rows_of(2, 3))
    bench.put("new.csv", rows_of(4))
    batch = bench.claim("old.csv", "new.csv")
    together = threading.Barrier(2)
    answers: list[bool] = []

    def run() -> None:
        together.wait(timeout=60)
        answers.append(bench.run(batch))

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [True, True]
    assert bench.rows() == {"old.csv": 2, "new.csv": 1}
    assert bench.published().count(batch.batch_id) == 1
    assert bench.state("old.csv") == ("completed", 2)
    assert bench.branches() == ["main"]


def test_a_version_without_rows_shuts_out_a_zombie(bench: Workbench, monkeypatch: pytest.MonkeyPatch):
    bench.put("a.csv", rows_of(1, 2, 3))
    zombie = bench.claim("a.csv")
    owners: list[str] = []

    def take_over() -> None:
        bench.forget("a.csv")
        bench.put("a.csv", b"id,name,amount\n")
        owners.append(bench.ingest("a.csv").batch_id)

    commits = once_before(monkeypatch, IcebergTable, "commit", take_over, is_bronze)
    assert bench.run(zombie)
    assert len(commits) == 2
    assert bench.rows() == {}
    assert bench.published() == owners
    assert bench.state("a.csv") == ("completed", 0)
    assert bench.attributes("a.csv")["batch_id"] == owners[0]


def test_an_answer_that_was_lost_after_the_commit_landed_is_found_by_looking(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
):
    bench.put("a.csv", rows_of(1, 2))
    bench.put("bare.csv", b"id,name,amount\n")
    batch = bench.claim("a.csv", "bare.csv")

    def lose() -> None:
        raise CommitUnknown(bench.table_name, "the answer was lost")

    once_after(monkeypatch, IcebergTable, "commit", lose, is_bronze)
    assert bench.run(batch)
    assert bench.rows() == {"a.csv": 2}
    assert bench.state("a.csv") == ("completed", 2)
    assert bench.state("bare.csv") == ("completed", 0)
    # The rows' snapshot is the one that brought them; a path without rows is published a second time, harmlessly.
    brought = bench.spark.sql(f"SELECT snapshot_id FROM {bench.table_name}.entries WHERE status < 2").collect()
    assert bench.attributes("a.csv")["snapshot_id"] == str(brought[0][0])
    assert bench.batch_state(batch) is BatchState.CLOSED


def test_a_batch_that_is_refused_every_time_keeps_its_claims_and_the_next_one_is_done(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
):
    bench.put("a.csv", rows_of(1))
    bench.put("b.csv", rows_of(2))
    stuck, next_one = bench.claim("a.csv"), bench.claim("b.csv")
    original = IcebergTable.commit

    def commit(table: IcebergTable, *args: Any, batch_id: str, **kwargs: Any) -> Any:
        if batch_id == stuck.batch_id:
            raise CommitRefused(table.name, "always")
        return original(table, *args, batch_id=batch_id, **kwargs)

    monkeypatch.setattr(IcebergTable, "commit", commit)
    assert not bench.run(stuck, next_one)
    assert bench.state("a.csv") == ("processing", None)
    assert bench.batch_state(stuck) is BatchState.READY
    assert bench.rows() == {"b.csv": 1}
    assert bench.state("b.csv") == ("completed", 1)
    assert bench.batch_state(next_one) is BatchState.CLOSED
    assert bench.branches() == ["main"]

    monkeypatch.undo()
    assert bench.run(stuck)
    assert bench.rows() == {"a.csv": 1, "b.csv": 1}


def _replace_a_while(bench: Workbench, monkeypatch: pytest.MonkeyPatch, *statements: str) -> int:
    """Replace a.csv, 1 and 2, by 3, while somebody else does something; return how many commits were tried."""
    batch = bench.claim("a.csv")

    def somebody_else() -> None:
        for statement in statements:
            bench.spark.sql(statement)

    with monkeypatch.context() as patch:
        commits = once_before(patch, IcebergTable, "commit", somebody_else, is_bronze)
        assert bench.run(batch)
    assert bench.values("id", "a.csv") == [3]
    assert bench.published().count(batch.batch_id) == 1
    assert bench.batch_state(batch) is BatchState.CLOSED
    assert bench.attributes("a.csv")["snapshot_id"] == str(
        next(snapshot for snapshot, summary in bench.history() if summary.get("alur.batch-id") == batch.batch_id)
    )
    assert bench.branches() == ["main"]
    return len(commits)


FOREIGN = "INSERT INTO {table} (id, name, _source_file) VALUES (99, 'foreign', 's3://elsewhere/x.csv')"


@pytest.fixture
def replacing(bench: Workbench) -> Workbench:
    """A table with a.csv (1, 2) and b.csv (7), and another version of a.csv (3) in the bucket."""
    bench.put("a.csv", rows_of(1, 2))
    bench.ingest("a.csv")
    bench.put("b.csv", rows_of(7))
    bench.ingest("b.csv")
    bench.put("a.csv", rows_of(3))
    return bench


def test_a_foreign_append_does_no_harm_and_a_compaction_costs_a_second_look(
    replacing: Workbench, monkeypatch: pytest.MonkeyPatch
):
    table = replacing.table_name
    assert _replace_a_while(replacing, monkeypatch, FOREIGN.format(table=table)) == 1
    assert replacing.values("id") == [3, 7, 99]

    replacing.forget("a.csv")
    compaction = f"CALL alur.system.rewrite_data_files(table => '{table}', options => map('rewrite-all', 'true'))"
    assert _replace_a_while(replacing, monkeypatch, FOREIGN.format(table=table), compaction) == 2
    assert replacing.values("id") == [3, 7, 99, 99]


def test_history_that_was_rolled_back_or_expired_costs_a_second_look(
    replacing: Workbench, monkeypatch: pytest.MonkeyPatch
):
    table = replacing.table_name
    without_b = replacing.history()[1][0]
    rollback = f"CALL alur.system.rollback_to_snapshot('{table}', {without_b})"
    assert _replace_a_while(replacing, monkeypatch, rollback) == 2
    assert replacing.values("id") == [3]

    replacing.forget("a.csv")
    expire = (
        f"CALL alur.system.expire_snapshots(table => '{table}', older_than => TIMESTAMP '2100-01-01', retain_last => 1)"
    )
    assert _replace_a_while(replacing, monkeypatch, FOREIGN.format(table=table), expire) == 2
    assert replacing.values("id") == [3, 99]


def test_a_change_of_branches_that_somebody_overtakes_is_made_anew(bench: Workbench):
    bench.put("a.csv", rows_of(1))
    bench.ingest("a.csv")
    table, pin = bench.table, bench.table.head().snapshot_id
    tries: list[str] = []

    def overtaken(snapshots: Any, change: str, *arguments: Any) -> Any:
        changed = getattr(snapshots, change)(*arguments)
        tries.append(change)
        if tries.count(change) == 1:
            table._load().newAppend().commit()
        return changed

    table._change_references(lambda snapshots: overtaken(snapshots, "createBranch", "scratch", pin))
    assert bench.branches() == ["main", "scratch"]
    table._change_references(lambda snapshots: overtaken(snapshots, "removeBranch", "scratch"))
    assert bench.branches() == ["main"]
    assert tries == ["createBranch", "createBranch", "removeBranch", "removeBranch"]


def test_what_was_staged_too_long_ago_is_thrown_away_and_staged_anew(bench):
    bench.put("a.csv", rows_of(1, 2))
    batch = bench.claim("a.csv")
    run = bench.batch_run(batch)
    slept_until_now = iter([utc_now() - STAGING_LIMIT - timedelta(minutes=1)])
    run._at = replace(run._at, clock=lambda: next(slept_until_now, None) or utc_now())
    assert run.run().completed == 1
    assert bench.rows() == {"a.csv": 2}
    assert bench.published() == [batch.batch_id]
