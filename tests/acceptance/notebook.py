"""A Python session of the user's, in the project's directory: what is typed into it, and what it answers."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from acceptance.guide import Block
from acceptance.terminal import Terminal

_END_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Cell:
    """What came of a cell.

    Attributes:
        supplied: the names that it was given, because it uses and does not define them.
        printed: what it printed.
        value: the value of its last line, where that is an expression.
        error: the traceback of what it raised; None: nothing.
        log: what `alur` logged.
        dynamodb: the requests to DynamoDB that the process sent, by the operation's name.
    """

    supplied: tuple[str, ...]
    printed: str
    value: Any
    error: str | None
    log: tuple[str, ...]
    dynamodb: tuple[str, ...]


class Notebook:
    """A session.

    Args:
        process: the kernel.
        complaints: what it writes to stderr.
    """

    def __init__(self, process: subprocess.Popen[str], complaints: Path) -> None:
        self._process = process
        self._complaints = complaints
        self._begins = True

    def begin(self) -> None:
        """Forget what was defined: the next cell is the first of a scenario."""
        self._begins = True

    def asks(self, code: str) -> Cell:
        """Run a cell, and return what came of it, an error too.

        Args:
            code: the cell.
        """
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(json.dumps({"begin": self._begins, "code": code}) + "\n")
        stdin.flush()
        self._begins = False
        line = stdout.readline()
        assert line, f"the session is gone:\n{self._complaints.read_text()}"
        answer = json.loads(line)
        return Cell(
            **{
                name: tuple(value) if isinstance(value, list) and name != "value" else value
                for name, value in answer.items()
            }
        )

    def does(self, code: str) -> Cell:
        """Run a cell that must not raise."""
        cell = self.asks(code)
        assert cell.error is None, cell.error
        return cell

    def runs(self, block: Block, scenario: str) -> Cell:
        """Run a block of the guide as it is printed; it must not raise.

        Args:
            block: which.
            scenario: who runs it.
        """
        block.ran_in.add(scenario)
        return self.does(block.text)

    def kill(self) -> None:
        """End the session as a machine that loses its power does."""
        self._process.kill()
        self._process.wait()


@contextlib.contextmanager
def open_notebook(terminal: Terminal, directory: Path) -> Iterator[Notebook]:
    """Start a session, and end it with the block.

    Args:
        terminal: where, and with which environment.
        directory: for what it complains.
    """
    complaints = directory / "kernel.stderr"
    with complaints.open("w") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-P", str(Path(__file__).with_name("kernel.py"))],
            cwd=terminal.directory,
            env=terminal.variables,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        )
    try:
        yield Notebook(process, complaints)
    finally:
        assert process.stdin is not None
        # A session that was killed has nobody to say it to.
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()
        try:
            process.wait(_END_SECONDS)
        finally:
            process.kill()
            process.wait()
            assert process.stdout is not None
            process.stdout.close()
