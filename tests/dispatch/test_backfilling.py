"""Backfilling: what is announced, what is left out, and that a million keys take no more memory than a thousand."""

from __future__ import annotations

import tracemalloc
from collections import deque
from dataclasses import replace

import pytest

from alur.dispatch.backfilling import EXAMPLES, Backfiller, is_known
from alur.dispatch.events import parse
from alur.dispatch.notifications import to_messages
from alur.errors import EmptyFile
from alur.ledger.files import SORT_KEY, FileLedger
from alur.ledger.memory import MemoryTable
from alur.ledger.model import FileVersion, Status
from alur.ledger.transitions import Decision
from deployment_support import contract, make_light_world, sqs_event
from ledger_support import KEY, NOW, item

CONTRACT = contract(KEY, "s3://landing/orders/**/*.csv")


@pytest.fixture
def world():
    return make_light_world()


def version(key, etag="e1"):
    return FileVersion("landing", key, etag, 10, None, NOW)


def run(files, *pages, notify=None):
    sent = []
    progress = list(Backfiller(CONTRACT, files, notify or sent.extend).run(pages))
    return progress[-1], [one.key for one in sent]


@pytest.mark.parametrize(
    ("entry", "known"),
    [
        (None, False),
        (item(Status.COMPLETED), True),
        (item(Status.PROCESSING), True),
        (item(Status.FAILED), False),
        (item(Status.COMPLETED, etag="e0"), False),
        (item(Status.PROCESSING, etag="e0"), False),
    ],
)
def test_only_the_same_version_completed_or_processing_is_known(entry, known):
    assert is_known(entry, version("orders/a.csv")) is known


def test_what_is_new_is_announced_and_claimed_and_what_is_known_is_left_out(world):
    done, busy, broken, new = (f"orders/{name}.csv" for name in ("done", "busy", "broken", "new"))
    for key in (done, busy, broken):
        world.send(world.put(key))
    world.complete(done)
    world.fail(broken, EmptyFile("s3://landing/orders/broken.csv"))
    world.put(new)
    page = list(world.storage.objects.values())
    progress, sent = run(world.files, page)
    assert sorted(sent) == sorted([broken, new])
    assert (progress.listed, progress.sent, progress.known, progress.matched) == (4, 2, 2, 4)
    bodies = list(to_messages([one for one in page if one.key in sent], region="us-east-1", now=NOW))
    report = world.dispatcher.dispatch(parse(sqs_event(*bodies)))
    assert report.decisions["orders"] == {Decision.CLAIM: 1, Decision.DUPLICATE: 1}
    assert run(world.files, page)[1] == [broken]


def test_a_changed_file_is_announced(world):
    world.send(world.put("orders/a.csv"))
    world.complete("orders/a.csv")
    world.put("orders/a.csv", b"a\n2\n")
    assert run(world.files, list(world.storage.objects.values()))[1] == ["orders/a.csv"]


def test_what_the_contract_does_not_mean_is_left_out_and_some_of_it_named(world):
    page = [version(f"orders/{number}.txt") for number in range(EXAMPLES + 3)] + [version("orders/a.csv")]
    progress, sent = run(world.files, page)
    assert sent == ["orders/a.csv"]
    assert (progress.unclaimed, progress.matched) == (EXAMPLES + 3, 1)
    assert progress.examples_unclaimed == tuple(f"s3://landing/orders/{number}.txt" for number in range(EXAMPLES))


def test_a_path_that_the_ledger_cannot_hold_costs_its_neighbours_nothing(world):
    """One such record would fail its whole message, again and again, until that lay in the dead-letter queue."""
    long = version(f"orders/{'x' * 1010}.csv")
    progress, sent = run(world.files, [long, version("orders/a.csv")])
    assert sent == ["orders/a.csv"]
    assert (progress.unstorable, progress.examples_unstorable) == (1, (long.path,))


def test_an_empty_source_is_told_once(world):
    progress, sent = run(world.files)
    assert (progress.listed, progress.matched, sent) == (0, 0, [])


def test_stopped_and_run_again_it_announces_the_rest(world):
    keys = [f"orders/{number:03}.csv" for number in range(30)]
    for key in keys:
        world.put(key)
    objects = list(world.storage.objects.values())
    pages = [objects[:10], objects[10:20], objects[20:]]

    def deliver(versions):
        if versions[0].key == keys[10]:
            raise KeyboardInterrupt
        bodies = list(to_messages(versions, region="us-east-1", now=NOW))
        world.clock.advance(milliseconds=1)
        world.dispatcher.dispatch(parse(sqs_event(*bodies)))

    with pytest.raises(KeyboardInterrupt):
        run(world.files, *pages, notify=deliver)
    progress, sent = run(world.files, *pages)
    assert (progress.known, sent) == (10, keys[10:])


def test_memory_is_flat_in_the_number_of_keys():
    def pages(count):
        for start in range(0, count, 1000):
            yield [version(f"orders/{number:08}.csv") for number in range(start, start + 1000)]

    def peak(count):
        sent = 0

        def notify(versions):
            nonlocal sent
            for body in to_messages(versions, region="us-east-1", now=NOW):
                sent += body.count('"eTag"')

        backfiller = Backfiller(CONTRACT, FileLedger(MemoryTable(SORT_KEY)), notify)
        tracemalloc.start()
        try:
            (progress,) = deque(backfiller.run(pages(count)), maxlen=1)
            return sent, progress, tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    _, _, few = peak(2_000)
    sent, progress, many = peak(100_000)
    assert sent == progress.sent == 100_000
    assert many < few * 1.5 + 200_000


def test_no_more_keys_are_looked_up_than_are_listed_and_a_page_at_a_time():
    class Counting(FileLedger):
        asked = ()

        def read(self, ingestion_key, paths):
            wanted = list(paths)
            self.asked = (*self.asked, len(wanted))
            return super().read(ingestion_key, wanted)

    counting = Counting(MemoryTable(SORT_KEY))
    run(counting, *([version(f"orders/{page}-{n}.csv") for n in range(100)] for page in range(3)))
    assert counting.asked == (100, 100, 100)


def test_a_table_of_several_globs_takes_what_any_of_them_means():
    several = replace(CONTRACT, source_paths=("s3://landing/orders/*.csv", "s3://landing/old/*.csv"))
    sent = []
    page = [version("orders/a.csv"), version("old/b.csv"), version("new/c.csv")]
    list(Backfiller(several, FileLedger(MemoryTable(SORT_KEY)), sent.extend).run([page]))
    assert [one.key for one in sent] == ["orders/a.csv", "old/b.csv"]
