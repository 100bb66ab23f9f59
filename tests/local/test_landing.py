"""What is said of a file that was dropped, by its item in the ledger."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from alur.contracts.contract import OnOverwrite
from alur.ledger.model import LedgerItem, Status
from alur.local.landing import Dropped, to_entry

NOW = datetime(2026, 1, 1, tzinfo=UTC)
FILE = Dropped("landing", "orders/a.csv", "e1", 10, NOW)


def noted(rejects: int) -> str:
    item = LedgerItem("orders", FILE.path, "e1", 10, Status.COMPLETED, "b1", rows=2, rejects=rejects)
    return to_entry(FILE, item, OnOverwrite.REPLACE, NOW + timedelta(seconds=5)).note


def test_a_file_with_rejects_says_how_many_and_what_shows_them():
    assert noted(3) == "rejects: 3; alur rejects orders shows them"


def test_a_file_without_rejects_needs_no_note():
    assert noted(0) == ""
