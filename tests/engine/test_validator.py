"""The condition of a commit, as a table of histories."""

from __future__ import annotations

import pytest

from alur.engine.validator import BATCH_KEY, RECORD_KEY, NobodyPublished
from alur.errors import StorageUnavailable

PIN = 100
MINE = ("s3://b/a.csv", "s3://b/b.csv")
RECORDS = {
    "theirs": frozenset({"s3://b/c.csv", "s3://b/d.csv"}),
    "shared": frozenset({"s3://b/c.csv", "s3://b/b.csv"}),
    "empty": frozenset(),
}


def records(uri: str) -> frozenset[str]:
    if uri not in RECORDS:
        raise StorageUnavailable("GetObject", uri, "SlowDown")
    return RECORDS[uri]


def of(record: str) -> dict[str, str]:
    return {RECORD_KEY: record, BATCH_KEY: "somebody"}


@pytest.mark.parametrize(
    ("ancestry", "refusal"),
    [
        # Nothing since the look.
        ([(PIN, {}), (99, {})], None),
        # The pin itself, and what came before it, was seen by the look.
        ([(PIN, of("shared")), (99, of("shared"))], None),
        ([(PIN, of("unknown"))], None),
        # Foreign appends and compactions have no record.
        ([(102, {}), (101, {}), (PIN, {})], None),
        # Other paths.
        ([(102, of("theirs")), (101, of("empty")), (PIN, {})], None),
        # One of mine.
        ([(101, of("shared")), (PIN, {})], "snapshot 101 has published s3://b/b.csv"),
        ([(103, {}), (102, of("theirs")), (101, of("shared")), (PIN, {})], "snapshot 101 has published"),
        # A record that cannot be read may name any path.
        ([(101, of("unknown")), (PIN, {})], "snapshot 101 cannot be judged"),
        # Expired, rolled back, or another history.
        ([(102, {}), (101, {})], "not in the table's history"),
        ([(99, {}), (98, {})], "not in the table's history"),
        ([], "not in the table's history"),
    ],
)
def test_a_commit_is_valid_only_if_nobody_published_its_paths_since_the_look(
    ancestry: list[tuple[int, dict[str, str]]], refusal: str | None
):
    found = NobodyPublished(PIN, MINE, records).judge(ancestry)
    if refusal is None:
        assert found is None
    else:
        assert found is not None
        assert refusal in found


def test_records_are_read_only_down_to_the_pin():
    read: list[str] = []

    def note(uri: str) -> frozenset[str]:
        read.append(uri)
        return frozenset()

    assert NobodyPublished(PIN, MINE, note).judge([(101, of("one")), (PIN, of("two")), (99, of("three"))]) is None
    assert read == ["one"]


def test_a_commit_that_names_no_path_is_refused_by_history_only():
    assert NobodyPublished(PIN, (), records).judge([(101, of("shared")), (PIN, {})]) is None
    assert NobodyPublished(PIN, (), records).judge([(101, {})]) is not None
