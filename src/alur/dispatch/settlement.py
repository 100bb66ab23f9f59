"""What becomes of a run's slot and batches when the run has ended. Pure: no clock, no AWS.

    never began with the batch        ready again, uncharged; the slot rests, longer each time
    finished with it                  waiting: somebody looks whether a file of it is still due
    began and did not finish          waiting: somebody looks at its files, and charges it, unless it is excused

A run is excused by its end where no file can be to blame: cancelled, gone, or out of capacity.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from alur.aws.jobs import RunState
from alur.errors import SubmitRefused
from alur.ledger.batches import RUN_DIED, Batch, BatchState, Move, Slot, SlotHistory
from alur.ledger.retries import NEVER_BEGAN_LIMIT, Retries


@dataclass(frozen=True, slots=True)
class RunEnd:
    """What is known of a run's end.

    Attributes:
        state: EMR's; `GONE`: the run or its application is not there any more; `REFUSED`: EMR took the request for
            invalid; `NOT STARTED`: EMR was too busy to start it.
        details: EMR's own sentence about it.
        is_excused: no file can be to blame.
    """

    state: str
    details: str
    is_excused: bool

    @classmethod
    def of(cls, run: RunState | None) -> RunEnd:
        """Read what EMR says of a run that has ended; None: it is gone."""
        if run is None:
            return cls("GONE", "EMR knows neither the run nor its end", True)
        return cls(run.state, run.details, run.is_excused)

    @classmethod
    def refused(cls, error: SubmitRefused) -> RunEnd:
        """The request was refused: it counts as a run that never began."""
        return cls("REFUSED", str(error), True)

    @classmethod
    def not_started(cls) -> RunEnd:
        """The request was turned away for the moment: it counts as nothing."""
        return cls("NOT STARTED", "", True)


@dataclass(frozen=True, slots=True)
class Settlement:
    """What becomes of a slot and its batches.

    Attributes:
        history: what the slot remembers.
        moves: for each batch that is still the run's.
    """

    history: SlotHistory
    moves: tuple[Move, ...]


def decide_settlement(slot: Slot, end: RunEnd, batches: Iterable[Batch], now: datetime, retries: Retries) -> Settlement:
    """Decide what becomes of a slot and its batches.

    Args:
        slot: taken.
        end: of its run.
        batches: those that the slot names, as they were just read; one that has gone on without it stays as it is.
        now: the present.
        retries: the rule for delays.
    """
    carried = list(batches)
    counts = end.state != "NOT STARTED"
    history = _remember(slot, end, carried, now, retries) if counts else slot.history
    gives_up = counts and history.never_began_in_a_row >= NEVER_BEGAN_LIMIT
    moves = tuple(
        _move(slot, end, batch, gives_up)
        for batch in carried
        if batch.state is BatchState.SUBMITTED and batch.token == slot.token
    )
    return Settlement(history, moves)


def _remember(slot: Slot, end: RunEnd, batches: list[Batch], now: datetime, retries: Retries) -> SlotHistory:
    failed = 0 if end.state == "SUCCESS" else slot.history.failed_in_a_row + 1
    # A batch that was closed before it came to the run's turn, or is not there any more, was no reason not to begin.
    open_batches = [batch for batch in batches if batch.state is not BatchState.CLOSED]
    began = any(slot.token in batch.begun_by for batch in batches) or not open_batches
    if began:
        return SlotHistory(failed_in_a_row=failed)
    never = slot.history.never_began_in_a_row + 1
    return SlotHistory(failed, never, now + retries.delay(never))


def _move(slot: Slot, end: RunEnd, batch: Batch, gives_up: bool) -> Move:
    if slot.token not in batch.begun_by:
        if not gives_up:
            return Move(batch, BatchState.READY)
        return Move(batch, BatchState.WAITING, never_began=True, error=(end.state, end.details))
    if slot.token in batch.finished_by:
        return Move(batch, BatchState.WAITING)
    said_why = batch.error_of == slot.token
    error = None if said_why else (RUN_DIED, end.details or f"the run ended as {end.state}")
    return Move(batch, BatchState.WAITING, excuses=end.is_excused, error=error)
