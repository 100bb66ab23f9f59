"""A shell in a project's directory: what a user types, and what is printed."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from acceptance.guide import Block

PATIENCE_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class Typed:
    """A command that has ended.

    Attributes:
        command: what was typed.
        stdout: what it printed.
        stderr: what it said.
        code: its exit code.
    """

    command: str
    stdout: str
    stderr: str
    code: int

    @property
    def lines(self) -> list[str]:
        """What it printed, by line."""
        return self.stdout.splitlines()


class Terminal:
    """A shell.

    Args:
        directory: where it is.
        variables: its environment.
        typed: what has been typed, one command a line, by it and by those that are derived from it.
    """

    def __init__(self, directory: Path, variables: Mapping[str, str], typed: set[str] | None = None) -> None:
        self.directory = directory
        self.variables = dict(variables)
        self.typed = set() if typed is None else typed

    def type(self, commands: str) -> Typed:
        """Run commands and wait for their end.

        Args:
            commands: as they are typed; a command after one that failed is not run.
        """
        with self.typing(commands) as process:
            try:
                stdout, stderr = process.communicate(timeout=PATIENCE_SECONDS)
            except subprocess.TimeoutExpired:
                raise AssertionError(f"not within {PATIENCE_SECONDS:.0f} s: {commands}") from None
        return Typed(commands, stdout, stderr, process.returncode)

    @contextlib.contextmanager
    def typing(self, commands: str) -> Iterator[subprocess.Popen[str]]:
        """Start commands, and end whatever of them still goes on when the block ends.

        Args:
            commands: as they are typed.
        """
        self.typed.update(Block("", "bash", commands).commands)
        process = subprocess.Popen(
            ["bash", "-e", "-c", commands],
            cwd=self.directory,
            env=self.variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            # A group of its own, so that all of it can be ended.
            start_new_session=True,
        )
        try:
            yield process
        finally:
            if process.poll() is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.communicate()

    def succeeds(self, commands: str) -> Typed:
        """Run commands that must exit with 0."""
        typed = self.type(commands)
        assert typed.code == 0, f"{commands}: exit code {typed.code}\n{typed.stdout}{typed.stderr}"
        return typed

    def runs(self, block: Block, scenario: str) -> Typed:
        """Run a block of the guide as it is printed; it must exit with 0.

        Args:
            block: which.
            scenario: who runs it.
        """
        block.ran_in.add(scenario)
        return self.succeeds(block.text)

    def with_variables(self, **variables: str) -> Terminal:
        """Return a shell in the same place with more variables.

        Args:
            variables: by name.
        """
        return Terminal(self.directory, {**self.variables, **variables}, self.typed)
