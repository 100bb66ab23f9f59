"""The complete tables of what an open batch and a taken slot need."""

from __future__ import annotations

from datetime import timedelta

import pytest

from alur.aws.jobs import RunState
from alur.ledger.batches import Batch, BatchState, Slot
from alur.reconcile.decisions import UNSUBMITTED_AFTER, BatchAction, SlotAction, decide_batch, decide_slot
from ledger_support import KEY, NOW

MOMENT = timedelta(milliseconds=1)
GOING = ["SUBMITTED", "QUEUED", "PENDING", "SCHEDULED", "RUNNING", "CANCELLING", "A NEW ONE"]
ENDED = ["SUCCESS", "FAILED", "CANCELLED"]

SLOTS = [
    # run id, state of the run (None: gone), age, what it needs
    *((None, None, age, SlotAction.WAIT) for age in (timedelta(), UNSUBMITTED_AFTER - MOMENT)),
    *((None, None, age, SlotAction.REPEAT) for age in (UNSUBMITTED_AFTER, timedelta(days=3))),
    *(("r0", state, age, SlotAction.WAIT) for state in GOING for age in (timedelta(), timedelta(days=3))),
    *(("r0", state, age, SlotAction.FREE) for state in ENDED for age in (timedelta(), timedelta(days=3))),
    *(("r0", None, age, SlotAction.FREE) for age in (timedelta(), timedelta(days=3))),
]


@pytest.mark.parametrize(("run_id", "state", "age", "action"), SLOTS)
def test_a_slot_needs_what_the_table_says(
    run_id: str | None, state: str | None, age: timedelta, action: SlotAction
) -> None:
    slot = Slot(KEY, 0, "run-1", "00app", "{}", ("b1",), NOW - age, run_id)
    assert decide_slot(slot, RunState(state, "") if state else None, NOW) is action


BATCHES = [
    # state, how long its lease goes on, what it needs
    (BatchState.CLAIMING, timedelta(minutes=5), BatchAction.WAIT),
    (BatchState.CLAIMING, MOMENT, BatchAction.WAIT),
    (BatchState.CLAIMING, timedelta(), BatchAction.MAKE_READY),
    (BatchState.CLAIMING, -timedelta(days=3), BatchAction.MAKE_READY),
    *((BatchState.READY, left, BatchAction.SUBMIT) for left in (timedelta(minutes=5), -timedelta(days=3))),
    *((BatchState.SUBMITTED, left, BatchAction.WAIT) for left in (timedelta(minutes=5), -timedelta(days=3))),
    *((BatchState.CLOSED, left, BatchAction.WAIT) for left in (timedelta(minutes=5), -timedelta(days=3))),
]


@pytest.mark.parametrize(("state", "left", "action"), BATCHES)
def test_a_batch_needs_what_the_table_says(state: BatchState, left: timedelta, action: BatchAction) -> None:
    batch = Batch(KEY, "b1", state, "s3://lake/m", 1, 10, NOW - timedelta(days=9), NOW + left)
    assert decide_batch(batch, NOW) is action


def test_the_tables_leave_no_state_and_no_action_out() -> None:
    assert {state for state, _, _ in BATCHES} == set(BatchState)
    assert {action for _, _, action in BATCHES} == set(BatchAction)
    assert {action for _, _, _, action in SLOTS} == set(SlotAction)
