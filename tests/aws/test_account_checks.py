from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError, NoRegionError

from alur.aws.account_checks import (
    DEPLOY_ACTIONS,
    Identity,
    check_credentials,
    check_lake_formation,
    check_permissions,
    check_quota,
    check_region,
)
from alur.aws.checks import Outcome
from alur.aws.deployment import Deployment

UNREACHABLE = EndpointConnectionError(endpoint_url="https://nowhere")


def refusal(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "no"}}, "Operation")


class Service:
    """A client whose operations answer what they are told to."""

    def __init__(self, **answers: Any) -> None:
        self.answers = answers
        self.asked: dict[str, Any] = {}

    class meta:
        region_name = "us-east-1"

    def get_paginator(self, name: str) -> Any:
        outer = self

        class Pages:
            def paginate(self, **arguments: Any) -> Any:
                return [getattr(outer, name)(**arguments)]

        return Pages()

    def __getattr__(self, name: str) -> Any:
        def operation(**arguments: Any) -> Any:
            self.asked[name] = arguments
            answer = self.answers[name]
            if isinstance(answer, Exception):
                raise answer
            return answer

        return operation


def deployment(**services: Service | Exception) -> Deployment:
    def make(name: str, _: str | None) -> Any:
        service = services[name.replace("-", "_")]
        if isinstance(service, Exception):
            raise service
        return service

    return Deployment(region="us-east-1", variables={}, make_client=make)


class TestCredentials:
    def test_who_asks_is_said(self):
        sts = Service(get_caller_identity={"Account": "1", "Arn": "arn:aws:iam::1:user/me"})
        check, identity = check_credentials(deployment(sts=sts))
        assert check.outcome is Outcome.OK
        assert identity == Identity("1", "arn:aws:iam::1:user/me")

    @pytest.mark.parametrize(
        ("error", "remedy"),
        [
            (NoCredentialsError(), "sign in"),
            (refusal("ExpiredToken"), "sign in"),
            (UNREACHABLE, "network"),
        ],
    )
    def test_nobody_is_let_in_and_what_to_do_is_said(self, error, remedy):
        check, identity = check_credentials(deployment(sts=Service(get_caller_identity=error)))
        assert (check.outcome, identity) == (Outcome.FAILED, None)
        assert remedy in check.remedy

    def test_without_a_region_no_client_can_be_made(self):
        check, identity = check_credentials(deployment(sts=NoRegionError()))
        assert (check.outcome, identity) == (Outcome.FAILED, None)
        assert "AWS_REGION" in check.remedy


class TestRegion:
    @pytest.mark.parametrize(
        ("answer", "outcome"),
        [
            ({"applications": []}, Outcome.OK),
            (UNREACHABLE, Outcome.FAILED),
            (refusal("AccessDeniedException"), Outcome.UNKNOWN),
            (refusal("500"), Outcome.UNKNOWN),
        ],
    )
    def test_it_offers_emr_serverless(self, answer, outcome):
        check = check_region(deployment(emr_serverless=Service(list_applications=answer)))
        assert check.outcome is outcome
        assert "us-east-1" in check.what


class TestQuota:
    @pytest.mark.parametrize(("quota", "outcome"), [(16.0, Outcome.OK), (100.0, Outcome.OK), (8.0, Outcome.WARNING)])
    def test_it_is_compared_with_what_the_environment_may_take(self, quota, outcome):
        quotas = Service(get_service_quota={"Quota": {"Value": quota}})
        assert check_quota(deployment(service_quotas=quotas), 16).outcome is outcome
        assert quotas.asked["get_service_quota"] == {"ServiceCode": "emr-serverless", "QuotaCode": "L-D05C8A75"}

    @pytest.mark.parametrize(
        "error", [refusal("NoSuchResourceException"), refusal("AccessDeniedException"), UNREACHABLE]
    )
    def test_one_that_cannot_be_read_is_unknown_and_says_so(self, error):
        check = check_quota(deployment(service_quotas=Service(get_service_quota=error)), 16)
        assert check.outcome is Outcome.UNKNOWN
        assert "could not be read" in check.what


class TestPermissions:
    USER = Identity("1", "arn:aws:iam::1:user/team/me")
    ROLE = Identity("1", "arn:aws:sts::1:assumed-role/Deployer/session")

    def simulated(self, **decisions: str) -> dict[str, Any]:
        results = [
            {"EvalActionName": action, "EvalDecision": decisions.get(action.replace(":", "_"), "allowed")}
            for action in DEPLOY_ACTIONS
        ]
        return {"EvaluationResults": results}

    def test_everything_that_is_allowed_is_ok(self):
        iam = Service(simulate_principal_policy=self.simulated())
        assert check_permissions(deployment(iam=iam), self.USER).outcome is Outcome.OK
        assert iam.asked["simulate_principal_policy"]["PolicySourceArn"] == self.USER.arn

    def test_what_is_denied_is_named_and_no_failure(self):
        iam = Service(
            simulate_principal_policy=self.simulated(iam_CreateRole="implicitDeny", s3_PutObject="explicitDeny")
        )
        check = check_permissions(deployment(iam=iam), self.USER)
        assert check.outcome is Outcome.WARNING
        assert "iam:CreateRole, s3:PutObject" in check.what

    def test_a_role_is_looked_up_because_a_session_leaves_out_its_path(self):
        iam = Service(
            simulate_principal_policy=self.simulated(),
            get_role={"Role": {"Arn": "arn:aws:iam::1:role/ci/Deployer"}},
        )
        assert check_permissions(deployment(iam=iam), self.ROLE).outcome is Outcome.OK
        assert iam.asked["simulate_principal_policy"]["PolicySourceArn"] == "arn:aws:iam::1:role/ci/Deployer"

    def test_a_role_that_may_not_be_looked_up_is_guessed(self):
        iam = Service(simulate_principal_policy=self.simulated(), get_role=refusal("AccessDenied"))
        check_permissions(deployment(iam=iam), self.ROLE)
        assert iam.asked["simulate_principal_policy"]["PolicySourceArn"] == "arn:aws:iam::1:role/Deployer"

    @pytest.mark.parametrize(
        ("identity", "error"),
        [(USER, refusal("AccessDenied")), (Identity("1", "arn:aws:sts::1:federated-user/me"), refusal("never asked"))],
    )
    def test_what_cannot_be_checked_is_never_a_failure(self, identity, error):
        check = check_permissions(deployment(iam=Service(simulate_principal_policy=error)), identity)
        assert check.outcome is Outcome.UNKNOWN
        assert "could not be checked" in check.what

    def test_root_may_everything(self):
        assert check_permissions(deployment(), Identity("1", "arn:aws:iam::1:root")).outcome is Outcome.OK


class TestLakeFormation:
    EVERYBODY = [{"Principal": {"DataLakePrincipalIdentifier": "IAM_ALLOWED_PRINCIPALS"}, "Permissions": ["ALL"]}]

    @pytest.mark.parametrize(
        ("settings", "outcome"),
        [
            (
                {"CreateDatabaseDefaultPermissions": EVERYBODY, "CreateTableDefaultPermissions": EVERYBODY},
                Outcome.OK,
            ),
            ({"CreateDatabaseDefaultPermissions": [], "CreateTableDefaultPermissions": EVERYBODY}, Outcome.WARNING),
            ({}, Outcome.WARNING),
        ],
    )
    def test_iam_alone_decides_or_not(self, settings, outcome):
        formation = Service(get_data_lake_settings={"DataLakeSettings": settings})
        assert check_lake_formation(deployment(lakeformation=formation)).outcome is outcome

    def test_who_may_not_ask_knows_nothing(self):
        formation = Service(get_data_lake_settings=refusal("AccessDeniedException"))
        assert check_lake_formation(deployment(lakeformation=formation)).outcome is Outcome.UNKNOWN
