"""Real drivers under moto's API: few of them, since each starts a JVM."""

from __future__ import annotations

import gzip
import io
import os
import tarfile
import time
import uuid
from datetime import UTC, datetime

import pytest

from alur.aws.clients import client
from alur.local.children import Children
from alur.local.emr.api import EmrServerlessApi
from alur.local.emr.driver import SparkDriver
from alur.local.emr.model import TERMINAL, RunState
from alur.local.emr.runs import Runs
from alur.local.environment import ACCOUNT, REGION
from alur.local.jars import jar_paths

pytestmark = pytest.mark.stack

WAIT_SECONDS = 120

# It imports the archive's module, prints what it sees, and does as its argument says. It needs no Spark session.
SCRIPT = b"""
import os, sys, time
import alur
print("alur is", alur.WHO, "in", os.path.dirname(os.path.abspath(alur.__file__)), flush=True)
print("run", os.environ["EMR_SERVERLESS_JOB_RUN_ID"], "given", os.environ["GIVEN"], flush=True)
if sys.argv[1] == "fail":
    raise ValueError("as asked")
if sys.argv[1] == "sleep":
    time.sleep(600)
"""


def archive() -> bytes:
    buffer, body = io.BytesIO(), b"WHO = 'the archive'\n"
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        member = tarfile.TarInfo("alur/__init__.py")
        member.size = len(body)
        tar.addfile(member, io.BytesIO(body))
    return buffer.getvalue()


@pytest.fixture
def stage(aws_servers, paths, tmp_path):
    """Yields bucket, application id and runs."""
    bucket, s3 = f"artifacts-{uuid.uuid4().hex}", client("s3")
    s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="code/main.py", Body=SCRIPT)
    s3.put_object(Bucket=bucket, Key="code/alur.tar.gz", Body=archive())
    children = Children(tmp_path / "children.json")
    jars = jar_paths(paths, "spark")
    driver = SparkDriver(aws_servers, s3, children, tmp_path / "runs", jars, os.environ, lambda _: None)
    runs = Runs(driver, lambda _: None, 1, lambda: datetime.now(UTC), lambda: uuid.uuid4().hex[:16], "arn:{}:{}".format)
    uninstall = EmrServerlessApi(runs, ACCOUNT, REGION).install()
    made = client("emr-serverless").create_application(
        name="a", releaseLabel="emr-spark-8.1.0", type="SPARK", clientToken=uuid.uuid4().hex
    )
    yield bucket, made["applicationId"], runs
    runs.close()
    uninstall()
    children.close()


def start(stage, argument, entry_point="code/main.py", token=None):
    bucket, application, _ = stage
    settings = {
        "spark.archives": f"s3://{bucket}/code/alur.tar.gz#code",
        "spark.emr-serverless.driverEnv.PYTHONPATH": "./code",
        "spark.emr-serverless.driverEnv.GIVEN": "yes",
        "spark.driver.memory": "3g",
    }
    return client("emr-serverless").start_job_run(
        applicationId=application,
        clientToken=token or uuid.uuid4().hex,
        executionRoleArn=f"arn:aws:iam::{ACCOUNT}:role/job",
        jobDriver={
            "sparkSubmit": {
                "entryPoint": f"s3://{bucket}/{entry_point}",
                "entryPointArguments": [argument],
                "sparkSubmitParameters": " ".join(f"--conf {name}={value}" for name, value in settings.items()),
            }
        },
        configurationOverrides={
            "monitoringConfiguration": {"s3MonitoringConfiguration": {"logUri": f"s3://{bucket}/logs/"}}
        },
        executionTimeoutMinutes=10,
    )["jobRunId"]


def described(stage, run_id):
    return client("emr-serverless").get_job_run(applicationId=stage[1], jobRunId=run_id)["jobRun"]


def driver_log(stage, run_id, name):
    key = f"logs/applications/{stage[1]}/jobs/{run_id}/SPARK_DRIVER/{name}.gz"
    return gzip.decompress(client("s3").get_object(Bucket=stage[0], Key=key)["Body"].read()).decode()


def test_a_job_runs_the_archives_code_and_its_log_is_in_s3(stage, tmp_path):
    run_id = start(stage, "succeed", token="once")
    assert start(stage, "succeed", token="once") == run_id
    assert stage[2].wait(run_id, TERMINAL, WAIT_SECONDS)
    run = described(stage, run_id)
    assert run["state"] == "SUCCESS", run["stateDetails"]
    assert run["jobDriver"]["sparkSubmit"]["entryPointArguments"] == ["succeed"]
    said = driver_log(stage, run_id, "stdout")
    assert f"alur is the archive in {os.path.realpath(tmp_path)}/runs/{run_id}/code/alur" in said
    assert f"run {run_id} given yes" in said
    assert driver_log(stage, run_id, "stderr") == ""


def test_a_driver_that_raises_is_failed_with_its_exception(stage):
    run_id = start(stage, "fail")
    assert stage[2].wait(run_id, TERMINAL, WAIT_SECONDS)
    run = described(stage, run_id)
    assert run["state"] == "FAILED"
    assert "ValueError: as asked" in run["stateDetails"]
    assert "ExitCode: 1" in run["stateDetails"]


def test_an_entry_point_that_is_not_in_s3_fails_the_run(stage):
    run_id = start(stage, "succeed", entry_point="code/absent.py")
    assert stage[2].wait(run_id, TERMINAL, WAIT_SECONDS)
    assert described(stage, run_id)["state"] == "FAILED"
    assert "cannot be fetched" in described(stage, run_id)["stateDetails"]


def test_a_cancelled_run_leaves_no_process(stage, tmp_path):
    run_id = start(stage, "sleep")
    assert stage[2].wait(run_id, frozenset({RunState.RUNNING}), WAIT_SECONDS)
    stdout = tmp_path / "runs" / run_id / "stdout"
    deadline = time.monotonic() + WAIT_SECONDS
    while b"given yes" not in stdout.read_bytes():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    client("emr-serverless").cancel_job_run(applicationId=stage[1], jobRunId=run_id)
    assert stage[2].wait(run_id, TERMINAL, WAIT_SECONDS)
    assert described(stage, run_id)["state"] == "CANCELLED"
    assert "given yes" in driver_log(stage, run_id, "stdout")
    assert (tmp_path / "children.json").read_text() == "[]"


def test_unknown_applications_runs_and_releases_are_refused(stage):
    emr = client("emr-serverless")
    with pytest.raises(emr.exceptions.ResourceNotFoundException):
        emr.get_job_run(applicationId=stage[1], jobRunId="nobody")
    with pytest.raises(emr.exceptions.ResourceNotFoundException):
        emr.list_job_runs(applicationId="nobody")
    with pytest.raises(emr.exceptions.ValidationException):
        emr.create_application(name="a", releaseLabel="NONSENSE", type="SPARK", clientToken="t")
