"""Runs that die: the same batch again, in halves where a file may be why, and nobody pays for his neighbours."""

from __future__ import annotations

import math
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from alur.errors import FileUnavailable, SubmitUnknown
from alur.ledger.batches import RUN_DIED, BatchState
from alur.ledger.memory import MemoryTable
from alur.ledger.model import Status
from deployment_support import World

A, B, C = "orders/a.csv", "orders/b.csv", "orders/c.csv"
NO_ROOM = "Worker could not be allocated as the application has exceeded maximumCapacity settings"


def keys_of(count: int) -> list[str]:
    return [f"orders/{number:04d}.csv" for number in range(count)]


def statuses(world: World, keys: list[str]) -> dict[str, list[str]]:
    """The keys by status."""
    found: dict[str, list[str]] = {}
    for key in keys:
        found.setdefault(world.there(key).status.value, []).append(key)
    return found


def test_a_dead_runs_batch_is_repeated_as_the_same_batch_after_a_while(world: World) -> None:
    world.send(world.put(A))
    batch = world.batch_of(A)
    world.run_dies("r0")
    ended_at = world.clock() + timedelta(milliseconds=1)
    assert world.sweep().submissions == ()
    ready = world.batch_of(A)
    assert (ready.batch_id, ready.state, ready.charges) == (batch.batch_id, BatchState.READY, 1)
    assert ready.not_before is not None
    assert timedelta(seconds=30) <= ready.not_before - ended_at <= timedelta(seconds=60)
    world.clock.now = ready.not_before - timedelta(milliseconds=1)
    assert world.reconciler.sweep().submissions == ()
    (submission,) = world.sweep().submissions
    assert submission.batch_ids == (batch.batch_id,)
    world.run_ends(submission.run_id)
    world.sweep()
    assert world.there(A).status is Status.COMPLETED
    assert (world.open_batches(), world.there(A).batch_id) == ([], batch.batch_id)


def test_each_further_run_of_a_batch_waits_longer(world: World) -> None:
    patient = world.configured(max_attempts=9)
    patient.send(patient.put(A))
    waited = []
    for number in range(7):
        patient.run_dies(f"r{number}")
        patient.sweep()
        not_before = patient.batch_of(A).not_before
        assert not_before is not None
        waited.append((not_before - patient.clock()).total_seconds())
        patient.clock.now = not_before
        assert len(patient.reconciler.sweep().submissions) == 1
    bounds = [60.0, 120.0, 240.0, 480.0, 960.0, 1920.0, 3600.0]
    assert all(bound / 2 <= wait <= bound for wait, bound in zip(waited, bounds, strict=True)), waited


def test_files_of_a_dead_run_show_their_attempt_the_last_error_and_their_next_try(world: World) -> None:
    world.send(world.put(A))
    world.run_dies("r0", details="Job failed. ExitCode: 137")
    world.sweep()
    item = world.there(A)
    assert (item.status, item.attempt) == (Status.PROCESSING, 2)
    assert item.error_type == RUN_DIED
    assert "ExitCode: 137" in (item.error_message or "")
    assert item.next_try_at == world.batch_of(A).not_before
    world.sweep(minutes=1)
    world.run_ends("r1")
    done = world.there(A)
    assert (done.error_type, done.error_message, done.next_try_at) == (None, None, None)


def test_what_a_run_said_itself_of_its_end_is_what_the_files_show(world: World) -> None:
    world.send(world.put(A))
    token = world.recorded.arguments("r0").token
    begun = world.batches.begin("orders", world.batch_of(A).batch_id, token)
    assert begun is not None
    world.batches.stumble(begun, token, error_type="StorageUnavailable", error="PutObject: 503", blames_files=False)
    world.recorded.ends("r0", "FAILED", "Job failed. ExitCode: 1")
    world.sweep()
    item = world.there(A)
    assert (item.error_type, item.error_message) == ("StorageUnavailable", "PutObject: 503")


def test_what_an_earlier_run_said_is_not_taken_for_the_last_ones_end(world: World) -> None:
    world.send(world.put(A), world.put(B))
    token = world.recorded.arguments("r0").token
    begun = world.batches.begin("orders", world.batch_of(A).batch_id, token)
    assert begun is not None
    world.batches.stumble(begun, token, error_type="StorageUnavailable", error="PutObject: 503", blames_files=False)
    world.recorded.ends("r0", "FAILED")
    world.sweep()
    world.sweep(minutes=61)
    world.run_dies("r1", details="Job failed. ExitCode: 137")
    world.sweep()
    # The second run died of something that may well be a file's fault.
    assert world.batch_of(A).batch_id != world.batch_of(B).batch_id
    assert world.batch_of(A).last_error_type == RUN_DIED


def test_a_run_is_charged_once_though_the_sweep_dies_between_its_notes(world: World) -> None:
    class Dying(MemoryTable):
        """Notes what it is told of files, and dies then."""

        def apply_all(self, changes: Any) -> Any:
            super().apply_all(changes)
            raise KeyboardInterrupt

    world.send(world.put(A))
    world.run_dies("r0")
    memory = world.file_table
    assert isinstance(memory, MemoryTable)
    memory.__class__ = Dying
    with pytest.raises(KeyboardInterrupt):
        world.sweep()
    memory.__class__ = MemoryTable
    world.sweep()
    assert world.batch_of(A).charges == 1
    assert world.there(A).attempt == 2


def test_a_file_that_its_runs_die_over_alone_fails_by_name_after_as_many_as_it_may_have(world: World) -> None:
    for max_attempts in (1, 2, 3, 5):
        key = f"orders/{max_attempts}.csv"
        limited = world.configured(max_attempts=max_attempts)
        before = len(world.recorded.run_ids)
        limited.send(limited.put(key))
        limited.until_rest(partial(limited.run_works, poison={key}))
        item = limited.there(key)
        assert (item.status, item.error_type, item.is_permanent) == (Status.FAILED, "KilledRun", True)
        assert f"{max_attempts} runs died over it" in (item.error_message or "")
        # And one last look.
        assert len(world.recorded.run_ids) - before == max_attempts + 1


@pytest.mark.parametrize("count", [2, 3, 8, 13])
@pytest.mark.parametrize("max_attempts", [1, 2, 3, 5])
def test_a_poison_file_is_found_by_halving_and_fails_alone_while_its_neighbours_complete(
    world: World, count: int, max_attempts: int
) -> None:
    limited = world.configured(max_attempts=max_attempts)
    for where in {0, count // 2, count - 1}:
        keys = [f"orders/{where}/{key[7:]}" for key in keys_of(count)]
        poison = keys[where]
        before = len(world.recorded.run_ids)
        limited.send(*(limited.put(key) for key in keys))
        limited.until_rest(lambda run_id, poison=poison: limited.run_works(run_id, poison={poison}))
        found = statuses(limited, keys)
        assert found == {"completed": [key for key in keys if key != poison], "failed": [poison]}
        assert limited.there(poison).error_type == "KilledRun"
        # The whole until it is split; then a good and a bad half each time; the one that is left; and one last look.
        alone_for = max(0, max_attempts - 2 - math.ceil(math.log2(count)))
        limit = min(2, max_attempts) + 2 * math.ceil(math.log2(count)) + alone_for + 1
        assert len(world.recorded.run_ids) - before <= limit


def test_a_thousand_files_with_one_poison_take_a_handful_of_runs(world: World) -> None:
    keys = keys_of(1000)
    world.send(*(world.put(key) for key in keys))
    assert len(world.recorded.requests) == 1
    world.until_rest(lambda run_id: world.run_works(run_id, poison={keys[617]}))
    assert statuses(world, keys) == {"completed": [key for key in keys if key != keys[617]], "failed": [keys[617]]}
    assert len(world.recorded.requests) <= 2 + 2 * 10 + 1


def test_several_poison_files_are_each_found(world: World) -> None:
    keys = keys_of(16)
    poison = {keys[0], keys[7], keys[8], keys[15]}
    world.send(*(world.put(key) for key in keys))
    world.until_rest(lambda run_id: world.run_works(run_id, poison=poison))
    found = statuses(world, keys)
    assert set(found["failed"]) == poison
    assert len(found["completed"]) == 12
    assert {world.there(key).error_type for key in poison} == {"KilledRun"}


def test_the_halves_of_a_batch_run_one_a_run_and_keep_what_it_had_cost(world: World) -> None:
    keys = keys_of(4)
    world.send(*(world.put(key) for key in keys))
    whole = world.batch_of(keys[0])
    world.run_dies("r0")
    world.sweep()
    world.sweep(minutes=1)
    world.run_dies("r1")
    (submission,) = world.sweep().submissions
    assert len(submission.batch_ids) == 1
    halves = [world.batch_of(key) for key in keys]
    assert [half.batch_id for half in halves] == [halves[0].batch_id] * 2 + [halves[2].batch_id] * 2
    assert halves[0].batch_id != halves[2].batch_id
    for half in halves:
        assert (half.alone, half.files, half.charged_before, half.created_at) == (True, 2, 2, whole.created_at)
        assert half.size_bytes == 8
    world.run_works(submission.run_id)
    (second,) = world.sweep().submissions
    assert {*submission.batch_ids, *second.batch_ids} == {halves[0].batch_id, halves[2].batch_id}
    # The whole is closed: nothing of it is left.
    assert whole.batch_id not in world.open_batches()
    assert [world.there(key).attempt for key in keys] == [3] * 4


def test_batches_beside_a_poison_one_are_neither_charged_nor_alone(world: World) -> None:
    world.send(world.put("orders/first.csv"))
    for key in (A, B, C):
        world.send(world.put(key))
    world.run_ends("r0")
    (submission,) = world.sweep().submissions
    assert len(submission.batch_ids) == 3
    # It dies over the second: the third was never begun, the first is done.
    world.run_works(submission.run_id, poison={B})
    (beside,) = world.sweep().submissions
    assert beside.batch_ids == (world.there(C).batch_id,)
    third, poison = world.batch_of(C), world.batch_of(B)
    assert (third.charges, third.alone, world.there(C).attempt) == (0, False, 1)
    assert (poison.charges, poison.alone) == (1, True)
    assert world.there(A).status is Status.COMPLETED
    world.until_rest(lambda run_id: world.run_works(run_id, poison={B}))
    assert statuses(world, [A, B, C]) == {"completed": [A, C], "failed": [B]}
    # Whatever the poison one cost, its neighbours had no more than two runs.
    for key in (A, C):
        assert len(world.batch_of(key).run_ids) <= 2


def test_a_last_look_completes_what_is_in_and_fails_the_rest(world: World) -> None:
    limited = world.configured(max_attempts=1)
    limited.send(limited.put(A), limited.put(B))
    token = limited.recorded.arguments("r0").token
    begun = limited.batches.begin("orders", limited.batch_of(A).batch_id, token)
    assert begun is not None
    limited.batches.stumble(begun, token, error_type="CommitUnknown", error="lost", blames_files=False)
    limited.recorded.ends("r0", "FAILED")
    limited.sweep()
    assert limited.batch_of(A).last_look
    limited.until_rest(lambda run_id: limited.run_works(run_id, rows_in={A}))
    assert limited.there(A).status is Status.COMPLETED
    item = limited.there(B)
    assert (item.status, item.error_type, item.is_permanent) == (Status.FAILED, "RunsFailed", False)
    assert "CommitUnknown: lost" in (item.error_message or "")
    # Nothing comes of it by itself any more, and an event that names it brings it back.
    assert item.next_try_at is None
    assert len(limited.recorded.run_ids) == 2
    limited.send(limited.event(B, item.etag))
    limited.until_rest(limited.run_works)
    assert limited.there(B).status is Status.COMPLETED


def test_a_last_look_that_dies_again_and_again_is_given_up(world: World) -> None:
    world.send(world.put(A))
    reports = world.until_rest(world.run_dies)
    assert sum(report.given_up for report in reports) == 1
    item = world.there(A)
    assert item.status is Status.FAILED
    assert len(world.recorded.run_ids) == 3 + 3
    assert item.next_try_at is None


@pytest.mark.parametrize(
    ("state", "details"),
    [("CANCELLED", ""), ("FAILED", NO_ROOM), ("CANCELLED", "The job run exceeded its queue timeout of 360 minutes.")],
)
def test_a_run_that_was_cancelled_or_had_no_room_costs_no_attempt_and_no_split(
    world: World, state: str, details: str
) -> None:
    keys = keys_of(4)
    world.send(*(world.put(key) for key in keys))
    batch_id = world.batch_of(keys[0]).batch_id
    for number in range(8):
        world.run_dies(f"r{number}", state, details)
        world.sweep()
        batch = world.batch_of(keys[0])
        assert (batch.batch_id, batch.charges, batch.alone) == (batch_id, 0, False)
        assert batch.not_before is not None
        assert batch.not_before > world.clock()
        assert [world.there(key).attempt for key in keys] == [1] * 4
        assert len(world.sweep(minutes=61).submissions) == 1
    world.until_rest(world.run_works)
    assert statuses(world, keys) == {"completed": keys}


def test_a_run_of_which_emr_knows_nothing_any_more_is_excused(world: World) -> None:
    world.send(world.put(A), world.put(B))
    world.run_dies("r0")
    del world.recorded.states["r0"]
    (ended,) = world.sweep().ended
    assert ended.state == "GONE"
    assert (world.batch_of(A).charges, world.there(A).attempt) == (0, 1)


def test_a_run_that_went_on_for_too_long_is_charged(world: World) -> None:
    world.send(world.put(A))
    world.run_dies("r0", "CANCELLED", "Job execution timed out after 360 minutes")
    world.sweep()
    assert (world.batch_of(A).charges, world.there(A).attempt) == (1, 2)


def test_a_run_that_finished_with_a_batch_and_died_later_is_not_charged_with_it(world: World) -> None:
    world.send(world.put("orders/first.csv"))
    world.send(world.put(A), world.put(B))
    world.send(world.put(C))
    world.run_ends("r0")
    world.sweep()
    world.run_works("r1", poison={C}, wrong={A: FileUnavailable(A, "503")})
    world.sweep()
    batch = world.batch_of(A)
    assert (batch.state, batch.charges) == (BatchState.WAITING, 0)
    assert batch.look_at == world.there(A).next_try_at
    assert world.there(B).status is Status.COMPLETED


def test_a_zombie_that_ends_a_batch_after_it_was_given_to_the_next_run_is_no_harm(world: World) -> None:
    world.send(world.put(A))
    zombie = world.recorded.arguments("r0").token
    world.run_dies("r0")
    world.sweep()
    (submission,) = world.sweep(minutes=61).submissions
    begun = world.batches.begin("orders", submission.batch_ids[0], zombie)
    assert begun is not None
    world.complete(A)
    world.batches.close(begun, world.clock())
    world.run_works(submission.run_id)
    report = world.sweep()
    assert report.errors == ()
    assert world.open_batches() == []
    assert world.batches.open().slots == ()
    assert world.there(A).status is Status.COMPLETED


def test_a_slot_that_somebody_deleted_has_its_batch_released_when_its_run_is_dead_and_not_before(
    world: World,
) -> None:
    world.send(world.put(A))
    assert isinstance(world.batch_table, MemoryTable)
    world.batch_table.delete({"ingestion_key": "orders", "batch_id": "slot#0"})
    for _ in range(3):
        report = world.sweep(minutes=10)
        assert (report.errors, report.submissions) == ((), ())
        assert world.batch_of(A).state is BatchState.SUBMITTED
    world.run_dies("r0")
    world.sweep()
    assert world.batch_of(A).state is BatchState.READY
    assert world.there(A).attempt == 2
    world.until_rest(world.run_works)
    assert world.there(A).status is Status.COMPLETED


def test_a_batch_whose_slot_was_deleted_is_left_alone_while_emr_cannot_be_asked(world: World) -> None:
    world.send(world.put(A))
    assert isinstance(world.batch_table, MemoryTable)
    world.batch_table.delete({"ingestion_key": "orders", "batch_id": "slot#0"})

    def unknown(application_id: str, run_id: str) -> Any:
        raise SubmitUnknown(application_id, "InternalServerException", "for this test")

    real = world.recorded.state
    world.recorded.state = unknown  # type: ignore[method-assign]
    report = world.sweep()
    assert [type(error) for error in report.errors] == [SubmitUnknown]
    assert world.batch_of(A).state is BatchState.SUBMITTED
    world.recorded.state = real  # type: ignore[method-assign]
    world.until_rest(world.run_works)
    assert world.there(A).status is Status.COMPLETED
