from __future__ import annotations

import itertools
import threading
from datetime import UTC, datetime

import pytest

from alur.local.emr.model import TERMINAL, Outcome, RunRequest, RunState
from alur.local.emr.runs import Runs

WAIT_SECONDS = 10


class Drive:
    """Drives nothing: a run ends when it is told to."""

    def __init__(self) -> None:
        self.outcomes: dict[str, Outcome] = {}
        self.release = threading.Event()
        self.order: list[str] = []

    def __call__(self, run, started, cancelled):
        self.order.append(run.request.name)
        started()
        while not self.release.wait(0.01):
            if cancelled.is_set():
                return Outcome(False, "")
        if run.request.name == "raises":
            raise OSError("no room")
        return self.outcomes.get(run.request.name, Outcome(True, ""))


def request(name: str, token: str | None = None, application: str = "app") -> RunRequest:
    return RunRequest(
        application, "emr-spark-8.1.0", token or name, "arn:role", name, "s3://b/main.py", (), "", {}, {}, 5, {}
    )


@pytest.fixture
def drive():
    return Drive()


@pytest.fixture
def changes():
    return []


@pytest.fixture
def runs(drive, changes):
    ids = (f"run{number}" for number in itertools.count())
    made = Runs(drive, changes.append, 1, lambda: datetime.now(UTC), lambda: next(ids), "{}/{}".format)
    yield made
    drive.release.set()
    made.close()


def states(changes, run):
    return [change.state for change in changes if change.run_id == run.run_id]


def test_the_same_client_token_gives_the_same_run(runs, drive):
    assert runs.start(request("a", "t")).run_id == runs.start(request("b", "t")).run_id
    assert runs.start(request("c", "t", "other")).run_id != runs.start(request("a", "t")).run_id


def test_with_one_slot_the_second_run_is_queued_and_goes_after_the_first(runs, drive, changes):
    first = runs.start(request("a"))
    assert runs.wait(first.run_id, frozenset({RunState.RUNNING}), WAIT_SECONDS)
    second = runs.start(request("b"))
    third = runs.start(request("c"))
    assert second.state is third.state is RunState.QUEUED
    drive.release.set()
    assert runs.wait(third.run_id, TERMINAL, WAIT_SECONDS)
    assert drive.order == ["a", "b", "c"]
    runs.close()
    assert states(changes, first) == ["SUBMITTED", "SCHEDULED", "RUNNING", "SUCCESS"]
    assert states(changes, second) == ["SUBMITTED", "QUEUED", "SCHEDULED", "RUNNING", "SUCCESS"]


def test_a_run_that_fails_says_why_and_frees_its_slot(runs, drive):
    drive.outcomes["bad"] = Outcome(False, "ExitCode: 1")
    drive.release.set()
    bad, good = runs.start(request("bad")), runs.start(request("good"))
    assert runs.wait(good.run_id, TERMINAL, WAIT_SECONDS)
    assert (bad.state, bad.state_details, good.state) == (RunState.FAILED, "ExitCode: 1", RunState.SUCCESS)


def test_a_fault_of_the_driver_fails_its_run_and_no_other(runs, drive):
    drive.release.set()
    bad, good = runs.start(request("raises")), runs.start(request("good"))
    assert runs.wait(good.run_id, TERMINAL, WAIT_SECONDS)
    assert bad.state is RunState.FAILED
    assert "no room" in bad.state_details


def test_a_running_and_a_queued_run_can_be_cancelled(runs, drive):
    going = runs.start(request("a"))
    assert runs.wait(going.run_id, frozenset({RunState.RUNNING}), WAIT_SECONDS)
    queued = runs.start(request("b"))
    runs.cancel("app", queued.run_id)
    assert queued.state is RunState.CANCELLED
    runs.cancel("app", going.run_id)
    assert runs.wait(going.run_id, TERMINAL, WAIT_SECONDS)
    assert going.state is RunState.CANCELLED
    assert drive.order == ["a"]


def test_cancelling_what_has_ended_changes_nothing(runs, drive):
    drive.release.set()
    run = runs.start(request("a"))
    assert runs.wait(run.run_id, TERMINAL, WAIT_SECONDS)
    runs.cancel("app", run.run_id)
    assert run.state is RunState.SUCCESS


def test_a_run_is_known_to_its_own_application_only(runs):
    run = runs.start(request("a"))
    assert runs.get("app", run.run_id) is run
    assert runs.get("other", run.run_id) is None
    assert runs.cancel("other", run.run_id) is None
