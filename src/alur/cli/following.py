"""A task's run from its start to what it came to: what `alur audit`, `alur rejects` and `alur state rebuild` share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn, TypeVar

import click

from alur.cli.output import EXIT_FAILED, print_json, stop
from alur.cli.run import follow, start
from alur.dispatch.task_runs import StartedTask, TaskRuns, TaskState
from alur.dispatch.tasks import Task, result_uri

_Thing = TypeVar("_Thing")

MOST_SHOWN = 50
"""Of a long list so many lines are printed; all of it is in the result's document."""


@dataclass(frozen=True, slots=True)
class Ended:
    """A task that was done.

    Attributes:
        started: its run.
        document: what it came to, as the task itself says it.
    """

    started: StartedTask
    document: Mapping[str, Any]

    @property
    def uri(self) -> str:
        """Where the whole of it is, in the lake."""
        return result_uri(self.started.lake_bucket, self.started.token)

    def for_json(self) -> dict[str, Any]:
        """Return it for JSON, with the run, its logs, and where the whole document is."""
        return {**self.document, "run_id": self.started.run_id, "logs": self.started.logs, "result": self.uri}


def run_to_its_end(
    runs: TaskRuns,
    task: Task,
    subject: str,
    *,
    aftermath: str,
    as_json: bool,
    dry_run: bool = False,
    file: str | None = None,
    limit: int | None = None,
) -> Ended:
    """Start a task's run, follow it, and return what it came to; a run that does not say so ends the command.

    Args:
        runs: starts it.
        task: what it does.
        subject: to what.
        aftermath: what it means that the run failed, a sentence.
        as_json: a failure is printed as JSON too.
        dry_run, file, limit: see `TaskRuns.start`.

    Raises:
        SubmitError: EMR did not start it, or cannot be asked.
        StorageError: S3 cannot be asked.
    """
    started = start(runs, task, subject, dry_run=dry_run, file=file, limit=limit)
    state = follow(runs, started)
    if state.result is None or not state.result.get("done"):
        _stop_failed(started, state, aftermath, as_json)
    return Ended(started, state.result["result"])


def show_first(things: Sequence[_Thing], describe: Callable[[_Thing], str], uri: str) -> None:
    """Print the first of a list, and where the others are.

    Args:
        things: the list.
        describe: says one, in a line or more.
        uri: of the whole document.
    """
    for thing in things[:MOST_SHOWN]:
        click.echo(describe(thing))
    if len(things) > MOST_SHOWN:
        click.echo(f"  ... and {len(things) - MOST_SHOWN:,} more, in {uri}")


def _stop_failed(started: StartedTask, state: TaskState, aftermath: str, as_json: bool) -> NoReturn:
    said = state.result or {}
    reason = said.get("error_message") or (state.run.details if state.run else "") or "it says no reason"
    if as_json:
        print_json({"run_id": started.run_id, "logs": started.logs, "state": state.stage, "error": reason})
    stop(
        f"the run {_ENDS.get(state.stage, state.stage)}: {reason}\n{aftermath}\n"
        f"logs: {started.logs}  (alur logs {started.run_id})",
        EXIT_FAILED,
    )


_ENDS: Mapping[str, str] = {
    "success": "ended without a result",
    "failed": "failed",
    "cancelled": "was cancelled",
    "gone": "is gone",
}
