"""Which keys Spark reads under their own name, and how a batch's files are named to it."""

from __future__ import annotations

import pytest

from alur.ingestion.naming import Source, by_folder, copy_key, folder_of, needs_copy, paths_to_read
from alur.ledger.model import FileVersion


@pytest.mark.parametrize(
    "key",
    [
        "orders/a.csv",
        "orders/a b.csv",
        "orders/a+b%20c%.csv",
        "orders/a#b=c,d:e;f&g~h.csv",
        "orders/year=2024/month=01/a.csv",
        "orders/Grüße-注文.csv",
        "orders/mid_score.and.dots.csv",
        "a.csv",
    ],
)
def test_a_key_that_spark_reads_as_it_is_needs_no_copy(key: str):
    assert not needs_copy(key)


@pytest.mark.parametrize(
    "key",
    [
        "orders/_hidden.csv",
        "orders/.dot.csv",
        "_folder/x.csv",
        "orders/.folder/x.csv",
        "orders//double.csv",
        "/leading.csv",
        "orders/./a.csv",
        "orders/../a.csv",
        "orders/trailing.csv/",
        "orders/a.csv._COPYING_",
        "orders/back\\slash.csv",
        "orders/a[1].csv",
        "orders/{x,y}.csv",
        "orders/q?.csv",
        "orders/star*.csv",
        "orders/only].csv",
        "orders[1]/a.csv",
        "orders/tab\there.csv",
        "orders/line\nhere.csv",
        "orders/nul\x00here.csv",
        "orders/trailing.csv ",
        " leading.csv",
    ],
)
def test_a_key_that_spark_passes_over_or_misreads_needs_a_copy(key: str):
    assert needs_copy(key)


def test_the_copies_of_a_batch_have_plain_names_of_their_own():
    keys = [copy_key("20260101t000000000z-00000000", number) for number in (0, 1, 999_999)]
    assert len(set(keys)) == 3
    assert not any(needs_copy(key) for key in keys)
    assert all(key.startswith("staging/20260101t000000000z-00000000/") for key in keys)


def test_files_are_grouped_by_bucket_and_folder_and_sorted_as_s3_lists():
    versions = [
        FileVersion("one", "a/z.csv", "e", 1),
        FileVersion("one", "a/é.csv", "e", 1),
        FileVersion("one", "a/Z.csv", "e", 1),
        FileVersion("one", "ab/a.csv", "e", 1),
        FileVersion("two", "a/z.csv", "e", 1),
        FileVersion("two", "top.csv", "e", 1),
    ]
    groups = {place: [version.key for version in group] for place, group in by_folder(versions).items()}
    assert groups == {
        ("one", "a/"): ["a/Z.csv", "a/z.csv", "a/é.csv"],
        ("one", "ab/"): ["ab/a.csv"],
        ("two", "a/"): ["a/z.csv"],
        ("two", ""): ["top.csv"],
    }


def test_a_whole_folder_is_named_once_and_other_files_each():
    sources = [
        Source(FileVersion("b", key, "e", 1), f"s3://b/{key}")
        for key in ("whole/1.csv", "part/1.csv", "whole/2.csv", "part/2.csv", "whole/deeper/3.csv")
    ]
    named = paths_to_read(sources, {"s3://b/whole/"})
    assert named == ["s3://b/whole/", "s3://b/part/1.csv", "s3://b/part/2.csv", "s3://b/whole/deeper/3.csv"]


def test_the_folder_of_a_uri_ends_in_a_slash():
    assert folder_of("s3://b/a/c.csv") == "s3://b/a/"
    assert folder_of("s3://b/c.csv") == "s3://b/"
