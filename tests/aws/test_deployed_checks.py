from __future__ import annotations

from typing import Any

import pytest
from test_account_checks import UNREACHABLE, Service, deployment, refusal

from alur.aws.checks import Check, Outcome
from alur.aws.deployed_checks import check_deployed, check_stack
from alur.aws.stacks import Stack

OUTPUTS = {
    "LandingBucket": "landing",
    "LakeBucket": "lake",
    "ArtifactsBucket": "artifacts",
    "StateTable": "state",
    "BatchesTable": "batches",
    "ApplicationId": "app",
}


def stack(status: str = "CREATE_COMPLETE", **parameters: str) -> Stack:
    return Stack("alur-dev", status, "", parameters, OUTPUTS, False)


def checked(stack: Stack, **answers: Any) -> dict[str, Check]:
    """What came out, by name; every service answers that all is well, but for what is given."""
    service = Service(
        **{
            "head_bucket": {},
            "describe_table": {"Table": {"TableStatus": "ACTIVE"}},
            "get_application": {"application": {"state": "STOPPED", "releaseLabel": "emr-spark-8.1.0"}},
            **answers,
        }
    )
    services = deployment(s3=service, dynamodb=service, emr_serverless=service, sns=service)
    return {check.name: check for check in check_deployed(services, stack)}


def test_a_deployment_in_order_is_ok_throughout():
    found = checked(stack())
    assert list(found) == list(OUTPUTS)
    assert {check.outcome for check in found.values()} == {Outcome.OK}


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (refusal("404"), Outcome.FAILED),
        (refusal("403"), Outcome.WARNING),
        (UNREACHABLE, Outcome.UNKNOWN),
    ],
)
def test_a_bucket_that_is_gone_fails_and_one_that_cannot_be_seen_does_not(answer, outcome):
    assert checked(stack(), head_bucket=answer)["LakeBucket"].outcome is outcome


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        ({"Table": {"TableStatus": "UPDATING"}}, Outcome.WARNING),
        ({"Table": {"TableStatus": "INACCESSIBLE_ENCRYPTION_CREDENTIALS"}}, Outcome.FAILED),
        (refusal("ResourceNotFoundException"), Outcome.FAILED),
        (refusal("AccessDeniedException"), Outcome.UNKNOWN),
    ],
)
def test_a_table_is_active_or_something_is_to_be_done(answer, outcome):
    assert checked(stack(), describe_table=answer)["StateTable"].outcome is outcome


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        ({"application": {"state": "STARTED"}}, Outcome.OK),
        ({"application": {"state": "CREATING"}}, Outcome.WARNING),
        ({"application": {"state": "TERMINATED", "stateDetails": "by hand"}}, Outcome.FAILED),
        (refusal("ResourceNotFoundException"), Outcome.FAILED),
        (refusal("AccessDeniedException"), Outcome.UNKNOWN),
    ],
)
def test_an_application_takes_runs_or_not(answer, outcome):
    assert checked(stack(), get_application=answer)["ApplicationId"].outcome is outcome


def test_an_output_that_is_missing_is_named():
    without = Stack("s", "CREATE_COMPLETE", "", {}, {**OUTPUTS, "BatchesTable": ""}, False)
    assert checked(without)["BatchesTable"].outcome is Outcome.FAILED


class TestALandingBucketThatTheStackWasGiven:
    @pytest.mark.parametrize(
        ("answer", "outcome"),
        [
            ({"EventBridgeConfiguration": {}}, Outcome.OK),
            ({"QueueConfigurations": []}, Outcome.FAILED),
            (refusal("AccessDenied"), Outcome.UNKNOWN),
        ],
    )
    def test_it_must_tell_eventbridge(self, answer, outcome):
        given = stack(ExistingLandingBucket="theirs", EventIngestion="on")
        assert checked(given, get_bucket_notification_configuration=answer)["landing events"].outcome is outcome

    def test_where_nothing_listens_it_need_not(self):
        assert "landing events" not in checked(stack(ExistingLandingBucket="theirs", EventIngestion="off"))


@pytest.mark.parametrize(
    ("subscriptions", "outcome"),
    [
        ([{"SubscriptionArn": "arn:aws:sns:x", "Endpoint": "a@b.c"}], Outcome.OK),
        ([{"SubscriptionArn": "PendingConfirmation", "Endpoint": "a@b.c"}], Outcome.WARNING),
        ([], Outcome.WARNING),
    ],
)
def test_somebody_hears_of_alarms(subscriptions, outcome):
    alarming = Stack("s", "CREATE_COMPLETE", "", {}, {**OUTPUTS, "AlarmTopicArn": "arn:aws:sns:topic"}, False)
    found = checked(alarming, list_subscriptions_by_topic={"Subscriptions": subscriptions})
    assert found["alarm mail"].outcome is outcome


class TestTheStack:
    @pytest.mark.parametrize(
        ("status", "outcome"),
        [
            ("CREATE_COMPLETE", Outcome.OK),
            ("UPDATE_ROLLBACK_COMPLETE", Outcome.WARNING),
            ("UPDATE_IN_PROGRESS", Outcome.WARNING),
            ("ROLLBACK_COMPLETE", Outcome.FAILED),
            ("UPDATE_ROLLBACK_FAILED", Outcome.FAILED),
        ],
    )
    def test_its_status_decides(self, status, outcome):
        check = check_stack(stack(status), "alur-dev", "dev")
        assert check.outcome is outcome
        assert status in check.what
        assert bool(check.remedy) is (outcome is not Outcome.OK)

    def test_none_is_no_failure(self):
        check = check_stack(None, "alur-dev", "dev")
        assert (check.outcome, check.remedy) == (Outcome.WARNING, "`alur deploy --env dev`")
