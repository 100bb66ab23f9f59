"""A file's first record, without Spark."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from alur.aws.storage import Storage
from alur.contracts import BronzeTable, LongField, StringField
from alur.errors import EmptyFile, FileError, FileVanished, HeaderMismatch, UnreadableFile
from alur.ingestion.headers import HEAD_BYTES, check_header, first_record, has_records
from alur.ledger.model import FileVersion


class PlainBronze(BronzeTable):
    id = LongField()
    name = StringField()

    class Meta:
        source_path = "s3://landing/**"
        source_system = "suite"


@pytest.fixture
def check(s3: Any, bucket: str):
    """Uploads some bytes, and checks their header."""

    def upload_and_check(body: bytes) -> FileError | None:
        s3.put_object(Bucket=bucket, Key="a.csv", Body=body)
        return check_header(Storage(s3), PlainBronze.contract(), FileVersion(bucket, "a.csv", "?", len(body)))

    return upload_and_check


@pytest.mark.parametrize(
    "body",
    [
        b"id,name\n1,a\n",
        b"id,name",
        b"id,name\r\n1,a\r\n",
        b"\xef\xbb\xbfid,name\n1,a\n",
        b'"id","name"\n1,a\n',
        b"ID,Name\n1,a\n",
        b"\n\nid,name\n1,a\n",
        # A first record that ends exactly where what is fetched ends, and a letter cut in two there.
        b"id,name\n" + b"x" * (HEAD_BYTES - 9) + "é".encode() + b"\n",
    ],
)
def test_a_header_that_is_the_contracts_passes(check: Any, body: bytes):
    assert check(body) is None


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (b"name,id\na,1\n", ("name", "id")),
        (b"id\n1\n", ("id",)),
        (b"id,name,more\n1,a,b\n", ("id", "name", "more")),
        (b"id,id\n1,1\n", ("id", "id")),
        (b"id;name\n1;a\n", ("id;name",)),
        (b"1,a\n2,b\n", ("1", "a")),
        (b'"id,name"\n', ("id,name",)),
    ],
)
def test_another_header_is_told_with_both(check: Any, body: bytes, found: tuple[str, ...]):
    error = check(body)
    assert isinstance(error, HeaderMismatch)
    assert error.found == found
    assert error.expected == ("id", "name")


@pytest.mark.parametrize("body", [b"", b"\n", b"\r\n\r\n", b"\xef\xbb\xbf"])
def test_a_file_without_a_header_is_empty(check: Any, body: bytes):
    assert isinstance(check(body), EmptyFile)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("id,name\n1,a\n".encode("utf-16"), "UTF-8"),
        ("id,name\n1,Müller und so weiter\n".encode("latin-1"), "UTF-8"),
        (b"id,na\x00me\n1,a\n", "NUL"),
        (b"id," + b"x" * 200_000 + b"\n1,a\n", "cannot be read"),
    ],
)
def test_bytes_that_are_no_text_of_utf8_are_unreadable_by_name(check: Any, body: bytes, words: str):
    error = check(body)
    assert isinstance(error, UnreadableFile)
    assert words in str(error)


def test_an_object_that_is_gone_has_vanished(s3: Any, bucket: str):
    error = check_header(Storage(s3), PlainBronze.contract(), FileVersion(bucket, "gone.csv", "?", 1))
    assert isinstance(error, FileVanished)
    assert has_records(Storage(s3), FileVersion(bucket, "gone.csv", "?", 1)) is None


def test_a_header_costs_one_call_and_no_more_than_its_first_bytes(s3: Any, bucket: str):
    s3.put_object(Bucket=bucket, Key="big.csv", Body=b"id,name\n" + b"1,abcdef\n" * 200_000)
    seen: Counter[str] = Counter()

    def count(model: Any, params: Any, **_: Any) -> None:
        seen[f"{model.name} {params['headers'].get('Range')}"] += 1

    s3.meta.events.register("before-call.s3", count)
    try:
        assert check_header(Storage(s3), PlainBronze.contract(), FileVersion(bucket, "big.csv", "?", 1)) is None
    finally:
        s3.meta.events.unregister("before-call.s3", count)
    assert dict(seen) == {f"GetObject bytes=0-{HEAD_BYTES - 1}": 1}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"", None),
        (b"id,name\n", False),
        (b"id,name", False),
        (b"id,name\n\n\r\n", False),
        (b"id,name\n1,a", True),
        (b"id,name\n,\n", True),
        (b"id,name" + b"\n" * HEAD_BYTES, True),
    ],
)
def test_records_beside_the_header_are_told(s3: Any, bucket: str, body: bytes, expected: bool | None):
    s3.put_object(Bucket=bucket, Key="a.csv", Body=body)
    assert has_records(Storage(s3), FileVersion(bucket, "a.csv", "?", len(body))) is expected


def test_a_first_record_may_go_over_several_lines():
    assert first_record(b'"a\nb",c\n1,2\n') == ["a\nb", "c"]
