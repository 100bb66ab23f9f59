"""S3's own notifications, made by us: so that a file is taken in again, or at last, in the one way there is.

Whoever wants a file ingested sends the event that its landing would have sent; the dispatcher decides, as always.
`alur.dispatch.events` reads what is written here.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any
from urllib.parse import quote_plus

from alur.aws.queue import EventQueue
from alur.clock import Clock, to_iso
from alur.ledger.model import FileVersion

RECORDS_PER_MESSAGE = 100
"""What fails together comes back together: a message is not filled to its last byte."""

BYTES_PER_MESSAGE = 240_000
"""Below the 256 KB that a message of the event queue may have."""

_EMPTY = '{"Records":[]}'


def to_record(version: FileVersion, *, region: str, now: datetime) -> dict[str, Any]:
    """Render one record of a notification, as S3 sends it when the object is put.

    Args:
        version: the object.
        region: the bucket's Region.
        now: when it happened, where nobody knows when the object was written.
    """
    # As S3 does: a form's encoding, which leaves the slashes.
    stored: dict[str, Any] = {
        "key": quote_plus(version.key, safe="/"),
        "size": version.size_bytes,
        "eTag": version.etag,
    }
    if version.version_id is not None:
        stored["versionId"] = version.version_id
    return {
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "awsRegion": region,
        "eventTime": to_iso(version.last_modified or now),
        "eventName": "ObjectCreated:Put",
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": "alur",
            "bucket": {"name": version.bucket, "arn": f"arn:aws:s3:::{version.bucket}"},
            "object": stored,
        },
    }


def to_messages(versions: Iterable[FileVersion], *, region: str, now: datetime) -> Iterator[str]:
    """Render notifications as the bodies of messages, many records in one, as they come.

    Args:
        versions: the objects.
        region: their buckets' Region.
        now: when it happened, where nobody knows when an object was written.

    Yields:
        Bodies of at most `BYTES_PER_MESSAGE` bytes, all of them ASCII.
    """
    records: list[str] = []
    size = len(_EMPTY)
    for version in versions:
        record = json.dumps(to_record(version, region=region, now=now), separators=(",", ":"))
        if records and (len(records) == RECORDS_PER_MESSAGE or size + len(record) + 1 > BYTES_PER_MESSAGE):
            yield _body(records)
            records, size = [], len(_EMPTY)
        records.append(record)
        size += len(record) + 1
    if records:
        yield _body(records)


class Notifier:
    """Sends notifications to the event queue.

    Args:
        queue: the event queue.
        region: the buckets' Region.
        clock: the present.
    """

    def __init__(self, queue: EventQueue, region: str, clock: Clock) -> None:
        self._queue = queue
        self._region = region
        self._clock = clock

    def notify(self, versions: Iterable[FileVersion]) -> int:
        """Send a notification for each object; return how many messages that took.

        Args:
            versions: the objects.

        Raises:
            QueueError: some of them may not have been sent; to send all of them again does no harm.
        """
        bodies = list(to_messages(versions, region=self._region, now=self._clock()))
        self._queue.send(bodies)
        return len(bodies)


def _body(records: list[str]) -> str:
    return f'{{"Records":[{",".join(records)}]}}'
