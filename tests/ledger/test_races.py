"""Races over DynamoDB Local, with real threads and real processes: each file has one owner, each slot one holder."""

from __future__ import annotations

import multiprocessing
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import boto3
import pytest

from alur.aws.dynamodb import BotoDynamo
from alur.errors import EmptyFile
from alur.ledger.batches import Batch, BatchState, BatchStore, Move, Slot, SlotHistory, batch_store
from alur.ledger.files import FileLedger, file_ledger
from alur.ledger.model import LedgerItem, Status
from alur.ledger.transitions import claim, complete, fail, hand_over
from ledger_support import KEY, NOW, claimant, create_batches_table, unique, version

ROUNDS = 8
FILES = 40


def at_once(*works: Callable[[], Any]) -> list[Any]:
    """Do all of it at the same moment, each in a thread of its own."""
    barrier = threading.Barrier(len(works))

    def wait_and(work: Callable[[], Any]) -> Any:
        barrier.wait(timeout=60)
        return work()

    with ThreadPoolExecutor(len(works)) as pool:
        return [task.result(timeout=60) for task in [pool.submit(wait_and, work) for work in works]]


@pytest.fixture
def ledger(dynamodb: Any, state_table: str) -> FileLedger:
    return file_ledger(BotoDynamo(dynamodb), state_table)


@pytest.fixture
def batches(dynamodb: Any) -> BatchStore:
    return batch_store(BotoDynamo(dynamodb), create_batches_table(dynamodb))


def claims(ledger: FileLedger, table: str, batch_id: str, numbers: range) -> set[str]:
    """Claim files for a batch, and return those that the ledger says it has won."""
    who = claimant(batch_id, key=table)
    changes = [claim(None, version(f"f{number}"), who, event_at=NOW, now=NOW) for number in numbers]
    return {outcome.path for outcome in ledger.apply(changes) if outcome.applied}


def owners(ledger: FileLedger, table: str, paths: set[str]) -> dict[str, str | None]:
    return {path: item.batch_id for path, item in ledger.read(table, paths).items()}


def test_dispatchers_with_the_same_events_at_the_same_moment_share_the_files_between_them(
    ledger: FileLedger,
) -> None:
    for _ in range(ROUNDS):
        table = unique("t")
        names = ["b0", "b1", "b2"]
        won = at_once(*(partial(claims, ledger, table, name, range(FILES)) for name in names))
        everything = {version(f"f{number}").path for number in range(FILES)}
        assert set.union(*won) == everything
        assert sum(len(some) for some in won) == FILES
        owned = owners(ledger, table, everything)
        assert all(owned[path] == name for name, some in zip(names, won, strict=True) for path in some)


def test_claims_of_overlapping_sets_give_each_file_one_owner(ledger: FileLedger) -> None:
    spans = {"b0": range(30), "b1": range(15, 45), "b2": range(29, 60), "b3": range(60)}
    for _ in range(ROUNDS):
        table = unique("t")
        won = at_once(*(partial(claims, ledger, table, name, span) for name, span in spans.items()))
        assert sum(len(some) for some in won) == len(set.union(*won)) == 60


def test_retries_of_one_failed_file_have_one_winner(ledger: FileLedger) -> None:
    for _ in range(ROUNDS):
        table = unique("t")
        claims(ledger, table, "b0", range(1))
        path = version("f0").path
        first = ledger.read(table, [path])[path]
        (failed,) = ledger.apply([fail(first, batch_id="b0", error=EmptyFile(path), now=NOW)])
        change = [
            claim(failed.item, version("f0"), claimant(f"b{number}", key=table), event_at=NOW, now=NOW)
            for number in range(1, 5)
        ]
        outcomes = at_once(*(lambda one=one: ledger.apply([one])[0].applied for one in change))
        assert sorted(outcomes) == [False, False, False, True]
        assert ledger.read(table, [path])[path].attempt == 2


def test_a_completion_and_a_failure_at_the_same_moment_leave_a_completion(ledger: FileLedger) -> None:
    for _ in range(ROUNDS):
        table = unique("t")
        claims(ledger, table, "b0", range(1))
        path = version("f0").path
        mine = ledger.read(table, [path])[path]
        flips = [
            complete(mine, batch_id="b0", rows=1, snapshot_id="s", queryable_at=NOW, now=NOW),
            fail(mine, batch_id="b0", error=EmptyFile(path), now=NOW),
        ]
        at_once(*(lambda flip=flip: ledger.apply([flip]) for flip in flips))
        found = ledger.read(table, [path])[path]
        assert (found.status, found.error_type) == (Status.COMPLETED, None)


def test_a_dispatcher_and_a_reconciler_that_gives_it_up_know_which_of_them_was_first(batches: BatchStore) -> None:
    for _ in range(ROUNDS):
        batch = Batch(unique("t"), "b1", BatchState.CLAIMING, "s3://lake/m", 3, 30, NOW, NOW)
        batches.create(batch)
        done = at_once(
            lambda batch=batch: batches.make_ready(batch, files=2, size_bytes=20),
            lambda batch=batch: batches.give_claiming_up(batch, NOW),
        )
        assert sorted(done) == [False, True]
        found = batches.read(batch.ingestion_key, "b1")
        assert found is not None
        assert found.state is (BatchState.READY if done[0] else BatchState.WAITING)
        assert found.files == (2 if done[0] else 3)


def ready(batches: BatchStore, table: str, *names: str) -> None:
    for name in names:
        batch = Batch(table, name, BatchState.CLAIMING, "s3://lake/m", 3, 30, NOW, NOW)
        batches.create(batch)
        assert batches.make_ready(batch, files=1, size_bytes=1)


def take(batches: BatchStore, slot: Slot) -> frozenset[str] | None:
    return batches.take_slot(slot, now=NOW, not_started_since=NOW)


def test_a_slot_is_taken_once_however_many_want_it(batches: BatchStore) -> None:
    for _ in range(ROUNDS):
        table = unique("t")
        ready(batches, table, "b1")
        wanted = [Slot(table, 0, f"run-{number}", "00app", "{}", ("b1",), NOW) for number in range(6)]
        taken = at_once(*(lambda slot=slot: take(batches, slot) for slot in wanted))
        assert sorted(taken, key=repr) == [None] * 5 + [frozenset()]
        (held,) = batches.open(table).slots
        assert held.token == f"run-{taken.index(frozenset())}"


def test_slots_that_are_taken_at_the_same_moment_never_carry_one_batch_twice(batches: BatchStore) -> None:
    carried = {0: ("b1", "b2"), 1: ("b2", "b3"), 2: ("b1", "b2", "b3")}
    for _ in range(ROUNDS):
        table = unique("t")
        ready(batches, table, "b1", "b2", "b3")
        wanted = [Slot(table, number, f"run-{number}", "00app", "{}", ids, NOW) for number, ids in carried.items()]
        taken = at_once(*(lambda slot=slot: take(batches, slot) for slot in wanted))
        # Each overlaps with each: one of them takes its batches, and the others are told which are not to be had.
        assert taken.count(frozenset()) == 1
        (held,) = batches.open(table).slots
        for slot, refused in zip(wanted, taken, strict=True):
            assert refused is not None
            if slot.number != held.number:
                assert refused == set(slot.batch_ids) & set(held.batch_ids)
        for batch in batches.open(table).batches:
            expected = (BatchState.SUBMITTED, held.token) if batch.batch_id in held.batch_ids else ("ready", None)
            assert (batch.state, batch.token) == expected


def test_a_slot_is_settled_once_and_taken_again(batches: BatchStore) -> None:
    for _ in range(ROUNDS):
        table = unique("t")
        ready(batches, table, "b1")
        slot = Slot(table, 0, "run-0", "00app", "{}", ("b1",), NOW)
        assert take(batches, slot) == frozenset()
        batch = batches.begin(table, "b1", "run-0")
        assert batch is not None
        moves = [Move(batch, BatchState.WAITING, excuses=True)]
        settled = at_once(*[partial(batches.settle_slot, slot, SlotHistory(1), moves)] * 4)
        assert sorted(settled) == [False, False, False, True]
        moved = batches.read(table, "b1")
        assert moved is not None
        assert (moved.state, moved.excused, moved.charges) == (BatchState.WAITING, {"run-0"}, 0)
        later = replace(slot, token="run-1", batch_ids=(), taken_at=NOW + timedelta(minutes=1))
        assert take(batches, later) == frozenset()
        assert not batches.settle_slot(slot, SlotHistory(), [])


def test_a_run_that_begins_while_its_end_is_settled_is_never_judged_as_one_that_did_not(batches: BatchStore) -> None:
    for _ in range(ROUNDS):
        table = unique("t")
        ready(batches, table, "b1")
        slot = Slot(table, 0, "run-0", "00app", "{}", ("b1",), NOW)
        assert take(batches, slot) == frozenset()
        seen = batches.read(table, "b1")
        assert seen is not None
        moves = [Move(seen, BatchState.READY)]
        settled, begun = at_once(
            partial(batches.settle_slot, slot, SlotHistory(1, 1), moves), partial(batches.begin, table, "b1", "run-0")
        )
        # Either the settlement came first, or it is refused, and whoever made it reads the batch again.
        assert settled is (begun.state is BatchState.READY)


def test_a_run_that_begins_while_it_is_recorded_loses_neither(batches: BatchStore) -> None:
    for _ in range(ROUNDS):
        table = unique("t")
        names = [f"b{number}" for number in range(4)]
        ready(batches, table, *names)
        slot = Slot(table, 0, "run-0", "00app", "{}", tuple(names), NOW)
        assert take(batches, slot) == frozenset()
        recorded, *begun = at_once(
            lambda slot=slot: batches.record_run(slot, "r0", NOW),
            *(lambda name=name, table=table: batches.begin(table, name, "run-0") for name in names),
        )
        assert recorded
        assert all(batch is not None for batch in begun)
        for name in names:
            found = batches.read(table, name)
            assert found is not None
            assert (found.state, found.run_ids, found.begun_by) == (BatchState.SUBMITTED, {"r0"}, {"run-0"})


def test_files_are_handed_over_once_however_many_split_their_batch(ledger: FileLedger) -> None:
    for _ in range(ROUNDS):
        table = unique("t")
        claims(ledger, table, "b0", range(FILES))
        mine = list(ledger.read(table, [version(f"f{number}").path for number in range(FILES)]).values())

        def hand(to: str, mine: list[LedgerItem] = mine) -> set[str]:
            given = ledger.apply(
                [hand_over(item, batch_id=to, run="r1", error_type="RunDied", error_message="") for item in mine]
            )
            return {outcome.path for outcome in given if outcome.applied}

        won = at_once(*(partial(hand, f"b{number}") for number in range(1, 4)))
        assert sum(len(some) for some in won) == len(set.union(*won)) == FILES
        owned = owners(ledger, table, set.union(*won))
        assert all(owned[path] == f"b{number}" for number, some in enumerate(won, 1) for path in some)


def claim_in_a_process(endpoint: str, table_name: str, batch_id: str, tables: list[str], go: Any, out: Any) -> None:
    """Claim the same files as the other processes, table after table."""
    keys = {"aws_access_key_id": "local", "aws_secret_access_key": "local"}
    client = boto3.client("dynamodb", endpoint_url=endpoint, region_name="us-east-1", **keys)
    ledger = file_ledger(BotoDynamo(client), table_name)
    won: list[list[str]] = []
    for table in tables:
        go.wait(60)
        won.append(sorted(claims(ledger, table, batch_id, range(FILES))))
    out.put((batch_id, won))


def test_processes_with_the_same_events_at_the_same_moment_share_the_files_between_them(
    dynamodb: Any, state_table: str, ledger: FileLedger
) -> None:
    context = multiprocessing.get_context("spawn")
    tables = [unique("t") for _ in range(ROUNDS)]
    go, out = context.Barrier(2), context.Queue()
    arguments = (dynamodb.meta.endpoint_url, state_table)
    processes = [
        context.Process(target=claim_in_a_process, args=(*arguments, name, tables, go, out)) for name in ("b0", "b1")
    ]
    try:
        for process in processes:
            process.start()
        won = dict(out.get(timeout=60) for _ in processes)
    finally:
        for process in processes:
            process.join(timeout=30)
            if process.is_alive():
                process.kill()
    assert [process.exitcode for process in processes] == [0, 0]
    for number, table in enumerate(tables):
        first, second = set(won["b0"][number]), set(won["b1"][number])
        assert first.isdisjoint(second)
        owned = owners(ledger, table, first | second)
        assert len(owned) == FILES
        assert owned == {**dict.fromkeys(first, "b0"), **dict.fromkeys(second, "b1")}


def test_a_batch_that_was_opened_again_is_not_closed_by_who_saw_it_before(batches: BatchStore) -> None:
    batch = Batch(KEY, unique("b"), BatchState.CLAIMING, "s3://lake/m", 3, 30, NOW, NOW)
    batches.create(batch)
    seen = batches.begin(KEY, batch.batch_id, "run-0")
    assert seen is not None
    batches.reopen(batch)
    assert not batches.close(seen, NOW)
    again = batches.begin(KEY, batch.batch_id, "run-1")
    assert again is not None
    assert again.state is BatchState.READY
    assert batches.close(again, NOW)
    assert batches.open(KEY).batches == ()
