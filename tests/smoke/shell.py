"""A shell in the project's folder: commands are typed as a user types them, and seen while they go."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

PATIENCE_SECONDS = 3600.0
"""A deploy takes minutes, and a run that waits for capacity many more."""


@dataclass(frozen=True, slots=True)
class Typed:
    """A command that has ended.

    Attributes:
        command: what was typed.
        stdout: what it printed.
        stderr: what it said.
        code: its exit code.
        seconds: how long it took.
    """

    command: str
    stdout: str
    stderr: str
    code: int
    seconds: float

    @property
    def last_words(self) -> str:
        """The end of what it said, for a report."""
        lines = [line for line in f"{self.stdout}\n{self.stderr}".splitlines() if line.strip()]
        return " / ".join(lines[-3:])


class Shell:
    """A shell.

    Args:
        directory: where it is.
        variables: its environment.
        log: where everything that is typed and printed is kept.
    """

    def __init__(self, directory: Path, variables: Mapping[str, str], log: Path) -> None:
        self.directory = directory
        self.variables = dict(variables)
        self._log = log

    def type(self, command: str) -> Typed:
        """Run a command and wait for its end; what it says goes to stderr at once, what it prints is kept.

        Args:
            command: as it is typed.
        """
        sys.stderr.write(f"$ {command}\n")
        began = time.monotonic()
        process = subprocess.Popen(
            ["bash", "-c", command],
            cwd=self.directory,
            env=self.variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        assert process.stderr is not None
        said: list[str] = []
        listener = threading.Thread(target=_pass_on, args=(process.stderr, said), daemon=True)
        listener.start()
        timer = threading.Timer(PATIENCE_SECONDS, process.kill)
        timer.start()
        try:
            printed = process.stdout.read()
            process.wait()
        except BaseException:
            # Ctrl-C reaches the command too; it is not waited for here.
            process.terminate()
            raise
        finally:
            timer.cancel()
        listener.join(5.0)
        typed = Typed(command, printed, "".join(said), process.returncode, time.monotonic() - began)
        with self._log.open("a") as log:
            log.write(f"$ {command}\n{typed.stdout}{typed.stderr}[exit code {typed.code}, {typed.seconds:.1f} s]\n\n")
        return typed


def _pass_on(stream: IO[str], said: list[str]) -> None:
    for line in stream:
        said.append(line)
        sys.stderr.write(f"  {line}")
        sys.stderr.flush()
