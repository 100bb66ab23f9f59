"""Files that wait: for something newer behind them, for another try, or for nothing that will ever come."""

from __future__ import annotations

import itertools
import random
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from alur.contracts.contract import OnOverwrite
from alur.errors import EmptyFile, FileChanged, FileDenied, FileUnavailable, StorageUnavailable
from alur.ledger.batches import BatchState
from alur.ledger.model import Published, Status
from alur.ledger.transitions import Decision
from deployment_support import MemoryStorage, World, contract

A, B, C = "orders/a.csv", "orders/b.csv", "orders/c.csv"


def under(world: World, rule: OnOverwrite, **facts: Any) -> None:
    globs = f"s3://{world.landing}/orders/**/*.csv"
    world.contracts = [contract("orders", globs, on_overwrite=rule, **facts)]


def test_a_newer_version_that_came_while_one_was_processing_is_claimed_after_its_end(world: World) -> None:
    world.send(world.put(A, b"a\n1\n"))
    first = world.there(A)
    second = replace(world.put(A, b"a\n2\n"), event_at=world.clock() + timedelta(seconds=9))
    world.send(second)
    assert world.there(A).etag == first.etag
    world.run_works("r0")
    (submission,) = world.sweep().submissions
    item = world.there(A)
    assert (item.status, item.etag, item.attempt) == (Status.PROCESSING, second.etag, 1)
    assert item.previous == Published(first.etag, first.batch_id or "", 1, "s")
    assert (item.waiting, item.event_at) == (None, second.event_at)
    assert submission.batch_ids == (item.batch_id,)
    # What it came from is closed: nobody waits on it any more.
    assert world.open_batches() == [item.batch_id]
    world.until_rest(world.run_works)
    assert (world.there(A).status, world.there(A).etag) == (Status.COMPLETED, second.etag)


def test_events_late_doubled_and_out_of_order_end_with_the_objects_own_version(world: World) -> None:
    seed = random.SystemRandom().randrange(2**32)
    chance = random.Random(seed)
    for number in range(40):
        key = f"orders/{number}.csv"
        events = [world.put(key, f"a\n{version}\n".encode()) for version in range(chance.randint(2, 4))]
        sent = [event for event in events for _ in range(chance.randint(1, 2))]
        chance.shuffle(sent)
        for event in sent:
            world.send(event)
            if chance.random() < 0.4:
                for run_id in world.recorded.going():
                    world.run_works(run_id)
            if chance.random() < 0.4:
                world.sweep(minutes=chance.choice([0, 1, 61]))
        world.until_rest(world.run_works)
        item = world.there(key)
        assert (item.status, item.etag, item.waiting) == (Status.COMPLETED, events[-1].etag, None), (
            f"seed {seed}, file {number}"
        )
        # However late they are.
        for event in sent:
            world.send(event)
        assert world.there(key) == item
        world.until_rest(world.run_works)


def test_what_waits_and_turns_out_to_be_what_is_there_is_forgotten(world: World) -> None:
    first, second = b"a\n1\n", b"a\n2\n"
    world.send(world.put(A, first))
    world.send(world.put(A, second))
    assert world.there(A).waiting is not None
    world.put(A, first)
    world.run_works("r0")
    report = world.sweep()
    assert (report.submissions, report.errors) == ((), ())
    assert world.there(A).waiting is None
    assert (world.there(A).status, world.open_batches()) == (Status.COMPLETED, [])


def test_what_waits_and_is_gone_waits_no_more(world: World) -> None:
    world.send(world.put(A, b"a\n1\n"))
    world.send(world.put(A, b"a\n2\n"))
    world.remove(A)
    world.run_works("r0")
    world.sweep()
    item = world.there(A)
    # The rows are in the table: the deletion of an object is none of a row.
    assert (item.status, item.waiting, world.open_batches()) == (Status.COMPLETED, None, [])


@pytest.mark.parametrize("rule", list(OnOverwrite))
def test_a_newer_version_behind_one_that_was_completed_becomes_what_the_contract_says(
    world: World, rule: OnOverwrite
) -> None:
    under(world, rule)
    first = world.put(A, b"a\n1\n")
    world.send(first)
    second = world.put(A, b"a\n2\n")
    world.send(second)
    world.run_works("r0")
    world.until_rest(world.run_works)
    item = world.there(A)
    assert (item.status, item.waiting) == (Status.COMPLETED, None)
    assert item.etag == (first.etag if rule is OnOverwrite.SKIP else second.etag)
    assert len(world.recorded.run_ids) == (1 if rule is OnOverwrite.SKIP else 2)


@pytest.mark.parametrize("rule", list(OnOverwrite))
def test_a_newer_version_behind_one_that_failed_is_claimed_whatever_the_contract_says(
    world: World, rule: OnOverwrite
) -> None:
    under(world, rule)
    world.send(world.put(A, b"a\n1\n"))
    second = world.put(A, b"a\n2\n")
    world.send(second)
    world.run_works("r0", wrong={A: EmptyFile(A)})
    world.until_rest(world.run_works)
    item = world.there(A)
    assert (item.status, item.etag, item.attempt) == (Status.COMPLETED, second.etag, 1)


def test_a_transient_failure_is_tried_again_with_backoff_as_often_as_it_may_be(world: World) -> None:
    for max_attempts in (1, 2, 3, 6):
        key = f"orders/{max_attempts}.csv"
        limited = world.configured(max_attempts=max_attempts)
        limited.send(limited.put(key))
        waited = []
        for attempt in range(1, max_attempts + 1):
            assert limited.there(key).attempt == attempt
            (run_id,) = limited.recorded.going()
            limited.run_works(run_id, wrong={key: FileUnavailable(key, "503")})
            failed_at = limited.clock()
            item = limited.there(key)
            assert (item.status, item.error_type) == (Status.FAILED, "FileUnavailable")
            limited.sweep()
            if item.next_try_at is None:
                break
            waited.append((item.next_try_at - failed_at).total_seconds())
            batch = limited.batch_of(key)
            assert (batch.state, batch.look_at) == (BatchState.WAITING, item.next_try_at)
            limited.clock.now = item.next_try_at - timedelta(milliseconds=1)
            assert limited.reconciler.sweep().submissions == ()
            (submission,) = limited.sweep().submissions
            again = limited.there(key)
            assert submission.batch_ids == (again.batch_id,)
            assert (again.status, again.error_type) == (Status.PROCESSING, "FileUnavailable")
            assert again.batch_id != item.batch_id
        assert len(waited) == max_attempts - 1
        assert all(60 * 2**n / 2 <= wait <= 60 * 2**n for n, wait in enumerate(waited)), waited
        # Nobody waits any more, and nothing happens by itself.
        assert (limited.open_batches(), limited.there(key).attempt) == ([], max_attempts)
        asked = limited.recorded.calls
        for _ in range(4):
            limited.sweep(hours=12)
        assert (limited.recorded.calls, limited.there(key).status) == (asked, Status.FAILED)
        # An event that names it brings it back, once.
        event = limited.event(key, limited.there(key).etag)
        assert limited.send(event).decisions == {"orders": {Decision.CLAIM: 1}}
        (run_id,) = limited.recorded.going()
        limited.run_works(run_id, wrong={key: FileUnavailable(key, "503")})
        assert limited.there(key).next_try_at is None
        limited.until_rest(limited.run_works)


def test_a_transient_failure_costs_its_neighbours_nothing_and_is_claimed_without_them(world: World) -> None:
    world.send(world.put(A), world.put(B))
    world.run_works("r0", wrong={A: FileUnavailable(A, "503")})
    done = world.there(B)
    (submission,) = world.sweep(minutes=2).submissions
    assert world.batch_of(A).files == 1
    assert submission.batch_ids == (world.there(A).batch_id,)
    world.until_rest(world.run_works)
    assert world.there(B) == done
    assert world.there(A).status is Status.COMPLETED


def test_files_that_fell_due_together_share_a_batch_and_those_that_did_not_wait_for_their_time(world: World) -> None:
    world.send(world.put(A), world.put(B), world.put(C))
    world.run_works("r0", wrong={A: FileUnavailable(A, "503"), B: FileChanged(B, "e1", "e2")})
    batch = world.batch_of(A)
    assert world.sweep().submissions != ()
    # What is excused is due at once; what is not stays with its batch, which waits for it.
    assert world.there(B).batch_id != world.there(A).batch_id == batch.batch_id
    assert world.batch_of(A).look_at == world.there(A).next_try_at
    world.until_rest(world.run_works)
    assert {world.there(key).status for key in (A, B, C)} == {Status.COMPLETED}


def test_a_file_that_changes_whenever_it_is_read_costs_no_attempt_however_often(world: World) -> None:
    world.send(world.put(A, b"a\n0\n"))
    for number in range(1, 9):
        (run_id,) = world.recorded.going()
        found = world.put(A, f"a\n{number}\n".encode())
        world.run_works(run_id, wrong={A: FileChanged(A, world.there(A).etag, found.etag)})
        world.sweep()
        item = world.there(A)
        assert (item.status, item.etag, item.attempt) == (Status.PROCESSING, found.etag, 1)
    world.until_rest(world.run_works)
    assert world.there(A).status is Status.COMPLETED


def test_a_permanent_failure_waits_for_another_contract_or_another_version_and_for_nothing_else(world: World) -> None:
    event = world.put(A)
    world.send(event)
    world.run_works("r0", wrong={A: EmptyFile(A)})
    world.sweep()
    assert world.open_batches() == []
    for _ in range(3):
        world.sweep(days=1)
        assert world.send(event).decisions == {"orders": {Decision.DUPLICATE: 1}}
    assert world.recorded.calls == 1
    newer = world.put(A, b"a\n2\n")
    assert world.send(newer).decisions == {"orders": {Decision.CLAIM: 1}}
    assert world.there(A).attempt == 1
    world.run_works("r1", wrong={A: EmptyFile(A)})
    world.until_rest(world.run_works)
    under(world, OnOverwrite.REPLACE, null_values=["NA"])
    (submission,) = world.sweep().submissions
    assert submission.batch_ids == (world.there(A).batch_id,)
    world.until_rest(world.run_works)
    assert world.there(A).status is Status.COMPLETED


def test_a_failure_outside_the_file_waits_for_an_event_that_names_it(world: World) -> None:
    event = world.put(A)
    world.send(event)
    world.run_works("r0", wrong={A: FileDenied(A, "AccessDenied")})
    world.sweep(days=2)
    assert (world.open_batches(), world.recorded.calls) == ([], 1)
    assert world.send(event).decisions == {"orders": {Decision.CLAIM: 1}}


def test_a_file_that_waits_and_whose_object_is_gone_waits_no_more(world: World) -> None:
    world.send(world.put(A), world.put(B))
    world.run_works("r0", wrong={A: FileUnavailable(A, "503")})
    world.remove(A)
    report = world.sweep(minutes=2)
    assert (report.submissions, report.errors) == ((), ())
    item = world.there(A)
    assert (item.status, item.error_type, item.is_permanent, item.next_try_at) == (
        Status.FAILED,
        "FileVanished",
        True,
        None,
    )
    assert world.open_batches() == []
    # And comes back with its object.
    assert world.send(world.put(A)).decisions == {"orders": {Decision.CLAIM: 1}}


def test_a_batch_is_closed_only_when_nobody_waits_on_it(world: World) -> None:
    """One file of each kind in one batch; each is settled in turn, in every order."""
    kinds = ("later", "newer", "done")
    for order in itertools.permutations(kinds):
        keys = {kind: f"orders/{'-'.join(order)}/{kind}.csv" for kind in kinds}
        world.send(*(world.put(key, b"a\n1\n") for key in keys.values()))
        batch_id = world.batch_of(keys["done"]).batch_id
        world.send(world.put(keys["newer"], b"a\n2\n"))
        (run_id,) = world.recorded.going()
        real = world.storage
        world.storage = Blind(world, {keys["newer"]})
        world.run_works(run_id, wrong={keys["later"]: FileUnavailable("x", "503")})
        report = world.sweep()
        assert [type(error) for error in report.errors] == [StorageUnavailable]
        # Something newer, of which nobody can say now what it is, and a next try: it stays open.
        assert batch_id in world.open_batches(BatchState.WAITING)
        world.storage = real
        world.sweep()
        assert world.there(keys["newer"]).batch_id != batch_id
        assert batch_id in world.open_batches(BatchState.WAITING)
        world.sweep(minutes=2)
        assert world.there(keys["later"]).batch_id != batch_id
        assert batch_id not in world.open_batches()
        world.until_rest(world.run_works)
        assert {world.there(key).status for key in keys.values()} == {Status.COMPLETED}


class Blind(MemoryStorage):
    """S3 that fails to answer for some keys."""

    def __init__(self, world: World, keys: set[str]) -> None:
        super().__init__(world.clock)
        assert isinstance(world.storage, MemoryStorage)
        self.objects, self.documents, self.keys = world.storage.objects, world.storage.documents, keys

    def head(self, bucket: str, key: str) -> Any:
        if key in self.keys:
            raise StorageUnavailable("HeadObject", f"s3://{bucket}/{key}", "503")
        return super().head(bucket, key)


def test_a_head_that_fails_stops_no_other_file(world: World) -> None:
    keys = [f"orders/{number}.csv" for number in range(5)]
    world.send(*(world.put(key) for key in keys))
    world.run_works("r0", wrong={key: FileUnavailable(key, "503") for key in keys})
    real = world.storage
    world.storage = Blind(world, {keys[2]})
    report = world.sweep(minutes=2)
    assert [error.uri for error in report.errors if isinstance(error, StorageUnavailable)] == [
        f"s3://landing/{keys[2]}"
    ]
    assert len(report.submissions) == 1
    assert world.batch_of(keys[0]).files == 4
    assert world.there(keys[2]).status is Status.FAILED
    world.storage = real
    assert world.sweep().errors == ()
    assert world.there(keys[2]).status is Status.PROCESSING
    world.until_rest(world.run_works)
    assert {world.there(key).status for key in keys} == {Status.COMPLETED}


def test_files_of_a_table_without_a_contract_wait_for_a_deploy_that_has_it(world: World) -> None:
    world.send(world.put(A))
    world.run_works("r0", wrong={A: FileUnavailable(A, "503")})
    contracts = world.contracts
    world.contracts = [one for one in contracts if one.ingestion_key != "orders"]
    for _ in range(3):
        report = world.sweep(minutes=61)
        assert (report.errors, report.submissions) == ((), ())
    assert len(world.open_batches(BatchState.WAITING)) == 1
    world.contracts = contracts
    world.sweep(minutes=61)
    world.until_rest(world.run_works)
    assert world.there(A).status is Status.COMPLETED
