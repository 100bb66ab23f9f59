"""Items, batches, slots, manifests: what is written is read back, and what others wrote is understood."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from alur.ledger.batches import Batch, BatchResult, BatchState, BatchStore, Slot, new_batch_id
from alur.ledger.files import FileLedger
from alur.ledger.manifest import Candidate, Manifest
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
    )


def test_a_batch_is_read_back_as_it_was_made() -> None:
    store = BatchStore(MemoryTable("batch_id"))
    batch = Batch(KEY, "b1", BatchState.CLAIMING, "s3://lake/m", 3, 30, NOW, NOW + timedelta(seconds=300))
    store.create(batch)
    assert store.read(KEY, "b1") == batch
    assert store.read(KEY, "b2") is None
    result = BatchResult("run-1", 2, 1, 20, 30, 40)
    store.finish(batch, result)
    assert store.read(KEY, "b1") == replace(batch, result=result)


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
    assert store.take_slot(slot, not_started_since=NOW)
    assert store.open().slots == (slot,)
    assert not store.record_run(slot, "00f1", NOW)
    assert store.open(KEY).slots == (replace(slot, run_id="00f1"),)


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
