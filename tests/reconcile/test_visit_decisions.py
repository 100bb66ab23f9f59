"""The complete table of what becomes of a batch that no run has: again, in halves, one last look, or given up."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from alur.ledger.batches import Batch, BatchState
from alur.ledger.model import LedgerItem, Status, Waiting
from alur.ledger.retries import Retries
from alur.reconcile.decisions import LAST_LOOKS, SPLIT_AFTER, Step, decide_visit
from ledger_support import KEY, NOW, item

NONE, REPEAT, SPLIT, LAST_LOOK, GIVE_UP = Step.NONE, Step.REPEAT, Step.SPLIT, Step.LAST_LOOK, Step.GIVE_UP


def rule(max_attempts: int) -> Retries:
    return Retries(max_attempts, 60.0, lambda: 1.0)


def claims(*attempts: int) -> list[LedgerItem]:
    """Files that are processing, each at such a try of its version."""
    return [item(path=f"s3://landing/{number}", attempt=attempt) for number, attempt in enumerate(attempts)]


def batch(deaths: int = 0, **facts: Any) -> Batch:
    """A waiting batch that so many runs began and left undone, the last of them just now."""
    began = [f"run-{number}" for number in range(deaths)]
    known: dict[str, Any] = {
        "ingestion_key": KEY,
        "batch_id": "b1",
        "state": BatchState.WAITING,
        "manifest_uri": "s3://lake/m",
        "files": 1,
        "size_bytes": 1,
        "created_at": NOW,
        "lease_until": NOW,
        "token": began[-1] if began else None,
        "begun_by": frozenset(began),
    }
    return Batch(**{**known, **facts})


DEATHS = [
    # max_attempts, deaths, what else is known of the batch, tries of its files, step
    # One file: it is tried as often as it may be.
    (3, 1, {}, (1,), REPEAT),
    (3, 2, {}, (2,), REPEAT),
    (3, 3, {}, (3,), LAST_LOOK),
    (3, 4, {}, (3,), LAST_LOOK),
    (1, 1, {}, (1,), LAST_LOOK),
    (2, 1, {}, (1,), REPEAT),
    (2, 2, {}, (2,), LAST_LOOK),
    # Several: any of them may be why, so nobody fails before he was alone.
    (3, 1, {}, (1, 1), REPEAT),
    (3, 2, {}, (2, 2), SPLIT),
    (3, 3, {}, (3, 3), SPLIT),
    (3, 9, {}, (9,) * 1000, SPLIT),
    (1, 1, {}, (1, 1), SPLIT),
    (2, 1, {}, (1, 1), REPEAT),
    (10, 1, {}, (1, 1), REPEAT),
    (10, 2, {}, (2, 2), SPLIT),
    # A half has cost what its whole had.
    (3, 1, {"charged_before": 2}, (3, 3), SPLIT),
    (3, 1, {"charged_before": 2}, (3,), LAST_LOOK),
    (10, 1, {"charged_before": 2}, (3,), REPEAT),
    (10, 7, {"charged_before": 2}, (9,), REPEAT),
    (10, 8, {"charged_before": 2}, (10,), LAST_LOOK),
    (1, 1, {"charged_before": 1}, (2,), LAST_LOOK),
    # The fault of a table, of S3, of the ledger: to split would find nobody.
    (3, 1, {"blames_files": False}, (1, 1), REPEAT),
    (3, 2, {"blames_files": False}, (2, 2), REPEAT),
    (3, 3, {"blames_files": False}, (3, 3), LAST_LOOK),
    (3, 2, {"blames_files": False}, (2,), REPEAT),
    (3, 3, {"blames_files": False}, (3,), LAST_LOOK),
    (1, 1, {"blames_files": False}, (1, 1), LAST_LOOK),
    # Tries that the files' versions had before they came into this batch count too; the least of them.
    (3, 1, {}, (2,), REPEAT),
    (3, 1, {}, (3,), LAST_LOOK),
    (3, 1, {}, (5,), LAST_LOOK),
    (3, 1, {}, (3, 3), REPEAT),
    (3, 1, {"blames_files": False}, (3, 2), REPEAT),
    (3, 1, {"blames_files": False}, (3, 3), LAST_LOOK),
    # Its runs had more than this one: whether it is to blame only a run that it has to itself can tell.
    (3, 3, {"files": 2}, (3,), REPEAT),
    (3, 9, {"files": 1000}, (9,), REPEAT),
    (1, 1, {"files": 2}, (1,), REPEAT),
    (3, 1, {"files": 2, "charged_before": 2}, (3,), REPEAT),
    (3, 3, {"files": 2, "blames_files": False}, (3,), LAST_LOOK),
    # A last look stays one.
    (3, 4, {"last_look_after": 3}, (3,), LAST_LOOK),
    (3, 5, {"last_look_after": 3}, (3, 3), LAST_LOOK),
    (3, 6, {"last_look_after": 3}, (3,), GIVE_UP),
    (3, 7, {"last_look_after": 3}, (3, 3), GIVE_UP),
    (1, 3, {"last_look_after": 1}, (1,), LAST_LOOK),
    (1, 4, {"last_look_after": 1}, (1,), GIVE_UP),
    # No run can be had.
    (3, 0, {"never_began": True}, (1,), GIVE_UP),
    (3, 0, {"never_began": True}, (1, 1), GIVE_UP),
    (3, 2, {"never_began": True}, (3, 3), GIVE_UP),
    (3, 4, {"never_began": True, "last_look_after": 3}, (3,), GIVE_UP),
]


@pytest.mark.parametrize(("max_attempts", "deaths", "facts", "attempts", "step"), DEATHS)
def test_a_batch_that_a_run_left_undone_needs_what_the_table_says(
    max_attempts: int, deaths: int, facts: dict[str, Any], attempts: tuple[int, ...], step: Step
) -> None:
    of = batch(deaths, **{"files": len(attempts), **facts})
    visit = decide_visit(of, claims(*attempts), NOW, rule(max_attempts))
    assert visit.step is step
    assert len(visit.processing) == len(attempts)
    assert visit.costs_attempt is bool(deaths)
    assert visit.look_at == NOW


def test_the_table_leaves_no_step_out() -> None:
    assert {step for *_, step in DEATHS} == set(Step) - {NONE}
    assert {max_attempts for max_attempts, *_ in DEATHS} >= {1, 3}


def test_the_boundaries_are_where_the_constants_say() -> None:
    for deaths in range(1, 12):
        several = decide_visit(batch(deaths, files=2), claims(1, 1), NOW, rule(5)).step
        assert several is (SPLIT if deaths >= SPLIT_AFTER else REPEAT)
        alone = decide_visit(batch(deaths), claims(1), NOW, rule(5)).step
        assert alone is (LAST_LOOK if deaths >= 5 else REPEAT)
        looking = decide_visit(batch(deaths, last_look_after=5), claims(1), NOW, rule(5)).step
        assert looking is (GIVE_UP if deaths >= 5 + LAST_LOOKS else LAST_LOOK)


@pytest.mark.parametrize("max_attempts", [1, 3])
@pytest.mark.parametrize("attempts", [(1,), (9,), (1, 1), (9, 9)])
@pytest.mark.parametrize("last_look_after", [None, 0])
def test_a_run_whose_end_was_nobodys_fault_costs_nothing_however_often(
    max_attempts: int, attempts: tuple[int, ...], last_look_after: int | None
) -> None:
    for deaths in (1, 2, 3, 20):
        excused = frozenset(f"run-{number}" for number in range(deaths))
        of = batch(deaths, excused=excused, last_look_after=last_look_after, files=len(attempts))
        visit = decide_visit(of, claims(*attempts), NOW, rule(max_attempts))
        assert visit.step is (REPEAT if last_look_after is None else LAST_LOOK)
        assert not visit.costs_attempt
        # What is taken again and again rests in between all the same.
        assert visit.not_before == NOW + rule(max_attempts).delay(deaths)


def test_deaths_that_were_charged_count_though_an_excused_one_came_last() -> None:
    of = batch(4, excused=frozenset({"run-3"}))
    assert decide_visit(of, claims(3), NOW, rule(3)).step is REPEAT
    again = batch(5, excused=frozenset({"run-3"}))
    assert decide_visit(again, claims(3), NOW, rule(3)).step is LAST_LOOK
    mixed = batch(3, excused=frozenset({"run-0"}), files=2)
    assert decide_visit(mixed, claims(1, 1), NOW, rule(3)).step is SPLIT


@pytest.mark.parametrize(
    "facts",
    [
        # No run has ever had it: its dispatcher died, or somebody took its slot away before the run began.
        {},
        {"token": "run-9"},
        # Its last run finished with it, and something has come late.
        {"token": "run-1", "begun_by": frozenset({"run-1"}), "finished_by": frozenset({"run-1"})},
        # Its last run never began with it, an earlier one died.
        {"token": "run-9", "begun_by": frozenset({"run-1"})},
    ],
)
def test_a_batch_that_its_last_run_did_not_leave_undone_is_repeated_at_once_and_uncharged(facts: Any) -> None:
    visit = decide_visit(batch(**facts), claims(1, 2, 3), NOW, rule(1))
    assert (visit.step, visit.costs_attempt, visit.not_before) == (REPEAT, False, NOW)
    looking = decide_visit(batch(last_look_after=3, **facts), claims(1), NOW, rule(1))
    assert looking.step is LAST_LOOK


def test_a_batch_waits_longer_each_time_and_an_hour_at_most() -> None:
    waits = [(decide_visit(batch(deaths), claims(1), NOW, rule(99)).not_before - NOW) for deaths in range(1, 12)]
    assert [wait.total_seconds() / 60 for wait in waits] == [1, 2, 4, 8, 16, 32, *[60] * 5]
    half = decide_visit(batch(1, charged_before=2), claims(1), NOW, rule(99)).not_before - NOW
    assert half == timedelta(minutes=4)


NEWER = {"waiting": Waiting("e2", NOW)}


@pytest.mark.parametrize(
    ("items", "look_at"),
    [
        ([], None),
        ([item(Status.COMPLETED)], None),
        ([item(Status.FAILED)], None),
        ([item(Status.FAILED, contract_fingerprint="f0")], None),
        # Due, and could not be claimed just now.
        ([item(Status.FAILED, next_try_at=NOW - timedelta(days=1))], NOW),
        ([item(Status.FAILED, next_try_at=NOW)], NOW),
        ([item(Status.COMPLETED, **NEWER)], NOW),
        ([item(Status.FAILED, **NEWER)], NOW),
        ([item(Status.FAILED, next_try_at=NOW + timedelta(hours=2))], NOW + timedelta(hours=2)),
        (
            [
                item(Status.FAILED, path="s3://b/1", next_try_at=NOW + timedelta(hours=2)),
                item(Status.COMPLETED, path="s3://b/2"),
                item(Status.FAILED, path="s3://b/3", next_try_at=NOW + timedelta(hours=1)),
            ],
            NOW + timedelta(hours=1),
        ),
        # Somebody else's.
        ([item(Status.PROCESSING, batch_id="b2"), item(Status.FAILED, batch_id="b2", next_try_at=NOW)], None),
    ],
)
def test_a_batch_without_a_claim_is_looked_at_when_the_next_of_its_files_is_due_and_closed_if_none_is(
    items: list[LedgerItem], look_at: Any
) -> None:
    # Whatever its runs did: there is nothing left of it to be tried.
    for facts in ({}, {"never_began": True}, {"last_look_after": 3}):
        visit = decide_visit(batch(9, **facts), items, NOW, rule(3))
        assert (visit.step, visit.processing, visit.look_at) == (NONE, (), look_at)
        assert not visit.costs_attempt


def test_only_its_own_claims_are_a_batchs_business() -> None:
    mine, theirs = claims(1, 1)
    visit = decide_visit(batch(2), [mine, item(path="s3://b/k", batch_id="b2"), theirs], NOW, rule(3))
    assert visit.processing == (mine, theirs)
    # Files that are settled beside one that is not do not make it many.
    settled = [item(Status.COMPLETED, path="s3://b/1"), item(Status.FAILED, path="s3://b/2")]
    assert decide_visit(batch(3), [mine, *settled], NOW, rule(3)).step is LAST_LOOK
