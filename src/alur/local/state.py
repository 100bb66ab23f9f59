"""What a running stack tells the other commands: one JSON file, and a lock that only a living stack holds."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from alur.errors import LocalStackError
from alur.local.environment import Endpoints, client_variables

_NAMES = {
    "ALUR_LANDING_BUCKET": "LandingBucket",
    "ALUR_LAKE_BUCKET": "LakeBucket",
    "ALUR_STATE_TABLE": "StateTable",
    "ALUR_BATCHES_TABLE": "BatchesTable",
    "ALUR_DATABASE": "Database",
}


@dataclass(frozen=True, slots=True)
class StackState:
    """A stack that is ready.

    Args:
        pid: its process.
        endpoints: where it listens.
        outputs: the template's outputs: buckets, tables, queues, application.
        function_environments: each function's whole environment, by the function's name.
        logs: the directory of its logs.
        started_at: since when, ISO 8601.
    """

    pid: int
    endpoints: Endpoints
    outputs: Mapping[str, str]
    function_environments: Mapping[str, Mapping[str, str]]
    logs: str
    started_at: str

    @property
    def variables(self) -> dict[str, str]:
        """What to export to reach it."""
        return client_variables(self.endpoints)

    @property
    def names(self) -> dict[str, str]:
        """What to export to name its parts, by the names that the functions have them under."""
        return {variable: self.outputs[output] for variable, output in _NAMES.items()}


def state_file(directory: Path) -> Path:
    """Return the path of the state file in the stack's directory."""
    return directory / "stack.json"


def write_state(directory: Path, state: StackState) -> None:
    """Write the state at once: a reader sees all of it or nothing."""
    draft = directory / "stack.json.draft"
    draft.write_text(json.dumps(asdict(state), indent=2))
    draft.replace(state_file(directory))


def read_state(directory: Path) -> StackState | None:
    """Return the state of the stack that runs, or None where none is ready (a file of a dead stack counts nothing)."""
    file = state_file(directory)
    if not file.is_file() or not is_held(directory):
        return None
    content: dict[str, Any] = json.loads(file.read_text())
    if str(content["pid"]) != _lock_file(directory).read_text():
        # A stack that was killed left the file, and another one is just starting.
        return None
    return StackState(**{**content, "endpoints": Endpoints(**content["endpoints"])})


def hold(directory: Path) -> IO[str]:
    """Take the lock that says: this process is the stack. It is free again when the process ends, however it does.

    Raises:
        LocalStackError: another process holds it.
    """
    directory.mkdir(parents=True, exist_ok=True)
    handle = _lock_file(directory).open("a+")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        handle.close()
        problem = "the local stack of this checkout runs already: `alur local status` shows it"
        raise LocalStackError("stack", problem) from None
    handle.truncate(0)
    handle.write(str(os.getpid()))
    handle.flush()
    return handle


def is_held(directory: Path) -> bool:
    """Tell whether a process is the stack now."""
    if not _lock_file(directory).is_file():
        return False
    try:
        hold(directory).close()
    except LocalStackError:
        return True
    return False


def _lock_file(directory: Path) -> Path:
    return directory / "stack.lock"
