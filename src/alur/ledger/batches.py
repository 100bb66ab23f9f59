"""Batches and run slots: what is ingested together, and which run carries it.

      claiming ----> ready ----> submitted ----> closed
          |            ^  run slot   |  every file settled, nothing waits
          |            |             |
          +------------+-------------+   late claims, or a run that ended with files still processing: ready again

A batch or a taken slot is in the sparse index `open` as long as somebody has to look at it. A slot is an item too: it
is taken by a conditional write that already holds the exact request and its client token, so that whoever finds it
taken and unsubmitted repeats that request instead of making a second one.
"""

from __future__ import annotations

import logging
import secrets
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from alur.clock import from_iso, to_iso
from alur.ledger.dynamo import DynamoTable
from alur.ledger.gateway import DynamoGateway
from alur.ledger.model import SCHEMA_VERSION
from alur.ledger.table import (
    Absent,
    Attributes,
    Change,
    Equals,
    ItemTable,
    MissingOrAtMost,
    OneOf,
    equals_or_missing,
)

logger = logging.getLogger(__name__)

SORT_KEY = "batch_id"
"""The name of the sort key of the batches table."""

_SLOT_PREFIX = "slot#"


class BatchState(StrEnum):
    """Where a batch is in its life."""

    CLAIMING = "claiming"
    """A dispatcher is claiming its files; until its lease has passed nobody else touches it."""

    READY = "ready"
    """Its claims are there; it waits for a run."""

    SUBMITTED = "submitted"
    """A run that carries it was started."""

    CLOSED = "closed"
    """Every file of it is settled and nothing waits: nobody looks at it again."""


@dataclass(frozen=True, slots=True)
class BatchResult:
    """What a run made of a batch.

    Attributes:
        token: the run's.
        completed, failed: files whose claims it ended.
        rows: of the files that it completed.
        latency_seconds_median, latency_seconds_max: from a file's arrival to its rows' being queryable, over the
            files whose rows this run brought; 0 where it brought none.
    """

    token: str
    completed: int
    failed: int
    rows: int
    latency_seconds_median: int
    latency_seconds_max: int


@dataclass(frozen=True, slots=True)
class Batch:
    """The files of one table that are ingested together.

    Attributes:
        ingestion_key: the table.
        batch_id: sorts by time; never used twice.
        state: where it is in its life.
        manifest_uri: the list of its candidates in S3, which never changes.
        files: how many were claimed.
        size_bytes: of all of them.
        created_at: when it was begun.
        lease_until: until when a batch that is `claiming` is left alone.
        run_ids: the EMR runs that carried it.
        begun_by: the tokens of the runs that came as far as reading its manifest.
        result: what the last run that finished with it has to tell.
        reopened: differs each time that it was opened again for claims that came late; None: it never was.
    """

    ingestion_key: str
    batch_id: str
    state: BatchState
    manifest_uri: str
    files: int
    size_bytes: int
    created_at: datetime
    lease_until: datetime
    run_ids: frozenset[str] = frozenset()
    begun_by: frozenset[str] = frozenset()
    result: BatchResult | None = None
    reopened: str | None = None

    @classmethod
    def from_attributes(cls, attributes: Attributes) -> Batch:
        """Read an item of the table."""
        return cls(
            ingestion_key=attributes["ingestion_key"],
            batch_id=attributes["batch_id"],
            state=BatchState(attributes["state"]),
            manifest_uri=attributes["manifest_uri"],
            files=int(attributes["files"]),
            size_bytes=int(attributes["size_bytes"]),
            created_at=from_iso(attributes["created_at"]),
            lease_until=from_iso(attributes["lease_until"]),
            run_ids=frozenset(attributes.get("run_ids", ())),
            begun_by=frozenset(attributes.get("begun_by", ())),
            result=BatchResult(**attributes["result"]) if "result" in attributes else None,
            reopened=attributes.get("reopened"),
        )


@dataclass(frozen=True, slots=True)
class Slot:
    """One of a table's places for a run, taken.

    Attributes:
        ingestion_key: the table.
        number: 0 for the first.
        token: the client token of the request; also what fences its release.
        application_id: where the request goes.
        request: the arguments of StartJobRun, as JSON text.
        batch_ids: the batches that the run carries.
        taken_at: when it was taken.
        run_id: the run; None: not known to be submitted.
    """

    ingestion_key: str
    number: int
    token: str
    application_id: str
    request: str
    batch_ids: tuple[str, ...]
    taken_at: datetime
    run_id: str | None = None

    @classmethod
    def from_attributes(cls, attributes: Attributes) -> Slot:
        """Read a taken slot's item."""
        return cls(
            ingestion_key=attributes["ingestion_key"],
            number=int(str(attributes["batch_id"]).removeprefix(_SLOT_PREFIX)),
            token=attributes["token"],
            application_id=attributes["application_id"],
            request=attributes["request"],
            batch_ids=tuple(attributes["batch_ids"]),
            taken_at=from_iso(attributes["taken_at"]),
            run_id=attributes.get("run_id"),
        )


@dataclass(frozen=True, slots=True)
class Open:
    """What somebody has to look at: batches that are not closed, and slots that are taken."""

    batches: tuple[Batch, ...]
    slots: tuple[Slot, ...]


def new_batch_id(now: datetime, nonce: str | None = None) -> str:
    """Make an id that sorts by time and is never used twice: `20261123t073228123z-3f9a1c2b`.

    Args:
        now: the present.
        nonce: eight hexadecimal digits; random by default.
    """
    stamp = now.strftime("%Y%m%dt%H%M%S") + f"{now.microsecond // 1000:03d}z"
    return f"{stamp}-{nonce or secrets.token_hex(4)}"


class BatchStore:
    """The table `alur-ingestion-batches`. Every method raises `LedgerError` when it cannot be asked.

    Args:
        table: where the items are.
    """

    def __init__(self, table: ItemTable) -> None:
        self._table = table

    def create(self, batch: Batch) -> None:
        """Put a new batch.

        Args:
            batch: in state `claiming`.

        Raises:
            ValueError: there is a batch of this id.
        """
        attributes: dict[str, Any] = {
            "open_key": batch.ingestion_key,
            "state": batch.state.value,
            "manifest_uri": batch.manifest_uri,
            "files": batch.files,
            "size_bytes": batch.size_bytes,
            "created_at": to_iso(batch.created_at),
            "lease_until": to_iso(batch.lease_until),
            "schema_version": SCHEMA_VERSION,
        }
        if not self._table.apply(Change(_key(batch), (Absent(),), attributes)).applied:
            raise ValueError(f"there is a batch {batch.batch_id} of {batch.ingestion_key}")

    def read(self, ingestion_key: str, batch_id: str) -> Batch | None:
        """Return a batch, strongly consistent; None: there is none."""
        found = self._table.read([_batch_key(ingestion_key, batch_id)])
        return Batch.from_attributes(found[0]) if found else None

    def make_ready(self, batch: Batch, *, files: int, size_bytes: int) -> bool:
        """`claiming` -> `ready`; False: somebody else has given the claiming up already.

        Args:
            batch: which.
            files: how many were claimed.
            size_bytes: of all of them.
        """
        sets = {"state": BatchState.READY.value, "files": files, "size_bytes": size_bytes}
        return self._table.apply(Change(_key(batch), (Equals("state", BatchState.CLAIMING.value),), sets)).applied

    def reopen(self, batch: Batch) -> None:
        """Make a batch `ready` whatever it is, so that claims that came late are seen by another run."""
        sets = {
            "state": BatchState.READY.value,
            "open_key": batch.ingestion_key,
            "reopened": secrets.token_hex(8),
        }
        self._table.apply(Change(_key(batch), (), sets))

    def begin(self, ingestion_key: str, batch_id: str, token: str) -> Batch | None:
        """Note that a run has come as far as this batch, and return it; None: there is no such batch.

        Args:
            ingestion_key: the table.
            batch_id: which batch.
            token: the run's.
        """
        change = Change(_batch_key(ingestion_key, batch_id), (), {}, adds={"begun_by": frozenset({token})})
        outcome = self._table.apply(change)
        return Batch.from_attributes(outcome.item) if outcome.applied and outcome.item else None

    def finish(self, batch: Batch, result: BatchResult) -> None:
        """Note what a run made of a batch, which stays open.

        Args:
            batch: which.
            result: what became of its files.
        """
        self._table.apply(Change(_key(batch), (), {"result": asdict(result)}))

    def close(self, batch: Batch, now: datetime, result: BatchResult | None = None) -> bool:
        """Close a batch: every file of it is settled and nothing waits.

        Args:
            batch: which, as it was read before its files were looked at.
            now: the present.
            result: what became of its files; None where it has none.

        Returns:
            False: it was opened again since, for claims that may not have been seen, and stays open.
        """
        sets: dict[str, Any] = {"state": BatchState.CLOSED.value, "closed_at": to_iso(now)}
        if result is not None:
            sets["result"] = asdict(result)
        as_seen = equals_or_missing("reopened", batch.reopened)
        return self._table.apply(Change(_key(batch), (as_seen,), sets, ("open_key",))).applied

    def open(self, ingestion_key: str | None = None) -> Open:
        """Return what is open, of one table or of all, by time; eventually consistent.

        An item that cannot be read (somebody's hand was in the table) is logged and costs no other.
        """
        batches: list[Batch] = []
        slots: list[Slot] = []
        for attributes in self._table.open_items(ingestion_key):
            try:
                if str(attributes[SORT_KEY]).startswith(_SLOT_PREFIX):
                    slots.append(Slot.from_attributes(attributes))
                else:
                    batches.append(Batch.from_attributes(attributes))
            except (KeyError, TypeError, ValueError) as error:
                logger.error("the item %s cannot be read: %r", attributes.get(SORT_KEY), error)
        return Open(tuple(batches), tuple(slots))

    def take_slot(self, slot: Slot, *, not_started_since: datetime) -> bool:
        """Take a free slot; False: it is taken, or its last run was started too recently.

        Args:
            slot: with its request, not yet submitted.
            not_started_since: a slot whose last run was started after this stays free.
        """
        sets: dict[str, Any] = {
            "open_key": slot.ingestion_key,
            "holder": slot.token,
            "token": slot.token,
            "application_id": slot.application_id,
            "request": slot.request,
            "batch_ids": list(slot.batch_ids),
            "taken_at": to_iso(slot.taken_at),
            "schema_version": SCHEMA_VERSION,
        }
        free = MissingOrAtMost("holder", "")
        rested = MissingOrAtMost("last_started_at", to_iso(not_started_since))
        return self._table.apply(Change(_slot_key(slot), (free, rested), sets, ("run_id",), creates=True)).applied

    def record_run(self, slot: Slot, run_id: str, now: datetime) -> bool:
        """Note the run of a slot, on the slot and on each of its batches, all or none.

        Args:
            slot: taken.
            run_id: what StartJobRun answered.
            now: the present.

        Returns:
            False: the slot is not held by this request any more, or a batch has ended meanwhile.
        """
        on_slot = Change(
            _slot_key(slot),
            (Equals("token", slot.token),),
            {"run_id": run_id, "last_started_at": to_iso(now)},
        )
        on_batches = [
            Change(
                _batch_key(slot.ingestion_key, batch_id),
                (OneOf("state", (BatchState.READY.value, BatchState.SUBMITTED.value)),),
                {"state": BatchState.SUBMITTED.value},
                adds={"run_ids": frozenset({run_id})},
            )
            for batch_id in slot.batch_ids
        ]
        if self._table.apply_together([on_slot, *on_batches]):
            return True
        # A batch that its run has closed before we came here: note the others one by one.
        held = [self._table.apply(change).applied for change in (on_slot, *on_batches)]
        return all(held)

    def free_slot(self, slot: Slot) -> bool:
        """Free a slot, if this request still holds it; True for one caller only."""
        # Else somebody else's freeing would look like one's own whose answer was lost.
        sets = {"holder": "", "freed_by": secrets.token_hex(8)}
        return self._table.apply(Change(_slot_key(slot), (Equals("holder", slot.token),), sets, ("open_key",))).applied


def _key(batch: Batch) -> dict[str, str]:
    return _batch_key(batch.ingestion_key, batch.batch_id)


def _batch_key(ingestion_key: str, batch_id: str) -> dict[str, str]:
    return {"ingestion_key": ingestion_key, SORT_KEY: batch_id}


def _slot_key(slot: Slot) -> dict[str, str]:
    return {"ingestion_key": slot.ingestion_key, SORT_KEY: f"{_SLOT_PREFIX}{slot.number}"}


def batch_store(gateway: DynamoGateway, table_name: str) -> BatchStore:
    """Make the store over a DynamoDB table.

    Args:
        gateway: DynamoDB's calls.
        table_name: the table's name.
    """
    return BatchStore(DynamoTable(gateway, table_name, SORT_KEY))
