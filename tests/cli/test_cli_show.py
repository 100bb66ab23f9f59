"""`alur show`."""

from __future__ import annotations

from dataclasses import replace

import pytest

from alur.aws.storage import Storage
from alur.errors import EmptyFile, FileUnavailable, StorageRefused
from cli_support import Place

A = "orders/a.csv"


def test_a_completed_files_story_has_its_object_its_entry_and_its_batch(place: Place):
    item = place.completed(A, rows=7)
    told = place.json("show", place.path(A))
    assert told["file_path"] == place.path(A)
    assert (told["object"]["exists"], told["object"]["etag"], told["object"]["size_bytes"]) == (True, item.etag, 4)
    (table,) = told["tables"]
    assert (table["table"], table["is_claimed_by_contract"]) == ("orders", True)
    assert (table["entry"]["status"], table["entry"]["rows_ingested"]) == ("completed", 7)
    assert table["batch"]["batch_id"] == item.batch_id
    assert table["batch"]["manifest_uri"].endswith("manifest.json")
    assert len(table["batch"]["run_ids"]) == 1
    result = place.call("show", place.path(A))
    assert result.exit_code == 0
    for words in ("it is completed since", "7, since snapshot s", "manifest  s3://", "waits       for nothing"):
        assert words in result.stdout


def test_a_file_that_is_processing_is_told_with_its_batch_and_what_came_since(place: Place):
    world = place.world
    world.send(world.put(A))
    world.send(world.put(A, b"a\n2\n"))
    told = place.call("show", place.path(A)).stdout
    batch_id = world.there(A).batch_id
    assert f"it is being processed by batch {batch_id} since" in told
    assert "the object is another version now" in told
    assert "a newer version" in told
    assert "submitted" in told


def test_a_failed_file_is_told_with_its_reason_and_what_it_waits_for(place: Place):
    world = place.world
    world.send(world.put(A))
    world.fail(A, EmptyFile(place.path(A)))
    told = place.call("show", place.path(A)).stdout
    assert "EmptyFile" in told
    assert "or `alur retry`" in told
    world.send(world.put("orders/b.csv"))
    world.fail("orders/b.csv", FileUnavailable(place.path("orders/b.csv"), "SlowDown"))
    assert "for another try at" in place.call("show", place.path("orders/b.csv")).stdout
    world.clock.advance(days=1)
    assert (
        "which is due: an event of it, or the reconciler, takes it"
        in place.call("show", place.path("orders/b.csv")).stdout
    )


def test_the_version_whose_rows_are_still_there_is_told(place: Place):
    place.completed(A, rows=7)
    place.world.send(place.world.put(A, b"a\n2\n"))
    assert "are 7 rows of the version" in place.call("show", place.path(A)).stdout


def test_each_table_that_claims_the_file_tells_its_own(place: Place):
    world = place.world
    world.contracts[1] = replace(world.contracts[1], source_paths=world.contracts[0].source_paths)
    place.completed(A)
    told = place.json("show", place.path(A))
    assert [table["table"] for table in told["tables"]] == ["orders", "flights"]
    assert [table["entry"]["status"] for table in told["tables"]] == ["completed", "processing"]
    assert [table["table"] for table in place.json("show", place.path(A), "--table", "flights")["tables"]] == [
        "flights"
    ]


def test_a_file_that_nobody_has_ingested_yet_is_no_failure(place: Place):
    place.world.put(A)
    result = place.call("show", place.path(A))
    assert result.exit_code == 0
    assert "not ingested yet" in result.stdout


@pytest.mark.parametrize("key", [A, "elsewhere/a.csv"])
def test_a_file_that_nobody_knows_is_exit_1(place: Place, key):
    result = place.call("show", place.path(key))
    assert result.exit_code == 1
    assert "nobody knows" in result.stderr
    assert place.call("show", place.path(key), "--json").exit_code == 1


def test_a_file_whose_object_is_gone_is_known_as_long_as_it_has_an_entry(place: Place):
    place.completed(A)
    place.world.remove(A)
    result = place.call("show", place.path(A))
    assert result.exit_code == 0
    assert "is not there" in result.stdout


def test_that_s3_refuses_is_part_of_the_story(place: Place, monkeypatch):
    place.completed(A)

    def refuse(self, bucket, key):
        raise StorageRefused("HeadObject", f"s3://{bucket}/{key}", "403")

    monkeypatch.setattr(Storage, "head", refuse)
    result = place.call("show", place.path(A))
    assert result.exit_code == 0
    assert "S3 does not say: HeadObject" in result.stdout
    assert place.json("show", place.path(A))["object"]["exists"] is None


def test_a_file_that_no_glob_means_any_more_is_told_so(place: Place):
    place.completed(A)
    place.world.contracts[0] = replace(place.world.contracts[0], source_paths=("s3://elsewhere/*.csv",))
    result = place.call("show", place.path(A))
    assert result.exit_code == 0
    assert "no glob of it means this file" in result.stdout


def test_what_is_no_path_is_wrong_usage(place: Place):
    assert place.call("show", "orders/a.csv").exit_code == 2
