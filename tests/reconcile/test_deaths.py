"""A dispatcher or a reconciler that dies, or is told of an error, at any write whatever: the next one puts it right.

Each story is lived once for each write that dispatchers and reconcilers make in it: at that write the process dies
right after it, or is refused it, or is told that it failed though it was done. Then the story goes on with fresh
processes, and in the end every file is what it would have been without that, and nobody waits for anything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

import alur.dispatch.batching
import alur.dispatch.dispatcher
import alur.dispatch.submission
import alur.reconcile.claiming
import alur.reconcile.reconciler
import alur.reconcile.visits
from alur.dispatch.events import ObjectCreated
from alur.errors import (
    EmptyFile,
    FileChanged,
    FileError,
    FileUnavailable,
    FileVanished,
    LedgerUnavailable,
    StorageUnavailable,
    SubmitRefused,
    SubmitThrottled,
    SubmitUnknown,
)
from alur.faults import POINTS
from alur.ledger.memory import MemoryTable
from alur.ledger.model import Status
from alur.ledger.retries import NEVER_BEGAN_LIMIT
from alur.ledger.table import Change, Outcome
from deployment_support import MemoryStorage, RecordingJobs, World, contract, make_light_world

STEPS = 120
"""An hour each; by then there is rest, whatever happened."""


class Died(BaseException):
    """The process is gone."""


@dataclass(slots=True)
class Fate:
    """What happens to dispatchers and reconcilers: at which of their writes, and what."""

    at: int = 0
    how: str = ""
    writes: int = 0
    is_armed: bool = False

    @contextmanager
    def armed(self) -> Iterator[None]:
        """What is done in here is done by a process that may die; nothing else is."""
        self.is_armed = True
        try:
            yield
        finally:
            self.is_armed = False

    def write(self, do: Callable[[], Any], error: Exception) -> Any:
        if not self.is_armed:
            return do()
        self.writes += 1
        if self.writes != self.at:
            return do()
        if self.how == "fails":
            raise error
        # Whatever is written within is part of this one.
        self.is_armed = False
        do()
        self.is_armed = True
        raise Died if self.how == "dies" else error


HOW = ("dies", "fails", "answer lost")


class MortalTable(MemoryTable):
    """Each statement of a call is a write of its own, and a transaction is one."""

    def __init__(self, sort_key: str, fate: Fate) -> None:
        super().__init__(sort_key)
        self._fate = fate

    def apply(self, change: Change) -> Outcome:
        outcome: Outcome = self._fate.write(
            lambda: MemoryTable.apply(self, change), LedgerUnavailable("UpdateItem", "InternalServerError", "lost")
        )
        return outcome

    def apply_together(self, changes: Sequence[Change]) -> frozenset[int]:
        def do() -> frozenset[int]:
            was, self._fate.is_armed = self._fate.is_armed, False
            try:
                return MemoryTable.apply_together(self, changes)
            finally:
                self._fate.is_armed = was

        error = LedgerUnavailable("TransactWriteItems", "InternalServerError", "lost")
        refused: frozenset[int] = self._fate.write(do, error)
        return refused


class MortalStorage(MemoryStorage):
    def __init__(self, world: World, fate: Fate) -> None:
        super().__init__(world.clock)
        self._fate = fate

    def put_document(self, uri: str, document: Any) -> None:
        put = super().put_document
        self._fate.write(lambda: put(uri, document), StorageUnavailable("PutObject", uri, "503"))


class MortalJobs(RecordingJobs):
    def __init__(self, fate: Fate) -> None:
        super().__init__()
        self._fate = fate

    def start(self, application_id: str, client_token: str, request: Any) -> str:
        start = super().start
        run_id: str = self._fate.write(
            lambda: start(application_id, client_token, request), SubmitUnknown("00app", "ReadTimeoutError", "")
        )
        return run_id


@dataclass
class Story:
    """What happens in a deployment, hour by hour, and what comes of it.

    Attributes:
        ends: each key's last status, however often somebody died.
        tries: how many runs worked, for stories that turn on it.
    """

    world: World
    ends: dict[str, str] = field(default_factory=dict)
    tries: int = 0
    hours: int = 0

    def happens(self, hour: int) -> list[list[ObjectCreated]]:
        """What happens in an hour, before anybody looks: the events of it, by invocation."""
        return [self.new("orders/a.csv", "orders/b.csv"), self.new("flights/f.csv"), self.new("orders/c.csv")] * (
            hour == 0
        )

    def works(self, run_id: str) -> None:
        """What a run does."""
        self.tries += 1
        self.world.run_works(run_id)

    def new(self, *keys: str, body: bytes = b"a\n1\n", ends: str = "completed") -> list[ObjectCreated]:
        self.ends.update(dict.fromkeys(keys, ends))
        return [self.world.put(key, body) for key in keys]


class ABurst(Story):
    """Events of two tables, some doubled."""

    def happens(self, hour: int) -> list[list[ObjectCreated]]:
        if hour > 1:
            return []
        events = super().happens(0)
        return [*events, events[0]]


class APoisonFile(Story):
    """One of five files kills its runs."""

    def happens(self, hour: int) -> list[list[ObjectCreated]]:
        if hour:
            return []
        events = self.new(*(f"orders/{number}.csv" for number in range(5)))
        self.ends["orders/3.csv"] = "failed"
        return [events, self.new("orders/beside.csv")]

    def works(self, run_id: str) -> None:
        self.world.run_works(run_id, poison={"orders/3.csv"})


class ADeadRun(Story):
    """The first run dies over one file, and the second does what it should."""

    def happens(self, hour: int) -> list[list[ObjectCreated]]:
        return [] if hour else [self.new("orders/a.csv")]

    def works(self, run_id: str) -> None:
        self.tries += 1
        if self.tries == 1:
            self.world.run_dies(run_id)
        else:
            self.world.run_works(run_id)


class NoRunsForADay(Story):
    """No run begins until the files were given up; then whatever was wrong is mended."""

    def happens(self, hour: int) -> list[list[ObjectCreated]]:
        return [] if hour else [self.new("orders/a.csv", "orders/b.csv")]

    def works(self, run_id: str) -> None:
        self.tries += 1
        if self.tries <= NEVER_BEGAN_LIMIT + 1:
            self.world.run_dies(run_id, begins=0)
        else:
            self.world.run_works(run_id)


class Refusals(Story):
    """EMR is busy, then refuses, then loses its answers."""

    def happens(self, hour: int) -> list[list[ObjectCreated]]:
        if hour == 0:
            self.world.recorded.fail_next = [
                SubmitThrottled("00app", "ThrottlingException", ""),
                SubmitRefused("00app", "ValidationException", ""),
                SubmitUnknown("00app", "ReadTimeoutError", ""),
                SubmitThrottled("00app", "ThrottlingException", ""),
                SubmitRefused("00app", "ValidationException", ""),
            ]
        return [] if hour else [self.new("orders/a.csv"), self.new("orders/b.csv")]


class SomethingNewer(Story):
    """Files are written again while they are read; one is deleted, one is written back as it was."""

    def happens(self, hour: int) -> list[list[ObjectCreated]]:
        if hour == 0:
            return [self.new("orders/a.csv", "orders/b.csv", "orders/c.csv")]
        if hour == 1:
            newer = self.new("orders/a.csv", "orders/b.csv", "orders/c.csv", body=b"a\n2\n")
            self.world.put("orders/b.csv", b"a\n1\n")
            return [newer]
        if hour == 2:
            self.world.remove("orders/c.csv")
        return []

    def works(self, run_id: str) -> None:
        # The first run takes until something newer has come.
        if self.hours >= 2 or run_id != "r0":
            self.world.run_works(run_id)


class Failures(Story):
    """Files fail for a while, for good, and until the contract changes; one is gone before its next try."""

    def happens(self, hour: int) -> list[list[ObjectCreated]]:
        world = self.world
        if hour == 0:
            events = self.new("orders/good.csv", "orders/slow.csv", "orders/changes.csv", "orders/contract.csv")
            return [events + self.new("orders/bad.csv", "orders/gone.csv", "orders/never.csv", ends="failed")]
        if hour == 1:
            world.remove("orders/gone.csv")
            world.put("orders/changes.csv", b"a\n9\n")
        if hour == 20:
            globs = f"s3://{world.landing}/orders/**/*.csv"
            world.contracts = [contract("orders", globs, null_values=["NA"])]
        return []

    def works(self, run_id: str) -> None:
        wrong: dict[str, FileError] = {
            "orders/bad.csv": EmptyFile("bad"),
            "orders/never.csv": FileUnavailable("never", "503"),
            "orders/gone.csv": FileVanished("gone") if self.hours else FileUnavailable("gone", "503"),
        }
        if self.hours < 2:
            wrong["orders/slow.csv"] = FileUnavailable("slow", "503")
            wrong["orders/changes.csv"] = FileChanged("changes", "e1", "e2")
        if self.hours < 20:
            wrong["orders/contract.csv"] = EmptyFile("contract")
        self.world.run_works(run_id, wrong=wrong)


STORIES: list[type[Story]] = [
    ABurst,
    APoisonFile,
    ADeadRun,
    NoRunsForADay,
    Refusals,
    SomethingNewer,
    Failures,
]


def make_story(kind: type[Story], fate: Fate) -> Story:
    world = make_light_world(tables=(MortalTable("file_path", fate), MortalTable("batch_id", fate)))
    return kind(replace(world, storage=MortalStorage(world, fate), jobs=MortalJobs(fate)))


def live(story: Story, fate: Fate) -> Story:
    """Let a story happen until there is rest: SQS brings back what was not served, and every hour somebody looks."""
    world = story.world
    undelivered: list[list[ObjectCreated]] = []
    for hour in range(STEPS):
        story.hours = hour
        undelivered += story.happens(hour)
        for events in list(undelivered):
            try:
                with fate.armed():
                    report = world.send(*events)
            except Died:
                continue
            if not report.failed_message_ids:
                undelivered.remove(events)
        for run_id in world.recorded.going():
            story.works(run_id)
        for _ in range(2):
            try:
                with fate.armed():
                    world.sweep()
            except Died:
                pass
            except LedgerUnavailable:
                # Lambda calls it again in a minute.
                pass
        world.clock.advance(minutes=61)
    return story


def check(story: Story, where: Any) -> None:
    world = story.world
    for key, status in story.ends.items():
        item = world.there(key, key.split("/")[0])
        assert item.status.value == status, (where, item)
        assert item.waiting is None, (where, item)
        assert item.status is Status.FAILED or item.error_type is None, (where, item)
    assert world.batches.open().batches == (), where
    assert world.batches.open().slots == (), where
    assert world.recorded.going() == [], where


@pytest.mark.parametrize("kind", STORIES)
def test_a_story_in_which_nobody_dies_ends_as_it_should(kind: type[Story]) -> None:
    story = live(make_story(kind, fate := Fate()), fate)
    check(story, kind.__name__)
    assert fate.writes > 10


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("kind", STORIES)
def test_a_death_at_any_write_changes_nothing_of_how_the_story_ends(kind: type[Story], how: str) -> None:
    at = 0
    while True:
        at += 1
        fate = Fate(at, how)
        story = live(make_story(kind, fate), fate)
        if fate.writes < at:
            break
        check(story, (kind.__name__, how, at))
    assert at > 10


MODULES = (
    alur.dispatch.batching,
    alur.dispatch.dispatcher,
    alur.dispatch.submission,
    alur.reconcile.claiming,
    alur.reconcile.reconciler,
    alur.reconcile.visits,
)


@pytest.mark.parametrize("point", [point for point in POINTS if not point.startswith("job.")])
def test_a_death_at_a_named_point_changes_nothing_of_how_the_story_ends(
    point: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    deaths = 0
    for kind in STORIES:
        number = 0
        while True:
            number += 1
            passed = 0

            def pass_by(name: str, number: int = number) -> None:
                nonlocal passed
                passed += name == point
                if name == point and passed == number:
                    raise Died

            for module in MODULES:
                monkeypatch.setattr(module, "fault_point", pass_by)
            story = live(make_story(kind, fate := Fate()), fate)
            check(story, (kind.__name__, point, number))
            if passed < number:
                break
            deaths += 1
    assert deaths > 0
