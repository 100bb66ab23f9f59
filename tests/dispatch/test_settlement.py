"""The complete table of what becomes of a slot and its batches when a run has ended."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from alur.aws.jobs import TERMINAL_STATES, RunState
from alur.dispatch.settlement import RunEnd, decide_settlement
from alur.errors import SubmitRefused
from alur.ledger.batches import RUN_DIED, Batch, BatchState, Move, Slot, SlotHistory
from alur.ledger.retries import NEVER_BEGAN_LIMIT, Retries
from ledger_support import KEY, NOW

TOKEN = "run-1"
FULL = Retries(3, 60.0, lambda: 1.0)
SLOT = Slot(KEY, 0, TOKEN, "00app", "{}", ("b1",), NOW, "r1")

ENDS = {
    "succeeded": RunEnd.of(RunState("SUCCESS", "")),
    "died": RunEnd.of(RunState("FAILED", "Job failed. ExitCode: 137")),
    "died silently": RunEnd.of(RunState("FAILED", "")),
    "cancelled": RunEnd.of(RunState("CANCELLED", "")),
    "no room": RunEnd.of(RunState("FAILED", "exceeded maximum capacity of the application")),
    "timed out": RunEnd.of(RunState("CANCELLED", "Execution timed out after 360 minutes")),
    "gone": RunEnd.of(None),
    "refused": RunEnd.refused(SubmitRefused("00app", "ValidationException", "no such entry point")),
    "not started": RunEnd.not_started(),
}

EXCUSED = {"cancelled", "no room", "gone", "refused", "not started"}


def batch(state: BatchState = BatchState.SUBMITTED, **facts: Any) -> Batch:
    known: dict[str, Any] = {
        "ingestion_key": KEY,
        "batch_id": "b1",
        "state": state,
        "manifest_uri": "s3://lake/m",
        "files": 1,
        "size_bytes": 1,
        "created_at": NOW,
        "lease_until": NOW,
        "token": TOKEN,
    }
    return Batch(**{**known, **facts})


BEGAN = frozenset({"run-0", TOKEN})

# How far the run came with the batch.
HOW_FAR: dict[str, dict[str, Any]] = {
    "never began": {"begun_by": frozenset({"run-0"})},
    "died over it": {"begun_by": BEGAN},
    "died over it after another had stumbled": {
        "begun_by": BEGAN,
        "error_of": "run-0",
        "last_error_type": "StorageUnavailable",
        "last_error": "503",
    },
    "stumbled": {"begun_by": BEGAN, "error_of": TOKEN, "last_error_type": "ReadFailed", "last_error": "bad bytes"},
    "finished": {"begun_by": BEGAN, "finished_by": BEGAN},
}


FIRST = SlotHistory()


def settle(end: str, *batches: Batch, history: SlotHistory = FIRST) -> tuple[SlotHistory, tuple[Move, ...]]:
    found = decide_settlement(replace(SLOT, history=history), ENDS[end], batches, NOW, FULL)
    return found.history, found.moves


def test_the_table_leaves_no_end_out() -> None:
    assert {end.state for end in ENDS.values()} == TERMINAL_STATES | {"GONE", "REFUSED", "NOT STARTED"}
    assert {name for name, end in ENDS.items() if end.is_excused} == EXCUSED


def expected(end: str, how_far: str, of: Batch, *, gives_up: bool) -> Move:
    """The table, said once more."""
    if how_far == "never began":
        if not gives_up:
            return Move(of, BatchState.READY)
        return Move(of, BatchState.WAITING, never_began=True, error=(ENDS[end].state, ENDS[end].details))
    if how_far == "finished":
        return Move(of, BatchState.WAITING)
    if how_far == "stumbled":
        return Move(of, BatchState.WAITING, excuses=end in EXCUSED)
    sentence = ENDS[end].details or f"the run ended as {ENDS[end].state}"
    return Move(of, BatchState.WAITING, excuses=end in EXCUSED, error=(RUN_DIED, sentence))


@pytest.mark.parametrize(("end", "how_far"), list(itertools.product(ENDS, HOW_FAR)))
def test_a_batch_of_the_run_becomes_what_the_table_says(end: str, how_far: str) -> None:
    mine = batch(**HOW_FAR[how_far])
    _, moves = settle(end, mine)
    assert moves == (expected(end, how_far, mine, gives_up=False),)


@pytest.mark.parametrize(("end", "how_far"), list(itertools.product(ENDS, HOW_FAR)))
def test_it_becomes_what_the_table_says_where_this_was_one_run_too_many_that_never_began(
    end: str, how_far: str
) -> None:
    mine = batch(**HOW_FAR[how_far])
    _, moves = settle(end, mine, history=SlotHistory(30, NEVER_BEGAN_LIMIT - 1))
    # One that was never started, or had begun, is no further one in the row; a success that began with nothing is.
    gives_up = how_far == "never began" and end != "not started"
    assert moves == (expected(end, how_far, mine, gives_up=gives_up),)


@pytest.mark.parametrize(("state", "end", "how_far"), list(itertools.product(BatchState, ENDS, HOW_FAR)))
def test_a_batch_that_has_gone_on_without_the_run_stays_as_it_is(state: BatchState, end: str, how_far: str) -> None:
    _, moves = settle(end, batch(state, **HOW_FAR[how_far]))
    assert len(moves) == (state is BatchState.SUBMITTED)
    _, moves = settle(end, batch(state, **{**HOW_FAR[how_far], "token": "run-2"}))
    assert moves == ()


def test_each_batch_of_a_run_is_judged_by_itself() -> None:
    finished = batch(**HOW_FAR["finished"])
    died = batch(batch_id="b2", **HOW_FAR["died over it"])
    behind = batch(batch_id="b3")
    history, moves = settle("died", finished, died, behind)
    assert [move.state for move in moves] == [BatchState.WAITING, BatchState.WAITING, BatchState.READY]
    assert [move.error is None for move in moves] == [True, False, True]
    # It had begun with one of them: that the others never got their turn says nothing of the platform.
    assert history == SlotHistory(failed_in_a_row=1)


@pytest.mark.parametrize("how_far", HOW_FAR)
@pytest.mark.parametrize("end", ENDS)
def test_a_slot_remembers_how_many_runs_in_a_row_failed_and_never_began(end: str, how_far: str) -> None:
    before = SlotHistory(4, 2, NOW - timedelta(minutes=1))
    history, _ = settle(end, batch(**HOW_FAR[how_far]), history=before)
    if end == "not started":
        assert history == before
        return
    assert history.failed_in_a_row == (0 if end == "succeeded" else 5)
    if how_far == "never began":
        assert history.never_began_in_a_row == 3
        assert history.rests_until == NOW + FULL.delay(3)
    else:
        assert history.never_began_in_a_row == 0
        assert history.rests_until is None


def test_a_slot_rests_longer_each_time_and_an_hour_at_most() -> None:
    history = SlotHistory()
    rests = []
    for _ in range(14):
        history, _ = settle("died", batch(), history=history)
        assert history.rests_until is not None
        rests.append((history.rests_until - NOW).total_seconds() / 60)
    assert rests == [1, 2, 4, 8, 16, 32, *[60] * 8]


def test_files_are_given_up_at_the_limit_and_not_one_run_before() -> None:
    for never_before in range(NEVER_BEGAN_LIMIT + 3):
        _, (move,) = settle("died", batch(), history=SlotHistory(never_before, never_before))
        assert move.never_began is (never_before + 1 >= NEVER_BEGAN_LIMIT)


def test_a_request_that_was_turned_away_for_the_moment_gives_nothing_up_however_many_never_began() -> None:
    before = SlotHistory(12, 12, NOW)
    history, (move,) = settle("not started", batch(), history=before)
    assert history == before
    assert move == Move(batch(), BatchState.READY)


@pytest.mark.parametrize(
    ("batches", "counts"),
    [
        # All of them were closed before their turn: the run had nothing to begin with.
        ([batch(BatchState.CLOSED)], False),
        ([], False),
        ([batch(BatchState.CLOSED), batch(batch_id="b2")], True),
        # Opened again meanwhile, and still not begun by this run.
        ([batch(BatchState.READY)], True),
        ([batch(BatchState.CLOSED, begun_by=BEGAN), batch(batch_id="b2")], False),
    ],
)
def test_a_run_that_had_nothing_to_begin_with_is_none_that_never_began(batches: list[Batch], counts: bool) -> None:
    history, _ = settle("died", *batches)
    assert history.never_began_in_a_row == int(counts)


def test_every_run_that_ended_otherwise_than_in_success_counts_as_failed_whoever_is_to_blame() -> None:
    for name in set(ENDS) - {"succeeded", "not started"}:
        history, _ = settle(name, batch(**HOW_FAR["finished"]), history=SlotHistory(1))
        assert history.failed_in_a_row == 2
