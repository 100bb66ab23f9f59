"""What the ledger says, in plain words and for JSON. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from alur.clock import to_iso
from alur.ledger.model import LedgerItem, Status


def say_age(age: timedelta) -> str:
    """Say how long something has been, in the two units that matter: `3 d 4 h`.

    Args:
        age: how long.
    """
    seconds = max(0, int(age.total_seconds()))
    parts = [
        (seconds // 86_400, "d"),
        (seconds // 3_600 % 24, "h"),
        (seconds // 60 % 60, "min"),
        (seconds % 60, "s"),
    ]
    while len(parts) > 1 and parts[0][0] == 0:
        del parts[0]
    return " ".join(f"{number} {unit}" for number, unit in parts[:2] if number or parts[0][0] == 0)


def say_number(number: int, noun: str, plural: str = "") -> str:
    """Say how many: `1 file`, `2,000 files`.

    Args:
        number: how many.
        noun: of what, for one.
        plural: for more, where that is not the noun with an s.
    """
    return f"{number:,} {noun if number == 1 else plural or f'{noun}s'}"


def message_of(item: LedgerItem) -> str:
    """Return why a file failed, on one line, without the path with which the message begins: that stands beside it."""
    message = (item.error_message or "").removeprefix(f"{item.path}: ")
    return " ".join(message.split())


def say_time(moment: datetime | None) -> str:
    """Say when, to the second, in UTC; `-` where nobody knows."""
    return "-" if moment is None else moment.strftime("%Y-%m-%d %H:%M:%S UTC")


def iso(moment: datetime | None) -> str | None:
    """Render a moment for JSON; None stays None."""
    return None if moment is None else to_iso(moment)


def say_status(item: LedgerItem) -> str:
    """Say in one sentence where a file is in its life.

    Args:
        item: what the ledger has of it.
    """
    if item.status is Status.PROCESSING:
        return f"it is being processed by batch {item.batch_id} since {say_time(item.claimed_at)}"
    if item.status is Status.COMPLETED:
        rejects = f" and {say_number(item.rejects, 'reject')}" if item.rejects else ""
        return f"it is completed since {say_time(item.processed_at)}, with {say_number(item.rows or 0, 'row')}{rejects}"
    return f"it failed at {say_time(item.failed_at)}: {item.error_type}: {message_of(item)}"


def time_of(item: LedgerItem) -> datetime | None:
    """Return when a file came to be what it is: completed, failed, or claimed."""
    by_status = {Status.COMPLETED: item.processed_at, Status.FAILED: item.failed_at}
    return by_status.get(item.status) or item.claimed_at


def file_document(item: LedgerItem) -> dict[str, Any]:
    """Render what the ledger has of a file for JSON, by the names that the table's items have.

    Args:
        item: what the ledger has.
    """
    waiting, previous = item.waiting, item.previous
    return {
        "ingestion_key": item.ingestion_key,
        "file_path": item.path,
        "status": item.status.value,
        "file_etag": item.etag,
        "file_size": item.size_bytes,
        "version_id": item.version_id,
        "last_modified": iso(item.last_modified),
        "event_at": iso(item.event_at),
        "claimed_at": iso(item.claimed_at),
        "batch_id": item.batch_id,
        "attempt": item.attempt,
        "source_system": item.source_system,
        "contract_fingerprint": item.contract_fingerprint,
        "rows_ingested": item.rows,
        "rows_rejected": None if item.rows is None else item.rejects,
        "processed_at": iso(item.processed_at),
        "queryable_at": iso(item.queryable_at),
        "snapshot_id": item.snapshot_id,
        "published_by": item.published_by,
        "failed_at": iso(item.failed_at),
        "error_type": item.error_type,
        "error_message": item.error_message,
        "error_is_permanent": item.is_permanent,
        "next_try_at": iso(item.next_try_at),
        "waiting": {"file_etag": waiting.etag, "event_at": iso(waiting.event_at)} if waiting else None,
        "previous": {
            "file_etag": previous.etag,
            "batch_id": previous.batch_id,
            "rows_ingested": previous.rows,
            "snapshot_id": previous.snapshot_id,
        }
        if previous
        else None,
    }
