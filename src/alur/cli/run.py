"""`alur run`: a pipeline as a run of EMR Serverless, followed to its end."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NoReturn

import click

from alur.aws.deployment import Deployment
from alur.cli.output import EXIT_FAILED, EXIT_INTERRUPTED, console, print_json, say, stop
from alur.clock import utc_now
from alur.decorators import find_pipeline
from alur.dispatch.task_runs import StartedTask, TaskRuns, TaskState
from alur.dispatch.tasks import Task
from alur.errors import PipelineError, StorageUnavailable, SubmitThrottled, SubmitUnknown

_POLL_SECONDS = 2.0
_LISTED = 20


@click.command()
@click.argument("pipeline")
@click.option("--env", "environment", help="The environment: a section of samconfig.toml.")
@click.option("--wait/--no-wait", default=True, show_default=True, help="Wait for its end, and say what it came to.")
@click.option(
    "--since",
    type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S"]),
    help="Pass over files whose S3 date is earlier (UTC), in place of the table's watermark.",
)
@click.option("--json", "as_json", is_flag=True, help="Print what it came to as JSON.")
def run(pipeline: str, environment: str | None, wait: bool, since: datetime | None, as_json: bool) -> None:
    """Run PIPELINE: ingest what is new, and say how many files and rows.

    Exit code 1 where a file failed in this run, or the run did.
    """
    try:
        find_pipeline(pipeline)
    except PipelineError as error:
        raise click.UsageError(str(error)) from error
    deployment = Deployment(environment=environment)
    runs = TaskRuns(deployment, utc_now)
    moment = since.replace(tzinfo=UTC) if since else None
    started = start(runs, Task.PIPELINE, pipeline, since=moment)
    if not wait:
        _show_started(started, as_json)
        return
    state = follow(runs, started)
    if state.result is None or not state.result.get("done"):
        _stop_failed(started, state, as_json)
    result = {**state.result["result"], "run_id": started.run_id, "logs": started.logs}
    if as_json:
        print_json(result)
    else:
        _show(result)
    sys.exit(EXIT_FAILED if result["failed"] else 0)


def start(
    runs: TaskRuns,
    task: Task,
    subject: str,
    *,
    since: datetime | None = None,
    dry_run: bool = False,
    file: str | None = None,
    limit: int | None = None,
) -> StartedTask:
    """Start a task's run, and say which it is.

    Args:
        runs: starts it.
        task: what it does.
        subject: to what.
        since, dry_run, file, limit: see `TaskRuns.start`.

    Raises:
        SubmitError: EMR did not start it.
    """
    started = runs.start(task, subject, since=since, dry_run=dry_run, file=file, limit=limit)
    say(f"started {task.value} {subject}: run {started.run_id}")
    return started


def follow(runs: TaskRuns, started: StartedTask) -> TaskState:
    """Wait for a run's end, telling each stage; Ctrl-C ends the waiting, and leaves the run alone.

    Args:
        runs: asks for it.
        started: the run.

    Raises:
        SubmitError: EMR cannot be asked.
        StorageError: S3 cannot be asked.
    """
    began = time.monotonic()
    told = ""
    try:
        with console(stderr=True).status("waiting") as status:
            while True:
                state = _ask(runs, started)
                if state is not None:
                    if state.stage != told and not state.has_ended:
                        say(f"  {time.monotonic() - began:4.0f} s  {state.stage}")
                        status.update(state.stage)
                        told = state.stage
                    if state.has_ended:
                        say(f"  {time.monotonic() - began:4.0f} s  {state.stage}")
                        return state
                time.sleep(_POLL_SECONDS)
    except KeyboardInterrupt:
        stop(f"\nthe run goes on without this command: alur logs {started.run_id}", EXIT_INTERRUPTED)


def _ask(runs: TaskRuns, started: StartedTask) -> TaskState | None:
    try:
        return runs.state(started)
    except (SubmitUnknown, SubmitThrottled, StorageUnavailable):
        # The run does not depend on our asking: the next time will do.
        return None


def _show_started(started: StartedTask, as_json: bool) -> None:
    if as_json:
        print_json({"run_id": started.run_id, "application_id": started.application_id, "logs": started.logs})
    else:
        say(f"not waited for: alur logs {started.run_id} --tail follows it; logs: {started.logs}")


def _show(result: Mapping[str, Any]) -> None:
    if result["message"]:
        click.echo(result["message"])
    click.echo(
        f"{result['pipeline']}: {result['files']:,} files, {result['rows']:,} rows into {result['table']}; "
        f"{result['skipped']:,} skipped, {len(result['failed']):,} failed; {result['seconds']:.1f} s"
    )
    if result["passed_over"]:
        click.echo(f"{result['passed_over']:,} files older than the watermark were passed over: --since asks for them")
    for title, failures in (("failed", result["failed"]), ("failed before", result["failed_before"])):
        for failure in failures[:_LISTED]:
            # The message begins with the path, which stands there already.
            reason = failure["error_message"].removeprefix(f"{failure['file_path']}: ")
            click.echo(f"  {title}: {failure['file_path']}: {failure['error_type']}: {reason}")
        if len(failures) > _LISTED:
            click.echo(f"  … and {len(failures) - _LISTED} more: alur files {result['table']} --status failed")
    click.echo(f"logs: {result['logs']}")


def _stop_failed(started: StartedTask, state: TaskState, as_json: bool) -> NoReturn:
    said = state.result or {}
    reason = said.get("error_message") or (state.run.details if state.run else "the run is gone")
    if as_json:
        print_json({"run_id": started.run_id, "logs": started.logs, "state": state.stage, "error": reason})
    stop(
        f"the run {state.stage}: {reason}\nnothing of it was published; what it had claimed is free for the next run\n"
        f"logs: {started.logs}  (alur logs {started.run_id})",
        EXIT_FAILED,
    )
