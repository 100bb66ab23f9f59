from __future__ import annotations

import gzip
import json
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from alur.aws.clients import client
from alur.aws.run_logs import RunFacts, RunLogs, Stream
from alur.cli.logs import follow
from alur.local.emr.api import EmrServerlessApi
from alur.local.emr.model import Outcome
from alur.local.emr.runs import Runs
from project_support import call

OWN = json.dumps(
    {"timestamp": "2026-01-23T10:00:00.000Z", "level": "INFO", "message": "done", "logger": "x", "rows": 3}
)


@dataclass
class Application:
    """An application of the local stack whose runs do nothing."""

    application_id: str
    bucket: str

    def start(self) -> str:
        emr = client("emr-serverless")
        answer = emr.start_job_run(
            applicationId=self.application_id,
            clientToken=uuid.uuid4().hex,
            executionRoleArn="arn:aws:iam::123456789012:role/of-the-job",
            name="alur-dev-orders",
            jobDriver={"sparkSubmit": {"entryPoint": "s3://code/main.py"}},
        )
        return answer["jobRunId"]

    def log(self, run: str, text: str, name: str = "stdout.gz") -> None:
        key = f"logs/applications/{self.application_id}/jobs/{run}/SPARK_DRIVER/{name}"
        client("s3").put_object(Bucket=self.bucket, Key=key, Body=gzip.compress(text.encode()))


@pytest.fixture
def application(aws_servers, monkeypatch):
    def drive(run: Any, started: Any, cancelled: Any) -> Outcome:
        started()
        return Outcome(True, "")

    runs = Runs(
        drive, lambda _: None, 1, lambda: datetime.now(UTC), lambda: uuid.uuid4().hex[:16], lambda *ids: ":".join(ids)
    )
    uninstall = EmrServerlessApi(runs, "123456789012", "us-east-1").install()
    created = client("emr-serverless").create_application(
        name="a", releaseLabel="emr-spark-8.1.0", type="SPARK", clientToken="t"
    )
    bucket = f"artifacts-{uuid.uuid4().hex[:8]}"
    client("s3").create_bucket(Bucket=bucket)
    monkeypatch.setenv("ALUR_APPLICATION_ID", created["applicationId"])
    monkeypatch.setenv("ALUR_ARTIFACTS_BUCKET", bucket)
    yield Application(created["applicationId"], bucket)
    uninstall()
    runs.close()


def test_the_newest_run_is_shown_where_none_is_named(application):
    application.log(application.start(), "an older run\n")
    newest = application.start()
    application.log(newest, f"{OWN}\nplain\n")
    answer = call("logs")
    assert answer.exit_code == 0
    assert answer.stdout == "2026-01-23T10:00:00.000Z INFO    done rows=3\nplain\n"
    assert f"run {newest} (alur-dev-orders)" in answer.stderr


def test_a_run_is_shown_by_its_id_and_its_lines_raw_when_asked(application):
    run = application.start()
    application.start()
    application.log(run, f"{OWN}\nplain\n")
    assert call("logs", run, "--json").stdout == f"{OWN}\nplain\n"


def test_what_spark_says_is_another_log(application):
    run = application.start()
    application.log(run, "stdout\n")
    application.log(run, "spark\n", "stderr.gz")
    assert call("logs", run, "--stderr").stdout == "spark\n"


def test_rotated_parts_come_first(application):
    run = application.start()
    application.log(run, "one\n", "archived/stdout_1.gz")
    application.log(run, "two\n")
    assert call("logs", run).stdout == "one\ntwo\n"


def test_a_run_that_is_not_there_is_named(application):
    application.start()
    answer = call("logs", "00f0000000000000")
    assert answer.exit_code == 1
    assert "00f0000000000000" in answer.stderr


def test_an_application_that_never_ran_says_so(application):
    answer = call("logs")
    assert answer.exit_code == 1
    assert "no run yet" in answer.stderr


def test_no_log_yet_is_said_with_the_state(application):
    run = application.start()
    answer = call("logs", run)
    assert (answer.exit_code, answer.stdout) == (0, "")
    assert "no stdout.gz of it yet" in answer.stderr
    assert "SUCCESS" in answer.stderr


def test_nothing_that_is_deployed_has_the_exit_code_3(aws_servers, monkeypatch):
    monkeypatch.delenv("ALUR_APPLICATION_ID", raising=False)
    monkeypatch.delenv("ALUR_ENV", raising=False)
    assert call("logs").exit_code == 3


class Growing(RunLogs):
    """A run that goes through states, and a log that grows with them."""

    def __init__(self, steps: list[tuple[str, bytes | None]]) -> None:
        self.steps = steps
        self.now = datetime(2026, 1, 1, tzinfo=UTC)
        self.ended_at: datetime | None = None

    def clock(self) -> datetime:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)
        if len(self.steps) > 1:
            del self.steps[0]

    def find(self, run_id: str) -> RunFacts:
        state = self.steps[0][0]
        if state == "SUCCESS" and self.ended_at is None:
            self.ended_at = self.now
        return RunFacts(run_id, "", state, "", datetime(2026, 1, 1, tzinfo=UTC), self.ended_at)

    def read(self, run_id: str, stream: Stream) -> bytes | None:
        return self.steps[0][1]

    def follow(self) -> tuple[list[str], RunFacts, bool]:
        shown: list[str] = []
        facts, was_there = follow(self, self.find("r"), Stream.STDOUT, shown.append, clock=self.clock, sleep=self.sleep)
        return shown, facts, was_there


def test_a_log_is_followed_until_the_last_of_it_has_come(capsys):
    growing = Growing(
        [("PENDING", None), ("RUNNING", b"one\nt"), ("SUCCESS", b"one\ntwo\n"), ("SUCCESS", b"one\ntwo\nthree")]
    )
    shown, facts, was_there = growing.follow()
    assert shown == ["one", "two", "three"]
    assert (facts.state, was_there) == ("SUCCESS", True)
    said = capsys.readouterr().err
    assert said.index("RUNNING") < said.index("SUCCESS")
    # EMR may write the last part after the end: it is waited for, and no longer.
    assert growing.ended_at is not None
    assert 30 < (growing.now - growing.ended_at).total_seconds() < 40


def test_a_run_that_ended_long_ago_is_not_waited_for():
    growing = Growing([("SUCCESS", b"one\n")])
    growing.ended_at = growing.now - timedelta(hours=1)
    began = growing.now
    assert growing.follow()[0] == ["one"]
    assert growing.now == began


def test_a_run_that_never_had_a_log_says_so_at_the_end():
    shown, facts, was_there = Growing([("PENDING", None), ("SUCCESS", None)]).follow()
    assert (shown, facts.state, was_there) == ([], "SUCCESS", False)
