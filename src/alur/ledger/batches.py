"""Batches and run slots: what is ingested together, and which run carries it.

      claiming ----> ready <----> submitted ----> closed
          |            ^   run slot   |  every file settled, nothing waits
          |            |              |
          +--------> waiting <--------+   claims of a dispatcher that died; a run that left files undone, to be tried
                       ^     |            again, or with something newer behind them
      leased ----------+     +----> closed
          |    lease passed
          +----> closed

A batch that is leased was claimed by whoever reads and writes it himself, in a session: `load_to_bronze`. No run is
started for it, then or later: when its lease has passed, its files are free.

A batch or a taken slot is in the sparse index `open` as long as somebody has to look at it. A slot is an item too: it
is taken in one transaction with its batches, and then holds the exact request and its client token, so that whoever
finds it taken and unsubmitted repeats that request instead of making a second one. It is freed in one transaction with
what becomes of its batches, so that a run's end is dealt with once.

What a batch has cost is derived and never counted: a run notes itself on the batch when it begins with it, and again
when it has finished with it. Who began and did not finish was charged, unless it is excused.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Iterable, Sequence
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
    Condition,
    Equals,
    ItemTable,
    MissingOrAtMost,
    equals_or_missing,
)

logger = logging.getLogger(__name__)

SORT_KEY = "batch_id"
"""The name of the sort key of the batches table."""

_SLOT_PREFIX = "slot#"

RUN_DIED = "RunDied"
"""What a batch is told of a run that could not say itself why it ended."""

ERROR_LIMIT_CHARACTERS = 2_000
"""How much of an error a batch keeps."""


class BatchState(StrEnum):
    """Where a batch is in its life."""

    CLAIMING = "claiming"
    """A dispatcher is claiming its files; until its lease has passed nobody else touches it."""

    READY = "ready"
    """Its claims are there; it waits for a run."""

    SUBMITTED = "submitted"
    """A slot holds it, for a run that was started or is about to be."""

    WAITING = "waiting"
    """No run has it, and somebody has to look at its files: at once, or when the next of them is due."""

    LEASED = "leased"
    """A session has it: it reads, writes and settles the files itself, and renews its lease until then."""

    CLOSED = "closed"
    """Every file of it is settled and nothing waits: nobody looks at it again."""


@dataclass(frozen=True, slots=True)
class BatchResult:
    """What a run made of a batch.

    Attributes:
        token: the run's.
        completed: files whose rows are in.
        failed: files that failed and are not tried again by themselves.
        retried: files that failed and are.
        rows: of the files that it completed.
        latency_seconds_median, latency_seconds_max: from a file's arrival to its rows' being queryable, over the
            files whose rows this run brought; 0 where it brought none.
    """

    token: str
    completed: int
    failed: int
    retried: int
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
        created_at: when its files were claimed first: a half has its whole's.
        lease_until: until when a batch that is `claiming` is left alone.
        token: of the run that carries it, or carried it last.
        run_ids: the EMR runs that carried it.
        begun_by: the tokens of the runs that came as far as reading its manifest.
        finished_by: of those, the ones that dealt with every file of it.
        excused: of those that did not, the ones whose end was nobody's fault here.
        wholes: where it is a half, the batch that was split, and what that was a half of, and so on.
        charged_before: how many runs its whole was charged with, where it is a half.
        last_error_type, last_error: why the last run left it undone, where that is known.
        error_of: the token of the run that noted it.
        blames_files: whether that error may be the fault of one of its files.
        never_began: runs of its table ended before they began, too often in a row to go on.
        not_before: when it is ready; None: at once.
        look_at: when somebody looks at it, while it is `waiting`.
        alone: a run that carries it carries no other.
        last_look_after: how many charges it had when its attempts were used up; None: they are not.
        result: what the last run that finished with it has to tell.
        interactive: a session claimed it, by a lease.
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
    token: str | None = None
    run_ids: frozenset[str] = frozenset()
    begun_by: frozenset[str] = frozenset()
    finished_by: frozenset[str] = frozenset()
    excused: frozenset[str] = frozenset()
    wholes: frozenset[str] = frozenset()
    charged_before: int = 0
    last_error_type: str | None = None
    last_error: str | None = None
    error_of: str | None = None
    blames_files: bool = True
    never_began: bool = False
    not_before: datetime | None = None
    look_at: datetime | None = None
    alone: bool = False
    last_look_after: int | None = None
    result: BatchResult | None = None
    interactive: bool = False
    reopened: str | None = None

    @property
    def why_type(self) -> str:
        """The type of error for which its last run left it undone."""
        return self.last_error_type or RUN_DIED

    @property
    def why(self) -> str:
        """Why its last run left it undone, as far as anybody knows."""
        return self.last_error or "nothing is known of its end"

    @property
    def ids(self) -> frozenset[str]:
        """Its own id and those of its wholes: rows of these are its own.

        A hand-over goes from whole to half with no owner between, so that nobody else can have published a path since.
        """
        return self.wholes | {self.batch_id}

    @property
    def last_look(self) -> bool:
        """Whether its next run only looks what is in, and fails the rest."""
        return self.last_look_after is not None

    @property
    def charges(self) -> int:
        """How many runs began it and did not finish with it, its whole's included; no run may have it now."""
        return self.charged_before + self.own_charges

    @property
    def own_charges(self) -> int:
        """The same without those of its whole."""
        return len(self.begun_by - self.finished_by - self.excused)

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
            token=attributes.get("token"),
            run_ids=frozenset(attributes.get("run_ids", ())),
            begun_by=frozenset(attributes.get("begun_by", ())),
            finished_by=frozenset(attributes.get("finished_by", ())),
            excused=frozenset(attributes.get("excused", ())),
            wholes=frozenset(attributes.get("wholes", ())),
            charged_before=int(attributes.get("charged_before", 0)),
            last_error_type=attributes.get("last_error_type"),
            last_error=attributes.get("last_error"),
            error_of=attributes.get("error_of"),
            blames_files=bool(attributes.get("blames_files", True)),
            never_began=bool(attributes.get("never_began", False)),
            not_before=_moment(attributes.get("not_before")),
            look_at=_moment(attributes.get("look_at")),
            alone=bool(attributes.get("alone", False)),
            last_look_after=None if "last_look_after" not in attributes else int(attributes["last_look_after"]),
            result=BatchResult(**attributes["result"]) if "result" in attributes else None,
            interactive=bool(attributes.get("interactive", False)),
            reopened=attributes.get("reopened"),
        )


@dataclass(frozen=True, slots=True)
class Move:
    """What becomes of a batch when its run has ended.

    Attributes:
        batch: as it was read.
        state: READY or WAITING.
        excuses: the run's end was nobody's fault: it is not charged.
        never_began: runs of its table ended before they began, too often in a row to go on.
        not_before: when it is ready again; None: at once.
        error: type and text of what is known of the run's end, where the run itself could not say it.
    """

    batch: Batch
    state: BatchState
    excuses: bool = False
    never_began: bool = False
    not_before: datetime | None = None
    error: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class SlotHistory:
    """What a slot remembers of its runs.

    Attributes:
        failed_in_a_row: how many of its last runs did not succeed.
        never_began_in_a_row: how many of its last runs ended before they began with a batch.
        rests_until: when it may be taken again; None: at once.
    """

    failed_in_a_row: int = 0
    never_began_in_a_row: int = 0
    rests_until: datetime | None = None

    @classmethod
    def from_attributes(cls, attributes: Attributes) -> SlotHistory:
        """Read a slot's item, taken or not."""
        return cls(
            int(attributes.get("failed_in_a_row", 0)),
            int(attributes.get("never_began_in_a_row", 0)),
            _moment(attributes.get("rests_until")),
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
        history: of its runs before this one.
    """

    ingestion_key: str
    number: int
    token: str
    application_id: str
    request: str
    batch_ids: tuple[str, ...]
    taken_at: datetime
    run_id: str | None = None
    history: SlotHistory = SlotHistory()

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
            history=SlotHistory.from_attributes(attributes),
        )


@dataclass(frozen=True, slots=True)
class Walk:
    """A look at every item of a table, a few pages at a time.

    Attributes:
        ingestion_key: the table.
        contract_fingerprint: of the contract for which it was begun.
        began_at: when.
        again_at: when a further one is due, for what functions of the older code may still have claimed; None: never.
        after: the path up to which it has come; None: it is at the beginning, or done.
        is_done: it has come to the end.
    """

    ingestion_key: str
    contract_fingerprint: str
    began_at: datetime
    again_at: datetime | None = None
    after: str | None = None
    is_done: bool = False

    @classmethod
    def from_attributes(cls, attributes: Attributes) -> Walk:
        """Read its item."""
        return cls(
            ingestion_key=attributes["ingestion_key"],
            contract_fingerprint=attributes["contract_fingerprint"],
            began_at=from_iso(attributes["began_at"]),
            again_at=_moment(attributes.get("again_at")),
            after=attributes.get("after"),
            is_done=bool(attributes["is_done"]),
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
            batch: in state `claiming` or `leased`.

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
        if batch.wholes:
            attributes["wholes"] = batch.wholes
        if batch.charged_before:
            attributes["charged_before"] = batch.charged_before
        for name, flag in (("alone", batch.alone), ("interactive", batch.interactive)):
            if flag:
                attributes[name] = True
        for name, value in (("last_error_type", batch.last_error_type), ("last_error", batch.last_error)):
            if value is not None:
                attributes[name] = value
        if not self._table.apply(Change(_key(batch), (Absent(),), attributes)).applied:
            raise ValueError(f"there is a batch {batch.batch_id} of {batch.ingestion_key}")

    def read(self, ingestion_key: str, batch_id: str) -> Batch | None:
        """Return a batch, strongly consistent; None: there is none."""
        return self.read_all(ingestion_key, [batch_id]).get(batch_id)

    def read_all(self, ingestion_key: str, batch_ids: Iterable[str]) -> dict[str, Batch]:
        """Return batches of one table, strongly consistent; one that is not there is not in the answer."""
        keys = [_batch_key(ingestion_key, batch_id) for batch_id in dict.fromkeys(batch_ids)]
        batches = (Batch.from_attributes(attributes) for attributes in self._table.read(keys))
        return {batch.batch_id: batch for batch in batches}

    def make_ready(self, batch: Batch, *, files: int, size_bytes: int) -> bool:
        """`claiming` -> `ready`; False: somebody else has given the claiming up already.

        Args:
            batch: which.
            files: how many were claimed.
            size_bytes: of all of them.
        """
        sets = {
            "state": BatchState.READY.value,
            "files": files,
            "size_bytes": size_bytes,
            # Else somebody else's same numbers would look like one's own success whose answer was lost.
            "readied": secrets.token_hex(8),
        }
        return self._table.apply(Change(_key(batch), (Equals("state", BatchState.CLAIMING.value),), sets)).applied

    def give_claiming_up(self, batch: Batch, now: datetime) -> bool:
        """`claiming` -> `waiting`: its dispatcher did not come back; False: it did, or somebody else was first."""
        sets = {"state": BatchState.WAITING.value, "look_at": to_iso(now)}
        return self._table.apply(Change(_key(batch), (Equals("state", BatchState.CLAIMING.value),), sets)).applied

    def renew(self, batch: Batch, lease_until: datetime) -> bool:
        """Renew a session's lease; False: it had passed, and was taken.

        Args:
            batch: which.
            lease_until: until when from now on.
        """
        sets = {"lease_until": to_iso(lease_until)}
        return self._table.apply(Change(_key(batch), (Equals("state", BatchState.LEASED.value),), sets)).applied

    def lapse(self, batch: Batch, now: datetime) -> bool:
        """`leased` -> `waiting`: its lease has passed; False: it was renewed, or somebody else was first."""
        still = (Equals("state", BatchState.LEASED.value), Equals("lease_until", to_iso(batch.lease_until)))
        sets = {"state": BatchState.WAITING.value, "look_at": to_iso(now)}
        return self._table.apply(Change(_key(batch), still, sets)).applied

    def hand_back(self, batch: Batch, now: datetime) -> bool:
        """`leased` -> `waiting`, by the session itself: some of its files wait; False: its lease was taken."""
        sets = {"state": BatchState.WAITING.value, "look_at": to_iso(now)}
        return self._table.apply(Change(_key(batch), (Equals("state", BatchState.LEASED.value),), sets)).applied

    def reopen(self, batch: Batch) -> None:
        """Make a batch `ready` whatever it is, so that claims that came late are seen by another run."""
        sets = {
            "state": BatchState.READY.value,
            "open_key": batch.ingestion_key,
            "reopened": secrets.token_hex(8),
        }
        self._table.apply(Change(_key(batch), (), sets, ("closed_at", "look_at")))

    def reopen_lapsed(self, batch: Batch, now: datetime) -> None:
        """Make a session's batch `waiting` whatever it is, so that claims that came after its lease are seen."""
        sets = {
            "state": BatchState.WAITING.value,
            "open_key": batch.ingestion_key,
            "look_at": to_iso(now),
            "reopened": secrets.token_hex(8),
        }
        self._table.apply(Change(_key(batch), (), sets, ("closed_at",)))

    def reopen_closed(self, batch: Batch, now: datetime) -> bool:
        """`closed` -> `waiting`: one of its files was found not to be settled; False: it is not closed any more."""
        sets = {
            "state": BatchState.WAITING.value,
            "open_key": batch.ingestion_key,
            "look_at": to_iso(now),
            "reopened": secrets.token_hex(8),
        }
        change = Change(_key(batch), (Equals("state", BatchState.CLOSED.value),), sets, ("closed_at",))
        return self._table.apply(change).applied

    def repeat(
        self, batch: Batch, *, not_before: datetime, alone: bool, last_look: bool, files: int, size_bytes: int
    ) -> bool:
        """`waiting` -> `ready`: a run is to take the same batch again; False: it is not as it was read any more.

        Args:
            batch: as it was read.
            not_before: when.
            alone: that run carries no other batch.
            last_look: that run only looks what is in, and fails the rest.
            files: how many of its files are still processing.
            size_bytes: of those.
        """
        sets: dict[str, Any] = {
            "state": BatchState.READY.value,
            "not_before": to_iso(not_before),
            "alone": alone,
            "files": files,
            "size_bytes": size_bytes,
            "readied": secrets.token_hex(8),
        }
        if last_look and not batch.last_look:
            sets["last_look_after"] = batch.charges
        return self._table.apply(Change(_key(batch), _as_waiting(batch), sets, ("look_at", "never_began"))).applied

    def wait(self, batch: Batch, look_at: datetime) -> bool:
        """Look at a waiting batch again at another time; False: it is not as it was read any more."""
        sets = {"look_at": to_iso(look_at)}
        return self._table.apply(Change(_key(batch), _as_waiting(batch), sets, ("never_began",))).applied

    def release(self, batch: Batch, now: datetime) -> bool:
        """`submitted` -> `waiting`: no slot holds it, and no run has it; False: it is not as it was read any more."""
        sets = {"state": BatchState.WAITING.value, "look_at": to_iso(now)}
        still = (Equals("state", BatchState.SUBMITTED.value), equals_or_missing("token", batch.token))
        return self._table.apply(Change(_key(batch), still, sets)).applied

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

    def stumble(self, batch: Batch, token: str, *, error_type: str, error: str, blames_files: bool) -> None:
        """Note why a run leaves a batch undone.

        Args:
            batch: which.
            token: the run's.
            error_type, error: what stopped it.
            blames_files: whether that may be the fault of one of its files.
        """
        sets = {
            "last_error_type": error_type,
            "last_error": error[:ERROR_LIMIT_CHARACTERS],
            "blames_files": blames_files,
            "error_of": token,
        }
        self._table.apply(Change(_key(batch), (), sets))

    def finish(self, batch: Batch, token: str, result: BatchResult) -> None:
        """Note that a run has finished with a batch, and what it made of it; the batch stays open.

        Args:
            batch: which.
            token: the run's.
            result: what became of its files.
        """
        adds = {"finished_by": frozenset({token})}
        self._table.apply(Change(_key(batch), (), {"result": asdict(result)}, adds=adds))

    def close(self, batch: Batch, now: datetime, result: BatchResult | None = None) -> bool:
        """Close a batch: every file of it is settled and nothing waits.

        Args:
            batch: which, as it was read before its files were looked at.
            now: the present.
            result: what became of its files, where a run closes it.

        Returns:
            False: it was opened again since, for claims that may not have been seen, and stays open.
        """
        sets: dict[str, Any] = {"state": BatchState.CLOSED.value, "closed_at": to_iso(now)}
        adds: dict[str, frozenset[str]] = {}
        if result is not None:
            sets["result"] = asdict(result)
            adds["finished_by"] = frozenset({result.token})
        as_seen = equals_or_missing("reopened", batch.reopened)
        return self._table.apply(Change(_key(batch), (as_seen,), sets, ("open_key", "look_at"), adds)).applied

    def close_waiting(self, batch: Batch, now: datetime) -> bool:
        """`waiting` -> `closed`: nobody waits on it; False: it is not as it was read any more.

        Args:
            batch: as it was read, before its files were looked at: whoever has moved it since has seen more.
            now: the present.
        """
        sets = {"state": BatchState.CLOSED.value, "closed_at": to_iso(now)}
        return self._table.apply(Change(_key(batch), _as_waiting(batch), sets, ("open_key", "look_at"))).applied

    def open(self, ingestion_key: str | None = None) -> Open:
        """Return what is open, of one table or of all, by time; eventually consistent: a moment behind.

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

    def take_slot(self, slot: Slot, *, now: datetime, not_started_since: datetime) -> frozenset[str] | None:
        """Take a free slot and, in the same transaction, the ready batches that its run is to carry.

        Args:
            slot: with its request, not yet submitted.
            now: the present; a slot that rests longer stays free.
            not_started_since: a slot whose last run was started after this stays free.

        Returns:
            The ids of the batches that are not ready any more: then nothing was taken, and a run of the others may be
            asked for. None: the slot is taken, or rests. Empty: taken.
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
        allowed = MissingOrAtMost("rests_until", to_iso(now))
        take = Change(_slot_key(slot), (free, rested, allowed), sets, ("run_id",), creates=True)
        carry = [
            Change(
                _batch_key(slot.ingestion_key, batch_id),
                (Equals("state", BatchState.READY.value),),
                {"state": BatchState.SUBMITTED.value, "token": slot.token},
                ("not_before",),
            )
            for batch_id in slot.batch_ids
        ]
        refused = self._table.apply_together([take, *carry])
        if 0 in refused:
            return None
        return frozenset(slot.batch_ids[number - 1] for number in refused)

    def record_run(self, slot: Slot, run_id: str, now: datetime) -> bool:
        """Note the run of a slot, on the slot and on each of its batches.

        Args:
            slot: taken.
            run_id: what StartJobRun answered.
            now: the present.

        Returns:
            False: the slot is not held by this request any more, or a batch has gone on without it.
        """
        on_slot = Change(
            _slot_key(slot),
            (Equals("holder", slot.token),),
            {"run_id": run_id, "last_started_at": to_iso(now)},
        )
        on_batches = [
            Change(
                _batch_key(slot.ingestion_key, batch_id),
                (Equals("token", slot.token),),
                {},
                adds={"run_ids": frozenset({run_id})},
            )
            for batch_id in slot.batch_ids
        ]
        if not self._table.apply_together([on_slot, *on_batches]):
            return True
        held = [self._table.apply(change).applied for change in (on_slot, *on_batches)]
        return all(held)

    def settle_slot(self, slot: Slot, history: SlotHistory, moves: Sequence[Move]) -> bool:
        """Free a slot and, in the same transaction, say what becomes of the batches that its run had.

        Args:
            slot: taken, its run ended or certainly never started.
            history: what the slot remembers from now on.
            moves: for each batch that is still this request's.

        Returns:
            True for one caller only; False: the slot is not held by this request any more, or a batch has changed.
        """
        # Else somebody else's freeing would look like one's own whose answer was lost.
        sets: dict[str, Any] = {
            "holder": "",
            "freed_by": secrets.token_hex(8),
            "failed_in_a_row": history.failed_in_a_row,
            "never_began_in_a_row": history.never_began_in_a_row,
        }
        removes = ["open_key"]
        if history.rests_until is None:
            removes.append("rests_until")
        else:
            sets["rests_until"] = to_iso(history.rests_until)
        free = Change(_slot_key(slot), (Equals("holder", slot.token),), sets, tuple(removes))
        return not self._table.apply_together([free, *(_moved(slot, move) for move in moves)])

    def read_slot(self, ingestion_key: str, number: int) -> Slot | None:
        """Return a slot that is taken, strongly consistent; None: it is free."""
        key = {"ingestion_key": ingestion_key, SORT_KEY: f"{_SLOT_PREFIX}{number}"}
        found = self._table.read([key])
        return Slot.from_attributes(found[0]) if found and found[0].get("holder") else None

    def read_histories(self, slots: Iterable[tuple[str, int]]) -> list[SlotHistory]:
        """Return what slots remember of their runs, taken or not; one that was never taken is not in the answer.

        Args:
            slots: (ingestion key, number), each.
        """
        keys = [{"ingestion_key": key, SORT_KEY: f"{_SLOT_PREFIX}{number}"} for key, number in slots]
        return [SlotHistory.from_attributes(attributes) for attributes in self._table.read(keys)]

    def read_walk(self, ingestion_key: str) -> Walk | None:
        """Return a table's last walk, strongly consistent; None: there was none."""
        found = self._table.read([_walk_key(ingestion_key)])
        return Walk.from_attributes(found[0]) if found else None

    def write_walk(self, walk: Walk, before: Walk | None) -> bool:
        """Begin a walk or note how far it is; False: somebody else did since it was read.

        Args:
            walk: as it is to be.
            before: as it was read.
        """
        sets: dict[str, Any] = {
            "contract_fingerprint": walk.contract_fingerprint,
            "began_at": to_iso(walk.began_at),
            "is_done": walk.is_done,
            "schema_version": SCHEMA_VERSION,
        }
        optional = {"after": walk.after, "again_at": to_iso(walk.again_at) if walk.again_at else None}
        sets |= {name: value for name, value in optional.items() if value is not None}
        removes = tuple(name for name, value in optional.items() if value is None)
        key = _walk_key(walk.ingestion_key)
        if before is None:
            return self._table.apply(Change(key, (Absent(),), sets)).applied
        as_read = (
            Equals("began_at", to_iso(before.began_at)),
            Equals("is_done", before.is_done),
            equals_or_missing("after", before.after),
        )
        return self._table.apply(Change(key, as_read, sets, removes)).applied


def _moved(slot: Slot, move: Move) -> Change:
    batch = move.batch
    sets: dict[str, Any] = {"state": move.state.value}
    removes: list[str] = []
    moments = {
        "not_before": move.not_before,
        # At once: what a batch waits for is decided when its files are looked at.
        "look_at": slot.taken_at if move.state is BatchState.WAITING else None,
    }
    for name, moment in moments.items():
        if moment is None:
            removes.append(name)
        else:
            sets[name] = to_iso(moment)
    if move.never_began:
        sets["never_began"] = True
    still = (Equals("state", BatchState.SUBMITTED.value), Equals("token", slot.token))
    # Else a run that had been given up and has begun since would be judged as one that never did.
    as_seen = (
        equals_or_missing("begun_by", batch.begun_by or None),
        equals_or_missing("finished_by", batch.finished_by or None),
    )
    if move.error is not None:
        sets["last_error_type"], sets["last_error"] = move.error[0], move.error[1][:ERROR_LIMIT_CHARACTERS]
        # What an earlier run said of its own end is not about this one.
        removes += ["blames_files", "error_of"]
    adds = {"excused": frozenset({slot.token})} if move.excuses else {}
    return Change(_key(batch), (*still, *as_seen), sets, tuple(removes), adds)


def _as_waiting(batch: Batch) -> tuple[Condition, ...]:
    return (
        Equals("state", BatchState.WAITING.value),
        equals_or_missing("token", batch.token),
        equals_or_missing("reopened", batch.reopened),
    )


def _walk_key(ingestion_key: str) -> dict[str, str]:
    return {"ingestion_key": ingestion_key, SORT_KEY: "walk"}


def _moment(text: str | None) -> datetime | None:
    return from_iso(text) if text else None


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
