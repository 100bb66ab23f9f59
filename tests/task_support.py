"""EMR Serverless for tasks, as its API answers: what a run was told is kept, what became of it a test says."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from botocore.exceptions import ClientError

from alur.aws.clients import client
from alur.aws.deployment import Deployment
from alur.cli.deployed import Deployed
from alur.dispatch.tasks import TaskArguments, result_uri
from cli_support import Place

PLATFORM = {
    "ALUR_ENVIRONMENT": "test",
    "ALUR_DATABASE": "bronze",
    "ALUR_ARTIFACTS_BUCKET": "artifacts",
    "ALUR_APPLICATION_ID": "00app",
    "ALUR_JOB_ROLE_ARN": "arn:aws:iam::123456789012:role/job",
    "ALUR_ARCHIVE_URI": "s3://artifacts/code/0/alur.tar.gz",
    "ALUR_ENTRY_POINT_URI": "s3://artifacts/code/0/main.py",
    "ALUR_MAX_VCPU": "4",
    "ALUR_MAX_MEMORY_GB": "16",
    "ALUR_MAX_ATTEMPTS": "3",
    "AWS_REGION": "us-east-1",
}
"""What a deployment says of its platform; the stores come on top."""


class FakeEmr:
    """A boto3 client of `emr-serverless`, as far as tasks call it.

    Attributes:
        states: what GetJobRun answers, one after the other; the last one stays. None: there is no such run.
        details: EMR's own sentence.
        on_start: told the orders of each run that is started.
        started: the requests.
        cancelled: the ids of the runs that were to be cancelled.
    """

    def __init__(self, *states: str | None) -> None:
        self.states: Iterator[str | None] = iter(states)
        self.details = ""
        self.on_start: Callable[[TaskArguments], object] = lambda _: None
        self.started: list[dict[str, Any]] = []
        self.cancelled: list[str] = []
        self._state: str | None = "SUCCESS"

    @property
    def orders(self) -> list[TaskArguments]:
        """What each run was told."""
        return [orders_of(request) for request in self.started]

    def start_job_run(self, **request: Any) -> dict[str, str]:
        self.started.append(request)
        self.on_start(orders_of(request))
        return {"jobRunId": f"r{len(self.started)}"}

    def get_job_run(self, **asked: str) -> dict[str, Any]:
        self._state = next(self.states, self._state)
        if self._state is None:
            raise refusal("ResourceNotFoundException", "GetJobRun")
        return {"jobRun": {"state": self._state, "stateDetails": self.details}}

    def cancel_job_run(self, *, jobRunId: str, **_: str) -> None:
        self.cancelled.append(jobRunId)


def orders_of(request: Mapping[str, Any]) -> TaskArguments:
    """What a StartJobRun request tells the entry point."""
    return TaskArguments.parse(request["jobDriver"]["sparkSubmit"]["entryPointArguments"])


def refusal(code: str, operation: str) -> ClientError:
    """An error as botocore raises it."""
    return ClientError({"Error": {"Code": code, "Message": f"{code} it is"}}, operation)


def answer_with(s3: Any, document: Mapping[str, Any]) -> Callable[[TaskArguments], None]:
    """Return what a run does that writes this as its result; for `FakeEmr.on_start`."""

    def write(orders: TaskArguments) -> None:
        bucket, _, key = result_uri(orders.lake_bucket, orders.token).removeprefix("s3://").partition("/")
        s3.put_object(Bucket=bucket, Key=key, Body=json.dumps(document).encode())

    return write


def install_emr(place: Place, monkeypatch: pytest.MonkeyPatch) -> FakeEmr:
    """Put an EMR into a deployment of the commands; its runs say nothing, unless a test says what."""
    fake = FakeEmr("RUNNING", "SUCCESS")
    for name, value in {**PLATFORM, "ALUR_LAKE_BUCKET": place.world.settings.lake_bucket}.items():
        monkeypatch.setenv(name, value)

    def of(cls: type[Deployed], environment: str | None) -> Deployed:
        def make(service: str, region: str | None) -> Any:
            return fake if service == "emr-serverless" else client(service, region)

        return cls(Deployment(environment=environment, make_client=make), place.world.clock)

    monkeypatch.setattr(Deployed, "of", classmethod(of))
    monkeypatch.setattr("alur.cli.run._POLL_SECONDS", 0.0)
    return fake
