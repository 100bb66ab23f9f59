from __future__ import annotations

import pytest

from alur.errors import LocalStackError
from alur.local.paths import Paths
from alur.local.stack import LOCAL_PARAMETERS
from alur.local.template import plan_template, read_parameters

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
    parameters = {**read_parameters(paths.samconfig, "default"), **LOCAL_PARAMETERS}
    plan = plan_template(paths.template.read_text(), parameters)
    assert {"DispatcherFunction", "ReconcilerFunction", "PublisherFunction"} <= set(plan.code)
    assert plan.parameters["LandingBucketName"] == "alur-landing-local"


def test_an_unknown_section_is_an_error(paths: Paths):
    with pytest.raises(LocalStackError, match="no section"):
        read_parameters(paths.samconfig, "nowhere")
