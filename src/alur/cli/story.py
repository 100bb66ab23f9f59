"""A file's story in plain words and for JSON: the object, its entry, its batch. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from alur.cli.words import file_document, iso, message_of, say_number, say_status, say_time
from alur.contracts.contract import Contract
from alur.errors import StorageError
from alur.ledger.batches import Batch
from alur.ledger.model import FileVersion, LedgerItem, Status
from alur.ledger.transitions import is_due


@dataclass(frozen=True, slots=True)
class Told:
    """What one table knows of a file.

    Attributes:
        contract: the table's.
        is_claimed: a glob of the contract means the file.
        takes_events: the table's files are ingested when they land.
        item: what the ledger has of it; None: nothing.
        batch: the batch that owns it; None: there is none.
    """

    contract: Contract
    is_claimed: bool
    takes_events: bool
    item: LedgerItem | None
    batch: Batch | None


def object_document(current: FileVersion | StorageError | None) -> dict[str, Any]:
    """Render what the object is now for JSON.

    Args:
        current: what a HEAD found; None: no such object; an error: S3 does not say.
    """
    if isinstance(current, StorageError):
        return {"exists": None, "error": str(current)}
    if current is None:
        return {"exists": False}
    return {
        "exists": True,
        "etag": current.etag,
        "size_bytes": current.size_bytes,
        "last_modified": iso(current.last_modified),
        "version_id": current.version_id,
    }


def table_document(one: Told) -> dict[str, Any]:
    """Render what a table knows of a file for JSON.

    Args:
        one: what it knows.
    """
    batch = one.batch
    return {
        "table": one.contract.ingestion_key,
        "is_claimed_by_contract": one.is_claimed,
        "takes_events": one.takes_events,
        "entry": file_document(one.item) if one.item else None,
        "batch": batch
        and {
            "batch_id": batch.batch_id,
            "state": batch.state.value,
            "created_at": iso(batch.created_at),
            "lease_until": iso(batch.lease_until),
            "files": batch.files,
            "size_bytes": batch.size_bytes,
            "interactive": batch.interactive,
            "run_ids": sorted(batch.run_ids),
            "charges": batch.charges,
            "not_before": iso(batch.not_before),
            "look_at": iso(batch.look_at),
            "last_error_type": batch.last_error_type,
            "last_error": batch.last_error,
            "half_of": sorted(batch.wholes),
            "manifest_uri": batch.manifest_uri,
        },
    }


def tell(path: str, current: FileVersion | StorageError | None, told: Sequence[Told], now: datetime) -> Iterator[str]:
    """Tell a file's story in plain words, line by line.

    Args:
        path: `s3://bucket/key`.
        current: what a HEAD found; None: no such object; an error: S3 does not say.
        told: what each table knows of it.
        now: the present.
    """
    yield path
    if isinstance(current, StorageError):
        yield f"  object      S3 does not say: {current}"
    elif current is None:
        yield "  object      is not there"
    else:
        version = f", version {current.version_id}" if current.version_id else ""
        yield (
            f"  object      etag {current.etag}, {current.size_bytes:,} bytes, "
            f"written {say_time(current.last_modified)}{version}"
        )
    for one in told:
        yield ""
        yield f"table {one.contract.ingestion_key} ({one.contract.class_name})"
        if not one.is_claimed:
            yield "  contract    no glob of it means this file any more"
        yield from _entry(one, current, now)
        if one.batch is not None:
            yield from _batch(one.batch)
        elif one.item is not None and one.item.batch_id is not None:
            yield f"  batch       {one.item.batch_id} is not there any more"


def _entry(one: Told, current: FileVersion | StorageError | None, now: datetime) -> Iterator[str]:
    item = one.item
    if item is None:
        how = "an event of it (`alur backfill`)" if one.takes_events else "the next `alur run`"
        yield f"  entry       none: it was not ingested yet, or its entry was removed; {how} takes it in"
        return
    yield f"  entry       {say_status(item)}"
    yield (
        f"  version     etag {item.etag}, {item.size_bytes:,} bytes, written {say_time(item.last_modified)}"
        f"{f', version {item.version_id}' if item.version_id else ''}"
    )
    if isinstance(current, FileVersion) and current.etag != item.etag:
        yield "              the object is another version now"
    yield (
        f"  times       event {say_time(item.event_at)}; claimed {say_time(item.claimed_at)}; "
        f"completed {say_time(item.processed_at)}; queryable {say_time(item.queryable_at)}"
    )
    yield (
        f"  tries       {item.attempt}; contract {item.contract_fingerprint or '-'}"
        f"{'' if item.contract_fingerprint == one.contract.fingerprint else ' (it is another one now)'}"
        f"; source system {item.source_system or '-'}"
    )
    if item.status is Status.COMPLETED:
        yield f"  rows        {item.rows or 0:,}, since snapshot {item.snapshot_id}, of batch {item.rows_batch_id}"
        if item.rejects:
            alone = f"`alur rejects {item.ingestion_key} --file {item.path}`"
            yield f"  rejects     {item.rejects:,}: records that could not be stored; {alone} shows them"
    if item.status is Status.PROCESSING and item.error_type:
        yield f"  failed      before, with {item.error_type}: {message_of(item)}"
    yield f"  waits       {_waits(one, item, now)}"
    if item.previous is not None:
        yield (
            f"  in the table  are {item.previous.rows:,} rows of the version {item.previous.etag}, of batch "
            f"{item.previous.batch_id}, since snapshot {item.previous.snapshot_id}"
        )


def _waits(one: Told, item: LedgerItem, now: datetime) -> str:
    parts = []
    if item.waiting is not None:
        parts.append(f"a newer version, {item.waiting.etag}, since {say_time(item.waiting.event_at)}")
    if item.status is Status.FAILED:
        if is_due(item, now, one.contract.fingerprint):
            who = "an event of it, or the reconciler," if one.takes_events else "the next `alur run`"
            parts.append(f"for another try, which is due: {who} takes it")
        elif item.next_try_at is not None:
            parts.append(f"for another try at {say_time(item.next_try_at)}")
        elif item.is_permanent:
            parts.append("for another version, another contract, or `alur retry`")
        else:
            parts.append("for an event that names it, or `alur retry`")
    return "; ".join(parts) or "for nothing"


def _batch(batch: Batch) -> Iterator[str]:
    size = f"{say_number(batch.files, 'file')}, {batch.size_bytes:,} bytes"
    yield f"  batch       {batch.batch_id} is {batch.state.value}, {size}"
    yield f"    runs      {', '.join(sorted(batch.run_ids)) or 'none'}; {batch.charges} of them were charged to it"
    yield f"    lease     until {say_time(batch.lease_until)}{', a session has it' if batch.interactive else ''}"
    if batch.last_error_type or batch.last_error:
        yield f"    error     {batch.last_error_type}: {batch.last_error}"
    if batch.wholes:
        yield f"    half of   {', '.join(sorted(batch.wholes))}"
    yield f"    manifest  {batch.manifest_uri}"
