"""Sweeps and dispatchers at the same moment, over DynamoDB Local and in real threads: whatever is done is done once."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest

import alur.dispatch.dispatcher
from alur.errors import FileUnavailable, SubmitThrottled, SubmitUnknown
from alur.ledger.batches import BatchState
from alur.ledger.model import Status
from deployment_support import World

ROUNDS = 3


def at_once(*works: Callable[[], Any]) -> list[Any]:
    """Do all of it at the same moment, each in a thread of its own."""
    barrier = threading.Barrier(len(works))

    def wait_and(work: Callable[[], Any]) -> Any:
        barrier.wait(timeout=60)
        return work()

    with ThreadPoolExecutor(len(works)) as pool:
        return [task.result(timeout=60) for task in [pool.submit(wait_and, work) for work in works]]


def sweeps(world: World, count: int = 3) -> list[Any]:
    """So many sweeps at the same moment, of processes of their own."""
    reports = at_once(*(lambda: world.reconciler.sweep() for _ in range(count)))
    assert [report.errors for report in reports] == [()] * count
    return reports


def carried(world: World) -> Counter[str]:
    """How many of the runs that are going carry each batch."""
    return Counter(
        batch_id for run_id in world.recorded.going() for batch_id in world.recorded.arguments(run_id).batch_ids
    )


@pytest.mark.parametrize("runs", [1, 2])
def test_submitters_at_the_same_moment_never_carry_one_batch_twice(real: World, runs: int) -> None:
    world = real.configured(max_runs_per_table=runs)
    for number in range(ROUNDS):
        keys = [f"orders/{number}/{file}.csv" for file in range(6)]
        for key in keys:
            world.recorded.fail_next = [SubmitThrottled("00app", "ThrottlingException", "")]
            world.send(world.put(key))
        assert len(world.open_batches(BatchState.READY)) == 6
        at_once(*(lambda: world.submitter.submit_ready("orders") for _ in range(4)))
        assert 1 <= len(world.recorded.going()) <= runs
        assert set(carried(world).values()) == {1}
        world.until_rest(world.run_works, minutes=1)
        assert {world.there(key).status for key in keys} == {Status.COMPLETED}


def test_dispatchers_and_sweeps_at_the_same_moment_never_carry_one_batch_twice(real: World) -> None:
    world = real.configured(max_runs_per_table=2)
    for number in range(ROUNDS):
        keys = [f"orders/{number}/{file}.csv" for file in range(6)]
        events = [world.put(key) for key in keys]
        at_once(*(lambda event=event: world.send(event) for event in events), *(lambda: world.reconciler.sweep(),) * 2)
        assert set(carried(world).values()) == {1}
        world.until_rest(world.run_works, minutes=1)
        assert {world.there(key).status for key in keys} == {Status.COMPLETED}


def test_one_end_is_settled_once_and_charged_once(real: World) -> None:
    for number in range(ROUNDS):
        keys = [f"orders/{number}/{file}.csv" for file in range(3)]
        real.send(*(real.put(key) for key in keys))
        (run_id,) = real.recorded.going()
        real.run_dies(run_id)
        reports = sweeps(real)
        assert [ended.run_id for report in reports for ended in report.ended] == [run_id]
        batch = real.batch_of(keys[0])
        assert (batch.state, batch.charges) == (BatchState.READY, 1)
        assert [real.there(key).attempt for key in keys] == [2, 2, 2]
        (history,) = real.batches.read_histories([("orders", 0)])
        assert history.failed_in_a_row == 1
        real.until_rest(real.run_works)


def test_a_batch_is_split_so_that_each_file_is_in_one_part_only(real: World) -> None:
    for number in range(ROUNDS):
        keys = [f"orders/{number}/{file}.csv" for file in range(8)]
        real.send(*(real.put(key) for key in keys))
        whole = real.batch_of(keys[0]).batch_id
        real.run_dies(real.recorded.going()[0])
        real.sweep()
        real.sweep(minutes=61)
        real.run_dies(real.recorded.going()[0])
        sweeps(real)
        owners = Counter(real.there(key).batch_id for key in keys)
        assert whole not in owners
        sizes = {batch.batch_id: batch for batch in real.batches.open("orders").batches}
        for batch_id, files in owners.items():
            part = sizes[batch_id or ""]
            assert (part.files, part.alone, part.charged_before) == (files, True, 2)
        assert [real.there(key).attempt for key in keys] == [3] * 8
        real.until_rest(real.run_works, minutes=61)
        assert {real.there(key).status for key in keys} == {Status.COMPLETED}


def test_a_file_that_is_due_is_claimed_once(real: World) -> None:
    for number in range(ROUNDS):
        keys = [f"orders/{number}/{file}.csv" for file in range(4)]
        real.send(*(real.put(key) for key in keys))
        (run_id,) = real.recorded.going()
        real.run_works(run_id, wrong={key: FileUnavailable(key, "503") for key in keys})
        real.clock.advance(minutes=2)
        sweeps(real)
        assert [real.there(key).attempt for key in keys] == [2] * 4
        assert set(carried(real).values()) <= {1}
        owners = {real.there(key).batch_id for key in keys}
        assert {batch.batch_id for batch in real.batches.open("orders").batches} == owners
        real.until_rest(real.run_works)
        assert {real.there(key).status for key in keys} == {Status.COMPLETED}


def test_a_newer_version_is_claimed_once_by_the_sweeps_and_by_its_own_event(real: World) -> None:
    for number in range(ROUNDS):
        key = f"orders/{number}.csv"
        real.send(real.put(key, b"a\n1\n"))
        newer = real.put(key, b"a\n2\n")
        real.send(newer)
        (run_id,) = real.recorded.going()
        real.run_works(run_id)
        at_once(lambda: real.reconciler.sweep(), lambda newer=newer: real.send(newer), lambda: real.reconciler.sweep())
        item = real.there(key)
        assert (item.etag, item.attempt, item.status) == (newer.etag, 1, Status.PROCESSING)
        real.until_rest(real.run_works)
        assert (real.there(key).status, real.there(key).etag) == (Status.COMPLETED, newer.etag)
        assert len(real.recorded.run_ids) == 2 * (number + 1)


def test_a_dispatcher_that_comes_back_while_it_is_given_up_loses_no_claim(real: World) -> None:
    for number in range(ROUNDS):
        keys = [f"orders/{number}/{file}.csv" for file in range(30)]
        events = [real.put(key) for key in keys]
        # The lease has passed by the time that the claims are made.
        late = real.configured(lease_seconds=0)
        at_once(partial(late.send, *events), lambda: real.reconciler.sweep(), lambda: real.reconciler.sweep())
        real.until_rest(real.run_works, minutes=1)
        assert {real.there(key).status for key in keys} == {Status.COMPLETED}


def test_a_submit_whose_answer_was_lost_is_repeated_into_the_same_run_by_whoever_comes(real: World) -> None:
    for number in range(ROUNDS):
        real.recorded.lose_next, real.recorded.lost = 2, SubmitUnknown("00app", "ReadTimeoutError", "")
        key = f"orders/{number}.csv"
        real.send(real.put(key))
        before = len(real.recorded.run_ids)
        real.clock.advance(minutes=3)
        reports = at_once(*(lambda: real.reconciler.sweep() for _ in range(3)))
        assert sum(len(report.errors) for report in reports) == 1
        assert len(real.recorded.run_ids) == before
        assert {submission.run_id for report in reports for submission in report.submissions} == {f"r{number}"}
        real.until_rest(real.run_works, minutes=1)
        assert real.there(key).status is Status.COMPLETED


def test_walks_at_the_same_moment_claim_what_is_lost_once(real: World) -> None:
    keys = [f"orders/{file}.csv" for file in range(30)]
    real.send(*(real.put(key) for key in keys))
    real.sweep()
    batch = real.batch_of(keys[0])
    real.batches.close(batch, real.clock())
    real.recorded.ends("r0")
    real.sweep()
    real.clock.advance(hours=25)
    sweeps(real)
    (found,) = real.batches.open().batches
    assert found.batch_id == batch.batch_id
    real.until_rest(real.run_works, minutes=1)
    assert {real.there(key).status for key in keys} == {Status.COMPLETED}
    assert [real.there(key).attempt for key in keys] == [1] * 30


def test_what_a_dead_dispatcher_claimed_is_made_ready_and_carried_once(
    real: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(point: str) -> None:
        if point == "dispatcher.claimed":
            raise KeyboardInterrupt

    for number in range(ROUNDS):
        key = f"orders/{number}.csv"
        with monkeypatch.context() as patched:
            patched.setattr(alur.dispatch.dispatcher, "fault_point", die)
            with pytest.raises(KeyboardInterrupt):
                real.send(real.put(key))
        batch_id = real.there(key).batch_id
        real.clock.advance(seconds=300)
        sweeps(real)
        assert carried(real) == {batch_id: 1}
        assert real.there(key).attempt == 1
        real.until_rest(real.run_works, minutes=1)
        assert real.there(key).status is Status.COMPLETED
