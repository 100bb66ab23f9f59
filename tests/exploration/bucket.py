"""S3 in memory: objects with an ETag and a date in seconds, overwritten and deleted by whoever likes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from alur.aws.storage import Page, Storage
from alur.clock import Clock
from alur.errors import StorageRefused, StorageUnavailable
from alur.ledger.model import FileVersion
from alur.ledger.paths import split_path
from exploration.scheduler import Scheduler

UNAVAILABLE, LANDED = "unavailable", "unavailable, and it landed"


def etag_of(body: bytes) -> str:
    """The ETag of some bytes: the same for the same bytes."""
    return hashlib.md5(body, usedforsecurity=False).hexdigest()[:8]


@dataclass(frozen=True, slots=True)
class Thing:
    """An object as it is now."""

    body: bytes
    etag: str
    last_modified: datetime
    version_id: str | None


class MemoryBucket(Storage):
    """`Storage` over dictionaries.

    Args:
        scheduler: where to stop before each call.
        clock: the present, by which objects are dated.
        keeps_versions: every object has a version id, which a HEAD tells and a listing does not.
    """

    def __init__(self, scheduler: Scheduler, clock: Clock, keeps_versions: bool) -> None:
        super().__init__(None)
        self.things: dict[tuple[str, str], Thing] = {}
        self.bodies: dict[str, bytes] = {}
        self._scheduler = scheduler
        self._clock = clock
        self._keeps_versions = keeps_versions
        self._written = 0

    def put(self, bucket: str, key: str, body: bytes) -> Thing:
        """Write an object, as anybody does."""
        self._written += 1
        etag = etag_of(body)
        self.bodies[etag] = body
        version_id = f"version-{self._written}" if self._keeps_versions else None
        thing = Thing(body, etag, self._clock().replace(microsecond=0), version_id)
        self.things[bucket, key] = thing
        return thing

    def delete(self, bucket: str, key: str) -> None:
        """Remove an object, as anybody does."""
        self.things.pop((bucket, key), None)

    def see(self, bucket: str, key: str) -> tuple[FileVersion, datetime] | None:
        """See `Storage.see`."""
        self._stop("HeadObject", key)
        thing = self.things.get((bucket, key))
        if thing is None:
            return None
        version = FileVersion(bucket, key, thing.etag, len(thing.body), thing.version_id, thing.last_modified)
        return version, self._clock().replace(microsecond=0)

    def pages(
        self, bucket: str, prefix: str, *, start_after: str = "", delimiter: str = "", page_size: int = 1000
    ) -> Iterator[Page]:
        """See `Storage.pages`; everything is on one page."""
        self._stop("ListObjectsV2", prefix)
        found = [
            FileVersion(bucket, key, thing.etag, len(thing.body), None, thing.last_modified)
            for (of, key), thing in sorted(self.things.items(), key=lambda entry: entry[0][1].encode())
            if of == bucket and key.startswith(prefix) and key > start_after
        ]
        here = tuple(version for version in found if not delimiter or delimiter not in version.key[len(prefix) :])
        yield Page(here, len(here) < len(found), True, self._clock().replace(microsecond=0))

    def read(self, bucket: str, key: str, *, first_bytes: int | None = None) -> bytes | None:
        """See `Storage.read`."""
        self._stop("GetObject", key)
        thing = self.things.get((bucket, key))
        return None if thing is None else thing.body[:first_bytes]

    def copy(self, source: FileVersion, bucket: str, key: str) -> bool:
        """See `Storage.copy`."""
        self._stop("CopyObject", source.key)
        thing = self.things.get((source.bucket, source.key))
        if thing is None or thing.etag != source.etag:
            return False
        self.put(bucket, key, thing.body)
        return True

    def put_document(self, uri: str, document: Mapping[str, Any]) -> None:
        """See `Storage.put_document`."""
        fault = self._scheduler.pause("PutObject", uri, faults=(UNAVAILABLE, LANDED))
        if fault != UNAVAILABLE:
            self.put(*split_path(uri), json.dumps(document).encode())
        if fault:
            raise StorageUnavailable("PutObject", uri, "injected")

    def get_document(self, uri: str) -> Any:
        """See `Storage.get_document`."""
        body = self.read(*split_path(uri))
        if body is None:
            raise StorageRefused("GetObject", uri, "NoSuchKey")
        return json.loads(body)

    def _stop(self, call: str, key: str) -> None:
        if self._scheduler.pause(call, key, faults=(UNAVAILABLE,)):
            raise StorageUnavailable(call, key, "injected")
