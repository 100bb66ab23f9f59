"""Actors that stop before every operation on what they share.

An actor is ordinary blocking code in a greenlet. Whatever it shares with others (a bucket, a table) calls `pause`
before it does anything, and whoever explores decides which actor goes on, and whether its operation fails.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from greenlet import GreenletExit, getcurrent, greenlet


@dataclass(slots=True)
class Operation:
    """What an actor is about to do.

    Attributes:
        what: in a word or two.
        detail: of what; rendered for a trace only.
        faults: the ways in which it can be made to fail.
    """

    what: str
    detail: tuple[Any, ...] = ()
    faults: tuple[str, ...] = ()

    def __str__(self) -> str:
        return " ".join([self.what, *(str(part) for part in self.detail)])


@dataclass(slots=True)
class Actor:
    """Something that goes on by itself: a function's invocation, or a run.

    Attributes:
        name: unique in its world.
        began_at: when it was added.
        pending: what it does when it goes on.
        is_gone: it was killed: it never goes on.
        is_finished: it returned or raised.
        error: what it raised.
    """

    name: str
    thread: greenlet
    began_at: datetime
    pending: Operation = field(default_factory=lambda: Operation("begin"))
    is_gone: bool = False
    is_finished: bool = False
    error: Exception | None = None

    @property
    def is_going(self) -> bool:
        return not self.is_gone and not self.is_finished


class Scheduler:
    """Keeps the actors of one world."""

    def __init__(self) -> None:
        self.actors: dict[str, Actor] = {}
        self.current: Actor | None = None
        self._hub = getcurrent()
        self._is_closed = False

    def spawn(self, name: str, work: Callable[[], Any], now: datetime) -> Actor:
        """Add an actor; it has done nothing yet."""

        def run(_: str | None) -> None:
            try:
                work()
            except Exception as error:  # noqa: BLE001 what an actor raises is for the rules to judge
                actor.error = error
            actor.is_finished = True

        actor = self.actors[name] = Actor(name, greenlet(run, self._hub), now)
        return actor

    def pause(self, what: str, *detail: Any, faults: tuple[str, ...] = ()) -> str | None:
        """Stop before an operation until it is this actor's turn; outside of actors, do nothing.

        Returns:
            The fault that the operation is to have; None: it succeeds.
        """
        actor = self.current
        if actor is None:
            return None
        if self._is_closed:
            raise GreenletExit
        actor.pending = Operation(what, detail, faults)
        fault: str | None = self._hub.switch()
        if self._is_closed:
            raise GreenletExit
        return fault

    def step(self, actor: Actor, fault: str | None = None) -> None:
        """Let an actor do its pending operation and come up to its next one."""
        self.current = actor
        try:
            actor.thread.switch(fault)
        finally:
            self.current = None

    def close(self) -> None:
        """Unwind every actor; nothing that its `finally` clauses do has any effect."""
        self._is_closed = True
        for actor in self.actors.values():
            if actor.thread and not actor.thread.dead:
                self.current = actor
                actor.thread.throw(GreenletExit)
        self.current = None
