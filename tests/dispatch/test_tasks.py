"""Tasks: what a run is told, where it tells of itself, and how far one is."""

from __future__ import annotations

import io
import json
import re
import string
from collections.abc import Mapping
from datetime import UTC, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alur.aws.deployment import Deployment
from alur.dispatch.job_arguments import JobArguments
from alur.dispatch.task_runs import TaskRuns
from alur.dispatch.tasks import Task, TaskArguments, is_task, progress_uri, result_uri
from alur.errors import DeploymentUnknown, SettingsError, StorageRefused, SubmitRefused, SubmitThrottled, SubmitUnknown
from ledger_support import NOW
from task_support import PLATFORM, FakeEmr, refusal

NAMES = {
    **{name: value for name, value in PLATFORM.items() if name != "AWS_REGION"},
    "ALUR_STATE_TABLE": "state",
    "ALUR_BATCHES_TABLE": "batches",
    "ALUR_LANDING_BUCKET": "landing",
    "ALUR_LAKE_BUCKET": "lake",
}

# ------------------------------------------------------------------------------------------------ arguments

# What AWS and Python let a name be: none of them begins with a dash.
names = st.text(string.ascii_letters + string.digits + "_", min_size=1).flatmap(
    lambda first: st.text(string.ascii_letters + string.digits + "_.-").map(lambda rest: first + rest)
)
moments = st.datetimes(timezones=st.just(UTC)).map(
    lambda moment: moment.replace(microsecond=moment.microsecond // 1000 * 1000)
)
all_arguments = st.builds(
    TaskArguments,
    token=names,
    task=st.sampled_from(Task),
    subject=names,
    state_table=names,
    batches_table=names,
    database=names,
    landing_bucket=names,
    lake_bucket=names,
    region=names,
    max_attempts=st.integers(1, 10),
    since=st.none() | moments,
    dry_run=st.booleans(),
)


@given(all_arguments)
def test_orders_survive_the_command_line(arguments: TaskArguments):
    rendered = arguments.render()
    assert TaskArguments.parse(rendered) == arguments
    assert is_task(rendered)


@pytest.fixture
def arguments() -> TaskArguments:
    return TaskArguments(
        "task-1", Task.REBUILD, "orders", "state", "batches", "bronze", "landing", "lake", "us-east-1", 3
    )


def test_the_entry_point_tells_a_task_from_batches(arguments: TaskArguments):
    batches = JobArguments("t", "orders", ("b1",), "state", "batches", "bronze", "landing", "lake", "r", 3, 60.0)
    assert not is_task(batches.render())
    assert is_task(arguments.render())


def test_a_run_that_is_no_rehearsal_is_told_nothing_of_rehearsals(arguments: TaskArguments):
    # Code that was deployed before there were any would stop at the argument.
    assert "--dry-run" not in arguments.render()


@pytest.mark.parametrize("missing", ["--subject", "--lake-bucket", "--max-attempts"])
def test_orders_that_lack_something_are_none(
    arguments: TaskArguments, missing: str, capsys: pytest.CaptureFixture[str]
):
    rendered = arguments.render()
    at = rendered.index(missing)
    with pytest.raises(SystemExit):
        TaskArguments.parse(rendered[:at] + rendered[at + 2 :])
    assert missing in capsys.readouterr().err


@pytest.mark.parametrize("unknown", [["--task", "mow-the-lawn"], ["--since", "2026-01-01"], ["--faster"]])
def test_orders_that_nobody_knows_are_refused(arguments: TaskArguments, unknown: list[str]):
    with pytest.raises(SystemExit):
        TaskArguments.parse([*arguments.render(), *unknown])


def test_each_run_tells_of_itself_in_a_place_of_its_own():
    assert progress_uri("lake", "task-1") == "s3://lake/alur/runs/task-1/progress.json"
    assert result_uri("lake", "task-1") == "s3://lake/alur/runs/task-1/result.json"


# ------------------------------------------------------------------------------------------------------ runs


class FakeS3:
    """A boto3 client of `s3` that has some documents, or refuses."""

    def __init__(self) -> None:
        self.documents: dict[str, Any] = {}
        self.refuses: str | None = None
        self.asked: list[str] = []

    def get_object(self, *, Bucket: str, Key: str) -> dict[str, Any]:
        uri = f"s3://{Bucket}/{Key}"
        self.asked.append(uri)
        if self.refuses:
            raise refusal(self.refuses, "GetObject")
        if uri not in self.documents:
            raise refusal("NoSuchKey", "GetObject")
        return {"Body": io.BytesIO(json.dumps(self.documents[uri]).encode())}


class Bench:
    """`TaskRuns` between an EMR and an S3 that do as they are told."""

    def __init__(self, *states: str | None, region: str | None = "us-east-1", without: str | None = None) -> None:
        self.emr, self.s3 = FakeEmr(*states), FakeS3()
        variables = {name: value for name, value in NAMES.items() if name != without}
        clients: Mapping[str, Any] = {"emr-serverless": self.emr, "s3": self.s3}
        deployment = Deployment(region=region, variables=variables, make_client=lambda service, _: clients[service])
        self.runs = TaskRuns(deployment, lambda: NOW)


def test_a_started_run_is_told_everything_it_needs():
    bench = Bench()
    since = NOW - timedelta(days=3)
    started = bench.runs.start(Task.PIPELINE, "ingest_orders", since=since)
    (request,), (orders,) = bench.emr.started, bench.emr.orders
    assert orders == TaskArguments(
        token=started.token,
        task=Task.PIPELINE,
        subject="ingest_orders",
        state_table="state",
        batches_table="batches",
        database="bronze",
        landing_bucket="landing",
        lake_bucket="lake",
        region="us-east-1",
        max_attempts=3,
        since=since,
    )
    assert (request["applicationId"], request["clientToken"]) == ("00app", started.token)
    assert (request["name"], request["executionRoleArn"]) == ("alur-test-ingest_orders", NAMES["ALUR_JOB_ROLE_ARN"])
    driver = request["jobDriver"]["sparkSubmit"]
    assert driver["entryPoint"] == NAMES["ALUR_ENTRY_POINT_URI"]
    assert f"spark.archives={NAMES['ALUR_ARCHIVE_URI']}#" in driver["sparkSubmitParameters"]
    assert ".warehouse=s3://lake/warehouse" in driver["sparkSubmitParameters"]
    monitoring = request["configurationOverrides"]["monitoringConfiguration"]
    assert monitoring["s3MonitoringConfiguration"]["logUri"] == "s3://artifacts/logs/"
    assert started.logs == "s3://artifacts/logs/applications/00app/jobs/r1/"


def test_a_rehearsal_is_told_that_it_is_one():
    bench = Bench()
    bench.runs.start(Task.REBUILD, "orders", dry_run=True)
    bench.runs.start(Task.REBUILD, "orders")
    assert [orders.dry_run for orders in bench.emr.orders] == [True, False]


def test_two_runs_of_one_moment_are_two_runs():
    bench = Bench()
    tokens = {bench.runs.start(Task.AUDIT, "orders").token for _ in range(20)}
    assert len(tokens) == 20
    # EMR's own rule for a client token.
    assert all(re.fullmatch(r"[A-Za-z0-9._-]{1,64}", token) for token in tokens)


def test_a_run_fits_into_its_share_of_the_capacity():
    bench = Bench()
    bench.runs.start(Task.AUDIT, "orders")
    (request,) = bench.emr.started
    parameters = request["jobDriver"]["sparkSubmit"]["sparkSubmitParameters"]
    (driver,) = re.findall(r"spark\.driver\.cores=(\d+)", parameters)
    (executor,) = re.findall(r"spark\.executor\.cores=(\d+)", parameters)
    (count,) = re.findall(r"spark\.executor\.instances=(\d+)", parameters)
    assert int(driver) + int(executor) * int(count) <= int(NAMES["ALUR_MAX_VCPU"])


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("ThrottlingException", SubmitThrottled),
        ("ValidationException", SubmitRefused),
        ("InternalServerException", SubmitUnknown),
    ],
)
def test_a_run_that_emr_does_not_start_raises(code: str, error: type[Exception]):
    bench = Bench()

    def refuse(_: TaskArguments) -> None:
        raise refusal(code, "StartJobRun")

    bench.emr.on_start = refuse
    with pytest.raises(error, match=code):
        bench.runs.start(Task.AUDIT, "orders")


@pytest.mark.parametrize("missing", ["ALUR_STATE_TABLE", "ALUR_APPLICATION_ID", "ALUR_MAX_VCPU"])
def test_where_something_has_no_name_nothing_is_started(missing: str):
    bench = Bench(without=missing)
    with pytest.raises(DeploymentUnknown, match=missing):
        bench.runs.start(Task.AUDIT, "orders")
    assert bench.emr.started == []


def test_where_nothing_names_a_region_nothing_is_started():
    bench = Bench(region=None)
    with pytest.raises(SettingsError, match="AWS_REGION"):
        bench.runs.start(Task.AUDIT, "orders")
    assert bench.emr.started == []


# --------------------------------------------------------------------------------------------------- states


@pytest.mark.parametrize(
    ("state", "stage", "has_ended"),
    [
        ("SUBMITTED", "queued", False),
        ("QUEUED", "queued", False),
        ("PENDING", "queued", False),
        ("SCHEDULED", "starting", False),
        ("RUNNING", "starting", False),
        ("CANCELLING", "cancelling", False),
        ("SUCCESS", "success", True),
        ("FAILED", "failed", True),
        ("CANCELLED", "cancelled", True),
        # New ones do appear: a run in such a state goes on.
        ("HIBERNATING", "hibernating", False),
    ],
)
def test_each_state_of_emr_is_a_stage(state: str, stage: str, has_ended: bool):
    bench = Bench(state)
    told = bench.runs.state(bench.runs.start(Task.AUDIT, "orders"))
    assert (told.stage, told.has_ended, told.result) == (stage, has_ended, None)
    assert told.run is not None
    assert told.run.state == state


def test_a_run_that_runs_says_itself_how_far_it_is():
    bench = Bench("RUNNING")
    started = bench.runs.start(Task.PIPELINE, "ingest_orders")
    assert bench.runs.state(started).stage == "starting"
    bench.s3.documents[progress_uri("lake", started.token)] = {"stage": "publishing", "at": "2026-01-01T00:00:00.000Z"}
    assert bench.runs.state(started).stage == "publishing"


def test_what_a_run_said_of_its_progress_is_not_asked_for_once_it_has_ended():
    bench = Bench("SUCCESS")
    started = bench.runs.start(Task.PIPELINE, "ingest_orders")
    bench.s3.documents[progress_uri("lake", started.token)] = {"stage": "reading"}
    assert bench.runs.state(started).stage == "success"
    assert bench.s3.asked == [result_uri("lake", started.token)]


def test_a_result_is_read_once_the_run_has_ended_and_not_before():
    bench = Bench("RUNNING", "SUCCESS")
    started = bench.runs.start(Task.AUDIT, "orders")
    bench.s3.documents[result_uri("lake", started.token)] = {"done": True, "result": {"agrees": True}}
    assert bench.runs.state(started).result is None
    assert bench.runs.state(started).result == {"done": True, "result": {"agrees": True}}


def test_a_run_that_ended_without_a_word_has_no_result():
    bench = Bench("FAILED")
    bench.emr.details = "the driver died"
    told = bench.runs.state(bench.runs.start(Task.AUDIT, "orders"))
    assert told.result is None
    assert told.run is not None
    assert told.run.details == "the driver died"


def test_a_run_that_is_gone_has_ended_and_may_have_said_what_it_came_to():
    bench = Bench(None)
    started = bench.runs.start(Task.AUDIT, "orders")
    assert bench.runs.state(started).result is None
    bench.s3.documents[result_uri("lake", started.token)] = {"done": True, "result": {}}
    told = bench.runs.state(started)
    assert (told.stage, told.run, told.has_ended) == ("gone", None, True)
    assert told.result == {"done": True, "result": {}}


def test_a_result_that_may_not_be_read_is_not_taken_for_none():
    bench = Bench("SUCCESS")
    started = bench.runs.start(Task.AUDIT, "orders")
    bench.s3.refuses = "AccessDenied"
    with pytest.raises(StorageRefused, match="AccessDenied"):
        bench.runs.state(started)


def test_cancelling_names_the_run():
    bench = Bench()
    bench.runs.cancel(bench.runs.start(Task.AUDIT, "orders"))
    assert bench.emr.cancelled == ["r1"]
