"""Child processes: each in a group of its own, so that what it starts itself ends with it, and none outlives the stack.

What is running is written to a file, so that the next start can end what a killed stack (SIGKILL, power) left behind.
A process id alone is no proof: it is ended only if its command line still carries the mark that it was started with.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

_GRACE_SECONDS = 5.0


class Children:
    """Starts child processes and ends them all.

    Args:
        registry: a JSON file that lists what is running; its directory must exist. Only one instance may use it.
    """

    def __init__(self, registry: Path) -> None:
        self._registry = registry
        self._lock = threading.Lock()
        self._running: dict[int, tuple[subprocess.Popen[bytes], str]] = {}
        self._closed = False

    def start(
        self,
        command: Sequence[str],
        mark: str,
        environment: Mapping[str, str],
        directory: Path,
        stdout: IO[Any] | int,
        stderr: IO[Any] | int,
        stdin: IO[Any] | int = subprocess.DEVNULL,
    ) -> subprocess.Popen[bytes]:
        """Start a process in a new group.

        Args:
            command: what to run; some argument must contain `mark`.
            mark: text of the command line by which the process is known again.
            environment: its whole environment.
            directory: its working directory.
            stdout: a file or a `subprocess` constant.
            stderr: likewise.
            stdin: likewise; nothing to read by default.

        Raises:
            OSError: the executable cannot be started.
            RuntimeError: everything is being ended already.
        """
        with self._lock:
            if self._closed:
                raise RuntimeError("the stack is stopping")
            process = subprocess.Popen(
                list(command),
                env=dict(environment),
                cwd=directory,
                stdin=stdin,
                stdout=stdout,
                stderr=stderr,
                start_new_session=True,
            )
            self._running[process.pid] = (process, mark)
            self._write()
        return process

    def stop(self, process: subprocess.Popen[bytes], grace_seconds: float = _GRACE_SECONDS) -> None:
        """End a process and its group: SIGTERM, then SIGKILL after the grace; it is reaped at return."""
        _signal_group(process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(grace_seconds)
        # The leader may have gone before those that it started.
        _signal_group(process.pid, signal.SIGKILL)
        process.wait()
        self.forget(process)

    def forget(self, process: subprocess.Popen[bytes]) -> None:
        """Take a process that has ended off the list."""
        with self._lock:
            self._running.pop(process.pid, None)
            self._write()

    def close(self) -> None:
        """End every process that is still running, and start none from now on."""
        with self._lock:
            self._closed = True
            processes = [process for process, _ in self._running.values()]
        for process in processes:
            _signal_group(process.pid, signal.SIGTERM)
        for process in processes:
            self.stop(process)

    def _write(self) -> None:
        content = [{"pid": pid, "mark": mark} for pid, (_, mark) in self._running.items()]
        self._registry.write_text(json.dumps(content))


def end_orphans(registry: Path) -> list[int]:
    """End what an earlier stack, killed without a chance to clean up, left running.

    Args:
        registry: the file of that stack's `Children`; it is removed.

    Returns:
        The process ids that were ended.
    """
    if not registry.is_file():
        return []
    ended = []
    with contextlib.suppress(ValueError, KeyError, TypeError):
        for entry in json.loads(registry.read_text()):
            pid, mark = int(entry["pid"]), str(entry["mark"])
            if mark and mark in command_line(pid):
                _signal_group(pid, signal.SIGTERM)
                _wait_until_gone(pid)
                _signal_group(pid, signal.SIGKILL)
                ended.append(pid)
    registry.unlink(missing_ok=True)
    return ended


def command_line(pid: int) -> str:
    """Return the command line of a process, or nothing where there is no such process."""
    told = subprocess.run(["ps", "-ww", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return told.stdout.strip()


def is_alive(pid: int) -> bool:
    """Tell whether a process with this id exists (a zombie does)."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _wait_until_gone(pid: int) -> None:
    deadline = time.monotonic() + _GRACE_SECONDS
    while is_alive(pid) and time.monotonic() < deadline:
        time.sleep(0.05)


def _signal_group(leader: int, number: signal.Signals) -> None:
    # The leader's id is its group's, because it was started in a new session.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, number)
