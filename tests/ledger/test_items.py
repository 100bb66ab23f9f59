"""Items, batches, slots, manifests: what is written is read back, and what others wrote is understood."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from alur.ledger.batches import (
    ERROR_LIMIT_CHARACTERS,
    RUN_DIED,
    Batch,
    BatchResult,
    BatchState,
    BatchStore,
    Move,
    Slot,
    SlotHistory,
    Walk,
    new_batch_id,
)
from alur.ledger.files import FileLedger
from alur.ledger.manifest import Candidate, Manifest, manifest_uri
from alur.ledger.memory import MemoryTable
from alur.ledger.model import (
    FileVersion,
    LedgerItem,
    Published,
    Status,
    Waiting,
    published_attribute,
    published_from,
    waiting_attribute,
    waiting_from,
)
from alur.ledger.paths import split_path
from alur.ledger.transitions import claim
from ledger_support import KEY, NOW, claimant, version

GUIDES_ITEM = {
    # As the guide's predecessor wrote it, after its rows were in.
    "ingestion_key": "orders",
    "file_path": "s3://landing/orders/2024-01-23/orders.csv",
    "file_size": 2048,
    "file_etag": '"d41d8cd98f00b204e9800998ecf8427e"',
    "rows_ingested": 103,
    "processed_at": 1706004000,
    "processed_at_iso": "2024-01-23 10:00:00 UTC",
}


def test_an_item_without_a_status_is_one_that_a_predecessor_completed() -> None:
    found = LedgerItem.from_attributes(GUIDES_ITEM)
    assert found.status is Status.COMPLETED
    assert found.etag == "d41d8cd98f00b204e9800998ecf8427e"
    assert (found.rows, found.batch_id, found.attempt) == (103, None, 1)
    assert found.processed_at == datetime(2024, 1, 23, 10, 0, tzinfo=UTC)


def test_an_item_of_a_predecessor_may_lack_everything_but_its_key() -> None:
    found = LedgerItem.from_attributes({"ingestion_key": "orders", "file_path": "s3://b/k"})
    assert (found.status, found.etag, found.rows) == (Status.COMPLETED, "", None)


def test_an_item_of_an_unknown_status_is_no_answer() -> None:
    with pytest.raises(ValueError, match="paused"):
        LedgerItem.from_attributes({**GUIDES_ITEM, "status": "paused"})


def test_what_waits_and_what_is_published_survive_their_round_trip() -> None:
    waiting, published = Waiting("e2", NOW), Published("e1", "b1", 7, "s1")
    assert waiting_from(waiting_attribute(waiting)) == waiting
    assert published_from(published_attribute(published)) == published


def test_a_claim_is_read_back_as_it_was_made() -> None:
    ledger = FileLedger(MemoryTable("file_path"))
    of = FileVersion("landing", "orders/ä b+%.csv", "e1", 10, "v1", NOW)
    (outcome,) = ledger.apply([claim(None, of, claimant(), event_at=NOW, now=NOW + timedelta(seconds=1))])
    assert outcome.applied
    (found,) = ledger.read(KEY, [of.path, of.path, "s3://landing/none"]).values()
    assert found == outcome.item
    assert found == LedgerItem(
        ingestion_key=KEY,
        path="s3://landing/orders/ä b+%.csv",
        etag="e1",
        size_bytes=10,
        status=Status.PROCESSING,
        batch_id="b2",
        source_system="sales_db",
        contract_fingerprint="f1",
        version_id="v1",
        event_at=NOW,
        claimed_at=NOW + timedelta(seconds=1),
        last_modified=NOW,
    )


def test_a_batch_is_read_back_as_it_was_made() -> None:
    store = BatchStore(MemoryTable("batch_id"))
    batch = Batch(KEY, "b1", BatchState.CLAIMING, "s3://lake/m", 3, 30, NOW, NOW + timedelta(seconds=300))
    store.create(batch)
    assert store.read(KEY, "b1") == batch
    assert store.read(KEY, "b2") is None
    result = BatchResult("run-1", 2, 1, 3, 20, 30, 40)
    store.finish(batch, "run-1", result)
    assert store.read(KEY, "b1") == replace(batch, result=result, finished_by=frozenset({"run-1"}))


def test_a_half_is_read_back_with_what_it_has_of_its_whole() -> None:
    store = BatchStore(MemoryTable("batch_id"))
    batch = Batch(
        KEY,
        "b1",
        BatchState.CLAIMING,
        "s3://lake/m",
        3,
        30,
        NOW,
        NOW,
        charged_before=2,
        last_error_type="RunDied",
        last_error="it died",
        alone=True,
    )
    store.create(batch)
    assert store.read(KEY, "b1") == batch
    assert batch.charges == 2
    assert batch.own_charges == 0


def test_what_a_batch_has_cost_is_who_began_it_and_did_not_finish_and_is_not_excused() -> None:
    store = BatchStore(MemoryTable("batch_id"))
    batch = Batch(KEY, "b1", BatchState.CLAIMING, "s3://lake/m", 3, 30, NOW, NOW, charged_before=1)
    store.create(batch)
    assert store.make_ready(batch, files=3, size_bytes=30)
    for number, excuses in enumerate([False, True, False]):
        slot = Slot(KEY, 0, f"run-{number}", "app", "{}", ("b1",), NOW)
        assert store.take_slot(slot, now=NOW, not_started_since=NOW) == frozenset()
        begun = store.begin(KEY, "b1", slot.token)
        assert begun is not None
        assert store.settle_slot(slot, SlotHistory(), [Move(begun, BatchState.READY, excuses=excuses)])
    store.finish(batch, "run-2", BatchResult("run-2", 3, 0, 0, 3, 20, 30))
    found = store.read(KEY, "b1")
    assert found is not None
    assert (found.begun_by, found.excused) == ({"run-0", "run-1", "run-2"}, {"run-1"})
    assert (found.own_charges, found.charges) == (1, 2)


def test_what_is_known_of_a_runs_end_is_kept_where_the_run_could_not_say_it() -> None:
    store = BatchStore(MemoryTable("batch_id"))
    batch = Batch(KEY, "b1", BatchState.CLAIMING, "s3://lake/m", 3, 30, NOW, NOW)
    store.create(batch)
    assert store.make_ready(batch, files=3, size_bytes=30)
    slot = Slot(KEY, 0, "run-0", "app", "{}", ("b1",), NOW)
    assert store.take_slot(slot, now=NOW, not_started_since=NOW) == frozenset()
    begun = store.begin(KEY, "b1", "run-0")
    assert begun is not None
    # An earlier run's own error blamed no file: it says nothing of this one's end.
    store.stumble(batch, "run-before", error_type="StorageUnavailable", error="503", blames_files=False)
    move = Move(begun, BatchState.WAITING, error=(RUN_DIED, "x" * 10_000))
    assert store.settle_slot(slot, SlotHistory(), [move])
    found = store.read(KEY, "b1")
    assert found is not None
    assert (found.last_error_type, found.last_error) == (RUN_DIED, "x" * ERROR_LIMIT_CHARACTERS)
    assert found.blames_files


def test_a_walk_is_read_back_as_it_was_written() -> None:
    store = BatchStore(MemoryTable("batch_id"))
    assert store.read_walk(KEY) is None
    walk = Walk(KEY, "f1", NOW)
    assert store.write_walk(walk, None)
    assert store.read_walk(KEY) == walk
    further = replace(walk, after="s3://landing/orders/ü.csv")
    assert store.write_walk(further, walk)
    assert store.read_walk(KEY) == further
    # Whoever read it before is too late.
    assert not store.write_walk(replace(walk, after="s3://landing/orders/z.csv"), walk)
    done = replace(walk, is_done=True)
    assert store.write_walk(done, further)
    assert store.read_walk(KEY) == done
    # It is no batch and no slot, and nobody has to look at it.
    assert (store.open().batches, store.open().slots) == ((), ())


def test_a_batch_id_is_never_used_twice() -> None:
    store = BatchStore(MemoryTable("batch_id"))
    batch = Batch(KEY, "b1", BatchState.CLAIMING, "s3://lake/m", 3, 30, NOW, NOW)
    store.create(batch)
    with pytest.raises(ValueError, match="b1"):
        store.create(replace(batch, manifest_uri="s3://lake/other"))


def test_batch_ids_sort_by_time_and_differ_at_the_same_moment() -> None:
    moments = [NOW, NOW + timedelta(milliseconds=1), NOW + timedelta(seconds=1), NOW + timedelta(days=400)]
    made = [new_batch_id(moment) for moment in moments]
    assert made == sorted(made)
    assert len({new_batch_id(NOW) for _ in range(200)}) == 200
    assert new_batch_id(NOW, "3f9a1c2b") == "20261123t100000000z-3f9a1c2b"


def test_a_slot_is_read_back_as_it_was_taken_and_with_its_run() -> None:
    store = BatchStore(MemoryTable("batch_id"))
    slot = Slot(KEY, 2, "run-1", "app", '{"name":"x"}', ("b1",), NOW)
    assert store.take_slot(slot, now=NOW, not_started_since=NOW) == {"b1"}
    assert store.open().slots == ()
    batch = Batch(KEY, "b1", BatchState.CLAIMING, "s3://lake/m", 3, 30, NOW, NOW)
    store.create(batch)
    assert store.make_ready(batch, files=3, size_bytes=30)
    assert store.take_slot(slot, now=NOW, not_started_since=NOW) == frozenset()
    assert store.open().slots == (slot,)
    assert store.read_slot(KEY, 2) == slot
    assert store.record_run(slot, "00f1", NOW)
    assert store.open(KEY).slots == (replace(slot, run_id="00f1"),)


def test_a_slot_remembers_its_runs_from_one_to_the_next() -> None:
    store = BatchStore(MemoryTable("batch_id"))
    first = Slot(KEY, 0, "run-0", "app", "{}", (), NOW)
    assert store.take_slot(first, now=NOW, not_started_since=NOW) == frozenset()
    history = SlotHistory(3, 2, NOW + timedelta(minutes=5))
    assert store.settle_slot(first, history, [])
    assert store.read_slot(KEY, 0) is None
    second = replace(first, token="run-1")
    moment = timedelta(milliseconds=1)
    assert store.take_slot(second, now=NOW + timedelta(minutes=5) - moment, not_started_since=NOW) is None
    assert store.take_slot(second, now=NOW + timedelta(minutes=5), not_started_since=NOW) == frozenset()
    assert store.read_slot(KEY, 0) == replace(second, history=history)
    assert store.settle_slot(second, SlotHistory(), [])
    assert store.take_slot(replace(first, token="run-2"), now=NOW, not_started_since=NOW) == frozenset()
    taken = store.read_slot(KEY, 0)
    assert taken is not None
    assert taken.history == SlotHistory()


def test_a_manifest_is_read_back_as_it_was_written() -> None:
    versions = (version(), FileVersion("landing", "orders/ü //{a}[0-9]*.csv", "e2", 0, "v1"))
    manifest = Manifest(KEY, "b1", NOW, "f1", tuple(Candidate(one, NOW + timedelta(seconds=5)) for one in versions))
    assert Manifest.from_document(manifest.to_document()) == manifest
    assert manifest.paths == ("s3://landing/orders/a.csv", "s3://landing/orders/ü //{a}[0-9]*.csv")


@pytest.mark.parametrize(
    ("path", "bucket", "key"),
    [
        ("s3://b/k", "b", "k"),
        ("s3://b//k", "b", "/k"),
        ("s3://b/a//b/", "b", "a//b/"),
        ("s3://b/a?b#c%20+d", "b", "a?b#c%20+d"),
        ("s3://b/s3://c/d", "b", "s3://c/d"),
    ],
)
def test_a_path_is_split_at_its_buckets_end_only(path: str, bucket: str, key: str) -> None:
    assert split_path(path) == (bucket, key)
    assert FileVersion(bucket, key, "e", 0).path == path


@pytest.mark.parametrize("path", ["", "b/k", "s3:/b/k", "s3://b", "s3:///k", "s3a://b/k"])
def test_what_is_no_path_of_s3_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="s3://bucket/key"):
        split_path(path)


def test_a_manifest_lies_in_the_lake_under_its_table_and_batch() -> None:
    assert manifest_uri("lake", "orders", "b1") == "s3://lake/alur/batches/orders/b1/manifest.json"
