"""EMR Serverless in memory: a token starts one run, and a run is an actor that does what the deployed job does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from alur.aws.jobs import Jobs, RunState
from alur.errors import SubmitRefused, SubmitThrottled, SubmitUnknown
from exploration.scheduler import Actor, Scheduler

THROTTLED, REFUSED = "throttled", "refused"
STILLBORN, NO_CAPACITY = "every run dies before it begins", "no capacity"
OUTAGES = (THROTTLED, REFUSED, STILLBORN, NO_CAPACITY)
LOST, LOST_STARTED = "answer lost, and it was not started", "answer lost, and it was started"


@dataclass(slots=True)
class Run:
    """A run.

    Attributes:
        token, request: what it was started with.
        actors: what does its work: one, or, where EMR began it again, more.
        succeeded: what the first of them to finish has returned.
        said: how it ended, where that was not up to its work.
    """

    run_id: str
    token: str
    request: Mapping[str, Any]
    actors: list[Actor] = field(default_factory=list)
    succeeded: bool | None = None
    said: RunState | None = None

    @property
    def state(self) -> RunState:
        if self.said is not None:
            return self.said
        if self.succeeded is not None:
            return RunState("SUCCESS" if self.succeeded else "FAILED", "")
        if all(actor.is_gone or actor.is_finished for actor in self.actors):
            return RunState("FAILED", "the driver died")
        return RunState("RUNNING", "")


class MemoryJobs(Jobs):
    """`Jobs` whose runs are actors.

    Args:
        scheduler: where to stop before each call.
        begin: makes the actor of a run.
    """

    def __init__(self, scheduler: Scheduler, begin: Callable[[Run], Actor]) -> None:
        super().__init__(None)
        self.runs: dict[str, Run] = {}
        self.outage: str | None = None
        self._scheduler = scheduler
        self._begin = begin
        self._by_token: dict[str, str] = {}

    def start(self, application_id: str, client_token: str, request: Mapping[str, Any]) -> str:
        """See `Jobs.start`."""
        fault = self._scheduler.pause("StartJobRun", faults=(THROTTLED, REFUSED, LOST, LOST_STARTED))
        fault = fault or (self.outage if self.outage in (THROTTLED, REFUSED) else None)
        if fault == THROTTLED:
            raise SubmitThrottled(application_id, "ThrottlingException", "injected")
        if fault == REFUSED:
            raise SubmitRefused(application_id, "ValidationException", "injected")
        if fault == LOST:
            raise SubmitUnknown(application_id, "ReadTimeoutError", "injected")
        if client_token not in self._by_token:
            run = Run(f"r{len(self.runs)}", client_token, request)
            self.runs[run.run_id] = run
            self._by_token[client_token] = run.run_id
            run.actors.append(self._begin(run))
            if self.outage in (STILLBORN, NO_CAPACITY):
                run.actors[0].is_gone = True
                run.said = RunState("FAILED", "insufficient capacity" if self.outage == NO_CAPACITY else "exit code 1")
        if fault == LOST_STARTED:
            raise SubmitUnknown(application_id, "ReadTimeoutError", "injected")
        return self._by_token[client_token]

    def state(self, application_id: str, run_id: str) -> RunState | None:
        """See `Jobs.state`."""
        if self._scheduler.pause("GetJobRun", run_id, faults=("unknown",)):
            raise SubmitUnknown(application_id, "ReadTimeoutError", "injected")
        run = self.runs.get(run_id)
        return None if run is None or (run.said and run.said.state == "GONE") else run.state
