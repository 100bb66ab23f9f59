"""What a run leaves behind that could not finish, and what the next one makes of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from moto.s3.models import S3Backend
from workbench import Workbench, is_bronze, make_contract, once_after, once_before, rows_of

from alur.clock import utc_now
from alur.contracts.contract import Contract
from alur.engine import batch as batch_module
from alur.engine.batch import BRANCH_LIMIT, STAGING_LIMIT, branch_name, stale_branches
from alur.engine.iceberg import IcebergTable
from alur.engine.spark_reader import SparkReader
from alur.errors import CommitUnknown, LedgerUnavailable, ReadFailed, StorageUnavailable
from alur.ledger.batches import RUN_DIED, Batch, BatchState
from alur.ledger.files import FileLedger

pytestmark = [pytest.mark.spark, pytest.mark.stack]


class Died(BaseException):
    """Stands for the end of the process: no handler of the job's catches it."""


def note_end(bench: Workbench, batch: Batch, error: str, *, times: int = 3) -> None:
    """Let so many runs have died over a batch, the next one being its last look."""
    for number in range(times):
        bench.batches.begin(bench.key, batch.batch_id, f"dead-{number}")
    bench.batches.stumble(batch, "dead", error_type=RUN_DIED, error=error, blames_files=True)
    _wait(bench, batch)
    found = bench.batches.read(bench.key, batch.batch_id)
    assert found is not None
    assert bench.batches.repeat(
        found, not_before=utc_now(), alone=True, last_look=True, files=found.files, size_bytes=0
    )


def _wait(bench: Workbench, batch: Batch) -> None:
    key = {"ingestion_key": {"S": bench.key}, "batch_id": {"S": batch.batch_id}}
    bench.dynamodb.update_item(
        TableName="spark-suite-batches",
        Key=key,
        UpdateExpression="SET #s = :s",
        ExpressionAttributeNames={"#s": "state"},
        ExpressionAttributeValues={":s": {"S": "waiting"}},
    )


def stumbled(bench: Workbench, batch: Batch) -> tuple[str | None, bool]:
    """Return the type of error that a run noted on a batch, and whether it may be the fault of a file."""
    found = bench.batches.read(bench.key, batch.batch_id)
    assert found is not None
    assert found.error_of == "suite"
    assert found.begun_by - found.finished_by == {"suite"}
    return found.last_error_type, found.blames_files


def test_a_run_that_died_between_commit_and_flip_is_adopted_unread_by_the_next(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
):
    bench.put("a.csv", rows_of(1, 2))
    batch = bench.claim("a.csv")
    with monkeypatch.context() as patch:
        once_before(patch, FileLedger, "apply", lambda: _raise(Died()))
        with pytest.raises(Died):
            bench.run(batch)
    assert bench.state("a.csv") == ("processing", None)
    assert bench.rows() == {"a.csv": 2}
    reads = once_before(monkeypatch, SparkReader, "append", lambda: None)
    assert bench.run(batch)
    assert reads == []
    assert bench.state("a.csv") == ("completed", 2)
    assert bench.published() == [batch.batch_id]
    assert bench.batch_state(batch) is BatchState.CLOSED


def test_a_file_is_adopted_by_the_commit_that_brought_it_and_not_by_its_batchs_newest(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
):
    bench.put("a.csv", rows_of(1))
    bench.put("c.csv", rows_of(2))
    batch = bench.claim("a.csv", "c.csv")
    with monkeypatch.context() as patch:
        patch.setattr(FileLedger, "apply", lambda *_: _raise(Died()))
        for body in (rows_of(3), rows_of(2)):
            bench.put("c.csv", body)
            with pytest.raises(Died):
                bench.run(batch)
    assert bench.run(batch)
    second, first = (snapshot for snapshot, summary in bench.history() if "alur.batch-id" in summary)
    assert bench.attributes("a.csv")["snapshot_id"] == str(first)
    assert bench.attributes("c.csv")["snapshot_id"] == str(second)


@pytest.mark.parametrize("point", ["job.looked", "job.branched", "job.staged", "job.removed", "job.recorded"])
def test_a_run_that_died_before_its_commit_changed_nothing_and_the_next_one_is_as_the_first(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch, point: str
):
    bench.put("a.csv", rows_of(1, 2))
    bench.ingest("a.csv")
    bench.put("a.csv", rows_of(3))
    bench.put("b.csv", rows_of(4))
    batch = bench.claim("a.csv", "b.csv")
    before = bench.history()

    def die(name: str) -> None:
        if name == point:
            raise Died

    with monkeypatch.context() as patch:
        patch.setattr(batch_module, "fault_point", die)
        # Of a process that was killed no clean-up happens.
        patch.setattr(IcebergTable, "drop_branch", lambda *_: None)
        with pytest.raises(Died):
            bench.run(batch)
    assert bench.history() == before
    assert bench.rows() == {"a.csv": 2}
    assert bench.run(batch)
    assert bench.values("id") == [3, 4]
    assert bench.published().count(batch.batch_id) == 1


def test_a_branch_that_a_dead_run_has_left_is_dropped_when_no_run_can_be_working_on_it(bench: Workbench):
    bench.put("a.csv", rows_of(1))
    bench.ingest("a.csv")
    now = utc_now()
    pin = bench.table.head().snapshot_id
    old = branch_name("20261101t000000000z-00000000", now - BRANCH_LIMIT - timedelta(minutes=1), "0000000a")
    young = branch_name("20261101t000000000z-00000000", now - STAGING_LIMIT, "0000000b")
    for name in (old, young, "alur_of_somebody", "theirs"):
        bench.table.create_branch(name, pin)
    assert stale_branches(bench.table.scratch_branches(), now) == [old]
    bench.put("b.csv", rows_of(2))
    bench.ingest("b.csv")
    assert bench.branches() == sorted(["main", young, "alur_of_somebody", "theirs"])


def test_a_writer_that_slept_past_the_clean_up_is_refused_and_stages_anew(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
):
    bench.put("a.csv", rows_of(1, 2))
    batch = bench.claim("a.csv")

    def clean_up() -> None:
        # What maintenance does while it sleeps: the branch goes, and then the files that nothing holds any more.
        for branch in bench.table.scratch_branches():
            bench.table.drop_branch(branch)
        bench.spark.sql(
            f"CALL alur.system.expire_snapshots(table => '{bench.table_name}', "
            "older_than => TIMESTAMP '2100-01-01', retain_last => 1)"
        )

    commits = once_before(monkeypatch, IcebergTable, "commit", clean_up, is_bronze)
    assert bench.run(batch)
    assert len(commits) == 2
    assert bench.rows() == {"a.csv": 2}
    assert bench.spark.sql(f"SELECT sum(amount) FROM {bench.table_name}").collect()[0][0] is not None


def test_a_contract_that_the_table_cannot_take_fails_its_files_by_name_and_ends_no_run(bench: Workbench):
    bench.put("a.csv", rows_of(1))
    bench.ingest("a.csv")
    bench.spark.sql(f"ALTER TABLE {bench.table_name} SET TBLPROPERTIES ('write.delete.mode'='merge-on-read')")
    bench.put("b.csv", rows_of(2))
    batch = bench.claim("b.csv")
    assert bench.run(batch)
    item = bench.attributes("b.csv")
    assert (item["status"], item["error_type"], item["error_is_permanent"]) == ("failed", "TableRefused", True)
    assert "set it to copy-on-write" in item["error_message"]
    assert bench.batch_state(batch) is BatchState.CLOSED
    assert bench.rows() == {"a.csv": 1}


def _raise(error: BaseException) -> None:
    raise error


@pytest.mark.parametrize(
    ("error", "blames_files"),
    [
        (CommitUnknown("t", "lost"), False),
        (LedgerUnavailable("BatchGetItem", "ThrottlingException", "slow"), False),
        (StorageUnavailable("GetObject", "s3://b/k", "SlowDown"), False),
        (ReadFailed("ExecutorLostFailure", bytes_at_fault=False), True),
        (RuntimeError("a bug"), True),
    ],
)
def test_what_stops_a_batch_is_noted_on_it_and_costs_no_other(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch, error: Exception, blames_files: bool
):
    bench.put("a.csv", rows_of(1))
    bench.put("b.csv", rows_of(2))
    stuck, other = bench.claim("a.csv"), bench.claim("b.csv")
    original = batch_module.BatchRun.run

    def run(this: Any) -> Any:
        if this._batch.batch_id == stuck.batch_id:
            raise error
        return original(this)

    monkeypatch.setattr(batch_module.BatchRun, "run", run)
    assert not bench.run(stuck, other)
    assert stumbled(bench, stuck) == (type(error).__name__, blames_files)
    assert bench.state("a.csv") == ("processing", None)
    assert bench.state("b.csv") == ("completed", 1)
    assert bench.batch_state(other) is BatchState.CLOSED


def test_one_object_that_s3_does_not_hand_out_fails_alone(bench: Workbench, monkeypatch: pytest.MonkeyPatch):
    bench.put("a.csv", rows_of(1))
    bench.put("b.csv", rows_of(2))
    batch = bench.claim("a.csv", "b.csv")
    original = type(bench.storage).read

    def read(this: Any, bucket: str, key: str, **arguments: Any) -> Any:
        if key.endswith("a.csv"):
            raise StorageUnavailable("GetObject", f"s3://{bucket}/{key}", "InternalError")
        return original(this, bucket, key, **arguments)

    append = SparkReader.append
    calls: list[int] = []

    def failing(this: Any, branch: str, sources: Any, **arguments: Any) -> None:
        calls.append(len(sources))
        if any(source.uri.endswith("a.csv") for source in sources):
            raise ReadFailed("500 InternalError", bytes_at_fault=False)
        append(this, branch, sources, **arguments)

    monkeypatch.setattr(type(bench.storage), "read", read)
    monkeypatch.setattr(SparkReader, "append", failing)
    assert bench.run(batch)
    assert calls == [2, 1]
    assert bench.state("a.csv") == ("failed", "FileUnavailable")
    assert bench.state("b.csv") == ("completed", 1)
    item = bench.item("a.csv")
    assert item is not None
    assert item.attempt == 1
    assert item.next_try_at is not None
    assert timedelta(seconds=25) < item.next_try_at - utc_now() <= timedelta(seconds=60)
    # It is due later: the batch waits for somebody to look.
    found = bench.batches.read(bench.key, batch.batch_id)
    assert found is not None
    assert found.state is not BatchState.CLOSED
    assert found.finished_by == {"suite"}
    assert found.result is not None
    assert (found.result.completed, found.result.failed, found.result.retried) == (1, 0, 1)


def test_the_last_look_completes_what_is_in_and_fails_the_rest_unread(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
):
    bench.put("in.csv", rows_of(1, 2))
    bench.put("bare.csv", b"id,name,amount\n")
    bench.put("out.csv", rows_of(3))
    batch = bench.claim("in.csv", "bare.csv", "out.csv")
    bench.delete("out.csv")
    with monkeypatch.context() as patch:
        once_after(patch, IcebergTable, "commit", lambda: _raise(Died()), is_bronze)
        with pytest.raises(Died):
            bench.run(batch)
    # It is back, as it was claimed: that it was tried too often is what is left to say of it.
    bench.put("out.csv", rows_of(3))
    note_end(bench, batch, "the JVM was killed")
    reads = once_before(monkeypatch, SparkReader, "append", lambda: None)
    assert bench.run(batch)
    assert reads == []
    assert bench.state("in.csv") == ("completed", 2)
    assert bench.state("bare.csv") == ("completed", 0)
    assert bench.state("out.csv") == ("failed", "RunsFailed")
    assert bench.batch_state(batch) is BatchState.CLOSED
    assert bench.rows() == {"in.csv": 2}


def test_the_last_look_says_of_an_object_that_changed_or_is_gone_what_it_is_now(bench: Workbench):
    for name in ("gone.csv", "newer.csv"):
        bench.put(name, rows_of(1))
    batch = bench.claim("gone.csv", "newer.csv")
    bench.delete("gone.csv")
    bench.put("newer.csv", rows_of(2))
    note_end(bench, batch, "the JVM was killed")
    assert bench.run(batch)
    assert bench.state("gone.csv") == ("failed", "FileVanished")
    assert bench.state("newer.csv") == ("failed", "FileChanged")
    newer = bench.item("newer.csv")
    assert newer is not None
    assert newer.next_try_at is not None
    assert newer.next_try_at <= utc_now()


def test_a_file_over_which_runs_died_alone_fails_with_what_is_known_of_it(bench: Workbench):
    bench.put("poison.csv", rows_of(1))
    batch = bench.claim("poison.csv")
    note_end(bench, batch, "ExitCode: 137")
    assert bench.run(batch)
    item = bench.attributes("poison.csv")
    assert (item["status"], item["error_type"], item["error_is_permanent"]) == ("failed", "KilledRun", True)
    assert item["error_message"].startswith(bench.path("poison.csv"))
    assert "ExitCode: 137" in item["error_message"]
    assert "next_try_at" not in item


def test_a_file_that_is_judged_under_another_contract_than_it_was_claimed_under_is_due_at_once(bench: Workbench):
    bench.put("bad.csv", b"name,amount\nx,1\n")
    batch = bench.claim("bad.csv")
    other = bench.with_contract(make_contract(null_values=["NA"]))
    assert other.run(batch)
    item = bench.item("bad.csv")
    assert item is not None
    assert (item.error_type, item.contract_fingerprint) == ("HeaderMismatch", other.contract.fingerprint)
    assert item.next_try_at is not None
    assert item.next_try_at <= utc_now()


@pytest.mark.parametrize("rule", ["replace", "append"])
def test_a_replacement_reads_and_rewrites_the_data_it_touches_and_no_more(
    bench_for: Callable[[Contract], Workbench], monkeypatch: pytest.MonkeyPatch, rule: str
):
    bench = bench_for(make_contract(on_overwrite=rule))
    bench.open_tables()
    # 200 data files, each with the rows of two paths.
    bench.spark.sql(
        f"""
        SELECT id, 'old' AS name, CAST(1 AS DECIMAL(12, 2)) AS amount, current_timestamp() AS _ingested_at,
               'suite' AS _source_system, concat('{bench.path("")}', lpad(id % 400, 4, '0'), '.csv') AS _source_file,
               'etag' AS _source_etag, '20260101t000000000z-00000000' AS _batch_id,
               CAST(NULL AS STRING) AS _rescued_data
        FROM range(0, 400, 1, 200)
        """
    ).writeTo(bench.table_name).append()
    assert bench.spark.sql(f"SELECT count(*) FROM {bench.table_name}.files").collect()[0][0] == 200
    bench.put("0100.csv", rows_of(9_001, 9_002))
    batch = bench.claim("0100.csv")
    read: set[str] = set()
    original = S3Backend.get_object

    def get_object(this: Any, bucket_name: str, key_name: str, *args: Any, **kwargs: Any) -> Any:
        if "/data/" in key_name and f"/{bench.key}/" in key_name:
            read.add(key_name)
        return original(this, bucket_name, key_name, *args, **kwargs)

    monkeypatch.setattr(S3Backend, "get_object", get_object)
    assert bench.run(batch)
    monkeypatch.undo()
    summary = bench.table._load().currentSnapshot().summary()
    if rule == "replace":
        # The one that held the old rows goes; its other path's row is written anew, beside the new rows.
        assert (summary.get("deleted-data-files"), summary.get("added-data-files")) == ("1", "2")
        assert bench.values("id", "0100.csv") == [9_001, 9_002]
        assert bench.values("id", "0101.csv") == [101]
    else:
        assert (summary.get("deleted-data-files"), summary.get("added-data-files")) == (None, "1")
        assert bench.values("id", "0100.csv") == [100, 9_001, 9_002]
    # The file with the old rows, what was staged of the new ones, and what replaced them.
    assert len(read) <= 3, sorted(read)
