"""`alur run`: started, followed, told; its exit code says whether a file or the run failed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from click.testing import CliRunner, Result

from alur.aws.jobs import RunState
from alur.cli import main
from alur.cli import run as command
from alur.dispatch.task_runs import StartedTask, TaskState
from alur.dispatch.tasks import Task
from alur.errors import StorageUnavailable, SubmitRefused

DOCUMENT: dict[str, Any] = {
    "pipeline": "ingest_orders",
    "table": "orders",
    "files": 2,
    "rows": 1103,
    "listed": 5,
    "skipped": 3,
    "passed_over": 0,
    "held": 0,
    "failed": [],
    "failed_before": [],
    "seconds": 12.34,
    "message": None,
}
BAD = {"file_path": "s3://b/bad.csv", "error_type": "HeaderMismatch", "error_message": "missing amount"}


class Runs:
    """Stands for `TaskRuns`: goes through what it is told."""

    def __init__(self, *states: TaskState | BaseException) -> None:
        self.states: Iterator[TaskState | BaseException] = iter(states)
        self.started: list[tuple[Task, str, Any]] = []
        self.refusal: Exception | None = None

    def __call__(self, deployment: Any, clock: Any) -> Runs:
        return self

    def start(self, task: Task, subject: str, *, since: Any = None, **_: Any) -> StartedTask:
        if self.refusal is not None:
            raise self.refusal
        self.started.append((task, subject, since))
        return StartedTask("app", "run-1", "token", "lake", "s3://artifacts/logs/run-1/")

    def state(self, started: StartedTask) -> TaskState:
        state = next(self.states)
        if isinstance(state, BaseException):
            raise state
        return state


def going(stage: str) -> TaskState:
    return TaskState(stage, RunState("RUNNING", ""), None)


def done(**changed: Any) -> TaskState:
    result = {"done": True, "task": "pipeline", "result": {**DOCUMENT, **changed}}
    return TaskState("success", RunState("SUCCESS", ""), result)


def run(monkeypatch: pytest.MonkeyPatch, runs: Runs, *arguments: str) -> Result:
    monkeypatch.setattr(command, "TaskRuns", runs)
    monkeypatch.setattr(command, "_POLL_SECONDS", 0.0)
    return CliRunner(mix_stderr=False).invoke(main, ["run", "ingest_orders", *arguments])


def test_a_run_is_followed_and_told(monkeypatch) -> None:
    runs = Runs(going("queued"), going("starting"), going("reading"), going("reading"), going("publishing"), done())
    result = run(monkeypatch, runs, "--env", "dev")
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "ingest_orders: 2 files, 1,103 rows into orders; 3 skipped, 0 failed; 12.3 s",
        "logs: s3://artifacts/logs/run-1/",
    ]
    told = [line.split()[-1] for line in result.stderr.splitlines() if " s  " in line]
    assert told == ["queued", "starting", "reading", "publishing", "success"]
    assert runs.started == [(Task.PIPELINE, "ingest_orders", None)]


def test_nothing_new_is_said_in_the_first_line(monkeypatch) -> None:
    message = "All files have been processed. No new data to ingest."
    result = run(monkeypatch, Runs(done(files=0, rows=0, message=message)))
    assert (result.exit_code, result.stdout.splitlines()[0]) == (0, message)


def test_a_file_that_failed_in_the_run_is_named_and_makes_the_exit_code(monkeypatch) -> None:
    result = run(monkeypatch, Runs(done(failed=[BAD])))
    assert result.exit_code == 1
    assert "  failed: s3://b/bad.csv: HeaderMismatch: missing amount" in result.stdout.splitlines()


def test_a_file_that_failed_before_is_named_and_does_not(monkeypatch) -> None:
    result = run(monkeypatch, Runs(done(failed_before=[BAD])))
    assert result.exit_code == 0
    assert "  failed before: s3://b/bad.csv: HeaderMismatch: missing amount" in result.stdout.splitlines()


def test_a_long_list_is_cut_and_says_where_the_rest_is(monkeypatch) -> None:
    result = run(monkeypatch, Runs(done(failed=[BAD] * 25)))
    assert result.stdout.count("  failed: ") == 20
    assert "  … and 5 more: alur files orders --status failed" in result.stdout


def test_json_is_the_result_with_run_and_logs(monkeypatch) -> None:
    result = run(monkeypatch, Runs(done(failed=[BAD])), "--json")
    assert result.exit_code == 1
    document = json.loads(result.stdout)
    assert document == {**DOCUMENT, "failed": [BAD], "run_id": "run-1", "logs": "s3://artifacts/logs/run-1/"}


@pytest.mark.parametrize(
    ("state", "said"),
    [
        (TaskState("failed", RunState("FAILED", "capacity"), None), "the run failed: capacity"),
        (
            TaskState("failed", RunState("FAILED", "?"), {"done": False, "error_message": "strict_mode: 1 file"}),
            "the run failed: strict_mode: 1 file",
        ),
        (TaskState("cancelled", RunState("CANCELLED", "by a person"), None), "the run cancelled: by a person"),
        (TaskState("gone", None, None), "the run gone: the run is gone"),
    ],
)
def test_a_run_that_failed_says_why_and_what_became_of_its_files(monkeypatch, state, said) -> None:
    result = run(monkeypatch, Runs(state))
    assert result.exit_code == 1
    assert said in result.stderr
    assert "nothing of it was published" in result.stderr
    as_json = run(monkeypatch, Runs(state), "--json")
    assert as_json.exit_code == 1
    assert json.loads(as_json.stdout)["state"] == state.stage


def test_not_waiting_names_the_run(monkeypatch) -> None:
    result = run(monkeypatch, Runs(), "--no-wait", "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["run_id"] == "run-1"


def test_a_moment_is_taken_as_utc(monkeypatch) -> None:
    runs = Runs(done())
    run(monkeypatch, runs, "--since", "2026-01-22")
    assert runs.started[0][2].isoformat() == "2026-01-22T00:00:00+00:00"


def test_an_answer_that_does_not_come_is_asked_for_again(monkeypatch) -> None:
    result = run(monkeypatch, Runs(StorageUnavailable("GetObject", "s3://lake/x", "503"), going("reading"), done()))
    assert result.exit_code == 0


def test_ctrl_c_ends_the_waiting_and_leaves_the_run_alone(monkeypatch) -> None:
    result = run(monkeypatch, Runs(going("reading"), KeyboardInterrupt()))
    assert result.exit_code == 130
    assert "the run goes on without this command: alur logs run-1" in result.stderr


def test_an_unknown_pipeline_is_wrong_usage_and_starts_nothing(monkeypatch) -> None:
    runs = Runs()
    monkeypatch.setattr(command, "TaskRuns", runs)
    result = CliRunner(mix_stderr=False).invoke(main, ["run", "ingest_ordres"])
    assert (result.exit_code, runs.started) == (2, [])
    assert "there is none of this name; pipelines declares ingest_orders" in result.stderr


def test_a_refusal_for_want_of_access_has_the_exit_code_of_it(monkeypatch) -> None:
    runs = Runs()
    runs.refusal = SubmitRefused("app", "AccessDeniedException", "no")
    assert run(monkeypatch, runs).exit_code == 3
