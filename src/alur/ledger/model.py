"""What the ledger knows of a file: the item, its states, and what waits behind it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from alur.clock import from_iso, to_iso
from alur.ledger.paths import split_path

SCHEMA_VERSION = 1
"""The version of the item's layout, on every item that is written."""


class Status(StrEnum):
    """Where a file version is in its life."""

    PROCESSING = "processing"
    """Claimed by one batch; nobody else may ingest it."""

    COMPLETED = "completed"
    """Its rows are in the table, and the item says in which snapshot."""

    FAILED = "failed"
    """It was not ingested; the item says why, and whether trying again can help."""


@dataclass(frozen=True, slots=True)
class FileVersion:
    """What is ingested once: a bucket, a key and the ETag of its bytes.

    Attributes:
        etag: without its quotes.
        size_bytes: the object's size.
        version_id: where the bucket keeps versions.
        last_modified: S3's own time of this version, where a HEAD or a listing told it.
    """

    bucket: str
    key: str
    etag: str
    size_bytes: int
    version_id: str | None = None
    last_modified: datetime | None = None

    @property
    def path(self) -> str:
        """The file's path as the ledger and the table write it: `s3://bucket/key`, never encoded."""
        return f"s3://{self.bucket}/{self.key}"


@dataclass(frozen=True, slots=True)
class Waiting:
    """Something newer came while the item's version was processing.

    Attributes:
        etag: what the object was when the event was looked into.
        event_at: when it came.
    """

    etag: str
    event_at: datetime


@dataclass(frozen=True, slots=True)
class Published:
    """The version whose rows are in the table while a newer one is processing or has failed."""

    etag: str
    batch_id: str
    rows: int
    snapshot_id: str


@dataclass(frozen=True, slots=True)
class LedgerItem:
    """One item: a path's newest claim, and what came of it.

    Attributes:
        ingestion_key: the table.
        path: `s3://bucket/key`.
        etag: of the version that was claimed.
        size_bytes: of that version.
        status: where it is in its life.
        batch_id: the batch that owns the claim.
        attempt: 1 for the first time that this version is tried.
        contract_fingerprint: of the contract it was claimed under.
        version_id: of that version, where the bucket keeps versions.
        event_at: when the object was created, by the event.
        claimed_at: when the batch claimed it.
        rows: its own rows in the table, once completed.
        rejects: how many of its records are in the table of the rejects instead, once completed.
        snapshot_id: the snapshot that brought them.
        queryable_at: when that snapshot was committed.
        error_type, error_message, is_permanent: why it failed; while it is processing again, why it failed before.
        next_try_at: when it is tried again by itself; None: not before an event, a contract or a person names it.
        last_modified: S3's own time of the version, where the claim was made from a HEAD.
        charged_by: the token of the run that cost it its last attempt together with its batch.
        published_by: the batch whose rows they are, where that is the whole of which its batch is a half.
        failed_at: when it failed.
        waiting: a newer version that nobody has claimed yet.
        previous: the version whose rows the table still holds, while this one is not completed.
    """

    ingestion_key: str
    path: str
    etag: str
    size_bytes: int
    status: Status
    batch_id: str | None
    attempt: int = 1
    source_system: str | None = None
    contract_fingerprint: str | None = None
    version_id: str | None = None
    event_at: datetime | None = None
    claimed_at: datetime | None = None
    rows: int | None = None
    rejects: int = 0
    snapshot_id: str | None = None
    processed_at: datetime | None = None
    queryable_at: datetime | None = None
    error_type: str | None = None
    error_message: str | None = None
    is_permanent: bool = False
    next_try_at: datetime | None = None
    last_modified: datetime | None = None
    charged_by: str | None = None
    published_by: str | None = None
    failed_at: datetime | None = None
    waiting: Waiting | None = None
    previous: Published | None = None

    @property
    def rows_batch_id(self) -> str | None:
        """The `_batch_id` of its rows, once completed."""
        return self.published_by or self.batch_id

    @property
    def version(self) -> FileVersion:
        """The version that was claimed."""
        bucket, key = split_path(self.path)
        return FileVersion(bucket, key, self.etag, self.size_bytes, self.version_id, self.last_modified)

    @classmethod
    def from_attributes(cls, attributes: Mapping[str, Any]) -> LedgerItem:
        """Read an item of the table.

        An item without a status is one that a predecessor wrote after its write: completed.
        """
        waiting, previous = attributes.get("waiting"), attributes.get("previous")
        return cls(
            ingestion_key=attributes["ingestion_key"],
            path=attributes["file_path"],
            etag=str(attributes.get("file_etag", "")).strip('"'),
            size_bytes=int(attributes.get("file_size", 0)),
            status=Status(attributes.get("status", Status.COMPLETED)),
            batch_id=attributes.get("batch_id"),
            attempt=int(attributes.get("attempt", 1)),
            source_system=attributes.get("source_system"),
            contract_fingerprint=attributes.get("contract_fingerprint"),
            version_id=attributes.get("version_id"),
            event_at=_moment(attributes.get("event_at")),
            claimed_at=_moment(attributes.get("claimed_at")),
            rows=_whole(attributes.get("rows_ingested")),
            rejects=int(attributes.get("rows_rejected", 0)),
            snapshot_id=attributes.get("snapshot_id"),
            processed_at=_unix(attributes.get("processed_at")),
            queryable_at=_moment(attributes.get("queryable_at")),
            error_type=attributes.get("error_type"),
            error_message=attributes.get("error_message"),
            is_permanent=bool(attributes.get("error_is_permanent", False)),
            next_try_at=_moment(attributes.get("next_try_at")),
            last_modified=_moment(attributes.get("last_modified")),
            charged_by=attributes.get("charged_by"),
            published_by=attributes.get("published_by"),
            failed_at=_moment(attributes.get("failed_at")),
            waiting=waiting_from(waiting) if waiting else None,
            previous=published_from(previous) if previous else None,
        )


def waiting_attribute(waiting: Waiting) -> dict[str, Any]:
    """Render what waits as the item's attribute `waiting`."""
    return {"file_etag": waiting.etag, "event_at": to_iso(waiting.event_at)}


def waiting_from(attribute: Mapping[str, Any]) -> Waiting:
    """Read the item's attribute `waiting`."""
    return Waiting(attribute["file_etag"], from_iso(attribute["event_at"]))


def published_attribute(published: Published) -> dict[str, Any]:
    """Render the version that the table still holds as the item's attribute `previous`."""
    return {
        "file_etag": published.etag,
        "batch_id": published.batch_id,
        "rows_ingested": published.rows,
        "snapshot_id": published.snapshot_id,
    }


def published_from(attribute: Mapping[str, Any]) -> Published:
    """Read the item's attribute `previous`."""
    return Published(
        attribute["file_etag"],
        attribute.get("batch_id", ""),
        int(attribute.get("rows_ingested", 0)),
        attribute.get("snapshot_id", ""),
    )


def _moment(text: str | None) -> datetime | None:
    return from_iso(text) if text else None


def _unix(seconds: Any) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(int(seconds), UTC)


def _whole(number: Any) -> int | None:
    return None if number is None else int(number)
