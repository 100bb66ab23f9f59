"""What a running stack tells the other commands: one JSON file, and a lock that only a living stack holds."""

from __future__ import annotations

import fcntl
import json
import os
import sys
import time
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
    "ALUR_ARTIFACTS_BUCKET": "ArtifactsBucket",
    "ALUR_APPLICATION_ID": "ApplicationId",
    "ALUR_JOB_ROLE_ARN": "JobRoleArn",
    "ALUR_ARCHIVE_URI": "ArchiveUri",
    "ALUR_ENTRY_POINT_URI": "EntryPointUri",
}

_SECTION = "ALUR_ENV"
_SPARK_CONF = "SPARK_CONF_DIR"


_LOOK_SECONDS = 1.0
"""Longer than it takes to look whether the lock is free."""


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
        section: the section of samconfig.toml that it is.
        stack_name: the name of its CloudFormation stack.
        spark_conf: Spark's configuration directory for sessions on it.
    """

    pid: int
    endpoints: Endpoints
    outputs: Mapping[str, str]
    function_environments: Mapping[str, Mapping[str, str]]
    logs: str
    started_at: str
    section: str
    stack_name: str
    spark_conf: str

    @property
    def variables(self) -> dict[str, str]:
        """What to export to reach it."""
        return client_variables(self.endpoints)

    @property
    def names(self) -> dict[str, str]:
        """What to export to name it and its parts, by the names that the functions have them under."""
        return {_SECTION: self.section, **{variable: self.outputs[output] for variable, output in _NAMES.items()}}

    @property
    def spark(self) -> dict[str, str]:
        """What to export so that a plain Spark session of this Python reads S3 and the catalog of the stack."""
        return {
            _SPARK_CONF: self.spark_conf,
            # Else Spark looks for the machine's name, which not every machine knows the address of.
            "SPARK_LOCAL_IP": "127.0.0.1",
            # Spark's own choice for its workers is whatever `python3` is on the PATH.
            "PYSPARK_PYTHON": sys.executable,
        }


def without_names(environment: Mapping[str, str]) -> dict[str, str]:
    """Leave out what an earlier stack was known by: a shell that was told of it may be where the next one starts.

    Args:
        environment: the user's environment.
    """
    return {name: value for name, value in environment.items() if name not in {*_NAMES, _SECTION, _SPARK_CONF}}


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
    # Whoever only looks holds it for a moment.
    deadline = time.monotonic() + _LOOK_SECONDS
    while not _is_taken(handle, fcntl.LOCK_EX):
        if time.monotonic() > deadline:
            handle.close()
            problem = "the local stack of this checkout runs already: `alur local status` shows it"
            raise LocalStackError("stack", problem)
        time.sleep(_LOOK_SECONDS / 20)
    handle.truncate(0)
    handle.write(str(os.getpid()))
    handle.flush()
    return handle


def is_held(directory: Path) -> bool:
    """Tell whether a process is the stack now."""
    if not _lock_file(directory).is_file():
        return False
    with _lock_file(directory).open() as handle:
        return not _is_taken(handle, fcntl.LOCK_SH)


def _is_taken(handle: IO[str], how: int) -> bool:
    try:
        fcntl.flock(handle, how | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _lock_file(directory: Path) -> Path:
    return directory / "stack.lock"
