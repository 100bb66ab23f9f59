"""What is decided about a file before anything is read of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from workbench import make_contract

from alur.engine.staging import Stager
from alur.errors import FileChanged, FileVanished
from alur.ledger.model import FileVersion, LedgerItem, Status

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
PATH = "s3://b/f/a.csv"


class Seen:
    """An S3 whose one object is another at each look, and by default old enough at the second."""

    def __init__(self, *etags: str | None, age: timedelta, stays_young: bool = False) -> None:
        self._etags = list(etags)
        self._age = age
        self._stays_young = stays_young
        self._now = NOW

    def see(self, bucket: str, key: str) -> tuple[FileVersion, datetime] | None:
        etag, age = self._etags.pop(0), self._age
        if self._stays_young:
            self._now += timedelta(seconds=2)
        else:
            self._age += timedelta(seconds=2)
        return None if etag is None else (FileVersion(bucket, key, etag, 1, None, self._now - age), self._now)


def _stage(storage: Any, slept: list[float]) -> dict[str, Any]:
    stager = Stager(
        # Nothing is left to be read: they are not touched.
        tables=None,  # type: ignore[arg-type]
        contract=make_contract(),
        storage=storage,
        lake_bucket="lake",
        batch_id="batch",
        sleep=slept.append,
    )
    item = LedgerItem("orders", PATH, "claimed", 1, Status.PROCESSING, "batch")
    staging = stager.stage("branch", {PATH: item}, NOW)
    assert staging.rows == {}
    return dict(staging.failed)


def test_an_object_that_is_too_young_for_its_date_to_tell_is_looked_at_again_when_it_is_older():
    slept: list[float] = []
    failed = _stage(Seen("claimed", "another", age=timedelta(seconds=1)), slept)
    assert slept == [2.0]
    assert isinstance(failed[PATH], FileChanged)
    assert failed[PATH].found == "another"


def test_an_object_that_is_written_again_at_every_look_is_not_read_and_costs_no_attempt():
    slept: list[float] = []
    failed = _stage(Seen(*["claimed"] * 4, age=timedelta(seconds=1), stays_young=True), slept)
    assert slept == [2.0] * 3
    assert isinstance(failed[PATH], FileChanged)
    assert failed[PATH].found == "claimed"


def test_an_object_that_is_old_enough_is_looked_at_once():
    slept: list[float] = []
    assert isinstance(_stage(Seen("another", age=timedelta(seconds=2)), slept)[PATH], FileChanged)
    assert slept == []


def test_an_object_that_is_gone_is_not_read():
    assert isinstance(_stage(Seen(None, age=timedelta(0)), [])[PATH], FileVanished)
