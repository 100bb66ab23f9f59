"""The sweep: what was begun gets on, one item's error stops no other, and two sweeps are as good as one."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from alur.errors import LedgerUnavailable, SubmitRefused, SubmitThrottled, SubmitUnknown
from alur.ledger.batches import BatchState
from alur.ledger.memory import MemoryTable
from alur.ledger.model import Status
from alur.ledger.table import Absent, Change, Outcome
from deployment_support import RecordingJobs, World

A, B, C = "orders/a.csv", "orders/b.csv", "orders/c.csv"


def test_nothing_open_needs_nothing(world: World) -> None:
    report = world.reconciler.sweep()
    assert (report.ended, report.submissions, report.errors) == ((), (), ())


def test_a_run_that_is_going_is_left_alone(world: World) -> None:
    world.send(world.event(A))
    report = world.reconciler.sweep()
    assert (report.ended, report.submissions) == ((), ())
    assert world.batches.open().slots[0].run_id == "r0"


def test_the_end_of_a_run_frees_its_slot_and_what_waited_ready_shares_the_next_run(world: World) -> None:
    for key in (A, B, C):
        world.send(world.event(key))
    assert world.recorded.calls == 1
    assert len(world.open_batches(BatchState.READY)) == 2
    world.run_ends("r0")
    report = world.reconciler.sweep()
    (ended,) = report.ended
    assert (ended.run_id, ended.state, ended.ingestion_key) == ("r0", "SUCCESS", "orders")
    assert [(result.completed, result.rows) for result in ended.results] == [(1, 1)]
    (submission,) = report.submissions
    assert submission.batch_ids == (world.there(B).batch_id, world.there(C).batch_id)
    assert world.open_batches(BatchState.READY) == []


def test_a_run_or_an_application_that_is_gone_frees_its_slot(world: World) -> None:
    world.send(world.event(A))
    world.recorded.states.clear()
    (ended,) = world.reconciler.sweep().ended
    assert (ended.run_id, ended.state, ended.results) == ("r0", "GONE", ())
    assert world.batches.open().slots == ()


def test_a_failed_run_frees_its_slot_and_leaves_the_claims(world: World) -> None:
    world.send(world.event(A))
    world.run_dies("r0", "FAILED")
    report = world.sweep()
    (ended,) = report.ended
    assert (ended.state, ended.results, report.failed_in_a_row) == ("FAILED", (), 1)
    assert world.there(A).status is Status.PROCESSING
    assert world.batches.open().slots == ()
    assert len(world.open_batches(BatchState.READY)) == 1


def test_a_batch_whose_dispatcher_died_is_visited_in_the_same_sweep_and_submitted(world: World) -> None:
    class Dying(MemoryTable):
        def apply_all(self, changes: Any) -> list[Outcome]:
            super().apply_all(changes)
            raise KeyboardInterrupt

    memory = world.file_table = Dying("file_path")
    with pytest.raises(KeyboardInterrupt):
        world.send(world.event(A))
    memory.__class__ = MemoryTable
    world.clock.advance(seconds=299)
    assert world.reconciler.sweep().submissions == ()
    world.clock.advance(seconds=1)
    (submission,) = world.reconciler.sweep().submissions
    world.run_ends(submission.run_id)
    assert world.there(A).status is Status.COMPLETED
    assert world.there(A).attempt == 1


def test_a_batch_whose_dispatcher_died_before_it_claimed_anything_is_closed(world: World) -> None:
    class Dying(MemoryTable):
        def apply_all(self, changes: Any) -> list[Outcome]:
            raise KeyboardInterrupt

    memory = world.file_table = Dying("file_path")
    with pytest.raises(KeyboardInterrupt):
        world.send(world.event(A))
    memory.__class__ = MemoryTable
    assert world.open_batches(BatchState.CLAIMING) != []
    report = world.sweep(seconds=300)
    assert (report.submissions, report.errors) == ((), ())
    assert world.open_batches() == []
    assert world.item(A) is None


def test_an_unsubmitted_slot_gets_its_request_again_under_its_token_word_for_word(world: World) -> None:
    world.recorded.fail_next = [SubmitUnknown("00app", "ReadTimeoutError", "")]
    world.send(world.event(A))
    (slot,) = world.batches.open().slots
    world.clock.advance(minutes=3)
    sent = world.configured(archive_uri="s3://artifacts/code/1/alur.tar.gz")
    (submission,) = sent.reconciler.sweep().submissions
    assert list(world.recorded.run_ids) == [slot.token]
    assert "code/0/alur.tar.gz" in str(world.recorded.requests[submission.run_id])
    (batch,) = world.batches.open().batches
    assert (batch.state, batch.run_ids) == (BatchState.SUBMITTED, {submission.run_id})


def test_a_repeated_request_that_is_throttled_keeps_its_slot_because_the_first_may_have_been_heard(
    world: World,
) -> None:
    world.recorded.lose_next, world.recorded.lost = 1, SubmitUnknown("00app", "ReadTimeoutError", "")
    world.send(world.event(A))
    world.clock.advance(minutes=3)
    world.recorded.fail_next = [SubmitThrottled("00app", "ThrottlingException", "")]
    report = world.reconciler.sweep()
    assert [type(error) for error in report.errors] == [SubmitThrottled]
    (submission,) = world.reconciler.sweep().submissions
    assert submission.run_id == "r0"
    assert len(world.recorded.run_ids) == 1


def test_a_repeated_request_that_is_refused_gives_its_slot_up_and_the_slot_rests(world: World) -> None:
    world.recorded.fail_next = [SubmitUnknown("00app", "ReadTimeoutError", "")]
    world.send(world.event(A))
    world.clock.advance(minutes=3)
    world.recorded.fail_next = [SubmitRefused("00app", "ResourceNotFoundException", "gone")]
    report = world.reconciler.sweep()
    assert [type(error) for error in report.errors] == [SubmitRefused]
    assert report.submissions == ()
    assert world.batches.open().slots == ()
    assert len(world.open_batches(BatchState.READY)) == 1
    (submission,) = world.sweep(seconds=61).submissions
    assert submission.batch_ids == (world.there(A).batch_id,)


def test_a_run_that_closed_its_batch_before_it_was_recorded_ends_as_any_other(world: World) -> None:
    world.recorded.lose_next, world.recorded.lost = 1, SubmitUnknown("00app", "ReadTimeoutError", "")
    world.send(world.event(A))
    world.run_ends("r0")
    world.clock.advance(minutes=3)
    assert world.reconciler.sweep().submissions[0].run_id == "r0"
    (ended,) = world.reconciler.sweep().ended
    assert (ended.run_id, len(ended.results)) == ("r0", 1)
    assert world.batches.open().slots == ()
    assert world.recorded.going() == []


def test_an_error_about_one_run_stops_no_other_table(world: World) -> None:
    class Deaf(RecordingJobs):
        def state(self, application_id: str, run_id: str) -> Any:
            if run_id == "r0":
                raise SubmitUnknown(application_id, "InternalServerException", "for this test")
            return super().state(application_id, run_id)

    world.jobs = Deaf()
    world.send(world.event("flights/f.csv"))
    world.send(world.event(A))
    world.send(world.event(B))
    world.run_ends("r1")
    report = world.reconciler.sweep()
    assert [type(error) for error in report.errors] == [SubmitUnknown]
    assert [ended.run_id for ended in report.ended] == ["r1"]
    assert len(report.submissions) == 1


def test_an_error_about_one_batch_stops_no_other(world: World) -> None:
    class Sore(MemoryTable):
        """Refuses to change flights' items from some moment on."""

        hurts = False

        def apply_together(self, changes: Any) -> Any:
            if self.hurts and any(change.key["ingestion_key"] == "flights" for change in changes):
                raise LedgerUnavailable("TransactWriteItems", "ThrottlingException", "for this test")
            return super().apply_together(changes)

    table = world.batch_table = Sore("batch_id")
    world.recorded.fail_next = [SubmitThrottled("00app", "ThrottlingException", "")] * 2
    world.send(world.event("flights/f.csv"), world.event(A))
    assert len(world.open_batches(BatchState.READY)) == 2
    table.hurts = True
    report = world.reconciler.sweep()
    assert [type(error) for error in report.errors] == [LedgerUnavailable]
    assert [submission.batch_ids for submission in report.submissions] == [(world.there(A).batch_id,)]


def test_an_item_that_cannot_be_read_stops_no_other(world: World) -> None:
    world.recorded.fail_next = [SubmitThrottled("00app", "ThrottlingException", "")]
    world.send(world.event(A))
    broken = {"ingestion_key": "orders", "batch_id": "0-by-hand"}
    world.batch_table.apply(Change(broken, (Absent(),), {"open_key": "orders"}))
    report = world.reconciler.sweep()
    assert [submission.batch_ids for submission in report.submissions] == [(world.there(A).batch_id,)]


def test_a_list_that_cannot_be_had_is_an_error_and_not_an_empty_list(world: World) -> None:
    class Blind(MemoryTable):
        def open_items(self, ingestion_key: str | None = None) -> Any:
            raise LedgerUnavailable("Scan", "ThrottlingException", "for this test")

    world.batch_table = Blind("batch_id")
    with pytest.raises(LedgerUnavailable):
        world.reconciler.sweep()


def test_a_table_rests_between_the_starts_of_two_runs(world: World) -> None:
    resting = world.configured(min_minutes_between_runs=15)
    resting.send(world.event(A))
    world.run_ends("r0")
    resting.send(world.event(B))
    resting.send(world.event("flights/f.csv"))
    assert [world.recorded.arguments(run_id).ingestion_key for run_id in world.recorded.requests] == [
        "orders",
        "flights",
    ]
    world.clock.advance(minutes=14, seconds=59)
    resting.send(world.event(C))
    assert resting.reconciler.sweep().submissions == ()
    world.clock.advance(seconds=1)
    (submission,) = resting.reconciler.sweep().submissions
    assert submission.batch_ids == (world.there(B).batch_id, world.there(C).batch_id)


def test_a_table_has_as_many_runs_at_once_as_it_may_have_and_no_more(world: World) -> None:
    wide = world.configured(max_runs_per_table=2)
    for key in (A, B, C):
        wide.send(world.event(key))
    assert world.recorded.going() == ["r0", "r1"]
    carried = [world.recorded.arguments(run_id).batch_ids for run_id in ("r0", "r1")]
    assert carried == [(world.there(A).batch_id,), (world.there(B).batch_id,)]
    assert wide.reconciler.sweep().submissions == ()
    world.run_ends("r1")
    (submission,) = wide.reconciler.sweep().submissions
    assert submission.batch_ids == (world.there(C).batch_id,)


def test_a_run_carries_no_more_batches_than_its_item_and_transaction_hold(world: World) -> None:
    world.send(world.event(A))
    for number in range(70):
        world.send(world.event(f"orders/{number:02d}.csv"))
    world.run_ends("r0")
    (submission,) = world.reconciler.sweep().submissions
    assert len(submission.batch_ids) == 50
    assert list(submission.batch_ids) == sorted(submission.batch_ids)
    world.run_ends(submission.run_id)
    (last,) = world.reconciler.sweep().submissions
    assert len(last.batch_ids) == 20


def at_once(count: int, do: Any) -> list[Any]:
    """Do something in so many threads at the same moment."""
    barrier = threading.Barrier(count)

    def wait_and_do() -> Any:
        barrier.wait(timeout=60)
        return do()

    with ThreadPoolExecutor(count) as pool:
        return [task.result(timeout=60) for task in [pool.submit(wait_and_do) for _ in range(count)]]


def test_sweeps_at_the_same_moment_start_one_run_and_report_one_end(real: World) -> None:
    for _ in range(5):
        key = f"orders/{real.recorded.calls}.csv"
        real.recorded.fail_next = [SubmitThrottled("00app", "ThrottlingException", "")]
        real.send(real.event(key))
        before = len(real.recorded.run_ids)
        reports = at_once(3, lambda: real.reconciler.sweep())
        assert [report.errors for report in reports] == [(), (), ()]
        assert len(real.recorded.run_ids) == before + 1
        (run_id,) = real.recorded.going()
        real.run_ends(run_id)
        reports = at_once(3, lambda: real.reconciler.sweep())
        assert [ended.run_id for report in reports for ended in report.ended] == [run_id]
        assert real.there(key).status is Status.COMPLETED
    assert real.open_batches() == []


def test_sweeps_at_the_same_moment_repeat_one_request_into_one_run(real: World) -> None:
    real.recorded.lose_next, real.recorded.lost = 1, SubmitUnknown("00app", "ReadTimeoutError", "")
    real.send(real.event(A))
    real.clock.advance(minutes=3)
    reports = at_once(3, lambda: real.reconciler.sweep())
    assert [report.errors for report in reports] == [(), (), ()]
    assert {submission.run_id for report in reports for submission in report.submissions} == {"r0"}
    (batch,) = real.batches.open().batches
    assert (batch.state, batch.run_ids) == (BatchState.SUBMITTED, {"r0"})
