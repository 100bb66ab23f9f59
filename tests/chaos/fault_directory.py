"""The directory that `ALUR_FAULTS` names, from the side of whoever arms: what is armed, what was hit, what hangs."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from alur.faults import LOG, RELEASE
from alur.local.children import is_alive

_POLL_SECONDS = 0.5


@dataclass(frozen=True)
class Hit:
    """A fault that was hit, as its line in the log says.

    Args:
        point: where.
        action: what the process was made to do.
        pid: which process.
        at: when, ISO 8601.
    """

    point: str
    action: str
    pid: int
    at: str

    @property
    def what(self) -> str:
        """Point and action."""
        return f"{self.point} {self.action}"


class FaultDirectory:
    """Arms and disarms.

    Args:
        directory: an existing directory.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._count = 0
        self._hanging: set[Hit] = set()

    @property
    def is_armed(self) -> bool:
        """Whether something waits to be hit."""
        return any(self._directory.glob("*@*@*"))

    @property
    def is_hanging(self) -> bool:
        """Whether a process hangs; known while `ending_hangs` watches."""
        return bool(self._hanging)

    def arm(self, point: str, action: str) -> None:
        """Let a fault wait at a point for whoever comes first."""
        self._count += 1
        (self._directory / f"{point}@{action}@{self._count}").touch()

    def begin(self) -> None:
        """Let what hangs from now on hang."""
        (self._directory / RELEASE).unlink(missing_ok=True)

    def disarm(self) -> None:
        """Take away what is armed, and let whatever hangs go on."""
        for file in self._directory.glob("*@*@*"):
            # Somebody may be taking it this moment.
            file.unlink(missing_ok=True)
        (self._directory / RELEASE).touch()

    def hits(self) -> list[Hit]:
        """Return what was hit so far, in order."""
        log = self._directory / LOG
        if not log.is_file():
            return []
        parts = [line.split() for line in log.read_text().splitlines()]
        return [Hit(point, action, int(pid), at) for point, action, pid, at in parts]

    @contextmanager
    def ending_hangs(self, seconds: float) -> Iterator[None]:
        """Let what hangs go on when it has done so for a while, for as long as the block runs.

        Args:
            seconds: how long that is.
        """
        ended = threading.Event()
        over = {hit for hit in self.hits() if hit.action == "hang"}

        def watch() -> None:
            since: dict[Hit, float] = {}
            while not ended.wait(_POLL_SECONDS):
                hanging = {hit for hit in self.hits() if hit.action == "hang"} - over
                # A function's time-out may have ended one.
                over.update(hit for hit in hanging if not is_alive(hit.pid))
                self._hanging = hanging - over
                for hit in self._hanging:
                    since.setdefault(hit, time.monotonic())
                if any(time.monotonic() - since[hit] >= seconds for hit in self._hanging):
                    (self._directory / RELEASE).touch()
                    # Whoever hangs looks far more often than this; what is hit later is to hang again.
                    ended.wait(_POLL_SECONDS)
                    self.begin()
                    over.update(self._hanging)

        watcher = threading.Thread(target=watch, name="hangs", daemon=True)
        watcher.start()
        try:
            yield
        finally:
            ended.set()
            watcher.join()
            self._hanging = set()
