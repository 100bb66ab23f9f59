"""When something is tried again: exponential backoff with jitter, and a limit. Pure.

tries of one file version        1 .. max_attempts; whatever is Excused costs none
a batch that a run left undone   the same counting, over the runs that began it
runs that never begin            the same delays, and a limit of their own
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from alur.errors import Excused, FileError, FileVanished, Outside, Permanent, RunsFailed, RunsNeverBegan

MAX_DELAY = timedelta(hours=1)
"""No delay between two tries is longer; it is also how often runs that never begin are tried for ever."""

NEVER_BEGAN_LIMIT = 10
"""After so many runs in a row that ended before they began, the files that they carried are failed with the reason."""

NEVER_BEGAN_AGAIN = timedelta(hours=24)
"""And tried again by themselves once a day: whatever broke the runs may have been mended."""


def _names(of: type[Exception], kind: type[FileError] = FileError) -> frozenset[str]:
    own = frozenset({kind.__name__}) if issubclass(kind, of) else frozenset()
    return own.union(*(_names(of, child) for child in kind.__subclasses__()))


EXCUSED_TYPES = _names(Excused)
"""The `error_type` of every failure that costs a file no attempt."""

OUTSIDE_TYPES = _names(Outside)
"""The `error_type` of every permanent failure whose cause does not lie in the file's bytes."""


@dataclass(frozen=True, slots=True)
class Retries:
    """The rule.

    Attributes:
        max_attempts: how often a file version is tried.
        backoff_seconds: the delay before the second try, without jitter; each further one is twice as long.
        jitter: returns a number from 0 to 1; half of a delay is left to it, so that what failed together does not
            come back together.
    """

    max_attempts: int = 3
    backoff_seconds: float = 60.0
    jitter: Callable[[], float] = random.random

    def delay(self, tries: int) -> timedelta:
        """Return how long to wait after so many tries: from half to the whole of the exponential delay.

        Args:
            tries: how many there were; at least 1.
        """
        # The exponent is bounded before it is raised: after a long outage the power would be no number of seconds.
        whole = min(self.backoff_seconds * 2 ** min(tries - 1, 16), MAX_DELAY.total_seconds())
        return timedelta(seconds=whole * (0.5 + self.jitter() / 2))

    def next_try(self, error: FileError, attempt: int, now: datetime) -> datetime | None:
        """Return when a file is tried again by itself; None: not before an event, a contract or a person names it.

        Args:
            error: why the try failed.
            attempt: which try of the version it was; 1 for the first.
            now: when it failed.
        """
        if isinstance(error, RunsNeverBegan):
            return now + NEVER_BEGAN_AGAIN
        if isinstance(error, Excused):
            return now
        if isinstance(error, FileVanished):
            # It may be back already, and its event taken for one of the version that was processing: look once more.
            return now if attempt == 1 else now + self.delay(attempt)
        if isinstance(error, Permanent | RunsFailed) or attempt >= self.max_attempts:
            return None
        return now + self.delay(attempt)
