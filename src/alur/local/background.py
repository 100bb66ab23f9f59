"""The stack as a process of its own: started detached, watched until it is ready, ended by its recorded id."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from alur.errors import LocalStackError
from alur.local.children import command_line, is_alive
from alur.local.state import StackState, is_held, read_state, state_file

_START_SECONDS = 180.0
_STOP_SECONDS = 60.0
_POLL_SECONDS = 0.1
_MARK = "alur.local.serve"


def up(directory: Path, arguments: Sequence[str], say: Callable[[str], None]) -> StackState:
    """Start the stack and return when it is ready; one that runs already is returned as it is.

    Args:
        directory: the stack's directory, `.alur/local`.
        arguments: arguments of `alur local serve`.
        say: told each step of the start.

    Raises:
        LocalStackError: it ended, or was not ready in three minutes; then nothing of it is left.
    """
    running = read_state(directory)
    if running is not None:
        return running
    directory.mkdir(parents=True, exist_ok=True)
    log = directory / "stack.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", _MARK, "--directory", str(directory), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    deadline = time.monotonic() + _START_SECONDS
    told = 0
    try:
        while True:
            told = _tell(log, told, say)
            state = read_state(directory)
            if state is not None:
                return state
            if process.poll() is not None:
                raise LocalStackError("stack", f"it did not start; {log} ends with:\n{_tail(log)}")
            if time.monotonic() > deadline:
                raise LocalStackError("stack", f"it was not ready in {_START_SECONDS:.0f} s; see {log}")
            time.sleep(_POLL_SECONDS)
    except BaseException:
        # Ctrl-C too: a start that nobody waits for any more must leave nothing behind.
        _end(process)
        raise


def down(directory: Path) -> bool:
    """End the stack of this directory and wait until it is gone.

    Returns:
        Whether there was one.

    Raises:
        LocalStackError: it does not end, or the recorded process is another one.
    """
    if not is_held(directory):
        return False
    state = read_state(directory)
    if state is None:
        problem = "it is starting or stopping just now: try again in a few seconds"
        raise LocalStackError("stack", problem)
    if state.pid != os.getpid() and _mentions_us(state.pid):
        os.kill(state.pid, signal.SIGTERM)
    else:
        raise LocalStackError("stack", f"process {state.pid} of {state_file(directory)} is not a stack of Alur")
    deadline = time.monotonic() + _STOP_SECONDS
    while is_held(directory) or _is_running(state.pid):
        if time.monotonic() > deadline:
            raise LocalStackError("stack", f"process {state.pid} did not end in {_STOP_SECONDS:.0f} s")
        time.sleep(_POLL_SECONDS)
    return True


def _mentions_us(pid: int) -> bool:
    line = command_line(pid)
    return _MARK in line or ("alur" in line and "serve" in line)


def _is_running(pid: int) -> bool:
    if not is_alive(pid):
        return False
    # A process whose parent has not asked for its exit code yet is listed, and is gone all the same.
    return "<defunct>" not in command_line(pid) and command_line(pid) != ""


def _tell(log: Path, told: int, say: Callable[[str], None]) -> int:
    lines = log.read_text(errors="replace").splitlines()
    for line in lines[told:]:
        # What it logs carries a time; what it says as progress begins with this sign.
        if line.startswith("> "):
            say(line.removeprefix("> "))
    return len(lines)


def _tail(log: Path, count: int = 15) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-count:])


def _end(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(_STOP_SECONDS)
