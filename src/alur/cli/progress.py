"""Progress on stderr: a bar on a terminal, a line now and then elsewhere, and nothing where it is quick."""

from __future__ import annotations

import time
from collections.abc import Callable

from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from alur.cli.output import console, say

QUIET_SECONDS = 2.0
"""What is done sooner needs no progress."""

_LINE_EVERY_SECONDS = 5.0


class Ticker:
    """Shows how far something is.

    Args:
        what: what is being done.
        total: how much there is to do; None: nobody knows, and the bar says only that it goes on.
        has_bar: whether a terminal gets a bar; not where data is printed meanwhile.
        clock: seconds that only go up.
    """

    def __init__(
        self,
        what: str,
        total: int | None = None,
        *,
        has_bar: bool = True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._what = what
        self._total = total
        self._clock = clock
        self._began_at = clock()
        self._told_at = self._began_at
        self._console = console(stderr=True)
        self._progress = Progress(
            TextColumn(what),
            BarColumn(30),
            TimeElapsedColumn(),
            TextColumn("{task.description}"),
            console=self._console,
            transient=True,
        )
        self._task = self._progress.add_task("", total=total)
        self._has_bar = has_bar and self._console.is_terminal
        self._is_shown = False

    def __enter__(self) -> Ticker:
        return self

    def __exit__(self, *_: object) -> None:
        if self._is_shown:
            self._progress.stop()

    def show(self, done: int, text: str = "") -> None:
        """Say how far it is.

        Args:
            done: how much of it.
            text: in words; by default the number.
        """
        now = self._clock()
        if now - self._began_at < QUIET_SECONDS:
            return
        words = text or (f"{done:,}" if self._total is None else f"{done:,} of {self._total:,}")
        if self._has_bar:
            if not self._is_shown:
                self._is_shown = True
                self._progress.start()
            self._progress.update(self._task, completed=done, description=words)
        elif now - self._told_at >= _LINE_EVERY_SECONDS or self._told_at == self._began_at:
            self._told_at = now
            say(f"{self._what}: {words}")
