"""Which ends of a run say nothing of what it was doing: EMR's own sentences, as they are met."""

from __future__ import annotations

import pytest

from alur.aws.jobs import RunState

_FAILED = (
    "Job failed, please check complete logs in configured logging destination. ExitCode: {}. Last few exceptions: {}"
)

EXCUSED = {
    "cancelled by hand": ("CANCELLED", ""),
    "cancelled by hand, and said so": ("CANCELLED", "Job run was cancelled by user arn:aws:sts::123456789012:x/y"),
    "waited too long in the queue": ("CANCELLED", "The job run exceeded its queue timeout of 360 minutes."),
    "the application's limit": (
        "FAILED",
        "Worker could not be allocated as the application has exceeded maximumCapacity settings: "
        "[cpu: 16 vCPU, memory: 64 GB, disk: 200 GB]",
    ),
    "the account's limit": (
        "FAILED",
        "Worker could not be allocated as the account level vCPU limit has been reached; request a quota increase.",
    ),
    "the region's room": ("FAILED", "Insufficient capacity to provision the requested workers. Please try again."),
    "no executors": ("FAILED", "Job failed due to no executor being launched for 20 minutes."),
}

CHARGED = {
    "nothing said": ("FAILED", ""),
    "an exit code": ("FAILED", _FAILED.format(1, "")),
    "out of memory": ("FAILED", _FAILED.format(137, "java.lang.OutOfMemoryError: Java heap space")),
    "the driver's container was killed": ("FAILED", _FAILED.format(137, "Container killed by signal 9 SIGKILL")),
    "a segmentation fault": ("FAILED", _FAILED.format(134, "# A fatal error has been detected by the JVM: SIGSEGV")),
    "an assertion of Python": ("FAILED", _FAILED.format(1, "AssertionError: rows differ")),
    "S3 is slow": ("FAILED", _FAILED.format(1, "SlowDown: Please reduce your request rate")),
    "a socket timed out": ("FAILED", _FAILED.format(1, "java.net.SocketTimeoutException: Read timed out")),
    "no memory for the JVM": (
        "FAILED",
        _FAILED.format(1, "# There is insufficient memory for the Java Runtime Environment to continue."),
    ),
    "no room on the disk": ("FAILED", _FAILED.format(1, "java.io.IOException: Disk quota exceeded")),
    "a buffer's capacity": (
        "FAILED",
        _FAILED.format(1, "java.lang.IllegalArgumentException: requested size exceeds the buffer's capacity"),
    ),
    "went on for too long": ("CANCELLED", "Job execution timed out after 360 minutes"),
    "went on for too long, by its setting's name": ("CANCELLED", "Reached executionTimeoutMinutes limit of 360"),
    "went on for too long, by its time": ("CANCELLED", "Job run was cancelled because it ran for 360 minutes"),
    "failed for going on too long": ("FAILED", "Execution timed out. Job exceeded the execution timeout"),
    "succeeded": ("SUCCESS", ""),
    "succeeded with a warning": ("SUCCESS", "Application reached maximumCapacity for 3 minutes"),
}


@pytest.mark.parametrize("end", EXCUSED)
def test_an_end_for_want_of_room_or_by_somebodys_hand_is_excused(end: str) -> None:
    state, details = EXCUSED[end]
    assert RunState(state, details).is_excused
    assert RunState(state, details.upper()).is_excused


@pytest.mark.parametrize("end", CHARGED)
def test_an_end_that_a_file_may_be_to_blame_for_is_not_excused(end: str) -> None:
    state, details = CHARGED[end]
    assert not RunState(state, details).is_excused


@pytest.mark.parametrize("state", ["SUBMITTED", "PENDING", "SCHEDULED", "RUNNING", "QUEUED", "CANCELLING", "NEW"])
def test_a_run_that_goes_on_is_not_excused_of_anything(state: str) -> None:
    assert not RunState(state, "").is_excused
    assert not RunState(state, "exceeded maximumCapacity").is_excused
