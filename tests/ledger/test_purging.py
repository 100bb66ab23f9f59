"""Purging a table: what goes, what stays, and the watermark, over both stores."""

from __future__ import annotations

import tracemalloc
from datetime import timedelta

import pytest

from alur.aws.dynamodb import BotoDynamo
from alur.contracts.contract import OnOverwrite
from alur.errors import EmptyFile
from alur.ledger.dynamo import DynamoTable
from alur.ledger.files import SORT_KEY, FileLedger
from alur.ledger.memory import MemoryTable
from alur.ledger.model import FileVersion, LedgerItem, Status
from alur.ledger.purging import Purger
from alur.ledger.transitions import claim, complete, fail, remember, reprocess
from deployment_support import contract
from ledger_support import KEY, NOW, claimant, create_state_table

CONTRACT = contract(KEY, "s3://landing/orders/**/*.csv")
CUTOFF = NOW - timedelta(days=90)


@pytest.fixture(params=["memory", "dynamodb"])
def files(request):
    if request.param == "memory":
        return FileLedger(MemoryTable(SORT_KEY))
    dynamodb = request.getfixturevalue("dynamodb")
    return FileLedger(DynamoTable(BotoDynamo(dynamodb), create_state_table(dynamodb), SORT_KEY))


@pytest.fixture
def memory():
    return FileLedger(MemoryTable(SORT_KEY))


def days_ago(days):
    return NOW - timedelta(days=days)


def path(name):
    return f"s3://landing/orders/{name}.csv"


def version(name, days, etag="e1"):
    return FileVersion("landing", f"orders/{name}.csv", etag, 10, None, days_ago(days))


def add(files, name, days, status=Status.COMPLETED, etag="e1"):
    """Ingest a file that was written so many days ago, at once."""
    at = days_ago(days)
    change = claim(None, version(name, days, etag), claimant(), event_at=at, now=at)
    (claimed,) = files.apply([change])
    assert claimed.item is not None
    if status is Status.COMPLETED:
        flip = complete(claimed.item, batch_id="b2", rows=1, snapshot_id="s", queryable_at=at, now=at)
        assert files.apply([flip])[0].applied
    elif status is Status.FAILED:
        assert files.apply([fail(claimed.item, batch_id="b2", error=EmptyFile(path(name)), now=at)])[0].applied
    return files.read(KEY, [path(name)])[path(name)]


def left(files):
    return {
        item.path.removeprefix("s3://landing/orders/").removesuffix(".csv") for page in files.walk(KEY) for item in page
    }


def purge(files, *objects, cutoff=CUTOFF, declared=CONTRACT):
    purger = Purger(files, declared)
    return purger.carry_out(purger.plan(cutoff, [objects] if objects else []))


def test_old_completed_entries_go_and_the_watermark_takes_their_place(files):
    for name, days in (("a", 300), ("b", 200), ("c", 50), ("d", 1)):
        add(files, name, days)
    purged = purge(files)
    assert left(files) == {"c", "d"}
    assert (purged.removed, purged.kept, purged.changed) == (2, 2, 0)
    assert purged.watermark == files.watermark(KEY) == days_ago(57)


def test_what_waits_or_failed_stays_however_old_it_is(files):
    add(files, "failed", 400, Status.FAILED)
    add(files, "processing", 300, Status.PROCESSING)
    item = add(files, "newer", 250, Status.PROCESSING)
    assert files.apply([remember(item, version("newer", 240, "e2"), days_ago(240))])[0].applied
    item = files.read(KEY, [item.path])[item.path]
    at = days_ago(249)
    assert files.apply([complete(item, batch_id="b2", rows=1, snapshot_id="s", queryable_at=at, now=at)])[0].applied
    add(files, "done", 500)
    assert purge(files).removed == 1
    assert left(files) == {"failed", "processing", "newer"}
    assert files.watermark(KEY) == days_ago(407)


def test_an_entry_that_listings_would_come_upon_stays(files):
    """It was completed long ago, and is not before the watermark: without its entry it would be read again."""
    for name, days in (("old", 300), ("between", 93), ("kept", 89)):
        add(files, name, days)
    assert purge(files).removed == 1
    assert files.watermark(KEY) == days_ago(96)
    assert left(files) == {"between", "kept"}


def test_without_any_kept_entry_the_watermark_is_a_week_before_the_cutoff(files):
    add(files, "a", 300)
    add(files, "b", 95)
    purge(files)
    assert files.watermark(KEY) == CUTOFF - timedelta(weeks=1)
    assert left(files) == {"b"}


def test_a_file_that_nobody_has_ingested_is_never_passed_over(files):
    for name, days in (("a", 300), ("b", 200), ("c", 50)):
        add(files, name, days)
    purge(files, version("a", 300), version("missed", 250), version("b", 200), version("c", 50))
    assert files.watermark(KEY) == days_ago(257)
    assert left(files) == {"b", "c"}


def test_a_version_that_nobody_has_ingested_is_never_passed_over_either(files):
    add(files, "a", 300)
    add(files, "c", 50)
    purge(files, version("a", 200, "e2"))
    assert files.watermark(KEY) == days_ago(207)


def test_what_an_earlier_purge_forgot_does_not_hold_the_next_one_back(files):
    for name, days in (("a", 300), ("b", 200), ("c", 120), ("d", 50)):
        add(files, name, days)
    objects = [version("a", 300), version("b", 200), version("c", 120), version("d", 50)]
    purge(files, *objects, cutoff=days_ago(150))
    assert files.watermark(KEY) == days_ago(127)
    assert left(files) == {"c", "d"}
    purge(files, *objects)
    assert files.watermark(KEY) == days_ago(57)
    assert left(files) == {"d"}


def test_what_was_forgotten_is_older_than_the_watermark_always(files):
    for days in range(0, 400, 9):
        add(files, f"{days:03}", days)
    objects = [version(f"{days:03}", days) for days in range(0, 400, 9)]
    purge(files, *objects)
    watermark = files.watermark(KEY)
    there = left(files)
    assert 0 < len(there) < 45
    assert all((f"{days:03}" in there) or days_ago(days) < watermark for days in range(0, 400, 9))


def test_nothing_to_forget_leaves_no_watermark(files):
    add(files, "a", 50)
    purged = purge(files)
    assert (purged.removed, purged.kept, purged.watermark) == (0, 1, None)
    assert files.watermark(KEY) is None


def test_an_empty_table_is_left_alone(files):
    assert purge(files).watermark is None
    assert files.watermark(KEY) is None


def test_a_rehearsal_counts_the_same_and_changes_nothing(files):
    for name, days in (("a", 300), ("b", 200), ("c", 50)):
        add(files, name, days)
    purger = Purger(files, CONTRACT)
    plan = purger.plan(CUTOFF, [])
    rehearsed = purger.rehearse(plan)
    assert files.watermark(KEY) is None
    assert left(files) == {"a", "b", "c"}
    assert purger.carry_out(plan) == rehearsed
    assert left(files) == {"c"}


def test_killed_after_the_watermark_it_is_completed_by_running_it_again(files):
    for name, days in (("a", 300), ("b", 200), ("c", 50)):
        add(files, name, days)
    objects = [version("a", 300), version("b", 200), version("c", 50)]

    class Killed(Exception):
        pass

    class Dying(FileLedger):
        def delete(self, items):
            super().delete(items[:1])
            raise Killed

    dying = Dying(files._table)
    with pytest.raises(Killed):
        purge(dying, *objects)
    assert files.watermark(KEY) == days_ago(57)
    assert left(files) == {"b", "c"}
    purge(files, *objects)
    assert files.watermark(KEY) == days_ago(57)
    assert left(files) == {"c"}


def test_an_entry_that_changes_meanwhile_stays(memory):
    add(memory, "a", 300)
    add(memory, "c", 50)

    class Racing(FileLedger):
        def delete(self, items):
            for item in items:
                change = claim(item, version("a", 0, "e2"), claimant("b3"), event_at=NOW, now=NOW)
                assert super().apply([change])[0].applied
            return super().delete(items)

    purged = purge(Racing(memory._table))
    assert (purged.removed, purged.kept, purged.changed) == (0, 2, 1)
    assert memory.read(KEY, [path("a")])[path("a")].status is Status.PROCESSING


def test_an_old_file_that_is_asked_for_meanwhile_is_not_passed_over(memory):
    item = add(memory, "a", 300)
    add(memory, "c", 50)
    purger = Purger(memory, CONTRACT)
    plan = purger.plan(CUTOFF, [])
    assert plan.watermark == days_ago(57)
    assert memory.apply([reprocess(item, NOW)])[0].applied
    assert purger.carry_out(plan).watermark == memory.watermark(KEY) == days_ago(307)
    assert left(memory) == {"a", "c"}


def test_the_watermark_goes_back_for_what_would_be_passed_over(memory):
    memory.set_watermark(KEY, days_ago(100))
    add(memory, "failed", 300, Status.FAILED)
    add(memory, "a", 400)
    purge(memory)
    assert memory.watermark(KEY) == days_ago(307)
    assert left(memory) == {"failed"}


def test_versions_that_skip_left_out_keep_their_entries(memory):
    skips = contract(KEY, *CONTRACT.source_paths, on_overwrite=OnOverwrite.SKIP)
    for name, days in (("a", 300), ("b", 300), ("c", 50)):
        add(memory, name, days)
    purge(memory, version("a", 300), version("b", 20, "e2"), version("c", 50), declared=skips)
    assert left(memory) == {"b", "c"}


def test_an_object_whose_path_the_ledger_cannot_hold_counts_nothing(memory):
    add(memory, "a", 300)
    add(memory, "c", 50)
    purge(memory, version("x" * 1100, 350))
    assert memory.watermark(KEY) == days_ago(57)


def test_only_objects_that_can_hold_the_watermark_are_looked_up(memory):
    for name, days in (("a", 300), ("c", 50), ("d", 10)):
        add(memory, name, days)
    memory.set_watermark(KEY, days_ago(200))

    class Counting(FileLedger):
        asked: list[str] = []

        def read(self, ingestion_key, paths):
            wanted = list(paths)
            self.asked += wanted
            return super().read(ingestion_key, wanted)

    counting = Counting(memory._table)
    purge(counting, version("a", 300), version("b", 100), version("c", 50), version("d", 10))
    assert counting.asked == [path("b")]


class Many(FileLedger):
    """A table with so many entries, none of which is kept anywhere; every object has its entry."""

    def __init__(self, count):
        super().__init__(MemoryTable(SORT_KEY))
        self.count = count
        self.removed = 0
        self.pages = 0

    def _item(self, number):
        days = 400 - 390 * number / self.count
        facts = {"last_modified": days_ago(days), "processed_at": days_ago(days)}
        return LedgerItem(KEY, path(f"{number:07}"), "e1", 10, Status.COMPLETED, "b1", rows=1, **facts)

    def walk(self, ingestion_key, *, after=None):
        for start in range(0, self.count, 1000):
            self.pages += 1
            yield tuple(self._item(number) for number in range(start, min(start + 1000, self.count)))

    def read(self, ingestion_key, paths):
        return {one: self._item(int(one[-11:-4])) for one in paths}

    def delete(self, items):
        self.removed += len(items)
        return len(items)

    def listing(self):
        for page in self.walk(KEY):
            yield [item.version for item in page]


def test_memory_is_flat_in_the_number_of_entries_and_objects():
    def peak(count):
        many = Many(count)
        purger = Purger(many, CONTRACT)
        tracemalloc.start()
        try:
            purger.carry_out(purger.plan(CUTOFF, many.listing()))
            return many.removed, tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    _, few = peak(4_000)
    removed, many = peak(100_000)
    assert removed > 70_000
    assert many < few * 1.5 + 200_000


def test_what_waits_is_no_claim_of_the_watermarks_own_item(memory):
    """The watermark lies in the same partition, and is nobody's file."""
    memory.set_watermark(KEY, days_ago(500))
    assert left(memory) == set()
    add(memory, "a", 300)
    purge(memory)
    assert left(memory) == set()
    assert memory.watermark(KEY) == CUTOFF - timedelta(weeks=1)
