"""A topic, who may publish to it, who hears of it, and an alarm: as the local stack creates them."""

from __future__ import annotations

import json
import uuid

import pytest

from alur.aws.clients import client
from alur.errors import LocalStackError
from alur.local.resources import Deployer, Timings
from alur.local.template import plan_template

pytestmark = pytest.mark.stack

TEMPLATE = """
Transform: AWS::Serverless-2016-10-31
Parameters:
  Limit: {Type: Number, Default: 120}
  Name: {Type: String}
Resources:
  Alarm:
    Type: AWS::CloudWatch::Alarm
    Properties:
      AlarmName: !Ref Name
      AlarmDescription: !Sub More than ${Limit} minutes
      Namespace: Alur
      MetricName: OldestProcessingMinutes
      Dimensions: [{Name: service, Value: !Ref AWS::StackName}]
      Statistic: Maximum
      Period: 300
      EvaluationPeriods: 1
      ComparisonOperator: GreaterThanThreshold
      Threshold: !Ref Limit
      TreatMissingData: ignore
      AlarmActions: [!Ref Topic]
      OKActions: [!Ref Topic]
  Topic:
    Type: AWS::SNS::Topic
    Properties: {TopicName: !Ref Name, DisplayName: Alur dev, KmsMasterKeyId: a-key}
  Policy:
    Type: AWS::SNS::TopicPolicy
    Properties:
      Topics: [!Ref Topic]
      PolicyDocument: {Version: "2012-10-17", Statement: []}
  Subscription:
    Type: AWS::SNS::Subscription
    Properties: {TopicArn: !Ref Topic, Protocol: email, Endpoint: someone@example.com}
Outputs:
  TopicArn: {Value: !Ref Topic}
  AlarmArn: {Value: !GetAtt Alarm.Arn}
"""


def deploy(template, tmp_path, **parameters):
    plan = plan_template(template, parameters)
    return Deployer(client, plan, tmp_path, {}, tmp_path, Timings(), {}).deploy(lambda _: None)


def test_an_alarm_and_its_topic_are_what_the_template_says(aws_servers, tmp_path):
    name = f"alarm-{uuid.uuid4().hex}"
    outputs = deploy(TEMPLATE, tmp_path, Name=name).outputs
    (alarm,) = client("cloudwatch").describe_alarms(AlarmNames=[name])["MetricAlarms"]
    assert alarm["AlarmArn"] == outputs["AlarmArn"]
    assert alarm["AlarmDescription"] == "More than 120 minutes"
    assert (alarm["Namespace"], alarm["MetricName"]) == ("Alur", "OldestProcessingMinutes")
    assert alarm["Dimensions"] == [{"Name": "service", "Value": "alur-local"}]
    assert (alarm["Statistic"], alarm["ComparisonOperator"]) == ("Maximum", "GreaterThanThreshold")
    assert (alarm["Threshold"], alarm["Period"], alarm["EvaluationPeriods"]) == (120, 300, 1)
    assert alarm["TreatMissingData"] == "ignore"
    assert alarm["AlarmActions"] == alarm["OKActions"] == [outputs["TopicArn"]]

    attributes = client("sns").get_topic_attributes(TopicArn=outputs["TopicArn"])["Attributes"]
    assert (attributes["DisplayName"], attributes["KmsMasterKeyId"]) == ("Alur dev", "a-key")
    assert json.loads(attributes["Policy"]) == {"Version": "2012-10-17", "Statement": []}
    (subscription,) = client("sns").list_subscriptions_by_topic(TopicArn=outputs["TopicArn"])["Subscriptions"]
    assert (subscription["Protocol"], subscription["Endpoint"]) == ("email", "someone@example.com")


def test_a_property_of_an_alarm_that_the_api_does_not_take_is_an_error(aws_servers, tmp_path):
    wrong = TEMPLATE.replace("Statistic: Maximum", "Statistik: Maximum")
    with pytest.raises(LocalStackError, match="Statistik"):
        deploy(wrong, tmp_path, Name=f"alarm-{uuid.uuid4().hex}")
