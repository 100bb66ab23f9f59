"""The complete table of what an event's file version becomes, beside whatever the ledger has for its path."""

from __future__ import annotations

import itertools

import pytest

from alur.contracts.contract import OnOverwrite
from alur.ledger.model import LedgerItem, Status
from alur.ledger.transitions import Decision, decide_by_event, decide_by_object
from ledger_support import NOW, claimant, item, version

CLAIM, DUPLICATE, LOOK = Decision.CLAIM, Decision.DUPLICATE, Decision.LOOK
REMEMBER, SKIPPED, GONE = Decision.REMEMBER, Decision.SKIPPED, Decision.GONE

# What the ledger has, what the event or the object is beside it ("same" or "other" ETag), and, for each rule of
# on_overwrite (replace, append, skip), what becomes of it: by the event alone, and by a HEAD.
TRANSIENT = {"error_type": "FileChanged", "is_permanent": False}
PERMANENT = {"error_type": "HeaderMismatch", "is_permanent": True}
VANISHED = {"error_type": "FileVanished", "is_permanent": True}
DENIED = {"error_type": "FileDenied", "is_permanent": True}
REFUSED_BY_TABLE = {"error_type": "TableRefused", "is_permanent": True}
OTHER_CONTRACT = {**PERMANENT, "contract_fingerprint": "f0"}
NO_FINGERPRINT = {**PERMANENT, "contract_fingerprint": None}

KINDS: dict[str, LedgerItem | None] = {
    "no item": None,
    "processing": item(Status.PROCESSING),
    "completed": item(Status.COMPLETED),
    "completed by a predecessor": item(Status.COMPLETED, batch_id=None, contract_fingerprint=None),
    "completed under another contract": item(Status.COMPLETED, contract_fingerprint="f0"),
    "failed, transient": item(Status.FAILED, **TRANSIENT),
    "failed, permanent": item(Status.FAILED, **PERMANENT),
    "failed, permanent, of another contract": item(Status.FAILED, **OTHER_CONTRACT),
    "failed, permanent, of no known contract": item(Status.FAILED, **NO_FINGERPRINT),
    "failed, the object was missing": item(Status.FAILED, **VANISHED),
    "failed, S3 did not hand it out": item(Status.FAILED, **DENIED),
    "failed, the table did not take it": item(Status.FAILED, **REFUSED_BY_TABLE),
    "failed, tried often enough": item(Status.FAILED, error_type="RunsFailed", attempt=3),
    "failed, waits for its next try": item(Status.FAILED, **TRANSIENT, next_try_at=NOW),
}

BY_EVENT = {
    ("no item", "same"): CLAIM,
    ("no item", "other"): CLAIM,
    ("processing", "same"): DUPLICATE,
    ("processing", "other"): LOOK,
    ("completed", "same"): DUPLICATE,
    ("completed", "other"): LOOK,
    ("completed by a predecessor", "same"): DUPLICATE,
    ("completed by a predecessor", "other"): LOOK,
    ("completed under another contract", "same"): DUPLICATE,
    ("completed under another contract", "other"): LOOK,
    ("failed, transient", "same"): LOOK,
    ("failed, transient", "other"): LOOK,
    ("failed, permanent", "same"): DUPLICATE,
    ("failed, permanent", "other"): LOOK,
    ("failed, permanent, of another contract", "same"): LOOK,
    ("failed, permanent, of another contract", "other"): LOOK,
    ("failed, permanent, of no known contract", "same"): LOOK,
    ("failed, permanent, of no known contract", "other"): LOOK,
    ("failed, the object was missing", "same"): LOOK,
    ("failed, the object was missing", "other"): LOOK,
    ("failed, waits for its next try", "same"): LOOK,
    ("failed, waits for its next try", "other"): LOOK,
    ("failed, tried often enough", "same"): LOOK,
    ("failed, tried often enough", "other"): LOOK,
    ("failed, the table did not take it", "same"): LOOK,
    ("failed, the table did not take it", "other"): LOOK,
    ("failed, S3 did not hand it out", "same"): LOOK,
    ("failed, S3 did not hand it out", "other"): LOOK,
}

BY_OBJECT = {
    ("no item", "same"): CLAIM,
    ("no item", "other"): CLAIM,
    ("processing", "same"): DUPLICATE,
    ("processing", "other"): REMEMBER,
    ("completed", "same"): DUPLICATE,
    ("completed", "other"): CLAIM,
    ("completed by a predecessor", "same"): DUPLICATE,
    ("completed by a predecessor", "other"): CLAIM,
    ("completed under another contract", "same"): DUPLICATE,
    ("completed under another contract", "other"): CLAIM,
    ("failed, transient", "same"): CLAIM,
    ("failed, transient", "other"): CLAIM,
    ("failed, permanent", "same"): DUPLICATE,
    ("failed, permanent", "other"): CLAIM,
    ("failed, permanent, of another contract", "same"): CLAIM,
    ("failed, permanent, of another contract", "other"): CLAIM,
    ("failed, permanent, of no known contract", "same"): CLAIM,
    ("failed, permanent, of no known contract", "other"): CLAIM,
    ("failed, the object was missing", "same"): CLAIM,
    ("failed, the object was missing", "other"): CLAIM,
    ("failed, waits for its next try", "same"): CLAIM,
    ("failed, waits for its next try", "other"): CLAIM,
    ("failed, tried often enough", "same"): CLAIM,
    ("failed, tried often enough", "other"): CLAIM,
    ("failed, the table did not take it", "same"): CLAIM,
    ("failed, the table did not take it", "other"): CLAIM,
    ("failed, S3 did not hand it out", "same"): CLAIM,
    ("failed, S3 did not hand it out", "other"): CLAIM,
}

SKIPPED_UNDER_SKIP = {kind for kind in KINDS if kind.startswith("completed")}

EVERY_CASE = list(itertools.product(KINDS, ("same", "other"), OnOverwrite))


def test_the_tables_leave_no_case_out() -> None:
    cases = set(itertools.product(KINDS, ("same", "other")))
    assert set(BY_EVENT) == cases == set(BY_OBJECT)
    assert {found.status for found in KINDS.values() if found is not None} == set(Status)


@pytest.mark.parametrize(("kind", "etag", "rule"), EVERY_CASE)
def test_an_event_is_decided_as_the_table_says_whatever_the_rule_for_overwrites(
    kind: str, etag: str, rule: OnOverwrite
) -> None:
    named = version(etag="e1" if etag == "same" else "e2")
    assert decide_by_event(KINDS[kind], named, claimant(on_overwrite=rule)) is BY_EVENT[kind, etag]


@pytest.mark.parametrize(("kind", "etag", "rule"), EVERY_CASE)
def test_what_the_object_is_now_decides_as_the_table_says(kind: str, etag: str, rule: OnOverwrite) -> None:
    expected = BY_OBJECT[kind, etag]
    if rule is OnOverwrite.SKIP and etag == "other" and kind in SKIPPED_UNDER_SKIP:
        expected = SKIPPED
    current = version(etag="e1" if etag == "same" else "e2")
    assert decide_by_object(KINDS[kind], current, claimant(on_overwrite=rule)) is expected


@pytest.mark.parametrize(("kind", "rule"), list(itertools.product(KINDS, OnOverwrite)))
def test_an_object_that_is_gone_is_gone_whatever_the_ledger_has(kind: str, rule: OnOverwrite) -> None:
    assert decide_by_object(KINDS[kind], None, claimant(on_overwrite=rule)) is GONE


@pytest.mark.parametrize(("kind", "etag", "rule"), EVERY_CASE)
def test_only_an_absent_item_is_ever_claimed_without_a_look(kind: str, etag: str, rule: OnOverwrite) -> None:
    named = version(etag="e1" if etag == "same" else "e2")
    decision = decide_by_event(KINDS[kind], named, claimant(on_overwrite=rule))
    assert (decision is CLAIM) == (KINDS[kind] is None)


def test_a_look_never_asks_for_another_look() -> None:
    assert LOOK not in BY_OBJECT.values()
