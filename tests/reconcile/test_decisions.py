"""The complete tables of what an open batch, a taken slot, a file that waits and a table's items need."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from alur.aws.jobs import RunState
from alur.ledger.batches import Batch, BatchState, Slot, Walk
from alur.ledger.model import LedgerItem, Status, Waiting
from alur.reconcile.decisions import (
    WALK_EVERY,
    BatchAction,
    SlotAction,
    decide_batch,
    decide_slot,
    due_files,
    needs_walk,
)
from ledger_support import KEY, NOW, item

MOMENT = timedelta(milliseconds=1)
UNSUBMITTED_AFTER = timedelta(minutes=3)
GOING = ["SUBMITTED", "QUEUED", "PENDING", "SCHEDULED", "RUNNING", "CANCELLING", "A NEW ONE"]
ENDED = ["SUCCESS", "FAILED", "CANCELLED"]

SLOTS = [
    # run id, state of the run (None: gone), age, what it needs
    *((None, None, age, SlotAction.WAIT) for age in (timedelta(), UNSUBMITTED_AFTER - MOMENT)),
    *((None, None, age, SlotAction.REPEAT) for age in (UNSUBMITTED_AFTER, timedelta(days=3))),
    *(("r0", state, age, SlotAction.WAIT) for state in GOING for age in (timedelta(), timedelta(days=3))),
    *(("r0", state, age, SlotAction.SETTLE) for state in ENDED for age in (timedelta(), timedelta(days=3))),
    *(("r0", None, age, SlotAction.SETTLE) for age in (timedelta(), timedelta(days=3))),
]


@pytest.mark.parametrize(("run_id", "state", "age", "action"), SLOTS)
def test_a_slot_needs_what_the_table_says(
    run_id: str | None, state: str | None, age: timedelta, action: SlotAction
) -> None:
    slot = Slot(KEY, 0, "run-1", "00app", "{}", ("b1",), NOW - age, run_id)
    assert decide_slot(slot, RunState(state, "") if state else None, NOW, UNSUBMITTED_AFTER) is action


AGES = (timedelta(minutes=5), MOMENT, timedelta(), -MOMENT, -timedelta(days=3))
"""How long something goes on, or has been over."""


def by_time(later: BatchAction, due: BatchAction) -> dict[timedelta | None, BatchAction]:
    return {left: due if left <= timedelta() else later for left in AGES}


WAIT = BatchAction.WAIT
# State, whether a slot of its table is held under its token, and by how long that goes on which the state turns on: its
# lease, when it is ready, when it is looked at (None: at once).
BATCHES: dict[tuple[BatchState, bool], dict[timedelta | None, BatchAction]] = {
    **{(BatchState.CLAIMING, held): by_time(WAIT, BatchAction.GIVE_CLAIMING_UP) for held in (True, False)},
    **{
        (BatchState.READY, held): {None: BatchAction.SUBMIT, **by_time(WAIT, BatchAction.SUBMIT)}
        for held in (True, False)
    },
    **{
        (BatchState.WAITING, held): {None: BatchAction.VISIT, **by_time(WAIT, BatchAction.VISIT)}
        for held in (True, False)
    },
    (BatchState.SUBMITTED, True): dict.fromkeys(AGES, WAIT),
    (BatchState.SUBMITTED, False): dict.fromkeys(AGES, BatchAction.CHECK_RUN),
    **{(BatchState.LEASED, held): by_time(WAIT, BatchAction.LAPSE) for held in (True, False)},
    **{(BatchState.CLOSED, held): dict.fromkeys(AGES, WAIT) for held in (True, False)},
}

CASES = [(*key, left, action) for key, actions in BATCHES.items() for left, action in actions.items()]


@pytest.mark.parametrize(("state", "is_held", "left", "action"), CASES)
def test_a_batch_needs_what_the_table_says(
    state: BatchState, is_held: bool, left: timedelta | None, action: BatchAction
) -> None:
    moment = None if left is None else NOW + left
    # Each state turns on its own moment: the others say the opposite.
    others = NOW - timedelta(days=9) if left is None or left > timedelta() else NOW + timedelta(days=9)
    batch = Batch(
        KEY,
        "b1",
        state,
        "s3://lake/m",
        1,
        10,
        NOW - timedelta(days=9),
        lease_until=moment or NOW if state in (BatchState.CLAIMING, BatchState.LEASED) else others,
        not_before=moment if state is BatchState.READY else others,
        look_at=moment if state is BatchState.WAITING else others,
        token="run-1",
    )
    held = frozenset({"run-0", "run-1"}) if is_held else frozenset({"run-0"})
    assert decide_batch(batch, NOW, held) is action


def test_the_tables_leave_no_state_and_no_action_out() -> None:
    assert set(BATCHES) == {(state, held) for state in BatchState for held in (True, False)}
    assert {action for *_, action in CASES} == set(BatchAction)
    assert {action for _, _, _, action in SLOTS} == set(SlotAction)


NEWER = {"waiting": Waiting("e2", NOW)}
LATER = {"next_try_at": NOW + MOMENT}
DUE = {"next_try_at": NOW}

FILES: list[tuple[str, LedgerItem, bool]] = [
    ("processing", item(Status.PROCESSING), False),
    ("processing, tried before", item(Status.PROCESSING, **DUE), False),
    ("processing, something newer", item(Status.PROCESSING, **NEWER), False),
    ("completed", item(Status.COMPLETED), False),
    ("completed, something newer", item(Status.COMPLETED, **NEWER), True),
    ("failed", item(Status.FAILED), False),
    ("failed, other contract", item(Status.FAILED, contract_fingerprint="f0"), False),
    ("failed, due", item(Status.FAILED, **DUE), True),
    ("failed, due later", item(Status.FAILED, **LATER), False),
    ("failed, due later, something newer", item(Status.FAILED, **LATER, **NEWER), True),
    ("failed, something newer", item(Status.FAILED, **NEWER), True),
]


@pytest.mark.parametrize(("kind", "of", "is_due"), FILES, ids=[kind for kind, _, _ in FILES])
def test_a_file_of_a_waiting_batch_is_claimed_anew_as_the_table_says(kind: str, of: LedgerItem, is_due: bool) -> None:
    assert due_files(waiting("b1"), [of], NOW) == ((of,) if is_due else ())
    # Under another batch it is that one's business.
    assert due_files(waiting("b2"), [of], NOW) == ()


def test_the_table_of_files_leaves_no_status_out() -> None:
    assert {of.status for _, of, _ in FILES} == set(Status)


def waiting(batch_id: str, **facts: Any) -> Batch:
    return Batch(KEY, batch_id, BatchState.WAITING, "s3://lake/m", 1, 10, NOW, NOW, **facts)


@pytest.mark.parametrize(
    ("walk", "is_needed"),
    [
        (None, True),
        (Walk(KEY, "f1", NOW, is_done=True), False),
        (Walk(KEY, "f1", NOW, after="s3://b/k"), False),
        (Walk(KEY, "f1", NOW - WALK_EVERY + MOMENT, is_done=True), False),
        (Walk(KEY, "f1", NOW - WALK_EVERY, is_done=True), True),
        (Walk(KEY, "f1", NOW - timedelta(days=30), is_done=True), True),
        (Walk(KEY, "f0", NOW, is_done=True), True),
        (Walk(KEY, "f0", NOW, after="s3://b/k"), True),
        # Functions of the code before may have claimed for a moment longer.
        (Walk(KEY, "f1", NOW - MOMENT, again_at=NOW + MOMENT, is_done=True), False),
        (Walk(KEY, "f1", NOW - MOMENT, again_at=NOW, is_done=True), True),
    ],
)
def test_a_tables_items_are_looked_at_once_a_day_and_when_its_contract_has_changed(
    walk: Walk | None, is_needed: bool
) -> None:
    assert needs_walk(walk, "f1", NOW) is is_needed
