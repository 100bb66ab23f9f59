"""What to do about an open batch or a taken slot. Pure: no clock, no AWS."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum

from alur.aws.jobs import RunState
from alur.ledger.batches import Batch, BatchState, Slot

UNSUBMITTED_AFTER = timedelta(minutes=3)
"""A slot that has no run by then was left behind: whoever took it had two minutes (a function's timeout) to submit."""


class SlotAction(StrEnum):
    """What a taken slot needs."""

    WAIT = "wait"
    """Its run is going, or is being submitted."""

    REPEAT = "repeat"
    """It was taken, and nobody knows of a run: the same request again, under the same token."""

    FREE = "free"
    """Its run has ended, or is gone."""


class BatchAction(StrEnum):
    """What an open batch needs."""

    WAIT = "wait"
    """Somebody is at it, or its files wait for what is not decided here."""

    MAKE_READY = "make ready"
    """Its dispatcher died over the claims: whatever it claimed is to be ingested."""

    SUBMIT = "submit"
    """It is ready for a run."""


def decide_slot(slot: Slot, run: RunState | None, now: datetime) -> SlotAction:
    """Decide about a taken slot.

    Args:
        slot: as the ledger has it.
        run: what EMR says of its run; None: the run or its application is gone, or the slot has none.
        now: the present.
    """
    if slot.run_id is None:
        return SlotAction.REPEAT if now - slot.taken_at >= UNSUBMITTED_AFTER else SlotAction.WAIT
    return SlotAction.FREE if run is None or run.has_ended else SlotAction.WAIT


def decide_batch(batch: Batch, now: datetime) -> BatchAction:
    """Decide about a batch that is not closed.

    Args:
        batch: as the ledger has it.
        now: the present.
    """
    if batch.state is BatchState.CLAIMING and batch.lease_until <= now:
        return BatchAction.MAKE_READY
    if batch.state is BatchState.READY:
        return BatchAction.SUBMIT
    return BatchAction.WAIT
