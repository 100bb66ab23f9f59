"""What the objects are now, and how many calls it takes to see it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from alur.aws.storage import Page, Storage
from alur.ingestion.objects import Sight, is_unchanged, look_at_objects
from alur.ledger.model import FileVersion

pytestmark = pytest.mark.stack

LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def calls(s3: Any) -> Iterator[Counter[str]]:
    """Counts the calls that S3 gets, by operation."""
    seen: Counter[str] = Counter()

    def count(model: Any, **_: Any) -> None:
        seen[model.name] += 1

    s3.meta.events.register("before-call.s3", count)
    yield seen
    s3.meta.events.unregister("before-call.s3", count)


@pytest.fixture
def put(s3: Any, bucket: str) -> Callable[..., list[FileVersion]]:
    """Uploads objects, and returns them as somebody wants them who knows no more than their names."""

    def upload(*keys: str) -> list[FileVersion]:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda key: s3.put_object(Bucket=bucket, Key=key, Body=key.encode()), keys))
        return [FileVersion(bucket, key, "?", 0) for key in keys]

    return upload


def test_files_of_one_folder_take_one_listing(s3: Any, put: Callable[..., list[FileVersion]], calls: Counter[str]):
    wanted = put("f/a.csv", "f/b.csv", "f/c d+%.csv")
    calls.clear()
    sight = look_at_objects(Storage(s3), wanted)
    assert dict(calls) == {"ListObjectsV2": 1}
    assert set(sight.found) == {version.path for version in wanted}
    assert all(version.etag != "?" and version.last_modified for version in sight.found.values())


def test_a_file_alone_in_its_folder_takes_one_head(s3: Any, put: Callable[..., list[FileVersion]], calls: Counter[str]):
    wanted = put("f/a.csv", "g/a.csv", "top.csv")
    calls.clear()
    assert len(look_at_objects(Storage(s3), wanted).found) == 3
    assert dict(calls) == {"HeadObject": 3}


def test_objects_that_are_gone_are_not_in_the_answer(s3: Any, put: Callable[..., list[FileVersion]]):
    (there, alone) = put("f/a.csv", "g/a.csv")
    gone = [replace(there, key="f/b.csv"), replace(there, key="f/c.csv"), replace(there, key="h/x.csv")]
    assert set(look_at_objects(Storage(s3), [there, alone, *gone]).found) == {there.path, alone.path}


def test_neighbours_with_the_same_beginning_are_other_objects(s3: Any, put: Callable[..., list[FileVersion]]):
    put("f/a.csv.bak", "f/a.csv2", "f/a.csv/deeper.csv", "f2/a.csv", "fa.csv")
    wanted = put("f/a.csv", "f/b.csv")
    sight = look_at_objects(Storage(s3), wanted)
    assert set(sight.found) == {version.path for version in wanted}


def test_a_folder_of_which_the_batch_has_half_is_read_whole(
    s3: Any, put: Callable[..., list[FileVersion]], bucket: str
):
    wanted = put("f/1.csv", "f/2.csv", "g/1.csv", "g/2.csv", "h/1.csv", "h/2.csv")
    put("f/x.csv", "f/y.csv", "g/x.csv", "g/y.csv", "g/z.csv", "h/deeper/x.csv")
    # Of g it has less than half, and below h there are folders, which Spark would read too.
    assert look_at_objects(Storage(s3), wanted).whole_folders == {f"s3://{bucket}/f/"}


@pytest.fixture(scope="module")
def large_folder(s3: Any) -> list[FileVersion]:
    """1,100 objects in one folder."""
    bucket = f"large-{uuid4().hex}"
    s3.create_bucket(Bucket=bucket)
    versions = [FileVersion(bucket, f"f/{number:04d}.csv", "?", 0) for number in range(1_100)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda version: s3.put_object(Bucket=bucket, Key=version.key, Body=b"x"), versions))
    return versions


def test_a_few_files_of_a_large_folder_take_a_listing_and_a_head_for_each_that_it_missed(
    s3: Any, large_folder: list[FileVersion], calls: Counter[str]
):
    wanted = [large_folder[number] for number in (1, 1_050, 1_099)]
    sight = look_at_objects(Storage(s3), wanted)
    assert set(sight.found) == {version.path for version in wanted}
    assert sight.whole_folders == set()
    assert dict(calls) == {"ListObjectsV2": 1, "HeadObject": 2}


def test_more_than_a_thousand_files_take_a_listing_for_each_thousand(
    s3: Any, large_folder: list[FileVersion], calls: Counter[str]
):
    sight = look_at_objects(Storage(s3), large_folder)
    assert len(sight.found) == 1_100
    assert sight.whole_folders == {f"s3://{large_folder[0].bucket}/f/"}
    assert dict(calls) == {"ListObjectsV2": 2}


def test_an_object_is_young_for_two_seconds_after_its_date():
    dated = FileVersion("b", "f/a.csv", "e", 1, None, LONG_AGO)
    for seconds, expected in ((0, True), (1, True), (2, False), (3600, False)):
        sight = Sight()
        sight.add(dated, LONG_AGO + timedelta(seconds=seconds))
        assert bool(sight.young) is expected, seconds


def test_an_object_with_a_version_id_is_never_young():
    sight = Sight()
    sight.add(FileVersion("b", "f/a.csv", "e", 1, "v1", LONG_AGO), LONG_AGO)
    assert not sight.young


def test_one_young_object_among_old_ones_is_told():
    old, young = (FileVersion("b", f"f/{name}.csv", "e", 1, None, LONG_AGO) for name in "ab")
    sight = Sight()
    sight.add(young, LONG_AGO)
    sight.add(old, LONG_AGO + timedelta(hours=1))
    assert sight.young


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, True),
        ({"etag": "other"}, False),
        # A, B, A: the same bytes again, at another time.
        ({"last_modified": LONG_AGO + timedelta(seconds=1)}, False),
        ({"version_id": "v2"}, False),
        # A listing tells no version id.
        ({"version_id": None}, True),
    ],
)
def test_an_object_is_unchanged_if_etag_date_and_version_are(change: dict[str, Any], expected: bool):
    before = FileVersion("b", "f/a.csv", "e", 1, "v1", LONG_AGO)
    assert is_unchanged(before, replace(before, **change)) is expected
    assert not is_unchanged(before, None)


def test_a_folder_is_listed_only_as_far_as_that_pays():
    """A listing is one call for a thousand objects: 40 files pay for two pages of it, not for a hundred."""

    class Endless:
        pages_read = 0
        heads = 0

        def pages(self, bucket: str, prefix: str, *, delimiter: str) -> Iterator[Page]:
            assert (bucket, prefix, delimiter) == ("b", "f/", "/")
            for number in range(100):
                self.pages_read += 1
                first = number * 1_000
                objects = tuple(
                    FileVersion("b", f"f/{first + index:06d}", "e", 1, None, LONG_AGO) for index in range(1_000)
                )
                yield Page(objects, has_folders=False, is_last=number == 99, listed_at=LONG_AGO)

        def see(self, bucket: str, key: str) -> tuple[FileVersion, datetime]:
            self.heads += 1
            return FileVersion(bucket, key, "e", 1, None, LONG_AGO), LONG_AGO + timedelta(hours=1)

    storage: Any = Endless()
    wanted = [FileVersion("b", f"f/{number:06d}", "e", 1) for number in range(0, 100_000, 2_500)]
    assert len(wanted) == 40
    sight = look_at_objects(storage, wanted)
    assert len(sight.found) == 40
    # The first of them stands on the two pages that were read.
    assert (storage.pages_read, storage.heads) == (2, 39)
