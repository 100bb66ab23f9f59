"""What may happen to a file, as data: what must hold, and what changes.

      claim                        flip
      (absent) ----------> processing ------------------> completed ---+
                            ^      |                                    | a newer version: claim
                            |      +-----------> failed                 |
                            |         flip          |                   |
                            +-----------------------+-------------------+
                              claim (newer version, retry, takeover)

Every function here is pure. A claim or a flip carries the batch's id, and whoever ends a claim shows it: that fences
a writer whose file was given to somebody else.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from alur.clock import to_iso
from alur.contracts.contract import Contract, OnOverwrite
from alur.errors import FileError, FileVanished, Permanent, Requested
from alur.ledger.model import (
    SCHEMA_VERSION,
    FileVersion,
    LedgerItem,
    Published,
    Status,
    Waiting,
    published_attribute,
    waiting_attribute,
)
from alur.ledger.retries import EXCUSED_TYPES, OUTSIDE_TYPES
from alur.ledger.table import Absent, Change, Condition, Equals, Missing, OneOf, equals_or_missing

MESSAGE_LIMIT_CHARACTERS = 2_000
"""An item holds at most 400 KB, and nobody reads more."""

_OF_A_RESULT = (
    "rows_ingested",
    "rows_rejected",
    "processed_at",
    "processed_at_iso",
    "snapshot_id",
    "queryable_at",
    "published_by",
    "failed_at",
)
_OF_AN_ERROR = ("error_type", "error_message", "error_is_permanent")
_OF_A_FAILURE = (*_OF_AN_ERROR, "failed_at", "next_try_at", "charged_by")


class Decision(StrEnum):
    """What an event's file version becomes, seen beside the item that is there."""

    CLAIM = "claim"
    """Nobody has it: claim it."""

    DUPLICATE = "duplicate"
    """This version is being ingested, is ingested, or failed for good: nothing to do."""

    LOOK = "look"
    """The item is of another version, or may be tried again: only the object itself (HEAD) says which is current."""

    REMEMBER = "remember"
    """A newer version of a file that is processing: the item remembers it."""

    SKIPPED = "skipped"
    """Another version of a completed file, and the contract says skip."""

    GONE = "gone"
    """The object is not there any more: what waited is cleared."""


@dataclass(frozen=True, slots=True)
class Claimant:
    """Who claims, and under which rules.

    Attributes:
        ingestion_key: the table.
        batch_id: the batch that will own the claim.
        on_overwrite: the contract's rule for another version of a completed file.
        contract_fingerprint: of the contract, as the claimant knows it.
        source_system: the contract's.
    """

    ingestion_key: str
    batch_id: str
    on_overwrite: OnOverwrite
    contract_fingerprint: str
    source_system: str

    @classmethod
    def of(cls, contract: Contract, batch_id: str) -> Claimant:
        """Claim for a batch, by the rules of its table's contract."""
        return cls(
            contract.ingestion_key, batch_id, contract.on_overwrite, contract.fingerprint, contract.source_system
        )


def decide_by_event(item: LedgerItem | None, version: FileVersion, claimant: Claimant) -> Decision:
    """Decide from the event alone, as far as that can be done without asking S3.

    Args:
        item: what the ledger has for the path.
        version: what the event names.
        claimant: who asks.
    """
    if item is None:
        return Decision.CLAIM
    if item.etag != version.etag:
        return Decision.LOOK
    if item.status is not Status.FAILED:
        return Decision.DUPLICATE
    return Decision.LOOK if _may_be_tried_again(item, claimant) else Decision.DUPLICATE


def decide_by_object(item: LedgerItem | None, current: FileVersion | None, claimant: Claimant) -> Decision:
    """Decide by what the object is now, which outranks every event.

    Args:
        item: what the ledger has for the path.
        current: what a HEAD found; None: no such object.
        claimant: who asks.
    """
    if current is None:
        return Decision.GONE
    if item is None:
        return Decision.CLAIM
    same = item.etag == current.etag
    if item.status is Status.PROCESSING:
        return Decision.DUPLICATE if same else Decision.REMEMBER
    if item.status is Status.COMPLETED:
        if same:
            return Decision.DUPLICATE
        return Decision.SKIPPED if claimant.on_overwrite is OnOverwrite.SKIP else Decision.CLAIM
    if same and not _may_be_tried_again(item, claimant):
        return Decision.DUPLICATE
    return Decision.CLAIM


def decide_again(item: LedgerItem, current: FileVersion | None, claimant: Claimant, now: datetime) -> Decision:
    """Decide what becomes of a file that is not processing and waits: for another try, or with something newer.

    Args:
        item: what the ledger has for the path: completed or failed.
        current: what a HEAD found; None: no such object.
        claimant: who would claim, under the contract as it is now.
        now: the present.

    Returns:
        CLAIM, GONE, SKIPPED, or DUPLICATE: nothing newer is there, and what waited is cleared.
    """
    if current is None:
        return Decision.GONE
    if item.etag != current.etag:
        skips = item.status is Status.COMPLETED and claimant.on_overwrite is OnOverwrite.SKIP
        return Decision.SKIPPED if skips else Decision.CLAIM
    return Decision.CLAIM if is_due(item, now, claimant.contract_fingerprint) else Decision.DUPLICATE


def is_due(item: LedgerItem, now: datetime, contract_fingerprint: str | None) -> bool:
    """Whether a failed file is to be tried again now, by itself.

    Args:
        item: what the ledger has for the path.
        now: the present.
        contract_fingerprint: of the contract as it is now; None: leave contracts out of it.
    """
    if item.status is not Status.FAILED:
        return False
    if item.next_try_at is not None and item.next_try_at <= now:
        return True
    return contract_fingerprint is not None and item.contract_fingerprint != contract_fingerprint


def waits(item: LedgerItem) -> bool:
    """Whether somebody has to look at a file: it is processing, waits for another try, or has something newer."""
    return (
        item.status is Status.PROCESSING
        or item.waiting is not None
        or (item.status is Status.FAILED and item.next_try_at is not None)
    )


def _may_be_tried_again(item: LedgerItem, claimant: Claimant) -> bool:
    """A permanent failure waits for a change: of the contract, or of what lies outside the file."""
    return (
        not item.is_permanent
        or item.contract_fingerprint != claimant.contract_fingerprint
        or item.error_type in OUTSIDE_TYPES
    )


def claim(
    item: LedgerItem | None, version: FileVersion, claimant: Claimant, *, event_at: datetime, now: datetime
) -> Change:
    """Make a version `processing`, owned by the claimant's batch, if the item is still as it was read.

    Args:
        item: what was read; None claims a path that has no item.
        version: what is claimed.
        claimant: who claims.
        event_at: when the object was created.
        now: when it is claimed.
    """
    sets: dict[str, Any] = {
        "file_size": version.size_bytes,
        "file_etag": version.etag,
        "status": Status.PROCESSING.value,
        "batch_id": claimant.batch_id,
        "attempt": _attempt(item, version),
        "event_at": to_iso(event_at),
        "claimed_at": to_iso(now),
        "source_system": claimant.source_system,
        "contract_fingerprint": claimant.contract_fingerprint,
        "schema_version": SCHEMA_VERSION,
    }
    removes = [*_OF_A_RESULT, "next_try_at", "charged_by", "waiting"]
    if item is None or item.etag != version.etag:
        # Of the same version the last error stays to be seen while it is tried again.
        removes += _OF_AN_ERROR
    optional = {
        "version_id": version.version_id,
        "last_modified": to_iso(version.last_modified) if version.last_modified else None,
        "previous": _previous(item),
    }
    for name, value in optional.items():
        if value is None:
            removes.append(name)
        else:
            sets[name] = value
    if item is None:
        return Change(_key(claimant.ingestion_key, version.path), (Absent(),), sets)
    return Change(_key(item.ingestion_key, item.path), _as_read(item), sets, tuple(removes))


def hand_over(item: LedgerItem, *, batch_id: str, run: str, error_type: str, error_message: str) -> Change:
    """Give a claim to another batch, as it is: a batch that is split hands its files to its halves.

    Args:
        item: the claim.
        batch_id: who owns it from now on.
        run: the token of the run that left it undone, which costs an attempt, once.
        error_type, error_message: why that run ended.
    """
    return Change(
        _key(item.ingestion_key, item.path),
        _as_claimed(item),
        {"batch_id": batch_id, **_charged(item, run, error_type, error_message)},
        ("next_try_at",),
    )


def postpone(
    item: LedgerItem, *, run: str, error_type: str, error_message: str, next_try_at: datetime, is_last_look: bool
) -> Change:
    """Note on a claim that its batch's run ended without it, and when the batch is tried again.

    Args:
        item: the claim.
        run: the token of that run, which costs an attempt, once.
        error_type, error_message: why the run ended.
        next_try_at: when the batch is run again.
        is_last_look: that run reads nothing, and is no try.
    """
    sets = {**_charged(item, run, error_type, error_message), "next_try_at": to_iso(next_try_at)}
    if is_last_look:
        sets["attempt"] = item.attempt
        del sets["charged_by"]
    return Change(_key(item.ingestion_key, item.path), _as_claimed(item), sets)


def settle_vanished(item: LedgerItem, now: datetime) -> Change:
    """Let a failed file wait no more, because its object is gone, if the item is still as it was read.

    Args:
        item: the failed item.
        now: when that was seen.
    """
    error = FileVanished(item.path)
    return Change(
        _key(item.ingestion_key, item.path),
        _as_read(item),
        {
            "error_type": type(error).__name__,
            "error_message": str(error),
            "error_is_permanent": True,
            "failed_at": to_iso(now),
        },
        ("next_try_at", "waiting"),
    )


def ask_again(item: LedgerItem, now: datetime) -> Change:
    """Let a failed file be tried again by whoever comes next, because a person says so, if it is still as it was read.

    Args:
        item: the failed item.
        now: the present.
    """
    return Change(
        _key(item.ingestion_key, item.path),
        _as_read(item),
        {"error_is_permanent": False, "next_try_at": to_iso(now)},
        ("charged_by",),
    )


def release(item: LedgerItem, *, error: FileError, now: datetime) -> Change:
    """End a session's claim without its rows: failed, transient, due at once, and what waits is kept.

    Args:
        item: the claim.
        error: `Released` or `Lapsed`.
        now: the present.
    """
    return fail(item, batch_id=item.batch_id or "", error=error, now=now, next_try_at=now)


def reprocess(item: LedgerItem, now: datetime) -> Change:
    """Have a file's rows read again and replaced, the same bytes too, if the item is still as it was read.

    Args:
        item: completed or failed; what it says of the rows that are in the table becomes `previous`.
        now: the present.
    """
    error = Requested(item.path)
    sets: dict[str, Any] = {
        "status": Status.FAILED.value,
        "error_type": type(error).__name__,
        "error_message": str(error),
        "error_is_permanent": False,
        "failed_at": to_iso(now),
        "next_try_at": to_iso(now),
    }
    previous = _previous(item)
    if previous is not None:
        sets["previous"] = previous
    removes = tuple(name for name in _OF_A_RESULT if name not in sets)
    return Change(_key(item.ingestion_key, item.path), _as_read(item), sets, (*removes, "charged_by"))


def mark_completed(ingestion_key: str, path: str, *, etag: str, size_bytes: int, rows: int, now: datetime) -> Change:
    """Make an item for a file that was ingested by somebody else, if there is none.

    Args:
        ingestion_key: the table.
        path: `s3://bucket/key`.
        etag, size_bytes: of the version.
        rows: its rows.
        now: the present.
    """
    return Change(
        _key(ingestion_key, path),
        (Absent(),),
        {
            "file_size": size_bytes,
            "file_etag": etag,
            "rows_ingested": rows,
            "processed_at": int(now.timestamp()),
            "processed_at_iso": now.strftime("%Y-%m-%d %H:%M:%S UTC"),
        },
    )


def remove(item: LedgerItem) -> Change:
    """Delete an item, if it is still as it was read."""
    return Change(_key(item.ingestion_key, item.path), _as_read(item), {}, deletes=True)


def remember(item: LedgerItem, current: FileVersion, event_at: datetime) -> Change:
    """Note on an item that is processing that something newer came, if it still is the same claim."""
    return Change(
        _key(item.ingestion_key, item.path),
        _as_claimed(item),
        {"waiting": waiting_attribute(Waiting(current.etag, event_at))},
    )


def forget(item: LedgerItem) -> Change:
    """Clear what waited, because the object is gone or is what the item says, if the item is still as it was read."""
    return Change(_key(item.ingestion_key, item.path), _as_read(item), {}, ("waiting",))


def complete(
    item: LedgerItem,
    *,
    batch_id: str,
    rows: int,
    snapshot_id: str,
    queryable_at: datetime,
    now: datetime,
    published_by: str | None = None,
    rejects: int = 0,
) -> Change:
    """End a claim: the rows are in the table. Rows that are in win, over a `failed` of the same batch too.

    Args:
        item: the claim, as the batch read it.
        batch_id: who ends it; refused when somebody else owns the file.
        rows: this file's own rows in the table.
        snapshot_id: the snapshot that brought them.
        queryable_at: when that was committed.
        now: when the claim ends.
        published_by: the batch whose rows they are; None: this one.
        rejects: how many of its records are in the table of the rejects.
    """
    by_another = {} if published_by in (None, batch_id) else {"published_by": published_by}
    return Change(
        _key(item.ingestion_key, item.path),
        (
            Equals("batch_id", batch_id),
            Equals("file_etag", item.etag),
            OneOf("status", (Status.PROCESSING.value, Status.FAILED.value)),
        ),
        {
            "status": Status.COMPLETED.value,
            "rows_ingested": rows,
            "rows_rejected": rejects,
            "snapshot_id": snapshot_id,
            "queryable_at": to_iso(queryable_at),
            "processed_at": int(now.timestamp()),
            "processed_at_iso": now.strftime("%Y-%m-%d %H:%M:%S UTC"),
            **by_another,
        },
        (*_OF_A_FAILURE, "previous"),
    )


def fail(
    item: LedgerItem,
    *,
    batch_id: str,
    error: FileError,
    now: datetime,
    next_try_at: datetime | None = None,
    contract_fingerprint: str | None = None,
    previous: Published | None = None,
) -> Change:
    """End a claim: the file was not ingested, and why.

    Args:
        item: the claim, as the batch read it.
        batch_id: who ends it; refused when somebody else owns the file, or it is completed.
        error: why; its class says whether trying again can help.
        now: when the claim ends.
        next_try_at: when it is tried again by itself; None: it is not.
        contract_fingerprint: of the contract that it was judged by; None: by that of its claim. Where it is another,
            a deploy came in between, and the file is due at once.
        previous: the version that the table was seen to hold, where the item does not say so.
    """
    sets: dict[str, Any] = {
        "status": Status.FAILED.value,
        "error_type": type(error).__name__,
        "error_message": str(error)[:MESSAGE_LIMIT_CHARACTERS],
        "error_is_permanent": isinstance(error, Permanent),
        "failed_at": to_iso(now),
    }
    removes: tuple[str, ...] = ()
    if contract_fingerprint is not None and contract_fingerprint != item.contract_fingerprint:
        sets["contract_fingerprint"] = contract_fingerprint
        next_try_at = now
    if previous is not None:
        sets["previous"] = published_attribute(previous)
    if next_try_at is None:
        removes = ("next_try_at",)
    else:
        sets["next_try_at"] = to_iso(next_try_at)
    return Change(
        _key(item.ingestion_key, item.path),
        (
            Equals("batch_id", batch_id),
            Equals("file_etag", item.etag),
            Equals("status", Status.PROCESSING.value),
        ),
        sets,
        removes,
    )


def _key(ingestion_key: str, path: str) -> dict[str, str]:
    return {"ingestion_key": ingestion_key, "file_path": path}


def _as_read(item: LedgerItem) -> tuple[Condition, ...]:
    # A batch's id is never used twice, so status and batch id together name one moment of the item's life; what
    # waits may have come since. An item of a predecessor has neither.
    status = Equals("status", item.status.value) if item.batch_id else Missing("status")
    return (
        status,
        equals_or_missing("batch_id", item.batch_id),
        equals_or_missing("waiting", waiting_attribute(item.waiting) if item.waiting else None),
    )


def _charged(item: LedgerItem, run: str, error_type: str, error_message: str) -> dict[str, Any]:
    return {
        "attempt": item.attempt + (item.charged_by != run),
        "charged_by": run,
        "error_type": error_type,
        "error_message": error_message[:MESSAGE_LIMIT_CHARACTERS],
    }


def _as_claimed(item: LedgerItem) -> tuple[Condition, ...]:
    # What waits may come meanwhile and is not touched.
    return (Equals("status", Status.PROCESSING.value), equals_or_missing("batch_id", item.batch_id))


def _attempt(item: LedgerItem | None, version: FileVersion) -> int:
    if item is None or item.etag != version.etag or item.error_type is None:
        return 1
    return item.attempt if item.error_type in EXCUSED_TYPES else item.attempt + 1


def _previous(item: LedgerItem | None) -> dict[str, Any] | None:
    if item is None:
        return None
    if item.status is Status.COMPLETED:
        return published_attribute(
            Published(item.etag, item.rows_batch_id or "", item.rows or 0, item.snapshot_id or "")
        )
    return published_attribute(item.previous) if item.previous else None
