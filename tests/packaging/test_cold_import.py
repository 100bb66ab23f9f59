"""What the dispatcher's cold start costs beside boto3's own, each in a process of its own, from the built layer."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from sam_build import Build

MOST_TIMES = 1.5
RUNS = 9
SERVICES = ("s3", "dynamodb", "emr-serverless")

BASELINE = f"""
import boto3
for service in {SERVICES!r}:
    boto3.client(service)
"""
DISPATCHER = f"""
import app
from alur.aws.clients import client
for service in {SERVICES!r}:
    client(service)
"""
TIMED = """
import sys, time
sys.path[:0] = {path!r}
begun = time.process_time()
{body}
print(time.process_time() - begun)
"""
ENVIRONMENT = {
    "AWS_REGION": "us-east-1",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": "none",
    "AWS_SECRET_ACCESS_KEY": "none",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_LAMBDA_FUNCTION_NAME": "dispatcher",
    "POWERTOOLS_SERVICE_NAME": "alur",
    "POWERTOOLS_METRICS_NAMESPACE": "Alur",
}


def seconds(body: str, path: list[Path]) -> float:
    """Return the seconds of CPU, which whoever else is busy on this machine does not add to."""
    program = TIMED.format(path=[str(one) for one in path], body=body)
    done = subprocess.run(
        # No site-packages, and no cache of byte code: a layer on Lambda has neither.
        [sys.executable, "-I", "-S", "-B", "-c", program],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return float(done.stdout.splitlines()[-1])


def test_the_dispatchers_cold_import_costs_little_more_than_boto3(
    build: Build, capsys: pytest.CaptureFixture[str]
) -> None:
    path = [build.directory / "DispatcherFunction", build.layer]
    ours: list[float] = []
    theirs: list[float] = []
    for _ in range(RUNS):
        theirs.append(seconds(BASELINE, path))
        ours.append(seconds(DISPATCHER, path))
    dispatcher, baseline = min(ours), min(theirs)
    with capsys.disabled():
        print(  # noqa: T201 a number to look at, in every run of the tests
            f"\ncold import: dispatcher {dispatcher:.3f} s, boto3 with the same clients {baseline:.3f} s, "
            f"{dispatcher / baseline:.2f} times (at most {MOST_TIMES})"
        )
    assert dispatcher <= MOST_TIMES * baseline
