"""EMR Serverless: which errors mean that nothing was started, and which that nobody knows."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ConnectTimeoutError, ReadTimeoutError
from botocore.stub import Stubber

from alur.aws.jobs import TERMINAL_STATES, Jobs, RunState
from alur.errors import SubmitError, SubmitRefused, SubmitThrottled, SubmitUnknown

REQUEST = {
    "executionRoleArn": "arn:aws:iam::123456789012:role/job",
    "jobDriver": {"sparkSubmit": {"entryPoint": "s3://artifacts/main.py"}},
}


@pytest.fixture
def client() -> Any:
    keys = {"aws_access_key_id": "none", "aws_secret_access_key": "none"}
    once = Config(retries={"mode": "standard", "total_max_attempts": 1})
    return boto3.client("emr-serverless", region_name="us-east-1", config=once, **keys)


@pytest.fixture
def stubbed(client: Any) -> Iterator[Stubber]:
    with Stubber(client) as stubber:
        yield stubber


def test_a_run_is_started_with_the_whole_request_under_its_token(client: Any, stubbed: Stubber) -> None:
    answer = {"applicationId": "00app", "jobRunId": "00run", "arn": f"arn:aws:emr-serverless:{'x' * 40}"}
    stubbed.add_response("start_job_run", answer, {"applicationId": "00app", "clientToken": "run-1", **REQUEST})
    assert Jobs(client).start("00app", "run-1", REQUEST) == "00run"


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("ThrottlingException", SubmitThrottled),
        ("TooManyRequestsException", SubmitThrottled),
        ("ServiceQuotaExceededException", SubmitThrottled),
        ("ConflictException", SubmitThrottled),
        ("AccessDeniedException", SubmitRefused),
        ("ResourceNotFoundException", SubmitRefused),
        ("UnrecognizedClientException", SubmitRefused),
        ("ValidationException", SubmitRefused),
        ("InternalServerException", SubmitUnknown),
        ("ServiceUnavailable", SubmitUnknown),
        ("SomethingNew", SubmitUnknown),
    ],
)
def test_an_error_says_whether_a_run_may_have_been_started(
    client: Any, stubbed: Stubber, code: str, kind: type[SubmitError]
) -> None:
    stubbed.add_client_error("start_job_run", code, "for this test")
    with pytest.raises(SubmitError) as raised:
        Jobs(client).start("00app", "run-1", REQUEST)
    assert type(raised.value) is kind
    assert (raised.value.application_id, raised.value.code) == ("00app", code)
    assert raised.value.detail == "for this test"


@pytest.mark.parametrize("error", [ReadTimeoutError, ConnectTimeoutError])
def test_an_answer_that_was_lost_is_unknown(client: Any, error: type[Exception]) -> None:
    def fail(**_: Any) -> None:
        raise error(endpoint_url="http://127.0.0.1")  # type: ignore[call-arg]

    client.meta.events.register("before-send.emr-serverless", fail)
    with pytest.raises(SubmitUnknown, match=error.__name__):
        Jobs(client).start("00app", "run-1", REQUEST)
    with pytest.raises(SubmitUnknown, match=error.__name__):
        Jobs(client).state("00app", "00run")


def described(state: str) -> dict[str, Any]:
    now = datetime(2026, 11, 23, tzinfo=UTC)
    return {
        "jobRun": {
            "applicationId": "00app",
            "jobRunId": "00run",
            "arn": f"arn:aws:emr-serverless:{'x' * 40}",
            "createdBy": "x" * 20,
            "createdAt": now,
            "updatedAt": now,
            "executionRole": "arn:aws:iam::123456789012:role/job",
            "state": state,
            "stateDetails": "because",
            "releaseLabel": "emr-spark-8.1.0",
            "jobDriver": {"sparkSubmit": {"entryPoint": "s3://artifacts/main.py"}},
        }
    }


@pytest.mark.parametrize("state", ["SUCCESS", "FAILED", "CANCELLED"])
def test_a_terminal_state_has_ended(client: Any, stubbed: Stubber, state: str) -> None:
    stubbed.add_response("get_job_run", described(state), {"applicationId": "00app", "jobRunId": "00run"})
    found = Jobs(client).state("00app", "00run")
    assert found == RunState(state, "because")
    assert found.has_ended


@pytest.mark.parametrize("state", ["SUBMITTED", "QUEUED", "PENDING", "SCHEDULED", "RUNNING", "CANCELLING", "NEW ONE"])
def test_every_other_state_and_one_that_nobody_knows_goes_on(client: Any, stubbed: Stubber, state: str) -> None:
    stubbed.add_response("get_job_run", described(state))
    found = Jobs(client).state("00app", "00run")
    assert found is not None
    assert not found.has_ended


def test_the_terminal_states_are_those_of_the_api(client: Any) -> None:
    states = set(client.meta.service_model.shape_for("JobRunState").enum)
    assert states >= TERMINAL_STATES
    assert states - TERMINAL_STATES == {
        "SUBMITTED",
        "PENDING",
        "SCHEDULED",
        "RUNNING",
        "CANCELLING",
        "QUEUED",
    }


def test_a_run_that_is_gone_has_no_state(client: Any, stubbed: Stubber) -> None:
    stubbed.add_client_error("get_job_run", "ResourceNotFoundException")
    assert Jobs(client).state("00app", "00run") is None


@pytest.mark.parametrize("code", ["ThrottlingException", "AccessDeniedException", "InternalServerException"])
def test_an_error_is_not_taken_for_a_run_that_is_gone(client: Any, stubbed: Stubber, code: str) -> None:
    stubbed.add_client_error("get_job_run", code)
    with pytest.raises(SubmitError):
        Jobs(client).state("00app", "00run")
