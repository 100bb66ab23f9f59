from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from alur.aws.application_stop import ApplicationStopper
from alur.errors import DeployError


def refusal(code: str, operation: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": code}}, operation)


class Emr:
    """An application whose runs and states move on by one step whenever time passes."""

    def __init__(self, state: str | None, runs: dict[str, str] | None = None) -> None:
        self.state = state
        self.runs = runs or {}
        self.calls: list[str] = []
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.runs = {run: "CANCELLED" if state == "CANCELLING" else state for run, state in self.runs.items()}
        self.state = {"STARTING": "STARTED", "STOPPING": "STOPPED"}.get(self.state or "", self.state)

    def get_application(self, applicationId: str) -> dict[str, Any]:
        if self.state is None:
            raise refusal("ResourceNotFoundException", "GetApplication")
        return {"application": {"applicationId": applicationId, "state": self.state}}

    def get_paginator(self, name: str) -> Emr:
        assert name == "list_job_runs"
        return self

    def paginate(self, applicationId: str, states: list[str]) -> Iterator[dict[str, Any]]:
        # A page for each run: all of them must be read.
        for run, state in self.runs.items():
            yield {"jobRuns": [{"id": run, "state": state}] if state in states else []}

    def cancel_job_run(self, applicationId: str, jobRunId: str) -> None:
        self.calls.append(f"cancel {jobRunId}")
        if self.runs[jobRunId] == "SUCCESS":
            raise refusal("ValidationException", "CancelJobRun")
        self.runs[jobRunId] = "CANCELLING"

    def stop_application(self, applicationId: str) -> None:
        self.calls.append("stop")
        if any(state not in ("SUCCESS", "FAILED", "CANCELLED") for state in self.runs.values()):
            raise refusal("ValidationException", "StopApplication")
        self.state = "STOPPING"


def stop(emr: Emr, timeout_seconds: float = 60) -> None:
    ApplicationStopper(emr, monotonic=emr.monotonic, sleep=emr.sleep).stop("app", timeout_seconds=timeout_seconds)


@pytest.mark.parametrize("state", ["CREATED", "STOPPED", "TERMINATED", None])
def test_an_application_that_can_be_deleted_or_is_gone_is_left_alone(state: str | None) -> None:
    emr = Emr(state)
    stop(emr)
    assert emr.calls == []
    assert emr.now == 0


def test_every_run_that_goes_or_waits_is_cancelled_once_before_the_application_stops() -> None:
    alive = ("SUBMITTED", "QUEUED", "PENDING", "SCHEDULED", "RUNNING")
    emr = Emr("STARTED", {**{f"run-{state}": state for state in alive}, "run-ended": "SUCCESS"})
    stop(emr)
    assert emr.calls == [*(f"cancel run-{state}" for state in alive), "stop"]
    assert emr.state == "STOPPED"


def test_a_run_that_is_being_cancelled_is_waited_for() -> None:
    emr = Emr("STARTED", {"run": "CANCELLING"})
    stop(emr)
    assert emr.calls == ["stop"]


def test_an_application_that_starts_is_waited_for_and_then_stopped() -> None:
    emr = Emr("STARTING")
    stop(emr)
    assert (emr.calls, emr.state) == (["stop"], "STOPPED")


def test_a_run_that_ended_between_the_look_and_the_cancel_is_no_failure() -> None:
    class Late(Emr):
        def cancel_job_run(self, applicationId: str, jobRunId: str) -> None:
            self.runs[jobRunId] = "SUCCESS"
            super().cancel_job_run(applicationId, jobRunId)

    emr = Late("STARTED", {"run": "RUNNING"})
    stop(emr)
    assert emr.state == "STOPPED"


def test_a_run_that_begins_between_the_look_and_the_stop_is_cancelled_too() -> None:
    class Late(Emr):
        def stop_application(self, applicationId: str) -> None:
            if not self.runs:
                self.runs["late"] = "SUBMITTED"
            super().stop_application(applicationId)

    emr = Late("STARTED")
    stop(emr)
    assert emr.calls == ["stop", "cancel late", "stop"]
    assert emr.state == "STOPPED"


def test_when_the_time_is_up_the_deploy_fails_and_says_what_it_waited_for() -> None:
    class Stuck(Emr):
        def sleep(self, seconds: float) -> None:
            self.now += seconds

    emr = Stuck("STARTED", {"run": "RUNNING"})
    with pytest.raises(DeployError, match="still STARTED with 1 runs after 20 s"):
        stop(emr, timeout_seconds=20)
    assert emr.now <= 20


def test_a_refusal_by_emr_is_a_failed_deploy() -> None:
    class Denied(Emr):
        def stop_application(self, applicationId: str) -> None:
            raise refusal("AccessDeniedException", "StopApplication")

    with pytest.raises(DeployError, match="AccessDeniedException"):
        stop(Denied("STARTED"))


class TestOnlyWhereItIsIdle:
    def stop(self, emr: Emr, timeout_seconds: float = 30) -> int:
        stopper = ApplicationStopper(emr, monotonic=emr.monotonic, sleep=emr.sleep)
        return stopper.stop_if_idle("app", timeout_seconds=timeout_seconds)

    def test_an_application_without_runs_is_stopped_and_waited_for(self):
        emr = Emr("STARTED", {"r1": "SUCCESS"})
        assert self.stop(emr) == 0
        assert (emr.calls, emr.state) == (["stop"], "STOPPED")

    def test_runs_that_are_going_are_counted_and_left_alone(self):
        emr = Emr("STARTED", {"r1": "RUNNING", "r2": "QUEUED", "r3": "FAILED"})
        assert self.stop(emr) == 2
        assert (emr.calls, emr.state) == ([], "STARTED")

    @pytest.mark.parametrize("state", ["CREATED", "STOPPED", "TERMINATED", None])
    def test_one_that_is_not_started_or_gone_is_left_alone(self, state):
        emr = Emr(state)
        assert self.stop(emr) == 0
        assert emr.calls == []

    def test_one_that_does_not_stop_in_time_ends_with_a_reason(self):
        with pytest.raises(DeployError, match="still STARTED"):
            self.stop(Emr("STARTED"), timeout_seconds=1)
