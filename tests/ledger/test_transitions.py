"""Transitions as data, and the items that they make when a table applies them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from alur.errors import EmptyFile, FileChanged, FileError, FileUnavailable, FileVanished, HeaderMismatch, RunsNeverBegan
from alur.ledger.memory import MemoryTable
from alur.ledger.model import FileVersion, LedgerItem, Published, Status, Waiting
from alur.ledger.table import Absent, Change, Missing
from alur.ledger.transitions import (
    MESSAGE_LIMIT_CHARACTERS,
    Claimant,
    claim,
    complete,
    fail,
    forget,
    hand_over,
    postpone,
    remember,
    settle_vanished,
    waits,
)
from ledger_support import KEY, NOW, claimant, item, version

PATH = version().path
LATER = NOW + timedelta(minutes=5)


class Life:
    """One path's item in a table, with each transition applied to what the table holds."""

    def __init__(self) -> None:
        self.table = MemoryTable("file_path")

    @property
    def attributes(self) -> dict[str, Any]:
        found = self.table.read([{"ingestion_key": KEY, "file_path": PATH}])
        return dict(found[0]) if found else {}

    @property
    def item(self) -> LedgerItem | None:
        return LedgerItem.from_attributes(self.attributes) if self.attributes else None

    @property
    def there(self) -> LedgerItem:
        assert self.item is not None
        return self.item

    def claimed(self, etag: str = "e1", batch_id: str = "b1", fingerprint: str = "f1") -> LedgerItem:
        who = claimant(batch_id, fingerprint=fingerprint)
        assert self.do(claim(self.item, version(etag=etag), who, event_at=NOW, now=LATER))
        return self.there

    def completed(self, batch_id: str = "b1", rows: int = 7, snapshot_id: str = "s1") -> LedgerItem:
        assert self.do(done(self.there, batch_id=batch_id, rows=rows, snapshot_id=snapshot_id))
        return self.there

    def failed(self, error: FileError | None = None, batch_id: str = "b1") -> LedgerItem:
        assert self.do(fail(self.there, batch_id=batch_id, error=error or EmptyFile(PATH), now=LATER))
        return self.there

    def do(self, change: Change) -> bool:
        return self.table.apply(change).applied


def done(of: LedgerItem, *, batch_id: str, rows: int = 7, snapshot_id: str = "s1") -> Change:
    return complete(of, batch_id=batch_id, rows=rows, snapshot_id=snapshot_id, queryable_at=LATER, now=LATER)


def handed(of: LedgerItem, to: str, run: str = "r1") -> Change:
    return hand_over(of, batch_id=to, run=run, error_type="RunDied", error_message="it died")


@pytest.fixture
def life() -> Life:
    return Life()


def test_a_claim_of_a_path_without_an_item_requires_that_there_is_none() -> None:
    change = claim(None, version(), claimant(), event_at=NOW, now=LATER)
    assert change.requires == (Absent(),)
    assert change.removes == ()
    assert change.sets["status"] == "processing"
    assert change.sets["attempt"] == 1
    assert "previous" not in change.sets


def test_a_claim_keeps_whose_file_it_is_and_when(life: Life) -> None:
    found = life.claimed()
    assert (found.status, found.batch_id, found.attempt) == (Status.PROCESSING, "b1", 1)
    assert (found.event_at, found.claimed_at) == (NOW, LATER)
    assert (found.source_system, found.contract_fingerprint) == ("sales_db", "f1")


def test_a_claim_keeps_version_id_and_last_modified_where_they_are_known(life: Life) -> None:
    known = FileVersion("landing", "orders/a.csv", "e1", 10, "v7", NOW)
    assert life.do(claim(None, known, claimant(), event_at=NOW, now=LATER))
    assert life.there.version_id == "v7"
    assert life.attributes["last_modified"] == "2026-11-23T10:00:00.000Z"


def test_a_completion_holds_the_fields_of_the_guide_with_their_names_and_types(life: Life) -> None:
    life.claimed()
    life.completed(rows=42, snapshot_id="123")
    assert {
        "ingestion_key": KEY,
        "file_path": PATH,
        "file_size": 10,
        "file_etag": "e1",
        "rows_ingested": 42,
        "processed_at": int(LATER.timestamp()),
        "processed_at_iso": "2026-11-23 10:05:00 UTC",
        "status": "completed",
        "snapshot_id": "123",
        "rows_rejected": 0,
    }.items() <= life.attributes.items()
    assert life.there.queryable_at == LATER


def test_a_second_claim_of_the_same_absence_is_refused(life: Life) -> None:
    life.claimed(batch_id="b1")
    assert not life.do(claim(None, version(), claimant("b2"), event_at=NOW, now=LATER))
    assert life.there.batch_id == "b1"


def test_only_the_batch_that_owns_a_file_ends_its_claim(life: Life) -> None:
    mine = life.claimed(batch_id="b1")
    assert not life.do(done(mine, batch_id="b2"))
    assert not life.do(fail(mine, batch_id="b2", error=EmptyFile(PATH), now=LATER))
    assert life.there.status is Status.PROCESSING


def test_a_writer_whose_file_was_given_to_another_batch_changes_nothing(life: Life) -> None:
    mine = life.claimed(batch_id="b1")
    life.failed(FileChanged(PATH, "e1", "e2"))
    life.claimed(batch_id="b2")
    before = life.attributes
    assert not life.do(done(mine, batch_id="b1"))
    assert not life.do(fail(mine, batch_id="b1", error=EmptyFile(PATH), now=LATER))
    assert life.attributes == before


def test_rows_that_are_in_win_over_a_failure_of_the_same_batch(life: Life) -> None:
    mine = life.claimed()
    life.failed()
    assert life.do(done(mine, batch_id="b1"))
    assert life.there.status is Status.COMPLETED
    assert life.attributes.keys().isdisjoint({"error_type", "error_message", "error_is_permanent", "failed_at"})


def test_a_failure_never_undoes_a_completion(life: Life) -> None:
    mine = life.claimed()
    life.completed()
    assert not life.do(fail(mine, batch_id="b1", error=EmptyFile(PATH), now=LATER))
    assert life.there.status is Status.COMPLETED


@pytest.mark.parametrize(
    ("error", "is_permanent"),
    [
        (HeaderMismatch(PATH, ["a"], ["b"]), True),
        (EmptyFile(PATH), True),
        (FileVanished(PATH), True),
        (FileChanged(PATH, "e1", "e2"), False),
    ],
)
def test_a_failure_says_why_and_whether_trying_again_can_help(life: Life, error: FileError, is_permanent: bool) -> None:
    life.claimed()
    failed = life.failed(error)
    assert (failed.error_type, failed.error_message) == (type(error).__name__, str(error))
    assert failed.is_permanent is is_permanent


def test_a_message_is_cut_where_nobody_reads_on(life: Life) -> None:
    life.claimed()
    failed = life.failed(FileError(PATH, "x" * 10_000))
    assert failed.error_message is not None
    assert len(failed.error_message) == MESSAGE_LIMIT_CHARACTERS


def test_a_claim_over_a_completion_keeps_the_version_whose_rows_are_in_the_table(life: Life) -> None:
    life.claimed()
    life.completed(rows=7, snapshot_id="s1")
    over = life.claimed("e2", "b2")
    assert over.previous == Published("e1", "b1", 7, "s1")
    assert over.rows is None
    gone = {"rows_ingested", "rows_rejected", "processed_at", "processed_at_iso", "snapshot_id", "queryable_at"}
    assert life.attributes.keys().isdisjoint(gone)


def test_a_failed_version_and_its_successor_still_know_the_version_in_the_table(life: Life) -> None:
    life.claimed()
    life.completed()
    life.claimed("e2", "b2")
    assert life.failed(batch_id="b2").previous == Published("e1", "b1", 7, "s1")
    assert life.claimed("e3", "b3").previous == Published("e1", "b1", 7, "s1")


def test_a_completion_leaves_no_earlier_version(life: Life) -> None:
    life.claimed()
    life.completed()
    life.claimed("e2", "b2")
    assert life.completed("b2").previous is None


def test_another_try_of_the_same_version_counts_and_another_version_counts_anew(life: Life) -> None:
    life.claimed()
    life.failed()
    assert life.claimed(batch_id="b2").attempt == 2
    life.failed(batch_id="b2")
    assert life.claimed(batch_id="b3").attempt == 3
    life.failed(batch_id="b3")
    assert life.claimed("e2", "b4").attempt == 1


@pytest.mark.parametrize("error", [FileChanged(PATH, "e1", "e2"), RunsNeverBegan(PATH, 10, "FAILED: no image")])
def test_what_is_not_the_files_fault_costs_no_attempt(life: Life, error: FileError) -> None:
    life.claimed()
    life.failed(error)
    assert life.claimed(batch_id="b2").attempt == 1
    life.failed(batch_id="b2")
    assert life.claimed(batch_id="b3").attempt == 2
    life.failed(error, batch_id="b3")
    assert life.claimed(batch_id="b4").attempt == 2


def test_a_claim_of_the_same_version_keeps_the_last_error_to_be_seen_while_it_is_tried_again(life: Life) -> None:
    life.claimed()
    failed = life.failed()
    again = life.claimed(batch_id="b2")
    assert (again.error_type, again.error_message) == (failed.error_type, failed.error_message)
    assert life.attributes.keys().isdisjoint({"failed_at", "next_try_at"})
    assert life.completed("b2").error_type is None
    assert life.attributes.keys().isdisjoint({"error_type", "error_message", "error_is_permanent"})


def test_a_claim_of_another_version_clears_the_failure_before_it(life: Life) -> None:
    life.claimed()
    life.failed()
    again = life.claimed("e2", batch_id="b2")
    assert (again.error_type, again.error_message, again.is_permanent) == (None, None, False)
    assert life.attributes.keys().isdisjoint({"failed_at", "next_try_at", "error_type", "error_message"})


def test_a_failure_says_when_it_is_tried_again_and_a_later_one_that_is_not_says_so_no_more(life: Life) -> None:
    first = life.claimed()
    transient = FileUnavailable(PATH, "503")
    assert life.do(fail(first, batch_id="b1", error=transient, now=LATER, next_try_at=LATER))
    assert life.there.next_try_at == LATER
    assert waits(life.there)
    assert life.claimed(batch_id="b2").next_try_at is None
    assert life.failed(batch_id="b2").next_try_at is None
    assert not waits(life.there)


def test_a_failure_under_another_contract_than_its_claims_is_due_at_once(life: Life) -> None:
    mine = life.claimed(fingerprint="f1")
    change = fail(mine, batch_id="b1", error=EmptyFile(PATH), now=LATER, contract_fingerprint="f2")
    assert life.do(change)
    assert (life.there.contract_fingerprint, life.there.next_try_at) == ("f2", LATER)
    again = life.claimed(batch_id="b2", fingerprint="f2")
    same = fail(again, batch_id="b2", error=EmptyFile(PATH), now=LATER, contract_fingerprint="f2")
    assert life.do(same)
    assert life.there.next_try_at is None


def test_a_claim_is_handed_over_as_it_is_and_by_its_owner_only(life: Life) -> None:
    mine = life.claimed()
    assert life.do(remember(mine, version(etag="e2"), LATER))
    assert life.do(handed(mine, "b2"))
    assert not life.do(handed(mine, "b3"))
    there = life.there
    assert (there.batch_id, there.attempt, there.status) == ("b2", 2, Status.PROCESSING)
    assert (there.etag, there.event_at, there.claimed_at) == (mine.etag, mine.event_at, mine.claimed_at)
    assert there.waiting == Waiting("e2", LATER)
    assert not life.do(done(mine, batch_id="b1"))
    life.completed("b2")
    assert not life.do(handed(there, "b3"))


def test_a_claim_whose_run_ended_without_it_says_why_and_when_it_is_tried_again(life: Life) -> None:
    mine = life.claimed()
    note = postpone(
        mine, run="r1", error_type="RunDied", error_message="x" * 10_000, next_try_at=LATER, is_last_look=False
    )
    assert life.do(note)
    there = life.there
    assert (there.status, there.batch_id, there.attempt) == (Status.PROCESSING, "b1", 2)
    assert (there.error_type, there.next_try_at) == ("RunDied", LATER)
    assert len(there.error_message or "") == MESSAGE_LIMIT_CHARACTERS
    life.completed()
    assert not life.do(note)
    assert life.attributes.keys().isdisjoint({"error_type", "error_message", "next_try_at", "charged_by"})


def test_one_run_costs_a_claim_one_attempt_however_often_that_is_noted(life: Life) -> None:
    life.claimed()
    for run, attempt in (("r1", 2), ("r1", 2), ("r2", 3)):
        note = postpone(
            life.there, run=run, error_type="RunDied", error_message="", next_try_at=LATER, is_last_look=False
        )
        assert life.do(note)
        assert life.there.attempt == attempt
    assert life.do(handed(life.there, "b2", run="r2"))
    assert (life.there.batch_id, life.there.attempt, life.there.next_try_at) == ("b2", 3, None)
    assert life.do(handed(life.there, "b3", run="r3"))
    assert (life.there.attempt, life.there.error_type) == (4, "RunDied")
    last = postpone(life.there, run="r4", error_type="RunDied", error_message="", next_try_at=LATER, is_last_look=True)
    assert life.do(last)
    assert life.there.attempt == 4


def test_a_failed_file_whose_object_is_gone_waits_no_more(life: Life) -> None:
    life.claimed()
    life.do(fail(life.there, batch_id="b1", error=FileUnavailable(PATH, "503"), now=NOW, next_try_at=LATER))
    unaware = life.there
    assert life.do(settle_vanished(unaware, LATER))
    gone = life.there
    assert (gone.status, gone.error_type, gone.is_permanent) == (Status.FAILED, "FileVanished", True)
    assert not waits(gone)
    life.claimed("e2", "b2")
    assert not life.do(settle_vanished(unaware, LATER))
    assert life.there.status is Status.PROCESSING


def test_a_claim_made_from_an_old_reading_is_refused(life: Life) -> None:
    life.claimed()
    seen = life.completed()
    life.claimed("e2", "b2")
    stale = claim(seen, version(etag="e3"), claimant("b3"), event_at=NOW, now=LATER)
    assert not life.do(stale)
    assert life.there.batch_id == "b2"


def test_what_waits_is_kept_by_flips_and_cleared_by_the_next_claim(life: Life) -> None:
    mine = life.claimed()
    assert life.do(remember(mine, version(etag="e2"), LATER))
    assert life.completed().waiting == Waiting("e2", LATER)
    assert life.claimed("e2", "b2").waiting is None


def test_a_claim_that_did_not_see_what_waits_is_refused(life: Life) -> None:
    mine = life.claimed()
    life.failed(FileChanged(PATH, "e1", "e2"))
    unaware = life.there
    waiting = {"waiting": {"file_etag": "e9", "event_at": "2026-11-23T10:00:00.000Z"}}
    assert life.do(Change({"ingestion_key": KEY, "file_path": PATH}, (), waiting))
    assert not life.do(claim(unaware, version(etag="e2"), claimant("b2"), event_at=NOW, now=LATER))
    assert life.there.batch_id == mine.batch_id


def test_only_a_claim_that_is_going_remembers(life: Life) -> None:
    mine = life.claimed()
    life.completed()
    assert not life.do(remember(mine, version(etag="e2"), LATER))
    life.claimed("e3", "b2")
    assert not life.do(remember(mine, version(etag="e2"), LATER))
    assert life.there.waiting is None


def test_forgetting_clears_what_was_seen_and_nothing_newer(life: Life) -> None:
    mine = life.claimed()
    life.do(remember(mine, version(etag="e2"), LATER))
    seen = life.there
    life.do(remember(mine, version(etag="e3"), LATER))
    assert not life.do(forget(seen))
    assert life.there.waiting == Waiting("e3", LATER)
    assert life.do(forget(life.there))
    assert life.there.waiting is None


def test_an_item_of_a_predecessor_is_claimed_over_by_its_lack_of_a_status(life: Life) -> None:
    legacy = {"file_size": 10, "file_etag": '"e1"', "rows_ingested": 5, "processed_at": 1_700_000_000}
    key = {"ingestion_key": KEY, "file_path": PATH}
    assert life.table.apply(Change(key, (Absent(),), legacy)).applied
    change = claim(life.item, version(etag="e2"), claimant(), event_at=NOW, now=LATER)
    assert Missing("status") in change.requires
    assert life.do(change)
    assert life.there.previous == Published("e1", "", 5, "")
    assert not life.do(Change(change.key, (Missing("status"),), {"status": "completed"}))


def test_no_change_sets_and_removes_the_same_attribute() -> None:
    of = item(Status.FAILED, error_type="EmptyFile", previous=Published("e0", "b0", 1, "s0"), waiting=Waiting("e", NOW))
    changes = [
        claim(of, version(), claimant(), event_at=NOW, now=NOW),
        claim(of, FileVersion("b", "k", "e", 1, "v", NOW), claimant(), event_at=NOW, now=NOW),
        done(of, batch_id="b1"),
        fail(of, batch_id="b1", error=EmptyFile(PATH), now=NOW),
        fail(of, batch_id="b1", error=EmptyFile(PATH), now=NOW, next_try_at=NOW, contract_fingerprint="f2"),
        remember(of, version(), NOW),
        forget(of),
        handed(of, "b2"),
        postpone(of, run="r1", error_type="RunDied", error_message="", next_try_at=NOW, is_last_look=True),
        settle_vanished(of, NOW),
    ]
    for change in changes:
        assert set(change.sets).isdisjoint(change.removes)
        assert len(set(change.removes)) == len(change.removes)
        assert set(change.key) == {"ingestion_key", "file_path"}
        assert set(change.sets).isdisjoint(change.key)


def test_a_claim_over_an_item_asks_for_that_items_key_and_the_claimants_rules() -> None:
    who = Claimant(KEY, "b9", claimant().on_overwrite, "f9", "crm")
    change = claim(item(Status.COMPLETED), version(etag="e2"), who, event_at=NOW, now=NOW)
    assert change.key == {"ingestion_key": KEY, "file_path": PATH}
    assert change.sets["contract_fingerprint"] == "f9"
    assert change.sets["source_system"] == "crm"
