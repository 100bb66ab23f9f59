"""Versions of a file over time: replaced in one commit, never doubled, whoever deletes what meanwhile."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from workbench import Workbench, is_bronze, make_contract, once_after, rows_of

from alur.clock import utc_now
from alur.contracts.contract import Contract
from alur.engine.iceberg import IcebergTable
from alur.ledger.batches import BatchState
from alur.ledger.model import FileVersion
from alur.ledger.transitions import remember

pytestmark = [pytest.mark.spark, pytest.mark.stack]


def test_each_new_version_takes_the_old_ones_place_in_one_commit(bench: Workbench):
    bench.put("a.csv", rows_of(1, 2, 3))
    bench.put("b.csv", rows_of(10))
    first = bench.ingest("a.csv", "b.csv")

    bench.put("a.csv", rows_of(4, 5))
    second = bench.ingest("a.csv")
    assert bench.published() == [second.batch_id, first.batch_id]
    seen = [bench.values("id", "a.csv", snapshot_id) for snapshot_id, _ in bench.history()]
    assert seen == [[4, 5], [1, 2, 3], []]
    assert bench.rows() == {"a.csv": 2, "b.csv": 1}
    assert set(bench.values("_source_etag", "a.csv")) == {bench.version("a.csv").etag}
    assert bench.state("a.csv") == ("completed", 2)
    assert "previous" not in bench.attributes("a.csv")

    # Somebody deletes the entry: read again, replaced.
    bench.forget("a.csv")
    third = bench.ingest("a.csv")
    assert bench.rows() == {"a.csv": 2, "b.csv": 1}
    assert set(bench.values("_batch_id", "a.csv")) == {third.batch_id}
    assert bench.attributes("a.csv")["snapshot_id"] == str(bench.history()[0][0])

    # A version that cannot be ingested leaves the rows of the one before, and the item says so.
    bench.put("a.csv", b"other,header\n1,2\n")
    bench.ingest("a.csv")
    assert bench.state("a.csv") == ("failed", "HeaderMismatch")
    assert bench.values("id", "a.csv") == [4, 5]
    assert bench.attributes("a.csv")["previous"]["rows_ingested"] == 2
    assert bench.published()[0] == third.batch_id

    # A version without rows takes them away, and its commit names the path.
    bench.put("a.csv", b"id,name,amount\n")
    bare = bench.ingest("a.csv")
    assert bench.state("a.csv") == ("completed", 0)
    assert bench.rows() == {"b.csv": 1}
    assert bench.published()[0] == bare.batch_id
    assert [(file["path"], file["rows"]) for file in bench.record(bare)["files"]] == [(bench.path("a.csv"), 0)]

    # The same once more: there is nothing to remove and nothing to add, and still it must shut a zombie out.
    bench.forget("a.csv")
    again = bench.ingest("a.csv")
    assert bench.published()[0] == again.batch_id
    assert bench.rows() == {"b.csv": 1}
    assert bench.branches() == ["main"]


def test_where_versions_are_appended_each_is_there_once(bench_for: Callable[[Contract], Workbench]):
    bench = bench_for(make_contract(on_overwrite="append"))
    bench.put("a.csv", rows_of(1, 2))
    bench.ingest("a.csv")
    bench.put("a.csv", rows_of(3))
    second = bench.ingest("a.csv")
    assert bench.values("id", "a.csv") == [1, 2, 3]
    assert bench.state("a.csv") == ("completed", 1)
    history = bench.history()
    assert bench.again(second)
    assert bench.history() == history

    # The entry is deleted: this version is read again and takes its own place, no other's.
    bench.forget("a.csv")
    third = bench.ingest("a.csv")
    assert bench.values("id", "a.csv") == [1, 2, 3]
    assert len(bench.values("_batch_id", "a.csv")) == 3
    assert bench.values("_batch_id").count(third.batch_id) == 1
    # Back to the first version's bytes: it is there already, and is not doubled either.
    bench.put("a.csv", rows_of(1, 2))
    bench.ingest("a.csv")
    assert bench.values("id", "a.csv") == [1, 2, 3]


def test_a_file_that_another_batch_owns_is_not_touched(bench: Workbench):
    bench.put("a.csv", rows_of(1))
    bench.put("b.csv", rows_of(2))
    first = bench.claim("a.csv", "b.csv")
    bench.forget("a.csv")
    second = bench.claim("a.csv")
    assert bench.run(first)
    assert bench.rows() == {"b.csv": 1}
    assert bench.state("a.csv")[0] == "processing"
    assert [file["path"] for file in bench.record(first)["files"]] == [bench.path("b.csv")]
    assert bench.batch_state(first) is BatchState.CLOSED
    assert bench.run(second)
    assert bench.rows() == {"a.csv": 1, "b.csv": 1}
    assert set(bench.values("_batch_id", "a.csv")) == {second.batch_id}


def test_a_batch_stays_open_while_something_newer_waits_and_while_a_try_is_due(bench: Workbench):
    bench.put("a.csv", rows_of(1))
    bench.put("permanent.csv", b"")
    waits = bench.claim("a.csv", "permanent.csv")
    item = bench.item("a.csv")
    assert item is not None
    newer = FileVersion(bench.bucket, bench.folder + "a.csv", "newer", 1)
    assert bench.files.apply([remember(item, newer, utc_now())])[0].applied
    assert bench.run(waits)
    assert bench.state("a.csv") == ("completed", 1)
    assert bench.attributes("a.csv")["waiting"]["file_etag"] == "newer"
    assert bench.batch_state(waits) is BatchState.READY
    result = bench.batches.read(bench.key, waits.batch_id)
    assert result is not None
    assert result.result is not None
    assert (result.result.completed, result.result.failed, result.result.rows) == (1, 1, 1)


def test_an_entry_deleted_before_the_flip_leaves_the_rows_and_a_later_claim_replaces_them(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
):
    bench.put("a.csv", rows_of(1, 2))
    bench.put("b.csv", rows_of(3))
    batch = bench.claim("a.csv", "b.csv")
    once_after(monkeypatch, IcebergTable, "commit", lambda: bench.forget("a.csv"), is_bronze)
    assert bench.run(batch)
    assert bench.item("a.csv") is None
    assert bench.state("b.csv") == ("completed", 1)
    assert bench.rows() == {"a.csv": 2, "b.csv": 1}
    assert bench.batch_state(batch) is BatchState.CLOSED
    later = bench.ingest("a.csv")
    assert bench.rows() == {"a.csv": 2, "b.csv": 1}
    assert set(bench.values("_batch_id", "a.csv")) == {later.batch_id}
