"""Where things are: what is given, variables, the stack's outputs; and nothing is asked before it is needed."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from alur.aws.deployment import VARIABLES, Deployment, read_section
from alur.errors import DeploymentUnknown

SAMCONFIG = """
version = 0.1
[dev.deploy.parameters]
stack_name = "alur-dev"
[e2e-test.deploy.parameters]
stack_name = "alur-e2e-test"
region = "ap-southeast-5"
[empty.build.parameters]
cached = true
"""


class CloudFormation:
    """Answers for one stack."""

    def __init__(self, stack: str = "alur-e2e-test", error: Exception | None = None) -> None:
        self.stack, self.error, self.asked = stack, error, []

    def __call__(self, service: str, region: str | None) -> Any:
        self.asked.append((service, region))
        return self

    def describe_stacks(self, StackName: str) -> Any:
        if self.error is not None:
            raise self.error
        if StackName != self.stack:
            raise ClientError({"Error": {"Code": "ValidationError", "Message": "does not exist"}}, "DescribeStacks")
        outputs = [
            {"OutputKey": name, "OutputValue": f"{name} of {StackName}"} for name in VARIABLES if name != "JobRoleArn"
        ]
        return {"Stacks": [{"Outputs": outputs}]}


@pytest.fixture
def project(tmp_path):
    (tmp_path / "samconfig.toml").write_text(SAMCONFIG)
    (tmp_path / "src" / "deep").mkdir(parents=True)
    return tmp_path


def deployment(project, clouds=None, **facts: Any) -> Deployment:
    facts.setdefault("variables", {})
    return Deployment(directory=project / "src" / "deep", make_client=clouds or CloudFormation(), **facts)


def test_what_is_given_outranks_everything(project) -> None:
    found = deployment(project, given={"StateTable": "given"}, variables={"ALUR_STATE_TABLE": "variable"})
    assert found.name("StateTable") == "given"


def test_a_variable_outranks_the_stack_that_another_variable_names(project) -> None:
    clouds = CloudFormation()
    found = deployment(project, clouds, variables={"ALUR_STATE_TABLE": "variable", "ALUR_ENV": "e2e-test"})
    assert found.name("StateTable") == "variable"
    assert found.name("LakeBucket") == "LakeBucket of alur-e2e-test"
    assert clouds.asked == [("cloudformation", "ap-southeast-5")]


def test_an_environment_that_is_named_outranks_variables(project) -> None:
    found = deployment(project, environment="e2e-test", variables={"ALUR_STATE_TABLE": "of another one"})
    assert found.name("StateTable") == "StateTable of alur-e2e-test"


def test_the_stack_is_asked_once_and_not_before_it_is_needed(project) -> None:
    clouds = CloudFormation()
    found = deployment(project, clouds, environment="e2e-test")
    assert clouds.asked == []
    for name in ("StateTable", "LakeBucket", "Database"):
        found.name(name)
    assert len(clouds.asked) == 1


def test_where_nothing_says_it_all_three_ways_are_named(project) -> None:
    with pytest.raises(DeploymentUnknown, match=r"as an argument, or set ALUR_STATE_TABLE, or set ALUR_ENV"):
        deployment(project).name("StateTable")


@pytest.mark.parametrize(
    ("facts", "region"),
    [
        ({"region": "eu-north-1", "environment": "e2e-test"}, "eu-north-1"),
        ({"environment": "e2e-test", "variables": {"AWS_REGION": "us-east-1"}}, "ap-southeast-5"),
        ({"environment": "dev", "variables": {"AWS_REGION": "us-east-1"}}, "us-east-1"),
        ({"variables": {"AWS_DEFAULT_REGION": "us-east-2", "ALUR_ENV": "e2e-test"}}, "us-east-2"),
        ({"variables": {"ALUR_ENV": "e2e-test"}}, "ap-southeast-5"),
        ({"variables": {"ALUR_ENV": "nowhere"}}, None),
        ({}, None),
    ],
)
def test_the_region_is_that_of_the_environment_that_is_named(project, facts, region) -> None:
    assert deployment(project, **facts).region_name == region


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ("dev", r"there is no stack alur-dev in the default Region: `alur deploy --env dev`"),
        ("prod", "has no section prod; it has dev, e2e-test, empty"),
        ("empty", "has no stack_name"),
    ],
)
def test_an_environment_that_is_not_there_says_what_to_do(project, environment, said) -> None:
    with pytest.raises(DeploymentUnknown, match=said):
        deployment(project, environment=environment).name("StateTable")


def test_a_stack_of_an_older_version_is_told_to_be_deployed_again(project) -> None:
    with pytest.raises(DeploymentUnknown, match="has no such output; deploy this version"):
        deployment(project, environment="e2e-test").name("JobRoleArn")


@pytest.mark.parametrize(
    "error",
    [
        ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "DescribeStacks"),
        EndpointConnectionError(endpoint_url="https://nowhere"),
    ],
)
def test_a_stack_that_cannot_be_asked_is_no_answer(project, error) -> None:
    with pytest.raises(DeploymentUnknown, match="cannot be asked"):
        deployment(project, CloudFormation(error=error), environment="e2e-test").name("StateTable")


def test_without_a_samconfig_the_folder_is_named(tmp_path) -> None:
    with pytest.raises(DeploymentUnknown, match="go to the project"):
        read_section("dev", tmp_path)


def test_a_samconfig_that_is_none_is_named(tmp_path) -> None:
    (tmp_path / "samconfig.toml").write_text("[dev")
    with pytest.raises(DeploymentUnknown, match="cannot be read"):
        read_section("dev", tmp_path)
