from __future__ import annotations

import pytest

from alur.errors import LocalStackError
from alur.local.paths import Paths
from alur.local.stack import LOCAL_PARAMETERS, template_parameters
from alur.local.template import Section, StackIdentity, plan_template, read_section

MINIMAL = """
Transform: AWS::Serverless-2016-10-31
Parameters:
  Name: {Type: String}
Conditions:
  Never: !Equals [a, b]
Resources:
  Second:
    Type: AWS::SQS::Queue
    Properties: {QueueName: !Sub "${First.QueueName}-2"}
  First:
    Type: AWS::SQS::Queue
    DependsOn: Zeroth
    Properties: {QueueName: !Ref Name}
  Zeroth: {Type: "AWS::SNS::Topic"}
  Absent: {Type: "AWS::SNS::Topic", Condition: Never}
"""


def test_resources_come_after_those_that_they_refer_to():
    plan = plan_template(MINIMAL, {"Name": "n"})
    assert [resource.logical_id for resource in plan.resources] == ["Zeroth", "First", "Second"]


def test_a_parameter_without_a_value_is_an_error():
    with pytest.raises(LocalStackError, match="Name"):
        plan_template(MINIMAL, {})


def test_a_parameter_that_does_not_exist_is_an_error():
    with pytest.raises(LocalStackError, match="Nmae"):
        plan_template(MINIMAL, {"Name": "n", "Nmae": "typo"})


def test_a_circle_is_named():
    circle = MINIMAL.replace("!Ref Name", "!GetAtt Second.QueueName")
    with pytest.raises(LocalStackError, match="circular"):
        plan_template(circle, {"Name": "n"})


def test_the_deployments_template_can_be_planned_with_the_local_names(paths: Paths):
    parameters = template_parameters(read_section(paths.samconfig, "default"), {})
    plan = plan_template(paths.template.read_text(), parameters)
    assert {"DispatcherFunction", "ReconcilerFunction", "PublisherFunction"} <= set(plan.code)
    assert plan.parameters["LandingBucketName"] == "alur-landing-local"


def test_an_unknown_section_is_an_error(paths: Paths):
    with pytest.raises(LocalStackError, match="no section"):
        read_section(paths.samconfig, "nowhere")


def test_a_section_names_stack_region_and_parameters(paths: Paths):
    section = read_section(paths.samconfig, "e2e-test")
    assert (section.name, section.stack_name, section.region) == ("e2e-test", "alur-e2e-test", "ap-southeast-5")
    assert section.parameters["StateTableName"] == "alur-ingestion-state"
    assert section.parameters["EventIngestion"] == "off"


def test_a_section_without_a_region_is_in_us_east_1(paths: Paths):
    assert read_section(paths.samconfig, "default").region == "us-east-1"


@pytest.mark.parametrize(
    ("parameters", "problem"),
    [("", "no stack_name"), ('stack_name = "s"\nparameter_overrides = ["Environment"]', "no Name=value")],
)
def test_a_section_that_cannot_be_deployed_is_an_error(tmp_path, parameters, problem):
    file = tmp_path / "samconfig.toml"
    file.write_text(f"[dev.deploy.parameters]\n{parameters}\n")
    with pytest.raises(LocalStackError, match=problem):
        read_section(file, "dev")


def test_only_the_default_section_gets_the_local_names():
    default = Section("default", "s", "r", {"Environment": "default", "MaxVcpu": "8"})
    other = Section("e2e-test", "s", "r", default.parameters)
    assert template_parameters(default, {}) == {**LOCAL_PARAMETERS, "MaxVcpu": "8"}
    assert template_parameters(other, {}) == default.parameters
    assert template_parameters(other, {"MaxVcpu": "4"}) == {"Environment": "default", "MaxVcpu": "4"}


def test_the_pseudo_parameters_are_those_of_the_stack():
    text = MINIMAL.replace("!Ref Name", '!Sub "${AWS::StackName} ${AWS::Region} ${AWS::StackId}"')
    plan = plan_template(text, {"Name": "n"}, StackIdentity("alur-dev", "ap-southeast-5"))
    first = plan.resources[1]
    name, region, stack_id = plan.resolver.resolve(dict(first.properties))["QueueName"].split()
    assert (name, region) == ("alur-dev", "ap-southeast-5")
    assert stack_id.startswith("arn:aws:cloudformation:ap-southeast-5:123456789012:stack/alur-dev/00000000-")
