"""Clearing a table: all entries and the watermark, and nothing of another table."""

from __future__ import annotations

import pytest

from alur.ledger.clearing import clear
from alur.ledger.files import SORT_KEY, FileLedger
from alur.ledger.memory import MemoryTable
from alur.ledger.transitions import claim
from ledger_support import KEY, NOW, claimant, version


@pytest.fixture
def files():
    ledger = FileLedger(MemoryTable(SORT_KEY))
    for key in (KEY, "flights"):
        versions = [version(f"{key}/{number:04}.csv") for number in range(250)]
        ledger.apply([claim(None, one, claimant(key=key), event_at=NOW, now=NOW) for one in versions])
        ledger.set_watermark(key, NOW)
    return ledger


def count(files, key=KEY):
    return sum(len(page) for page in files.walk(key))


def test_every_entry_and_the_watermark_of_one_table_go(files):
    told = []
    cleared = clear(files, KEY, told.append)
    assert (cleared.removed, cleared.left) == (250, 0)
    assert (count(files), files.watermark(KEY)) == (0, None)
    assert (count(files, "flights"), files.watermark("flights")) == (250, NOW)
    assert told[-1] == 250
    assert len(told) > 1


def test_killed_it_has_passed_nothing_over_and_goes_on_when_it_is_run_again(files):
    def kill(removed):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        clear(files, KEY, kill)
    assert files.watermark(KEY) is None
    assert 0 < count(files) < 250
    assert clear(files, KEY).left == 0
    assert count(files) == 0


def test_what_changes_under_its_hands_is_read_again_and_then_goes(files):
    class Racing(FileLedger):
        raced = False

        def delete(self, items):
            if not self.raced:
                self.raced = True
                again = claim(items[0], items[0].version, claimant("b9"), event_at=NOW, now=NOW)
                assert self.apply([again])[0].applied
            return super().delete(items)

    cleared = clear(Racing(files._table), KEY)
    assert (cleared.removed, cleared.left) == (250, 0)


def test_what_changes_again_and_again_is_said_to_be_left(files):
    class Busy(FileLedger):
        number = 0

        def delete(self, items):
            self.number += 1
            again = claim(items[0], items[0].version, claimant(f"b{self.number}x"), event_at=NOW, now=NOW)
            assert self.apply([again])[0].applied
            return super().delete(items)

    cleared = clear(Busy(files._table), KEY)
    assert cleared.left == 1
    assert cleared.removed == 249


def test_a_table_without_entries_is_cleared_too():
    files = FileLedger(MemoryTable(SORT_KEY))
    assert clear(files, KEY).removed == 0
