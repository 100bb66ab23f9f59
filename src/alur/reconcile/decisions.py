"""What to do about an open batch, a taken slot, and the files of a batch that waits. Pure: no clock, no AWS."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from alur.aws.jobs import RunState
from alur.ledger.batches import Batch, BatchState, Slot, Walk
from alur.ledger.model import LedgerItem, Status
from alur.ledger.retries import Retries
from alur.ledger.transitions import is_due, waits

SPLIT_AFTER = 2
"""A batch that so many runs left undone, perhaps for one file of it, is split in two."""

LAST_LOOKS = 3
"""A last look that died so often is given up: whatever it would have found in the table, a later claim finds too."""

WALK_EVERY = timedelta(days=1)
"""How often every item of a table is looked at, beside what is known to be open."""


class SlotAction(StrEnum):
    """What a taken slot needs."""

    WAIT = "wait"
    """Its run is going, or is being submitted."""

    REPEAT = "repeat"
    """It was taken, and nobody knows of a run: the same request again, under the same token."""

    SETTLE = "settle"
    """Its run has ended, or is gone."""


class BatchAction(StrEnum):
    """What an open batch needs."""

    WAIT = "wait"
    """Somebody is at it, or its time has not come."""

    GIVE_CLAIMING_UP = "give claiming up"
    """Its dispatcher died over the claims: whatever it claimed is to be ingested."""

    LAPSE = "lapse"
    """Its session did not renew its lease: its files are free."""

    SUBMIT = "submit"
    """It is ready for a run."""

    VISIT = "visit"
    """No run has it: its files say what comes next."""

    CHECK_RUN = "check run"
    """A run is said to have it, and no slot knows of that run: perhaps somebody removed the slot."""


class Step(StrEnum):
    """What becomes of those files of a waiting batch that are still processing."""

    NONE = "none"
    """There is none."""

    REPEAT = "repeat"
    """The same batch again: what the last run brought in is adopted, the rest is read."""

    SPLIT = "split"
    """Its halves instead, one a run: a file of it may be what its runs died of."""

    LAST_LOOK = "last look"
    """One last run that only looks: it completes what is in, and fails the rest."""

    GIVE_UP = "give up"
    """They are failed at once: no run can be had to look."""


@dataclass(frozen=True, slots=True)
class Visit:
    """What a waiting batch needs.

    Attributes:
        step: for the files of it that are still processing.
        processing: those files.
        not_before: when the next run may have them.
        costs_attempt: the last run counts as a try of them.
        look_at: where nothing is processing, when to look again; None: nobody waits, and the batch can be closed.
    """

    step: Step
    processing: tuple[LedgerItem, ...]
    not_before: datetime
    costs_attempt: bool
    look_at: datetime | None


def decide_slot(slot: Slot, run: RunState | None, now: datetime, unsubmitted_after: timedelta) -> SlotAction:
    """Decide about a taken slot.

    Args:
        slot: as the ledger has it.
        run: what EMR says of its run; None: the run or its application is gone, or the slot has none.
        now: the present.
        unsubmitted_after: how long whoever took it has for submitting; longer than a function's timeout.
    """
    if slot.run_id is None:
        return SlotAction.REPEAT if now - slot.taken_at >= unsubmitted_after else SlotAction.WAIT
    return SlotAction.SETTLE if run is None or run.has_ended else SlotAction.WAIT


def decide_batch(batch: Batch, now: datetime, held_tokens: frozenset[str]) -> BatchAction:
    """Decide about a batch that is not closed.

    Args:
        batch: as the ledger has it.
        now: the present.
        held_tokens: of the requests that hold a slot of its table.
    """
    if batch.state is BatchState.CLAIMING and batch.lease_until <= now:
        return BatchAction.GIVE_CLAIMING_UP
    if batch.state is BatchState.LEASED and batch.lease_until <= now:
        return BatchAction.LAPSE
    if batch.state is BatchState.READY and (batch.not_before is None or batch.not_before <= now):
        return BatchAction.SUBMIT
    if batch.state is BatchState.WAITING and (batch.look_at is None or batch.look_at <= now):
        return BatchAction.VISIT
    if batch.state is BatchState.SUBMITTED and batch.token not in held_tokens:
        return BatchAction.CHECK_RUN
    return BatchAction.WAIT


def due_files(batch: Batch, items: Iterable[LedgerItem], now: datetime) -> tuple[LedgerItem, ...]:
    """Return the files of a waiting batch that are to be claimed anew: due for another try, or with something newer.

    Args:
        batch: which.
        items: what the ledger has for its paths; those that are not its own any more are somebody else's business.
        now: the present.
    """
    return tuple(
        item
        for item in items
        if item.batch_id == batch.batch_id
        and item.status is not Status.PROCESSING
        and (item.waiting is not None or is_due(item, now, None))
    )


def decide_visit(batch: Batch, items: Iterable[LedgerItem], now: datetime, retries: Retries) -> Visit:
    """Decide about a waiting batch, after what was due of it has been claimed anew.

    Args:
        batch: as the ledger has it.
        items: what the ledger has for its paths.
        now: the present.
        retries: the rule.
    """
    mine = [item for item in items if item.batch_id == batch.batch_id]
    processing = tuple(item for item in mine if item.status is Status.PROCESSING)
    if not processing:
        # What is due and is still here could not be claimed just now.
        times = [max(item.next_try_at or now, now) for item in mine if waits(item)]
        return Visit(Step.NONE, (), now, False, min(times, default=None))
    token = batch.token
    left_undone = token is not None and token in batch.begun_by - batch.finished_by
    charged = left_undone and token not in batch.excused
    step = _step(batch, processing, retries) if charged or batch.never_began else Step.REPEAT
    if step is Step.REPEAT and batch.last_look:
        step = Step.LAST_LOOK
    ends = batch.charges + len(batch.excused)
    not_before = now + retries.delay(max(1, ends)) if left_undone else now
    return Visit(step, processing, not_before, charged, now)


def _step(batch: Batch, processing: tuple[LedgerItem, ...], retries: Retries) -> Step:
    if batch.never_began:
        return Step.GIVE_UP
    if batch.last_look:
        return Step.GIVE_UP if batch.charges - (batch.last_look_after or 0) >= LAST_LOOKS else Step.LAST_LOOK
    # How many the last run had: one that is left of a split that somebody died over has not been alone in a run yet.
    may_be_a_file = batch.blames_files and batch.files > 1
    if may_be_a_file and len(processing) > 1 and batch.charges >= min(SPLIT_AFTER, retries.max_attempts):
        return Step.SPLIT
    tried = max(batch.charges, min(item.attempt for item in processing))
    if tried >= retries.max_attempts and not may_be_a_file:
        return Step.LAST_LOOK
    return Step.REPEAT


def needs_walk(walk: Walk | None, contract_fingerprint: str, now: datetime) -> bool:
    """Whether every item of a table is to be looked at: its contract has changed, now or lately, or a day has passed.

    Args:
        walk: the last one; None: there was none.
        contract_fingerprint: of the contract as it is now.
        now: the present.
    """
    if walk is None or walk.contract_fingerprint != contract_fingerprint:
        return True
    if walk.again_at is not None and walk.again_at <= now:
        return True
    return now - walk.began_at >= WALK_EVERY
