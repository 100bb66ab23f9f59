"""The dispatcher: what becomes of events, one by one and many at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from alur.contracts.contract import OnOverwrite
from alur.dispatch.events import Ignored, Malformed
from alur.errors import (
    EmptyFile,
    FileChanged,
    FileVanished,
    LedgerRefused,
    LedgerUnavailable,
    MalformedEvent,
    StorageUnavailable,
    SubmitRefused,
    SubmitThrottled,
    SubmitUnknown,
)
from alur.ledger.batches import BatchState
from alur.ledger.memory import MemoryTable
from alur.ledger.model import LedgerItem, Published, Status, Waiting
from alur.ledger.table import Change, Outcome
from alur.ledger.transitions import Decision
from alur.local.environment import Endpoints
from deployment_support import World, contract, created, direct, make_world, messages
from ledger_support import NOW

A, B = "orders/a.csv", "orders/b.csv"


@pytest.fixture
def world(aws_servers: Endpoints) -> World:
    return make_world()


def waiting_of(item: LedgerItem) -> str | None:
    return item.waiting.etag if item.waiting else None


def test_a_new_file_is_claimed_and_a_run_is_started_for_it(world: World) -> None:
    report = world.send(world.event(A))
    assert report.failed_message_ids == ()
    assert report.decisions == {"orders": {Decision.CLAIM: 1}}
    (submission,) = report.submissions
    item = world.there(A)
    assert (item.status, item.etag, item.attempt) == (Status.PROCESSING, "e1", 1)
    assert submission.batch_ids == (item.batch_id,)
    (batch,) = world.batches.open().batches
    assert (batch.state, batch.files, batch.size_bytes) == (BatchState.SUBMITTED, 1, 10)
    assert batch.run_ids == {submission.run_id}
    assert world.recorded.arguments(submission.run_id).batch_ids == submission.batch_ids


def test_the_manifest_names_every_candidate_and_is_written_before_the_claims(world: World) -> None:
    world.send(world.event(A), world.event(B, "e2", at=NOW + timedelta(seconds=1)))
    (batch,) = world.batches.open().batches
    files = world.storage.get_document(batch.manifest_uri)["files"]
    assert [(file["key"], file["etag"]) for file in files] == [(A, "e1"), (B, "e2")]

    class NoManifest(type(world.storage)):  # type: ignore[misc]
        def put_document(self, uri: str, document: Any) -> None:
            raise StorageUnavailable("PutObject", uri, "SlowDown")

    world.storage = NoManifest(None)
    report = world.send(world.event("orders/c.csv"))
    assert report.failed_message_ids == ("m0",)
    assert world.item("orders/c.csv") is None


def test_the_same_event_again_claims_nothing_and_starts_nothing(world: World) -> None:
    event = world.event(A)
    world.send(event)
    for _ in range(3):
        report = world.send(event, event)
        assert report.decisions == {"orders": {Decision.DUPLICATE: 1}}
        assert (report.submissions, report.failed_message_ids) == ((), ())
    assert world.recorded.calls == 1
    assert len(world.open_batches()) == 1
    world.run_ends("r0")
    assert world.send(event).decisions == {"orders": {Decision.DUPLICATE: 1}}
    assert world.recorded.calls == 1


def test_a_batch_without_a_winner_is_closed(world: World) -> None:
    world.send(world.event(A))
    world.run_ends("r0")
    world.reconciler.sweep()
    assert world.open_batches() == []
    world.send(world.event(A))
    assert world.open_batches() == []


def test_a_newer_version_while_one_is_processing_is_remembered_and_never_claimed(world: World) -> None:
    first = world.put(A, b"a\n1\n")
    world.send(first)
    owner = world.there(A).batch_id
    second = replace(world.put(A, b"a\n2\n"), event_at=NOW + timedelta(minutes=1))
    report = world.send(second)
    assert report.decisions == {"orders": {Decision.REMEMBER: 1}}
    assert report.submissions == ()
    item = world.there(A)
    assert (item.etag, item.batch_id, item.status) == (first.etag, owner, Status.PROCESSING)
    assert item.waiting == Waiting(second.etag, second.event_at)
    world.complete(A)
    assert waiting_of(world.there(A)) == second.etag


def test_another_version_of_a_completed_file_is_claimed_and_knows_the_rows_in_the_table(world: World) -> None:
    first = world.put(A, b"a\n1\n")
    world.send(first)
    owner = world.there(A).batch_id or ""
    world.complete(A, rows=7)
    second = world.put(A, b"a\n2\n")
    assert world.send(second).decisions == {"orders": {Decision.CLAIM: 1}}
    item = world.there(A)
    assert (item.etag, item.previous) == (second.etag, Published(first.etag, owner, 7, "s"))


@pytest.mark.parametrize(
    ("rule", "decision"),
    [
        (OnOverwrite.REPLACE, Decision.CLAIM),
        (OnOverwrite.APPEND, Decision.CLAIM),
        (OnOverwrite.SKIP, Decision.SKIPPED),
    ],
)
def test_another_version_of_a_completed_file_becomes_what_the_contract_says(
    world: World, rule: OnOverwrite, decision: Decision
) -> None:
    world.contracts = [contract("orders", f"s3://{world.landing}/orders/**/*.csv", on_overwrite=rule)]
    first = world.put(A, b"a\n1\n")
    world.send(first)
    world.complete(A)
    report = world.send(world.put(A, b"a\n2\n"))
    assert report.decisions == {"orders": {decision: 1}}
    assert (world.there(A).etag == first.etag) == (decision is Decision.SKIPPED)


def test_an_old_event_that_comes_late_changes_nothing(world: World) -> None:
    old = world.put(A, b"a\n1\n")
    new = world.put(A, b"a\n2\n")
    world.send(new)
    assert world.send(old).decisions == {"orders": {Decision.DUPLICATE: 1}}
    world.complete(A)
    assert world.send(old).decisions == {"orders": {Decision.DUPLICATE: 1}}
    assert world.there(A).etag == new.etag
    assert world.there(A).waiting is None


def test_two_versions_in_one_invocation_are_settled_by_the_object_itself(world: World) -> None:
    old = world.put(A, b"a\n1\n")
    new = world.put(A, b"a\n2\n")
    # The clocks of the events say the opposite of what is true.
    report = world.send(replace(new, event_at=NOW), replace(old, event_at=NOW + timedelta(seconds=5)))
    assert report.decisions == {"orders": {Decision.CLAIM: 1}}
    assert world.there(A).etag == new.etag


def test_the_same_event_twice_in_one_invocation_is_one_candidate(world: World) -> None:
    event = world.event(A)
    report = world.send(event, event, event)
    assert report.received == 3
    assert report.decisions == {"orders": {Decision.CLAIM: 1}}


def test_an_object_that_vanished_clears_what_waited(world: World) -> None:
    world.send(world.put(A, b"a\n1\n"))
    world.send(world.put(A, b"a\n2\n"))
    third = world.put(A, b"a\n3\n")
    assert world.there(A).waiting is not None
    world.remove(A)
    report = world.send(third)
    assert report.decisions == {"orders": {Decision.GONE: 1}}
    assert world.there(A).waiting is None
    assert world.there(A).status is Status.PROCESSING


def test_two_versions_of_an_object_that_vanished_are_no_claim(world: World) -> None:
    events = [world.put(A, b"a\n1\n"), world.put(A, b"a\n2\n")]
    world.remove(A)
    report = world.send(*events)
    assert report.decisions == {"orders": {Decision.GONE: 1}}
    assert world.item(A) is None
    assert (report.submissions, world.open_batches()) == ((), [])


def test_a_failure_that_may_pass_is_tried_again_by_an_event_and_counts(world: World) -> None:
    event = world.put(A)
    world.send(event)

    class Hiccup(FileChanged):
        """A transient failure that is the file's own."""

    world.fail(A, Hiccup(A, "e1", "e2"))
    assert world.send(event).decisions == {"orders": {Decision.CLAIM: 1}}
    assert world.there(A).attempt == 2


def test_a_permanent_failure_waits_for_another_version_or_another_contract(world: World) -> None:
    event = world.put(A)
    world.send(event)
    world.fail(A, EmptyFile(A))
    assert world.send(event).decisions == {"orders": {Decision.DUPLICATE: 1}}
    globs = f"s3://{world.landing}/orders/**/*.csv"
    world.contracts = [contract("orders", globs, null_values=["NA"])]
    assert world.send(event).decisions == {"orders": {Decision.CLAIM: 1}}
    world.fail(A, EmptyFile(A))
    assert world.send(world.put(A, b"a\n2\n")).decisions == {"orders": {Decision.CLAIM: 1}}


def test_a_file_that_had_vanished_is_claimed_when_it_is_back(world: World) -> None:
    event = world.put(A)
    world.send(event)
    world.fail(A, FileVanished(A))
    assert world.send(event).decisions == {"orders": {Decision.CLAIM: 1}}


def test_an_entry_that_somebody_deleted_is_claimed_again(world: World) -> None:
    event = world.put(A)
    world.send(event)
    world.run_ends("r0")
    assert isinstance(world.file_table, MemoryTable)
    world.file_table.delete({"ingestion_key": "orders", "file_path": f"s3://{world.landing}/{A}"})
    assert world.send(event).decisions == {"orders": {Decision.CLAIM: 1}}


def test_a_key_that_no_contract_claims_is_counted_and_blocks_nothing(world: World) -> None:
    report = world.send(world.event("elsewhere/x.csv"), world.event(A), world.event("orders/a.txt"))
    assert (report.received, report.unrouted) == (3, 2)
    assert report.failed_message_ids == ()
    assert world.there(A).status is Status.PROCESSING


def test_a_key_of_two_contracts_goes_to_both(world: World) -> None:
    world.contracts.append(contract("archive", f"s3://{world.landing}/**/*.csv"))
    report = world.send(world.event(A))
    assert report.decisions == {"orders": {Decision.CLAIM: 1}, "archive": {Decision.CLAIM: 1}}
    assert report.unrouted == 0
    assert world.there(A, "orders").batch_id != world.there(A, "archive").batch_id
    assert len(report.submissions) == 2


def test_a_malformed_record_fails_its_own_message_and_no_other(world: World) -> None:
    bad = Malformed(MalformedEvent("key is missing"))
    report = world.dispatcher.dispatch(messages([world.event(A)], [bad, world.event(B)], [Ignored("s3:TestEvent")]))
    assert report.failed_message_ids == ("m1",)
    assert (report.malformed, report.ignored, report.received) == (1, 1, 2)
    # Its good record went its way; when the message comes back it is a duplicate.
    assert report.decisions == {"orders": {Decision.CLAIM: 2}}


def test_a_key_too_long_for_the_ledger_fails_its_own_message_and_no_other(world: World) -> None:
    # DynamoDB's sort key ends at 1,024 bytes, and a key of S3 may have as many before its bucket is written down.
    key = f"orders/{'ü' * 505}.csv"
    assert len(key.encode()) <= 1024
    report = world.send(world.event(A), world.event(key))
    assert report.failed_message_ids == ("m1",)
    assert report.decisions == {"orders": {Decision.CLAIM: 1}}
    assert "1024 bytes" in str(report.errors[0])


def test_an_event_without_a_queue_reports_its_error(world: World) -> None:
    report = world.dispatcher.dispatch(direct(Malformed(MalformedEvent("no")), world.event(A)))
    assert report.failed_message_ids == ()
    assert [type(error) for error in report.errors] == [MalformedEvent]
    assert world.there(A).status is Status.PROCESSING


class FailingFor:
    """A table whose changes raise, for one ingestion key, as long as that is so."""

    def __init__(self, inner: MemoryTable, ingestion_key: str, error: Exception, *, after: int = 0) -> None:
        self.inner, self.ingestion_key, self.error, self.after = inner, ingestion_key, error, after
        self.is_failing = True

    def _check(self, keys: Sequence[Any]) -> None:
        if self.is_failing and any(key["ingestion_key"] == self.ingestion_key for key in keys):
            raise self.error

    def read(self, keys: Any, names: Any = None) -> Any:
        self._check(keys)
        return self.inner.read(keys, names)

    def apply(self, change: Change) -> Outcome:
        self._check([change.key])
        return self.inner.apply(change)

    def apply_all(self, changes: Sequence[Change]) -> list[Outcome]:
        done = self.inner.apply_all(changes[: self.after])
        self._check([change.key for change in changes])
        return done + self.inner.apply_all(changes[self.after :])

    def apply_together(self, changes: Any) -> frozenset[int]:
        self._check([change.key for change in changes])
        return self.inner.apply_together(changes)

    def pages(self, ingestion_key: str, after: str | None = None) -> Any:
        self._check([{"ingestion_key": ingestion_key}])
        return self.inner.pages(ingestion_key, after)

    def open_items(self, ingestion_key: str | None = None) -> Any:
        return self.inner.open_items(ingestion_key)


ERRORS: list[Callable[[], Exception]] = [
    lambda: LedgerUnavailable("BatchExecuteStatement", "ThrottlingException", "slow"),
    lambda: LedgerRefused("BatchExecuteStatement", "AccessDenied", "no"),
    lambda: LedgerUnavailable("BatchGetItem", "UnprocessedKeys", "8 times"),
    lambda: LedgerUnavailable("TransactWriteItems", "TransactionCanceledException", "8 times"),
    lambda: LedgerRefused("UpdateItem", "ParamValidationError", "no such type"),
]


@pytest.mark.parametrize("make_error", ERRORS)
@pytest.mark.parametrize("after", [0, 1])
@pytest.mark.parametrize("which", ["file_table", "batch_table"])
def test_an_error_of_the_ledger_fails_that_tables_messages_only_and_nothing_is_lost(
    world: World, make_error: Callable[[], Exception], after: int, which: str
) -> None:
    failing = FailingFor(getattr(world, which), "orders", make_error(), after=after)
    setattr(world, which, failing)
    events = [world.event(A), world.event("flights/f.csv"), world.event(B)]
    report = world.send(*events)
    assert report.failed_message_ids == ("m0", "m2")
    assert len(report.errors) == 1
    assert world.there("flights/f.csv", "flights").status is Status.PROCESSING

    failing.is_failing = False
    again = world.send(events[0], events[2])
    assert again.failed_message_ids == ()
    # What had been claimed before the error is made ready when its lease has passed.
    world.clock.advance(seconds=301)
    world.reconciler.sweep()
    for _ in range(3):
        for run_id in world.recorded.going():
            world.run_ends(run_id)
        world.reconciler.sweep()
    assert {world.there(key).status for key in (A, B)} == {Status.COMPLETED}
    assert world.open_batches() == []


@pytest.mark.parametrize("make_error", ERRORS)
def test_what_cannot_be_read_is_never_taken_for_absent_and_fails_the_messages_of_its_table_only(
    world: World, make_error: Callable[[], Exception]
) -> None:
    class Unread(MemoryTable):
        """Claims are refused by what is there, and what is there cannot be read."""

        def apply_all(self, changes: Sequence[Change]) -> list[Outcome]:
            if any(change.key["ingestion_key"] == "orders" for change in changes):
                raise make_error()
            return super().apply_all(changes)

    first = world.put(A)
    world.send(first)
    memory = world.file_table
    assert isinstance(memory, MemoryTable)
    memory.__class__ = Unread
    report = world.send(first, world.event("flights/f.csv"), world.event(B), world.event("elsewhere/x.csv"))
    assert report.failed_message_ids == ("m0", "m2")
    assert report.unrouted == 1
    memory.__class__ = MemoryTable
    assert world.there(A).attempt == 1
    assert world.item(B) is None
    assert world.there("flights/f.csv", "flights").status is Status.PROCESSING


def test_s3_that_cannot_be_asked_fails_the_messages_and_claims_nothing(world: World) -> None:
    first = world.put(A)
    world.send(first)
    world.complete(A)
    real = world.storage

    class Blind(type(real)):  # type: ignore[misc]
        def head(self, bucket: str, key: str) -> Any:
            raise StorageUnavailable("HeadObject", key, "503")

    world.storage = Blind(real._client)
    second = created(A, "e2", bucket=world.landing)
    assert world.send(second).failed_message_ids == ("m0",)
    assert world.there(A).status is Status.COMPLETED


def test_a_run_that_was_turned_away_leaves_claims_and_a_ready_batch(world: World) -> None:
    world.recorded.fail_next = [SubmitThrottled("00app", "Code", "no")]
    report = world.send(world.event(A))
    assert (report.failed_message_ids, report.errors, report.submissions) == ((), (), ())
    assert world.there(A).status is Status.PROCESSING
    assert len(world.open_batches(BatchState.READY)) == 1
    assert world.batches.open().slots == ()
    (submission,) = world.sweep().submissions
    assert submission.batch_ids == (world.there(A).batch_id,)


def test_a_run_that_was_refused_leaves_claims_and_a_ready_batch_and_a_slot_that_rests(world: World) -> None:
    world.recorded.fail_next = [SubmitRefused("00app", "Code", "no")]
    report = world.send(world.event(A))
    assert (report.failed_message_ids, report.errors, report.submissions) == ((), (), ())
    assert world.there(A).status is Status.PROCESSING
    assert len(world.open_batches(BatchState.READY)) == 1
    assert world.batches.open().slots == ()
    # Else every event and every sweep would ask for what has just been refused.
    assert world.sweep(seconds=29).submissions == ()
    assert world.send(world.event(B)).submissions == ()
    assert world.recorded.calls == 1
    (submission,) = world.sweep(seconds=32).submissions
    assert submission.batch_ids == (world.there(A).batch_id, world.there(B).batch_id)


def test_a_run_of_which_nobody_knows_is_asked_for_again_under_its_token(world: World) -> None:
    world.recorded.lose_next, world.recorded.lost = 1, SubmitUnknown("00app", "ReadTimeoutError", "")
    report = world.send(world.event(A))
    assert (report.failed_message_ids, report.submissions) == ((), ())
    (slot,) = world.batches.open().slots
    assert slot.run_id is None
    assert world.reconciler.sweep().submissions == ()
    world.clock.advance(minutes=3)
    (submission,) = world.reconciler.sweep().submissions
    assert submission.run_id == "r0"
    assert list(world.recorded.run_ids) == [slot.token]
    assert world.batches.open().slots[0].run_id == "r0"


def test_a_dispatcher_that_outlived_its_lease_opens_its_batch_again(world: World) -> None:
    class Slow(MemoryTable):
        """While the claims are under way the lease passes, and a sweep finds nothing claimed and closes the batch."""

        def apply_all(self, changes: Sequence[Change]) -> list[Outcome]:
            if not closed:
                closed.extend(world.open_batches(BatchState.CLAIMING))
                world.sweep(seconds=301)
                assert world.open_batches() == []
            return super().apply_all(changes)

    closed: list[str] = []
    world.file_table = Slow("file_path")
    report = world.send(world.event(A))
    (submission,) = report.submissions
    assert submission.batch_ids == (world.there(A).batch_id,) == tuple(closed)
    world.run_ends("r0")
    world.sweep()
    assert world.there(A).status is Status.COMPLETED
    assert world.open_batches() == []


def test_a_run_that_did_not_see_late_claims_cannot_close_their_batch(world: World) -> None:
    class Slow(MemoryTable):
        """While the claims are under way the lease passes, and a run reads the ledger without the last of them."""

        def apply_all(self, changes: Sequence[Change]) -> list[Outcome]:
            first = super().apply_all(changes[:1])
            if passes:
                passes.clear()
                (submission,) = world.sweep(seconds=301).submissions
                token = world.recorded.arguments(submission.run_id).token
                begun.append(world.batches.begin("orders", submission.batch_ids[0], token))
            return first + super().apply_all(changes[1:])

    passes, begun = [True], list[Any]()
    world.file_table = Slow("file_path")
    world.send(world.event(A), world.event(B))
    world.complete(A)
    assert not world.batches.close(begun[0], world.clock())
    world.recorded.ends("r0")
    (submission,) = world.sweep().submissions
    assert submission.batch_ids == (world.there(B).batch_id,) == (begun[0].batch_id,)
    world.run_ends(submission.run_id)
    world.sweep()
    assert {world.there(key).status for key in (A, B)} == {Status.COMPLETED}
    assert world.open_batches() == []


def test_a_dispatcher_that_died_over_its_claims_has_what_it_claimed_ingested(world: World) -> None:
    class Dying(MemoryTable):
        def apply_all(self, changes: Sequence[Change]) -> list[Outcome]:
            super().apply_all(changes[:1])
            raise KeyboardInterrupt

    memory = world.file_table = Dying("file_path")
    with pytest.raises(KeyboardInterrupt):
        world.send(world.event(A), world.event(B))
    memory.__class__ = MemoryTable
    assert world.sweep(seconds=299).submissions == ()
    (submission,) = world.sweep(seconds=1).submissions
    batch = world.batch_of(A)
    assert (batch.state, batch.files, batch.size_bytes) == (BatchState.SUBMITTED, 1, 10)
    assert submission.batch_ids == (batch.batch_id,)
    assert world.item(B) is None
    # Its message comes back.
    assert world.send(world.event(A), world.event(B)).decisions == {
        "orders": {Decision.DUPLICATE: 1, Decision.CLAIM: 1}
    }


def test_items_that_change_under_every_attempt_fail_the_messages(world: World) -> None:
    class Restless(MemoryTable):
        """Somebody else is always a moment earlier."""

        def apply_all(self, changes: Sequence[Change]) -> list[Outcome]:
            shown = {"status": "failed", "file_etag": "e0", "error_is_permanent": False, "batch_id": "other"}
            return [Outcome(False, {**change.key, **shown}) for change in changes]

    world.file_table = Restless("file_path")
    report = world.send(world.put(A))
    assert report.failed_message_ids == ("m0",)
    assert "Contended" in str(report.errors[0])


def test_a_burst_of_ten_thousand_events_becomes_a_handful_of_runs(world: World) -> None:
    keys = [f"orders/{number:05d}.csv" for number in range(10_000)]
    for start in range(0, len(keys), 100):
        world.send(*(world.event(key) for key in keys[start : start + 100]))
    assert len(world.recorded.requests) == 1
    for _ in range(20):
        going = world.recorded.going()
        if not going:
            break
        for run_id in going:
            world.run_ends(run_id)
        world.reconciler.sweep()
    assert world.open_batches() == []
    assert len(world.recorded.requests) <= 5
    found = world.files.read("orders", [f"s3://{world.landing}/{key}" for key in keys])
    assert len(found) == 10_000
    assert {item.status for item in found.values()} == {Status.COMPLETED}
    carried = [batch for run_id in world.recorded.requests for batch in world.recorded.arguments(run_id).batch_ids]
    assert len(carried) == len(set(carried)) == 100
