"""The walk over every item of a table: what a contract's change makes due, and what no open batch knows of."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import pytest

from alur.contracts.contract import Contract
from alur.errors import EmptyFile, FileUnavailable, LedgerUnavailable, RunsFailed, StorageUnavailable
from alur.ledger import memory
from alur.ledger.batches import BatchState
from alur.ledger.memory import MemoryTable
from alur.ledger.model import Status
from alur.ledger.table import Attributes, Change
from deployment_support import World, contract

A, B = "orders/a.csv", "orders/b.csv"


def other_contract(world: World) -> Contract:
    return contract("orders", f"s3://{world.landing}/orders/**/*.csv", null_values=["NA"])


def deploy(world: World, new: Contract) -> None:
    world.contracts = [new, *(one for one in world.contracts if one.ingestion_key != new.ingestion_key)]


def settled(world: World, *keys: str) -> None:
    """Ingest files, and let everything come to rest, the day's walk included."""
    world.send(*(world.put(key) for key in keys))
    world.until_rest(world.run_works, minutes=1)
    world.sweep()


class Counting(MemoryTable):
    """Counts the pages that are read."""

    def __init__(self, of: MemoryTable) -> None:
        super().__init__("file_path")
        self._items = of._items
        self.read_pages: list[str] = []

    def pages(self, ingestion_key: str, after: str | None = None) -> Iterator[Sequence[Attributes]]:
        for page in super().pages(ingestion_key, after):
            self.read_pages.append(ingestion_key)
            yield page


def counted(world: World) -> Counting:
    assert isinstance(world.file_table, MemoryTable)
    world.file_table = counting = Counting(world.file_table)
    return counting


def test_a_contracts_change_makes_its_failed_files_due_and_no_other(world: World) -> None:
    keys = [f"orders/{number}.csv" for number in range(4)]
    world.send(*(world.put(key) for key in keys), world.put("flights/f.csv"))
    wrong: dict[str, Any] = {
        keys[0]: EmptyFile(keys[0]),
        keys[1]: RunsFailed(keys[1], 3, "RunDied"),
        "flights/f.csv": EmptyFile("flights/f.csv"),
    }
    world.until_rest(lambda run_id: world.run_works(run_id, wrong=wrong), minutes=1)
    world.sweep()
    before = {key: world.there(key) for key in keys}
    deploy(world, other_contract(world))
    (submission,) = world.sweep().submissions
    assert submission.batch_ids == (world.there(keys[0]).batch_id,)
    assert {world.there(key).status for key in keys[:2]} == {Status.PROCESSING}
    assert [world.there(key) for key in keys[2:]] == [before[key] for key in keys[2:]]
    assert world.there("flights/f.csv", "flights").status is Status.FAILED
    world.until_rest(world.run_works)
    assert {world.there(key).status for key in keys} == {Status.COMPLETED}


def test_a_contracts_change_makes_its_failed_files_due_once(world: World) -> None:
    world.send(world.put(A))
    world.until_rest(lambda run_id: world.run_works(run_id, wrong={A: EmptyFile(A)}), minutes=1)
    world.sweep()
    deploy(world, other_contract(world))
    world.until_rest(lambda run_id: world.run_works(run_id, wrong={A: EmptyFile(A)}), minutes=1)
    world.sweep()
    world.until_rest(lambda run_id: world.run_works(run_id, wrong={A: EmptyFile(A)}), minutes=1)
    asked = world.recorded.calls
    assert asked == 2
    for _ in range(5):
        world.sweep(hours=13)
    assert (world.recorded.calls, world.there(A).status) == (asked, Status.FAILED)


def test_a_table_is_walked_over_once_a_day_and_asked_for_no_page_in_between(world: World) -> None:
    settled(world, A, B)
    counting = counted(world)
    for _ in range(23):
        world.sweep(minutes=60)
    assert counting.read_pages == []
    world.sweep(minutes=60)
    assert counting.read_pages == ["orders"]
    world.sweep(minutes=60)
    assert counting.read_pages == ["orders"]


def test_a_process_that_knows_of_the_days_walk_asks_nobody(world: World) -> None:
    settled(world, A)

    class Asked(MemoryTable):
        walks_read = 0

        def read(self, keys: Any) -> Any:
            Asked.walks_read += sum(key["batch_id"] == "walk" for key in keys)
            return super().read(keys)

    assert isinstance(world.batch_table, MemoryTable)
    world.batch_table.__class__ = Asked
    reconciler = world.reconciler
    for _ in range(5):
        reconciler.sweep()
    assert Asked.walks_read == len(world.contracts)


def test_an_item_that_is_processing_under_a_closed_batch_is_found(world: World) -> None:
    world.send(world.put(A), world.put(B))
    batch = world.batch_of(A)
    world.sweep()
    world.complete(A)
    # A run that had not seen the other's claim closes the batch.
    world.batches.close(batch, world.clock())
    world.recorded.ends("r0")
    world.until_rest(world.run_works, minutes=1)
    assert world.there(B).status is Status.PROCESSING
    world.sweep(hours=24)
    world.until_rest(world.run_works, minutes=1)
    item = world.there(B)
    assert (item.status, item.batch_id, item.attempt) == (Status.COMPLETED, batch.batch_id, 1)


def test_a_file_that_waits_under_a_closed_batch_is_found(world: World) -> None:
    world.send(world.put(A))
    world.sweep()
    world.run_works("r0", wrong={A: FileUnavailable(A, "503")})
    world.batches.close(world.batch_of(A), world.clock())
    world.sweep()
    assert (world.open_batches(), world.there(A).status) == ([], Status.FAILED)
    world.sweep(hours=24)
    world.until_rest(world.run_works)
    assert (world.there(A).status, world.there(A).attempt) == (Status.COMPLETED, 2)


def delete(world: World, table: str, sort: str) -> None:
    assert isinstance(world.batch_table, MemoryTable)
    world.batch_table.delete({"ingestion_key": table, "batch_id": sort})


@pytest.mark.parametrize("when", ["before its run began", "while its run was dying", "with its slot"])
def test_an_item_that_is_processing_under_a_batch_that_somebody_deleted_is_found(world: World, when: str) -> None:
    world.send(world.put(A))
    world.sweep()
    batch_id = world.batch_of(A).batch_id
    if when == "while its run was dying":
        world.run_dies("r0")
    delete(world, "orders", batch_id)
    if when == "with its slot":
        delete(world, "orders", "slot#0")
    world.recorded.ends("r0", "FAILED")
    report = world.sweep()
    assert report.errors == ()
    world.sweep(hours=24)
    item = world.there(A)
    assert item.batch_id != batch_id
    world.until_rest(world.run_works)
    assert world.there(A).status is Status.COMPLETED


@pytest.mark.parametrize("with_newer", [False, True])
def test_an_item_under_a_deleted_batch_whose_object_is_gone_fails_by_name(world: World, with_newer: bool) -> None:
    world.send(world.put(A, b"a\n1\n"))
    if with_newer:
        world.send(world.put(A, b"a\n2\n"))
    world.sweep()
    delete(world, "orders", world.batch_of(A).batch_id)
    world.remove(A)
    world.recorded.ends("r0", "FAILED")
    world.sweep(hours=24)
    assert (world.there(A).status, world.there(A).error_type) == (Status.FAILED, "FileVanished")
    world.sweep(hours=24)
    assert world.there(A).waiting is None
    assert world.open_batches() == []


def test_a_newer_version_behind_an_item_whose_batch_is_gone_is_what_is_claimed(world: World) -> None:
    world.send(world.put(A, b"a\n1\n"))
    world.send(newer := world.put(A, b"a\n2\n"))
    world.sweep()
    delete(world, "orders", world.batch_of(A).batch_id)
    world.recorded.ends("r0", "FAILED")
    world.sweep(hours=24)
    world.until_rest(world.run_works)
    item = world.there(A)
    assert (item.status, item.etag, item.waiting) == (Status.COMPLETED, newer.etag, None)


def test_a_claim_of_a_batch_that_is_open_is_left_alone_by_the_walk(world: World) -> None:
    settled(world, B)
    world.clock.advance(hours=24)
    world.send(world.put(A))
    before = world.there(A)
    report = world.sweep()
    assert (report.submissions, report.errors) == ((), ())
    assert world.there(A) == before
    assert len(world.open_batches()) == 1


def times(count: int) -> Callable[[], bool]:
    """Time for so many things more."""
    left = iter(range(count))
    return lambda: next(left, None) is not None


def lost(world: World, keys: Iterable[str], fingerprint: str | None = None) -> None:
    """Make claims of which no batch knows, by default under the contract as it is."""
    now = "2026-11-23T10:00:00.000Z"
    for key in keys:
        event = world.put(key)
        item = {
            "file_etag": event.etag,
            "file_size": 4,
            "status": "processing",
            "batch_id": "gone",
            "attempt": 1,
            "event_at": now,
            "claimed_at": now,
            "contract_fingerprint": fingerprint or world.contracts[0].fingerprint,
        }
        path = {"ingestion_key": "orders", "file_path": f"s3://{world.landing}/{key}"}
        world.file_table.apply(Change(path, (), item, creates=True))


def test_a_walk_goes_on_page_by_page_from_sweep_to_sweep(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "PAGE_ITEMS", 3)
    keys = [f"orders/{number}.csv" for number in range(8)]
    lost(world, keys)
    counting = counted(world)
    claimed = []
    for _ in range(4):
        # Time for what is open and to begin with the table, and for nothing after its page.
        world.sweep(times(len(world.open_batches()) + 1))
        claimed.append([key for key in keys if world.there(key).batch_id != "gone"])
        walk = world.batches.read_walk("orders")
        assert walk is not None
        assert walk.is_done is (len(claimed) == 4)
    assert claimed == [keys[:3], keys[:6], keys, keys]
    assert counting.read_pages == ["orders"] * 3
    world.until_rest(world.run_works, minutes=1)
    assert {world.there(key).status for key in keys} == {Status.COMPLETED}


def test_a_claim_of_which_no_batch_knows_is_found_by_the_same_walk_that_finds_its_contract_changed(
    world: World,
) -> None:
    lost(world, [A, B], "f0")
    world.sweep()
    assert [world.there(key).batch_id != "gone" for key in (A, B)] == [True, True]


def test_a_claim_that_may_be_judged_by_the_contract_as_it_was_is_looked_at_again(world: World) -> None:
    world.send(world.put(A), world.put(B))
    world.sweep()
    old = world.contracts
    deploy(world, other_contract(world))
    new = world.contracts
    world.sweep()
    # The run that is under way has the code of before.
    world.contracts = old
    world.run_works("r0", wrong={A: EmptyFile(A)})
    world.contracts = new
    world.until_rest(world.run_works)
    for key in (A, B):
        item = world.there(key)
        assert (item.status, item.waiting) == (Status.COMPLETED, None)
    assert world.open_batches() == []


def test_what_older_code_claimed_behind_a_changed_contracts_walk_is_found_by_a_second_one(world: World) -> None:
    settled(world, A)
    (old,) = (one for one in world.contracts if one.ingestion_key == "orders")
    deploy(world, other_contract(world))
    world.sweep()
    # A function of the older code is still under way, and its run judges by the older contract.
    new = world.contracts[0]
    deploy(world, old)
    world.send(world.put(B))
    deploy(world, new)

    def judge(run_id: str) -> None:
        deploy(world, old)
        world.run_works(run_id, wrong={B: EmptyFile(B)})
        deploy(world, new)

    world.until_rest(judge, minutes=1)
    assert (world.there(B).status, world.there(B).contract_fingerprint) == (Status.FAILED, old.fingerprint)
    world.sweep(minutes=6)
    assert (world.there(B).status, world.there(B).contract_fingerprint) == (Status.PROCESSING, new.fingerprint)
    world.until_rest(world.run_works)
    counting = counted(world)
    for _ in range(5):
        world.sweep(minutes=60)
    assert counting.read_pages == []


def test_a_page_of_which_an_object_cannot_be_asked_after_is_looked_at_again_by_the_next_sweep(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.send(world.put(A))
    world.until_rest(lambda run_id: world.run_works(run_id, wrong={A: EmptyFile(A)}), minutes=1)
    world.sweep()
    deploy(world, other_contract(world))

    def unavailable(_: object, bucket: str, key: str) -> None:
        raise StorageUnavailable("HeadObject", f"s3://{bucket}/{key}", "SlowDown")

    with monkeypatch.context() as patch:
        patch.setattr(type(world.storage), "head", unavailable)
        assert [type(error) for error in world.reconciler.sweep().errors] == [StorageUnavailable]
    assert world.there(A).status is Status.FAILED
    world.sweep()
    assert world.there(A).status is Status.PROCESSING


def test_a_walk_that_was_begun_for_an_older_contract_is_begun_anew(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "PAGE_ITEMS", 2)
    keys = [f"orders/{number}.csv" for number in range(4)]
    world.send(*(world.put(key) for key in keys))
    wrong: dict[str, Any] = {key: EmptyFile(key) for key in keys}
    world.run_works("r0", wrong=wrong)
    # The day's first walk is at its first page when the deploy comes.
    world.sweep(times(1))
    half = world.batches.read_walk("orders")
    assert half is not None
    assert (half.after, half.is_done) == (f"s3://landing/{keys[1]}", False)
    deploy(world, other_contract(world))
    world.sweep()
    world.until_rest(world.run_works, minutes=1)
    assert {world.there(key).status for key in keys} == {Status.COMPLETED}


def test_a_walk_that_cannot_go_on_stops_no_other_table_and_goes_on_where_it_was(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "PAGE_ITEMS", 1)
    lost(world, [A, B])
    world.send(world.put("flights/f.csv"))

    class Sore(MemoryTable):
        """Breaks off at the second page of orders."""

        def pages(self, ingestion_key: str, after: str | None = None) -> Iterator[Sequence[Attributes]]:
            for number, page in enumerate(super().pages(ingestion_key, after)):
                if number and ingestion_key == "orders":
                    raise LedgerUnavailable("Query", "ThrottlingException", "for this test")
                yield page

    memory_table = world.file_table
    assert isinstance(memory_table, MemoryTable)
    memory_table.__class__ = Sore
    report = world.sweep()
    assert [type(error) for error in report.errors] == [LedgerUnavailable]
    done = world.batches.read_walk("flights")
    assert done is not None
    assert done.is_done
    assert world.there(A).batch_id != "gone"
    memory_table.__class__ = MemoryTable
    assert world.sweep().errors == ()
    assert world.there(B).batch_id != "gone"


def test_a_year_of_failed_files_is_claimed_in_batches_that_can_be_read_in_one_go(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "PAGE_ITEMS", 1_200)
    keys = [f"orders/{number:04d}.csv" for number in range(1_200)]
    lost(world, keys)
    world.sweep()
    sizes = sorted(batch.files for batch in world.batches.open().batches)
    assert sizes == [200, 1_000]
    world.until_rest(world.run_works, minutes=1)
    assert all(world.there(key).status is Status.COMPLETED for key in keys)


def test_an_item_that_cannot_be_read_stops_neither_its_tables_walk_nor_the_sweep(world: World) -> None:
    lost(world, [A, B, "orders/c.csv"])
    by_hand = {"ingestion_key": "orders", "file_path": f"s3://{world.landing}/{B}"}
    world.file_table.apply(Change(by_hand, (), {"status": "paused"}))
    world.send(world.put("flights/f.csv"))
    world.run_ends("r0")
    world.sweep()
    assert [world.there(key).batch_id != "gone" for key in (A, "orders/c.csv")] == [True, True]
    assert world.batches.open().slots[0].ingestion_key == "orders"


def test_an_item_that_cannot_be_read_stops_no_other_batch(world: World) -> None:
    world.send(world.put(A))
    world.send(world.put("flights/f.csv"))
    by_hand = {"ingestion_key": "orders", "file_path": f"s3://{world.landing}/{A}"}
    world.file_table.apply(Change(by_hand, (), {"status": "paused"}))
    for run_id in ("r0", "r1"):
        world.run_dies(run_id)
    world.sweep()
    assert len(world.sweep(minutes=61).submissions) == 1
    world.run_ends("r2")
    assert world.there("flights/f.csv", "flights").status is Status.COMPLETED


def test_a_batch_that_no_walk_has_looked_at_is_closed_like_any_other(world: World) -> None:
    settled(world, A)
    assert world.open_batches(*BatchState) == []
    assert world.batch_of(A).state is BatchState.CLOSED
