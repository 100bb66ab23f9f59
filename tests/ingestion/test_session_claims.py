"""A session's claims: what is new, due, or nobody's any more; everything else is left alone, and said."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from alur.aws.storage import Page
from alur.contracts.contract import OnOverwrite
from alur.dispatch.batching import BatchMaker
from alur.errors import HeaderMismatch, LoadLost, UnreadableFile
from alur.ingestion.claiming import ALL_PROCESSED, SessionClaims, Survey, Taken, is_free
from alur.ledger.batches import Batch, BatchState, BatchStore
from alur.ledger.files import FileLedger
from alur.ledger.manifest import Manifest
from alur.ledger.memory import MemoryTable
from alur.ledger.model import FileVersion, LedgerItem, Status
from alur.ledger.retries import Retries
from alur.ledger.transitions import Claimant, claim, complete
from deployment_support import MemoryStorage, contract
from ledger_support import KEY, NOW, Ticking

OLD = NOW - timedelta(days=30)


class Table(MemoryTable):
    """Counts what it is asked for."""

    def __init__(self, sort_key: str) -> None:
        super().__init__(sort_key)
        self.asked: list[int] = []

    def read(self, keys, names=None):
        self.asked.append(len(keys))
        return super().read(keys, names)


class Session:
    """A session over a ledger and an S3 in memory."""

    def __init__(self, on_overwrite: OnOverwrite = OnOverwrite.REPLACE) -> None:
        self.clock = Ticking()
        self.contract = contract(KEY, "s3://landing/orders/**/*.csv", on_overwrite=on_overwrite)
        self.state = Table("file_path")
        self.files = FileLedger(self.state)
        self.batches = BatchStore(MemoryTable("batch_id"))
        self.storage = MemoryStorage(self.clock)
        self.maker = BatchMaker(self.batches, self.storage, lake_bucket="lake", lease_seconds=300, clock=self.clock)
        self.claims = SessionClaims(
            self.contract,
            files=self.files,
            batches=self.batches,
            maker=self.maker,
            clock=self.clock,
            retries=Retries(jitter=lambda: 1.0),
        )

    def take(self, *versions: FileVersion, since: datetime | None = None) -> Taken:
        return self.claims.take(pages(versions), since=since)

    def item(self, version: FileVersion) -> LedgerItem:
        return self.files.read(KEY, [version.path])[version.path]

    def complete(self, taken: Taken) -> None:
        for item in taken.items.values():
            self.files.apply(
                [
                    complete(
                        item,
                        batch_id=item.batch_id or "",
                        rows=1,
                        snapshot_id="1",
                        queryable_at=self.clock(),
                        now=self.clock(),
                    )
                ]
            )
        assert taken.batch is not None
        self.batches.close(taken.batch, self.clock())


def pages(versions: Sequence[FileVersion], size: int = 1000) -> Iterator[Page]:
    for start in range(0, len(versions), size):
        yield Page(tuple(versions[start : start + size]), False, True, NOW)


def file(name: str, etag: str = "e1", at: datetime = NOW) -> FileVersion:
    return FileVersion("landing", f"orders/{name}.csv", etag, 10, None, at)


@pytest.fixture
def session() -> Session:
    return Session()


def test_new_files_are_claimed_into_one_batch_of_the_sessions_own(session: Session) -> None:
    a, b = file("a"), file("b")
    taken = session.take(a, b)
    assert taken.batch is not None
    assert set(taken.items) == {a.path, b.path}
    assert session.item(a).status is Status.PROCESSING
    batch = session.batches.read(KEY, taken.batch.batch_id)
    assert batch is not None
    assert (batch.state, batch.interactive) == (BatchState.LEASED, True)
    assert batch.lease_until == NOW + timedelta(seconds=300)
    manifest = Manifest.from_document(session.storage.get_document(batch.manifest_uri))
    assert manifest.paths == (a.path, b.path)


def test_what_is_completed_is_skipped_and_no_batch_is_made(session: Session) -> None:
    session.complete(session.take(file("a"), file("b")))
    taken = session.take(file("a"), file("b"))
    assert (taken.batch, taken.items) == (None, {})
    assert taken.survey.say_nothing_to_read(["s3://x/*"]) == ALL_PROCESSED
    assert len(session.batches.open().batches) == 0


@pytest.mark.parametrize(
    ("on_overwrite", "claimed"), [(OnOverwrite.REPLACE, 1), (OnOverwrite.APPEND, 1), (OnOverwrite.SKIP, 0)]
)
def test_another_version_of_a_completed_file_is_taken_as_the_contract_says(
    on_overwrite: OnOverwrite, claimed: int
) -> None:
    session = Session(on_overwrite)
    session.complete(session.take(file("a")))
    assert len(session.take(file("a", "e2")).items) == claimed


def test_a_file_that_failed_for_good_is_left_alone_until_it_or_the_contract_changes(session: Session) -> None:
    taken = session.take(file("a"))
    session.claims.fail([(item, HeaderMismatch(item.path, ["a"], ["b"])) for item in taken.items.values()])
    again = session.take(file("a"))
    assert again.items == {}
    assert [(found.path, found.error_type) for found in again.survey.failed] == [(file("a").path, "HeaderMismatch")]
    assert "1 failed (the first: HeaderMismatch: " in again.survey.say_nothing_to_read(["s3://x/*"])
    assert len(session.take(file("a", "e2")).items) == 1


def test_a_file_that_failed_for_good_is_tried_again_under_another_contract(session: Session) -> None:
    taken = session.take(file("a"))
    session.claims.fail([(item, UnreadableFile(item.path, "?")) for item in taken.items.values()])
    changed = Session()
    changed.files, changed.batches = session.files, session.batches
    changed.claims = SessionClaims(
        replace(session.contract, fingerprint="another"),
        files=session.files,
        batches=session.batches,
        maker=session.maker,
        clock=session.clock,
        retries=Retries(),
    )
    assert len(changed.take(file("a")).items) == 1


def test_what_was_released_is_free_at_once_and_has_cost_no_attempt(session: Session) -> None:
    taken = session.take(file("a"))
    session.claims.release(taken.items.values(), "strict_mode")
    item = session.item(file("a"))
    assert (item.status, item.error_type, item.is_permanent) == (Status.FAILED, "Released", False)
    assert item.next_try_at == NOW
    again = session.take(file("a"))
    assert again.items[file("a").path].attempt == 1


def test_a_file_that_somebody_else_ingests_is_held_and_said_by_whom_since_when(session: Session) -> None:
    first = session.take(file("a"))
    again = session.take(file("a"))
    assert again.batch is None
    assert first.batch is not None
    (held,) = again.survey.held
    assert (held.path, held.batch_id, held.since) == (file("a").path, first.batch.batch_id, NOW)
    said = again.survey.say_nothing_to_read(["s3://x/*"])
    assert f"1 being ingested (the first by batch {first.batch.batch_id} since 2026-11-23T10:00:00.000Z)" in said


def test_a_newer_version_of_a_file_that_somebody_ingests_is_remembered(session: Session) -> None:
    session.take(file("a"))
    assert session.take(file("a", "e2")).batch is None
    item = session.item(file("a"))
    assert item.waiting is not None
    assert item.waiting.etag == "e2"


def test_a_session_that_does_not_come_back_loses_its_files_with_its_lease(session: Session) -> None:
    first = session.take(file("a"))
    assert first.batch is not None
    session.clock.advance(seconds=299)
    assert session.take(file("a")).batch is None
    session.clock.advance(seconds=1)
    taken = session.take(file("a"))
    assert taken.batch is not None
    assert session.item(file("a")).batch_id == taken.batch.batch_id != first.batch.batch_id


def test_a_renewed_lease_keeps_the_files(session: Session) -> None:
    first = session.take(file("a"))
    assert first.batch is not None
    session.clock.advance(seconds=299)
    assert session.batches.renew(first.batch, session.clock() + timedelta(seconds=300))
    session.clock.advance(seconds=200)
    assert session.take(file("a")).batch is None


def test_a_batch_of_events_is_never_taken_whatever_its_age(session: Session) -> None:
    dispatched = session.maker.begin(KEY, "f", [])
    session.files.apply(
        [claim(None, file("a"), Claimant.of(session.contract, dispatched.batch_id), event_at=NOW, now=NOW)]
    )
    session.clock.advance(days=2)
    assert session.take(file("a")).batch is None


OWNERS: list[tuple[str, Batch | None, bool]] = [
    ("gone", None, True),
    ("closed", Batch(KEY, "b", BatchState.CLOSED, "m", 1, 1, NOW, NOW), True),
    ("a dispatcher's", Batch(KEY, "b", BatchState.CLAIMING, "m", 1, 1, NOW, OLD), False),
    ("with a run", Batch(KEY, "b", BatchState.SUBMITTED, "m", 1, 1, NOW, OLD), False),
    ("leased", Batch(KEY, "b", BatchState.LEASED, "m", 1, 1, NOW, NOW + timedelta(seconds=1), interactive=True), False),
    ("its lease has passed", Batch(KEY, "b", BatchState.LEASED, "m", 1, 1, NOW, NOW, interactive=True), True),
    ("handed back", Batch(KEY, "b", BatchState.WAITING, "m", 1, 1, NOW, NOW, interactive=True), True),
    ("of events, waiting", Batch(KEY, "b", BatchState.WAITING, "m", 1, 1, NOW, OLD), False),
]


@pytest.mark.parametrize(("name", "owner", "free"), OWNERS, ids=[name for name, *_ in OWNERS])
def test_whose_files_are_free(name: str, owner: Batch | None, free: bool) -> None:
    assert is_free(owner, NOW) is free


def test_files_before_the_watermark_are_neither_looked_up_nor_read(session: Session) -> None:
    session.files.set_watermark(KEY, NOW - timedelta(days=7))
    old = [file(f"old{number}", at=OLD) for number in range(500)]
    taken = session.take(file("new"), *old)
    assert set(taken.items) == {file("new").path}
    assert taken.survey.passed_over == 500
    # One lookup, which found something old and unknown, and the watermark.
    assert session.state.asked == [100, 1]


def test_a_moment_that_is_asked_for_outranks_the_watermark(session: Session) -> None:
    session.files.set_watermark(KEY, NOW - timedelta(days=7))
    assert set(session.take(file("old", at=OLD), since=OLD).items) == {file("old", at=OLD).path}
    assert session.take(file("older", at=OLD - timedelta(days=1)), since=OLD).survey.passed_over == 1


def test_where_every_file_is_known_the_watermark_is_not_asked_for(session: Session) -> None:
    versions = [file(str(number)) for number in range(150)]
    session.complete(session.take(*versions))
    session.state.asked.clear()
    assert session.take(*versions).batch is None
    assert session.state.asked == [100, 50]


def test_where_every_unknown_file_is_young_the_watermark_is_not_asked_for(session: Session) -> None:
    session.files.set_watermark(KEY, NOW - timedelta(days=7))
    assert len(session.take(*[file(str(number), at=NOW - timedelta(days=6)) for number in range(100)]).items) == 100
    assert session.state.asked == [100]


def test_small_pages_of_a_listing_are_looked_up_together(session: Session) -> None:
    versions = [file(str(number)) for number in range(200)]
    session.complete(session.take(*versions))
    session.state.asked.clear()
    assert session.claims.take(pages(versions, size=7)).survey.completed == 200
    assert session.state.asked == [100, 100]


def test_of_two_sessions_at_once_each_file_has_one_owner(session: Session) -> None:
    versions = [file(str(number)) for number in range(30)]
    original = session.maker.begin
    others: list[Taken] = []

    def begin_late(*args, **kwargs):
        if not others:
            others.append(Taken(None, {}, Survey()))
            others[0] = session.take(*versions[:20])
        return original(*args, **kwargs)

    session.maker.begin = begin_late
    mine = session.take(*versions)
    assert set(mine.items) | set(others[0].items) == {version.path for version in versions}
    assert not set(mine.items) & set(others[0].items)
    assert len(mine.survey.held) == 20


def test_a_session_whose_claims_took_longer_than_its_lease_lets_them_go_where_they_are_seen(session: Session) -> None:
    original = session.files.apply

    def slow(changes):
        session.clock.advance(seconds=301)
        (batch,) = session.batches.open().batches
        assert session.batches.lapse(batch, session.clock())
        session.batches.close(batch, session.clock())
        session.files.apply = original
        return original(changes)

    session.files.apply = slow
    with pytest.raises(LoadLost):
        session.take(file("a"))
    item = session.item(file("a"))
    assert (item.status, item.error_type) == (Status.FAILED, "Released")
    (batch,) = session.batches.open().batches
    assert (batch.batch_id, batch.state) == (item.batch_id, BatchState.WAITING)


def test_no_file_at_all_is_said(session: Session) -> None:
    said = session.take().survey.say_nothing_to_read(["s3://landing/x/*.csv"])
    assert said == "No file matches s3://landing/x/*.csv. No new data to ingest."
