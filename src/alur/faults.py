"""Named places at which a test may make this process die, raise or hang.

They are in the code that is deployed, and not in a copy of it made for tests, because what survives a death at a
certain line is a property of these very bytes. Without the environment variable `ALUR_FAULTS`, which the template
sets nowhere, a point is one look at the environment and nothing else.

`ALUR_FAULTS` names a directory. A fault is armed by a file in it that is called `<point>@<action>@<anything>`;
whoever comes by the point first takes the file away, which one process alone can do, and acts:

    kill          this process dies by SIGKILL
    kill-parent   so does its parent, before it: the JVM of a Spark driver, which then dies with no error of Python's
    raise         `FaultInjected`
    hang          it stands still until there is a file `release` in the directory, or until somebody ends it

What was hit is in the file `log` of the directory, a line each: point, action, process id, time.
"""

from __future__ import annotations

import os
import signal
import time
from datetime import UTC, datetime

VARIABLE = "ALUR_FAULTS"
"""The environment variable that names the directory."""

POINTS: tuple[str, ...] = (
    "dispatcher.manifest-written",  # the candidates are in S3, and nothing in the ledger names them
    "dispatcher.batch-created",  # the batch is `claiming`, and nothing is claimed
    "dispatcher.claimed",  # files are claimed, and the batch still says `claiming`
    "dispatcher.ready",  # the batch is ready, and nobody has submitted it
    "submit.slot-taken",  # the slot holds the request, and EMR has not been asked
    "submit.started",  # EMR has been asked, and neither slot nor batches name the run
    "job.began",  # the batch knows of the run, which has looked at nothing
    "job.looked",  # the head is pinned, and the table and the ledger have been looked at
    "job.branched",  # the scratch branch is there, and empty
    "job.staged",  # the rows are on the branch, and each file has its verdict
    "job.removed",  # what has to go is gone from the branch
    "job.recorded",  # the record is in S3, and no snapshot names it
    "job.rejects-staged",  # the rejects are on a branch of their own table
    "job.rejects-committed",  # the rejects are on main, and the rows are not
    "job.committed",  # the rows are on main, and the ledger says `processing`
    "job.rejects-swept",  # of the rejects there are none left but those of what is in
    "job.flipped",  # the claims have ended, and the batch is open
    "reconciler.read",  # what is open has been read, and nothing decided
    "reconciler.settled",  # a run that ended has freed its slot, and its batches are as it left them
    "reconciler.split-created",  # the halves of a batch are there, and own nothing
    "reconciler.split-claimed",  # the halves own their files, and the batch is open
    "reconciler.claimed",  # due files are claimed into a new batch, and what they came from is open
    "reconciler.closed",  # a batch is closed
)
"""Every point that there is, in the order in which a file comes by; a test keeps this and the calls the same."""

ACTIONS: tuple[str, ...] = ("kill", "kill-parent", "raise", "hang")
"""What a point can be made to do."""

RELEASE = "release"
"""The file whose presence ends every `hang`."""

LOG = "log"
"""The file that tells what was hit."""

_POLL_SECONDS = 0.05


class FaultInjected(RuntimeError):
    """Stands for a bug that nobody knows of: on purpose no `AlurError`, so that nobody treats it as known.

    Args:
        point: where it was raised.
    """

    def __init__(self, point: str) -> None:
        super().__init__(f"a fault was armed at {point}")
        self.point = point


def fault_point(name: str) -> None:
    """Be a place at which this process may be made to fail; does nothing unless `ALUR_FAULTS` names a directory.

    Args:
        name: one of `POINTS`.

    Raises:
        FaultInjected: that is what was armed here.
        ValueError: what was armed here is none of `ACTIONS`.
    """
    directory = os.environ.get(VARIABLE)
    if directory:
        _pass(directory, name)


def _pass(directory: str, name: str) -> None:
    action = _claim(directory, name)
    if action is None:
        return
    _note(directory, name, action)
    if action == "raise":
        raise FaultInjected(name)
    if action == "hang":
        while not os.path.exists(os.path.join(directory, RELEASE)):
            time.sleep(_POLL_SECONDS)
        return
    if action == "kill-parent":
        os.kill(os.getppid(), signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)


def _claim(directory: str, name: str) -> str | None:
    try:
        armed = sorted(entry for entry in os.listdir(directory) if entry.startswith(f"{name}@"))
    except FileNotFoundError:
        return None
    for entry in armed:
        action = entry.split("@")[1]
        if action not in ACTIONS:
            raise ValueError(f"{entry}: {action!r} is none of {', '.join(ACTIONS)}")
        try:
            os.unlink(os.path.join(directory, entry))
        except FileNotFoundError:
            # Another process was faster: it takes the fault, and this one may find the next.
            continue
        return action
    return None


def _note(directory: str, name: str, action: str) -> None:
    line = f"{name} {action} {os.getpid()} {datetime.now(UTC).isoformat()}\n"
    # One write to a file opened for appending, so that the lines of processes that die together stay whole.
    handle = os.open(os.path.join(directory, LOG), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(handle, line.encode())
    finally:
        os.close(handle)
