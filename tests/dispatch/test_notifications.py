"""Notifications that we make are those that S3 sends, and the dispatcher's parser reads them."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from alur.dispatch.events import parse
from alur.dispatch.notifications import BYTES_PER_MESSAGE, RECORDS_PER_MESSAGE, to_messages, to_record
from alur.ledger.model import FileVersion
from deployment_support import sqs_event
from ledger_support import NOW

WRITTEN = NOW - timedelta(days=400)
HARD_KEYS = [
    "orders/a b+c%20.csv",
    "orders/ü/ñ 日本.csv",
    "orders//two.csv",
    "orders/[0-9]{a}*.csv",
    "orders/=&?#.csv",
    'orders/"quoted"\\and\n.csv',
    "orders/%2F.csv",
]


def version(key="orders/a.csv", **facts):
    return replace(FileVersion("landing", key, "e-1", 12, None, WRITTEN), **facts)


def read(*versions, region="us-east-1"):
    bodies = list(to_messages(versions, region=region, now=NOW))
    intake = parse(sqs_event(*bodies))
    assert not any(delivery.is_malformed for delivery in intake.deliveries)
    return intake.created


@pytest.mark.parametrize("key", HARD_KEYS)
def test_any_key_comes_back_as_it_was(key):
    (record,) = read(version(key))
    assert (record.bucket, record.key, record.etag, record.size_bytes) == ("landing", key, "e-1", 12)


def test_it_happened_when_the_object_was_written():
    """The date lives on in the entry, where it says how old the file is."""
    (record,) = read(version())
    assert record.event_at == WRITTEN
    (record,) = read(version(last_modified=None))
    assert record.event_at == NOW


def test_the_version_comes_along_where_there_is_one():
    assert [record.version_id for record in read(version(version_id="v1"), version("orders/b.csv"))] == ["v1", None]


def test_a_key_is_written_as_s3_writes_it():
    assert to_record(version("a/b c.csv"), region="us-east-1", now=NOW)["s3"]["object"]["key"] == "a/b+c.csv"


def test_many_records_share_a_message_and_none_is_lost():
    versions = [version(f"orders/{number}.csv") for number in range(250)]
    bodies = list(to_messages(versions, region="us-east-1", now=NOW))
    assert [len(json.loads(body)["Records"]) for body in bodies] == [RECORDS_PER_MESSAGE, RECORDS_PER_MESSAGE, 50]
    assert [record.key for record in read(*versions)] == [one.key for one in versions]


def test_a_message_stays_below_its_limit_however_long_the_keys_are():
    bodies = list(to_messages([version("日" * 341)] * 300, region="us-east-1", now=NOW))
    assert max(len(body.encode()) for body in bodies) <= BYTES_PER_MESSAGE
    assert sum(len(json.loads(body)["Records"]) for body in bodies) == 300


def test_without_objects_there_is_no_message():
    assert list(to_messages([], region="us-east-1", now=NOW)) == []
