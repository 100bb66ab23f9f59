"""The job runs of every application: client tokens, a queue with few slots, states, cancelling.

It starts no process itself: what a run does is handed in, so this can be tested without Spark.
"""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Callable
from typing import Protocol

from alur.clock import Clock
from alur.local.emr.model import TERMINAL, Outcome, Run, RunRequest, RunState, StateChange

Announce = Callable[[StateChange], None]
"""Told of each change, in order for each run, outside of any lock."""


class Drive(Protocol):
    """What a run does, in the thread of its slot."""

    def __call__(self, run: Run, started: Callable[[], None], cancelled: threading.Event) -> Outcome:
        """Run a job to its end.

        Args:
            run: what to run.
            started: to be called once when the driver's process exists.
            cancelled: set when the run is to be ended; the outcome does not matter then.
        """
        ...


class Runs:
    """Keeps every run and drives them, a few at a time, in the order in which they came.

    Args:
        drive: what a run does.
        announce: told of each change of state.
        slots: how many runs go at once.
        clock: says the time.
        new_id: makes run ids.
        arn: makes a run's ARN from application id and run id.
    """

    def __init__(
        self,
        drive: Drive,
        announce: Announce,
        slots: int,
        clock: Clock,
        new_id: Callable[[], str],
        arn: Callable[[str, str], str],
    ) -> None:
        self._drive = drive
        self._announce = announce
        self._clock = clock
        self._new_id = new_id
        self._arn = arn
        self._changed = threading.Condition()
        # Changes are announced in the order in which they were made, though never under the state's own lock.
        self._announcing = threading.Lock()
        self._changes: deque[StateChange] = deque()
        self._runs: dict[str, Run] = {}
        self._tokens: dict[tuple[str, str], str] = {}
        self._cancelled: dict[str, threading.Event] = {}
        self._waiting: deque[str] = deque()
        self._free = slots
        self._closed = False
        self._threads = [
            threading.Thread(target=self._work, name=f"job-slot-{number}", daemon=True) for number in range(slots)
        ]
        for thread in self._threads:
            thread.start()

    def start(self, request: RunRequest) -> Run:
        """Accept a request; one with a client token that the application has seen returns that run.

        Raises:
            RuntimeError: everything is being stopped.
        """
        with self._changed:
            if self._closed:
                raise RuntimeError("the stack is stopping")
            token = (request.application_id, request.client_token)
            known = self._tokens.get(token)
            if known is not None:
                return self._runs[known]
            run_id = self._new_id()
            run = Run(run_id, self._arn(request.application_id, run_id), request, self._clock())
            self._runs[run_id] = run
            self._tokens[token] = run_id
            self._cancelled[run_id] = threading.Event()
            self._note(run, None)
            if self._free <= len(self._waiting):
                self._set(run, RunState.QUEUED)
            self._waiting.append(run_id)
            self._changed.notify_all()
        self._announce_changes()
        return run

    def get(self, application_id: str, run_id: str) -> Run | None:
        """Return a run, or None where the application has no such run."""
        with self._changed:
            run = self._runs.get(run_id)
            return run if run is not None and run.request.application_id == application_id else None

    def of_application(self, application_id: str) -> list[Run]:
        """Return an application's runs, the newest first."""
        with self._changed:
            runs = [run for run in self._runs.values() if run.request.application_id == application_id]
            return list(reversed(runs))

    def cancel(self, application_id: str, run_id: str) -> Run | None:
        """Ask for the end of a run; one that has ended stays as it is. Returns None where there is no such run."""
        with self._changed:
            run = self._runs.get(run_id)
            if run is None or run.request.application_id != application_id:
                return None
            if run.state in TERMINAL:
                return run
            self._cancelled[run_id].set()
            self._set(run, RunState.CANCELLING)
            if run_id in self._waiting:
                self._waiting.remove(run_id)
                self._end(run, RunState.CANCELLED, "Job run cancelled by user.")
        self._announce_changes()
        return run

    def wait(self, run_id: str, states: frozenset[RunState], timeout_seconds: float) -> bool:
        """Wait until a run is in one of the states; False when the time has passed."""
        with self._changed:
            return self._changed.wait_for(lambda: self._runs[run_id].state in states, timeout_seconds)

    def close(self) -> None:
        """Cancel what is going or waiting, and return when no run goes any more."""
        with self._changed:
            self._closed = True
            going = [run for run in self._runs.values() if run.state not in TERMINAL]
            self._changed.notify_all()
        for run in going:
            self.cancel(run.request.application_id, run.run_id)
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closed or bool(self._waiting))
                if self._closed and not self._waiting:
                    return
                run = self._runs[self._waiting.popleft()]
                cancelled = self._cancelled[run.run_id]
                self._free -= 1
                self._set(run, RunState.SCHEDULED)
            self._announce_changes()
            outcome = self._outcome(run, cancelled)
            with self._changed:
                self._free += 1
                if cancelled.is_set():
                    self._end(run, RunState.CANCELLED, "Job run cancelled by user.")
                else:
                    self._end(run, RunState.SUCCESS if outcome.succeeded else RunState.FAILED, outcome.details)
            self._announce_changes()

    def _outcome(self, run: Run, cancelled: threading.Event) -> Outcome:
        def started() -> None:
            with self._changed:
                if not cancelled.is_set():
                    run.started_at = self._clock()
                    self._set(run, RunState.RUNNING)
            self._announce_changes()

        try:
            return self._drive(run, started, cancelled)
        except Exception as error:  # noqa: BLE001 - whatever a run dies of, the slot must live on, and the run says it
            return Outcome(False, f"The job run could not be driven: {type(error).__name__}: {error}")

    def _set(self, run: Run, state: RunState) -> None:
        previous = run.state
        run.state = state
        run.updated_at = self._clock()
        self._note(run, previous)
        self._changed.notify_all()

    def _end(self, run: Run, state: RunState, details: str) -> None:
        run.state_details = details
        run.ended_at = self._clock()
        self._set(run, state)

    def _note(self, run: Run, previous: RunState | None) -> None:
        request = run.request
        change = StateChange(
            run.run_id,
            run.arn,
            request.application_id,
            request.release_label,
            run.state,
            previous,
            run.created_at,
            run.updated_at,
        )
        self._changes.append(change)

    def _announce_changes(self) -> None:
        with self._announcing, contextlib.suppress(IndexError):
            while True:
                self._announce(self._changes.popleft())
