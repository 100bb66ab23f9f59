"""Runs that end before they begin with anything: nobody's file is to blame, and nobody asks for ever in vain."""

from __future__ import annotations

import itertools
from datetime import timedelta

import pytest

from alur.errors import SubmitRefused, SubmitThrottled
from alur.ledger.batches import BatchState
from alur.ledger.model import Status
from alur.ledger.retries import NEVER_BEGAN_LIMIT
from deployment_support import World

A, B, C = "orders/a.csv", "orders/b.csv", "orders/c.csv"
NO_ENTRY = SubmitRefused("00app", "ValidationException", "no such entry point")
BUSY = SubmitThrottled("00app", "ThrottlingException", "slow down")


def fails_to_begin(world: World, run_id: str) -> None:
    world.run_dies(run_id, details="Job failed. ExitCode: 1. no such image", begins=0)


def history(world: World, number: int = 0) -> tuple[int, int]:
    (found,) = world.batches.read_histories([("orders", number)])
    return found.failed_in_a_row, found.never_began_in_a_row


def starts_when(world: World, latest: timedelta) -> timedelta:
    """How long it is until the next run is started, to the second; no later than that."""
    began = world.clock()
    while world.clock() - began <= latest:
        if world.sweep(seconds=1).submissions:
            return world.clock() - began
    raise AssertionError(f"no run within {latest}")


def test_a_run_that_never_began_costs_no_attempt_and_no_split_and_its_slot_rests_longer_each_time(
    world: World,
) -> None:
    world.send(world.put(A), world.put(B))
    batch_id = world.batch_of(A).batch_id
    rests = []
    for number in range(5):
        fails_to_begin(world, f"r{number}")
        report = world.sweep()
        assert report.failed_in_a_row == number + 1
        batch = world.batch_of(A)
        assert (batch.batch_id, batch.state, batch.charges, batch.alone) == (batch_id, BatchState.READY, 0, False)
        assert [world.there(key).attempt for key in (A, B)] == [1, 1]
        rests.append(starts_when(world, timedelta(minutes=17)).total_seconds())
    assert all(60 * 2**n / 2 <= rest <= 60 * 2**n + 1 for n, rest in enumerate(rests)), rests
    world.run_ends("r5")
    world.sweep()
    assert {world.there(key).status for key in (A, B)} == {Status.COMPLETED}
    assert history(world) == (0, 0)


def test_what_comes_meanwhile_shares_the_run_after_the_rest(world: World) -> None:
    world.send(world.put(A))
    fails_to_begin(world, "r0")
    world.sweep()
    assert world.send(world.put(B)).submissions == ()
    (submission,) = world.sweep(minutes=1).submissions
    assert submission.batch_ids == (world.there(A).batch_id, world.there(B).batch_id)


def test_another_table_does_not_rest_with_it(world: World) -> None:
    world.send(world.put(A))
    fails_to_begin(world, "r0")
    world.sweep()
    assert len(world.send(world.put("flights/f.csv")).submissions) == 1


def test_after_the_limit_the_files_are_failed_by_name_and_tried_again_a_day_later(world: World) -> None:
    world.send(world.put(A), world.put(B))
    for number in range(NEVER_BEGAN_LIMIT - 1):
        fails_to_begin(world, f"r{number}")
        world.sweep()
        assert world.there(A).status is Status.PROCESSING
        assert len(world.sweep(minutes=61).submissions) == 1
    fails_to_begin(world, f"r{NEVER_BEGAN_LIMIT - 1}")
    report = world.sweep()
    assert report.given_up == 2
    given_up_at = world.clock()
    for key in (A, B):
        item = world.there(key)
        assert (item.status, item.error_type, item.is_permanent) == (Status.FAILED, "RunsNeverBegan", False)
        assert item.next_try_at == given_up_at + timedelta(hours=24)
        assert "10 runs" in (item.error_message or "")
        assert "no such image" in (item.error_message or "")
    # Its batch waits with them, and nothing is asked for in vain.
    asked = world.recorded.calls
    while world.clock() + timedelta(hours=1) < given_up_at + timedelta(hours=24):
        assert world.sweep(hours=1).submissions == ()
    assert (world.recorded.calls, len(world.open_batches())) == (asked, 1)
    (submission,) = world.sweep(hours=1).submissions
    assert {world.there(key).attempt for key in (A, B)} == {1}
    world.run_works(submission.run_id)
    world.until_rest(world.run_works)
    assert {world.there(key).status for key in (A, B)} == {Status.COMPLETED}


def test_while_no_run_can_be_had_new_files_fail_by_name_and_one_run_an_hour_is_tried(world: World) -> None:
    world.send(world.put(A))
    for number in range(NEVER_BEGAN_LIMIT):
        fails_to_begin(world, f"r{number}")
        world.sweep()
        world.sweep(minutes=61)
    assert world.there(A).status is Status.FAILED
    before = world.recorded.calls
    for hour in range(12):
        world.send(world.put(f"orders/{hour}.csv"))
        for run_id in world.recorded.going():
            fails_to_begin(world, run_id)
        for _ in range(6):
            world.sweep(minutes=10)
    assert 6 <= world.recorded.calls - before <= 24
    assert world.there("orders/0.csv").error_type == "RunsNeverBegan"
    # What breaks is mended: everything is ingested by itself within a day.
    world.until_rest(world.run_works)
    assert world.there(A).status is Status.COMPLETED
    assert {world.there(f"orders/{hour}.csv").status for hour in range(12)} == {Status.COMPLETED}
    assert history(world) == (0, 0)


def test_one_run_that_begins_ends_the_row(world: World) -> None:
    world.send(world.put(A))
    for number in range(NEVER_BEGAN_LIMIT - 1):
        fails_to_begin(world, f"r{number}")
        world.sweep()
        world.sweep(minutes=61)
    world.run_dies(f"r{NEVER_BEGAN_LIMIT - 1}")
    world.sweep()
    assert history(world) == (NEVER_BEGAN_LIMIT, 0)
    assert world.there(A).status is Status.PROCESSING
    assert world.there(A).attempt == 2


def test_a_request_that_is_refused_counts_as_a_run_that_never_began(world: World) -> None:
    world.recorded.fail_next = [NO_ENTRY] * 100
    world.send(world.put(A))
    assert history(world) == (1, 1)
    for number in range(2, NEVER_BEGAN_LIMIT):
        report = world.sweep(minutes=61)
        assert [type(error) for error in report.errors] == [SubmitRefused]
        assert history(world) == (number, number)
        assert world.there(A).status is Status.PROCESSING
    world.sweep(minutes=61)
    world.sweep(minutes=1)
    item = world.there(A)
    assert (item.status, item.error_type, item.attempt) == (Status.FAILED, "RunsNeverBegan", 1)
    assert "no such entry point" in (item.error_message or "")
    world.recorded.fail_next = []
    world.until_rest(world.run_works)
    assert world.there(A).status is Status.COMPLETED
    assert world.there(A).attempt == 1


def test_refused_requests_rest_longer_each_time(world: World) -> None:
    world.recorded.fail_next = [NO_ENTRY] * 3
    world.send(world.put(A))
    calls = [world.clock()]
    while len(world.recorded.run_ids) == 0:
        before = world.recorded.calls
        world.sweep(seconds=1)
        if world.recorded.calls > before:
            calls.append(world.clock())
    rests = [(later - earlier).total_seconds() for earlier, later in itertools.pairwise(calls)]
    assert len(rests) == 3
    assert all(60 * 2**n / 2 <= rest <= 60 * 2**n + 1 for n, rest in enumerate(rests)), rests


def test_a_request_that_was_turned_away_for_the_moment_counts_as_nothing_and_forgets_nothing(world: World) -> None:
    world.send(world.put(A))
    for number in range(3):
        fails_to_begin(world, f"r{number}")
        world.sweep()
        if number < 2:
            world.sweep(minutes=61)
    assert history(world) == (3, 3)
    world.recorded.fail_next = [BUSY]
    world.sweep(minutes=61)
    assert history(world) == (3, 3)
    assert world.open_batches(BatchState.READY) != []
    # Nobody rests for it: the next sweep asks again.
    assert len(world.sweep().submissions) == 1


def test_nothing_is_given_up_because_emr_was_busy_once(world: World) -> None:
    world.send(world.put(A))
    for number in range(NEVER_BEGAN_LIMIT):
        fails_to_begin(world, f"r{number}")
        world.sweep()
        world.sweep(minutes=61)
    assert world.there(A).status is Status.FAILED
    world.sweep(minutes=61)
    world.recorded.fail_next = [BUSY]
    world.send(world.put(B))
    world.sweep()
    assert world.there(B).status is Status.PROCESSING
    world.until_rest(world.run_works)
    assert world.there(B).status is Status.COMPLETED
    assert world.there(B).error_type is None


def test_a_batch_that_waits_for_its_turn_is_not_given_up_by_a_run_that_began_with_another(world: World) -> None:
    world.send(world.put("orders/first.csv"))
    world.send(world.put(A))
    world.send(world.put(B))
    world.run_ends("r0")
    world.sweep()
    # Eleven runs die over the first batch that they carry; the second never gets its turn with one of them.
    for number in range(1, 3):
        world.run_dies(f"r{number}", "CANCELLED", begins=1)
        world.sweep()
        assert world.batch_of(B).charges == 0
        assert not world.batch_of(B).never_began
        world.sweep(minutes=61)
    assert history(world) == (2, 0)


def test_a_run_that_found_nothing_to_begin_with_is_none_that_never_began(world: World) -> None:
    world.send(world.put(A))
    world.complete(A)
    world.batches.close(world.batch_of(A), world.clock())
    world.recorded.ends("r0", "FAILED")
    world.sweep()
    assert history(world) == (1, 0)


@pytest.mark.parametrize("lost", [1, 3])
def test_a_run_that_was_started_unheard_and_never_began_is_counted_once(world: World, lost: int) -> None:
    world.recorded.fail_next = [BUSY] * lost
    world.send(world.put(A))
    while not world.recorded.run_ids:
        world.sweep()
    fails_to_begin(world, "r0")
    world.sweep()
    world.sweep()
    assert history(world) == (1, 1)
