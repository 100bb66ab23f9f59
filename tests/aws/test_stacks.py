from __future__ import annotations

import json
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from alur.aws.asking import Refusal, ask
from alur.aws.stacks import Stacks, stack_state
from alur.errors import DeploymentUnknown

TEMPLATE = {
    "Resources": {
        "Lake": {"Type": "AWS::S3::Bucket", "DeletionPolicy": "RetainExceptOnCreate"},
        "Artifacts": {"Type": "AWS::S3::Bucket", "DeletionPolicy": "Retain"},
        "Scratch": {"Type": "AWS::S3::Bucket"},
        "Queue": {"Type": "AWS::SQS::Queue", "DeletionPolicy": "Delete"},
    }
}


class CloudFormation:
    """Answers as AWS does, two resources a page."""

    def __init__(self, template: Any = TEMPLATE, **stack: Any) -> None:
        self.template = template
        self.stack = {"StackName": "s", "StackStatus": "CREATE_COMPLETE", **stack}

    def describe_stacks(self, StackName: str) -> Any:
        return {"Stacks": [self.stack]}

    def get_template(self, StackName: str, TemplateStage: str) -> Any:
        assert TemplateStage == "Processed"
        return {"TemplateBody": self.template}

    def get_paginator(self, name: str) -> CloudFormation:
        assert name == "list_stack_resources"
        return self

    def paginate(self, StackName: str) -> Any:
        yield {"StackResourceSummaries": [self._summary("Lake"), self._summary("Artifacts", "DELETE_SKIPPED")]}
        yield {"StackResourceSummaries": [self._summary("Scratch"), self._summary("Gone", "DELETE_COMPLETE")]}
        never_made = {"LogicalResourceId": "N", "ResourceType": "AWS::SNS::Topic", "ResourceStatus": "CREATE_FAILED"}
        yield {"StackResourceSummaries": [self._summary("Queue", type="AWS::SQS::Queue"), never_made]}

    def _summary(self, name: str, status: str = "CREATE_COMPLETE", type: str = "AWS::S3::Bucket") -> Any:
        return {
            "LogicalResourceId": name,
            "PhysicalResourceId": name.lower(),
            "ResourceType": type,
            "ResourceStatus": status,
        }


class Refusing:
    def __init__(self, error: Exception) -> None:
        self.error = error

    def describe_stacks(self, StackName: str) -> Any:
        raise self.error


def test_what_stays_is_what_the_deployed_template_says():
    resources = Stacks(CloudFormation()).resources("s")
    assert [(one.physical_id, one.is_retained) for one in resources] == [
        ("lake", True),
        ("artifacts", True),
        ("scratch", False),
        ("queue", False),
    ]


def test_a_template_that_cannot_be_read_is_taken_for_ours():
    resources = Stacks(CloudFormation(template="Resources: !Ref x")).resources("s")
    assert {one.logical_id for one in resources if one.is_retained} == {"Lake", "Artifacts", "Scratch"}


def test_a_template_that_comes_as_text_is_read():
    resources = Stacks(CloudFormation(template=json.dumps(TEMPLATE))).resources("s")
    assert {one.logical_id for one in resources if one.is_retained} == {"Lake", "Artifacts"}


def test_a_stack_has_its_parameters_and_outputs():
    found = Stacks(
        CloudFormation(
            Parameters=[{"ParameterKey": "Environment", "ParameterValue": "dev"}],
            Outputs=[{"OutputKey": "Database", "OutputValue": "bronze"}],
            EnableTerminationProtection=True,
        )
    ).find("s")
    assert found is not None
    assert (found.parameters, found.outputs, found.is_protected) == (
        {"Environment": "dev"},
        {"Database": "bronze"},
        True,
    )


def test_a_stack_that_is_deleted_or_never_was_is_none():
    gone = ClientError({"Error": {"Code": "ValidationError", "Message": "Stack with id s does not exist"}}, "D")
    assert Stacks(Refusing(gone)).find("s") is None
    assert Stacks(CloudFormation(StackStatus="DELETE_COMPLETE")).find("s") is None


@pytest.mark.parametrize(
    "error",
    [
        ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "D"),
        ClientError({"Error": {"Code": "ValidationError", "Message": "1 validation error detected"}}, "D"),
        EndpointConnectionError(endpoint_url="https://nowhere"),
    ],
)
def test_no_answer_is_no_stack_that_is_not_there(error):
    with pytest.raises(DeploymentUnknown, match="stack s: CloudFormation cannot be asked"):
        Stacks(Refusing(error)).find("s")


class TestStates:
    @pytest.mark.parametrize("status", ["CREATE_COMPLETE", "UPDATE_COMPLETE", "IMPORT_COMPLETE"])
    def test_deployed(self, status):
        state = stack_state(status, "dev", "s")
        assert (state.is_healthy, state.takes_deploys) == (True, True)

    @pytest.mark.parametrize(
        ("status", "remedy"),
        [
            ("ROLLBACK_COMPLETE", "alur destroy --env dev"),
            ("ROLLBACK_FAILED", "alur destroy --env dev"),
            ("DELETE_FAILED", "alur destroy --env dev"),
            ("UPDATE_ROLLBACK_FAILED", "continue-update-rollback --stack-name s"),
            ("UPDATE_IN_PROGRESS", "wait"),
            ("UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS", "wait"),
        ],
    )
    def test_what_takes_no_deploy_says_what_to_do(self, status, remedy):
        state = stack_state(status, "dev", "s")
        assert (state.is_healthy, state.takes_deploys) == (False, False)
        assert remedy in state.remedy

    @pytest.mark.parametrize("status", ["UPDATE_ROLLBACK_COMPLETE", "REVIEW_IN_PROGRESS", "CREATE_FAILED", "NEW_ONE"])
    def test_what_is_not_well_and_takes_a_deploy(self, status):
        state = stack_state(status, "dev", "s")
        assert (state.is_healthy, state.takes_deploys) == (False, True)

    def test_every_status_of_cloudformation_is_known(self):
        shape = boto3.client("cloudformation", region_name="us-east-1").meta.service_model.shape_for("StackStatus")
        unknown = [one for one in shape.enum if "not known here" in stack_state(one, "dev", "s").meaning]
        # It is found by its id only.
        assert unknown == ["DELETE_COMPLETE"]


class TestAsking:
    def test_an_answer_is_handed_back(self):
        assert ask(lambda: {"a": 1}) == {"a": 1}

    def test_a_page_of_html_becomes_one_line(self):
        def call():
            raise ClientError({"Error": {"Code": "500", "Message": "<html>\n" + "x " * 1000}}, "Op")

        refusal = ask(call)
        assert isinstance(refusal, Refusal)
        assert refusal.code == "500"
        assert "\n" not in refusal.detail
        assert len(refusal.detail) < 400

    def test_what_is_no_error_of_aws_is_raised(self):
        with pytest.raises(KeyError):
            ask(lambda: {}["a"])
