"""The complete table of what becomes of a file that is not processing and waits; and which files do."""

from __future__ import annotations

import itertools
from datetime import timedelta

import pytest

from alur.contracts.contract import OnOverwrite
from alur.ledger.model import FileVersion, LedgerItem, Status, Waiting
from alur.ledger.transitions import Decision, decide_again, is_due, waits
from ledger_support import NOW, claimant, item, version

CLAIM, DUPLICATE, GONE, SKIPPED = Decision.CLAIM, Decision.DUPLICATE, Decision.GONE, Decision.SKIPPED
MOMENT = timedelta(milliseconds=1)
NEWER = {"waiting": Waiting("e2", NOW)}
TRANSIENT = {"error_type": "FileUnavailable", "is_permanent": False}
PERMANENT = {"error_type": "HeaderMismatch", "is_permanent": True}
OTHER = {"contract_fingerprint": "f0"}

KINDS: dict[str, LedgerItem] = {
    "completed": item(Status.COMPLETED),
    "completed, something newer": item(Status.COMPLETED, **NEWER),
    "completed under another contract": item(Status.COMPLETED, **OTHER),
    "completed by a predecessor": item(Status.COMPLETED, batch_id=None, contract_fingerprint=None),
    "failed, was due": item(Status.FAILED, **TRANSIENT, next_try_at=NOW - timedelta(days=1)),
    "failed, due": item(Status.FAILED, **TRANSIENT, next_try_at=NOW),
    "failed, due in a moment": item(Status.FAILED, **TRANSIENT, next_try_at=NOW + MOMENT),
    "failed, due in a moment, something newer": item(Status.FAILED, **TRANSIENT, **NEWER, next_try_at=NOW + MOMENT),
    "failed, due in a moment, other contract": item(Status.FAILED, **TRANSIENT, **OTHER, next_try_at=NOW + MOMENT),
    "failed, tried often enough": item(Status.FAILED, **TRANSIENT),
    "failed, tried often enough, other contract": item(Status.FAILED, **TRANSIENT, **OTHER),
    "failed for good": item(Status.FAILED, **PERMANENT),
    "failed for good, something newer": item(Status.FAILED, **PERMANENT, **NEWER),
    "failed for good, other contract": item(Status.FAILED, **PERMANENT, **OTHER),
    "failed for good, no known contract": item(Status.FAILED, **PERMANENT, contract_fingerprint=None),
}

# By what the object is now: the item's own version, another one; where it is gone, it is gone.
TABLE: dict[str, tuple[Decision, Decision]] = {
    "completed": (DUPLICATE, CLAIM),
    "completed, something newer": (DUPLICATE, CLAIM),
    "completed under another contract": (DUPLICATE, CLAIM),
    "completed by a predecessor": (DUPLICATE, CLAIM),
    "failed, was due": (CLAIM, CLAIM),
    "failed, due": (CLAIM, CLAIM),
    "failed, due in a moment": (DUPLICATE, CLAIM),
    "failed, due in a moment, something newer": (DUPLICATE, CLAIM),
    "failed, due in a moment, other contract": (CLAIM, CLAIM),
    "failed, tried often enough": (DUPLICATE, CLAIM),
    "failed, tried often enough, other contract": (CLAIM, CLAIM),
    "failed for good": (DUPLICATE, CLAIM),
    "failed for good, something newer": (DUPLICATE, CLAIM),
    "failed for good, other contract": (CLAIM, CLAIM),
    "failed for good, no known contract": (CLAIM, CLAIM),
}

# Whether it is due by itself, leaving contracts out of it, and under the contract as it is now.
DUE: dict[str, tuple[bool, bool]] = {
    kind: (kind in {"failed, was due", "failed, due"}, kind.startswith("failed") and TABLE[kind][0] is CLAIM)
    for kind in KINDS
}

WAITS = {
    "completed, something newer",
    "failed, was due",
    "failed, due",
    "failed, due in a moment",
    "failed, due in a moment, something newer",
    "failed, due in a moment, other contract",
    "failed for good, something newer",
}

OBJECTS: dict[str, FileVersion | None] = {"same": version(etag="e1"), "other": version(etag="e2"), "gone": None}


def test_the_table_leaves_no_kind_out() -> None:
    assert set(TABLE) == set(KINDS)
    assert {found.status for found in KINDS.values()} == set(Status) - {Status.PROCESSING}


@pytest.mark.parametrize(("kind", "now", "rule"), list(itertools.product(KINDS, OBJECTS, OnOverwrite)))
def test_a_file_that_waits_becomes_what_the_table_says(kind: str, now: str, rule: OnOverwrite) -> None:
    expected = GONE if now == "gone" else TABLE[kind][now == "other"]
    if rule is OnOverwrite.SKIP and now == "other" and kind.startswith("completed"):
        expected = SKIPPED
    assert decide_again(KINDS[kind], OBJECTS[now], claimant(on_overwrite=rule), NOW) is expected


def test_nothing_else_ever_comes_of_it() -> None:
    found = {
        decide_again(of, now, claimant(on_overwrite=rule), NOW)
        for of, now, rule in itertools.product(KINDS.values(), OBJECTS.values(), OnOverwrite)
    }
    assert found == {CLAIM, DUPLICATE, GONE, SKIPPED}


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_is_due_as_the_table_says(kind: str) -> None:
    by_itself, by_contract = DUE[kind]
    assert is_due(KINDS[kind], NOW, None) is by_itself
    assert is_due(KINDS[kind], NOW, "f1") is by_contract


def test_a_file_that_is_processing_is_never_due_and_always_waits() -> None:
    claim = item(Status.PROCESSING, next_try_at=NOW, contract_fingerprint="f0")
    assert not is_due(claim, NOW, "f1")
    assert waits(claim)


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_waits_for_its_next_try_or_for_something_newer_and_for_nothing_else(kind: str) -> None:
    assert waits(KINDS[kind]) is (kind in WAITS)
