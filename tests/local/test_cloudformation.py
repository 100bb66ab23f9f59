"""What the local CloudFormation tells of a stack, and a stack in a Region that is not S3's first one."""

from __future__ import annotations

import json
import uuid

import pytest
from botocore.exceptions import ClientError

from alur.aws.clients import client
from alur.local.cloudformation import publish_stack
from alur.local.resources import Deployer, Timings
from alur.local.template import StackIdentity, plan_template

pytestmark = pytest.mark.stack

REGION = "ap-southeast-5"
TEMPLATE = """
Transform: AWS::Serverless-2016-10-31
Parameters:
  Name: {Type: String}
  Left: {Type: String, Default: ""}
  Notifies: {Type: String, Default: "on"}
Conditions:
  Notifying: !Equals [!Ref Notifies, "on"]
Resources:
  Queue: {Type: "AWS::SQS::Queue", Properties: {QueueName: !Ref Name}}
  Bucket:
    Type: AWS::S3::Bucket
    Properties:
      BucketName: !Ref Name
      NotificationConfiguration: !If
        - Notifying
        - QueueConfigurations: [{Event: "s3:ObjectCreated:*", Queue: !GetAtt Queue.Arn}]
        - !Ref AWS::NoValue
Outputs:
  Bucket: {Value: !Ref Bucket, Description: Where files are put}
  QueueUrl: {Value: !Ref Queue}
  Setting: {Value: !Ref Notifies}
"""


def in_region(service):
    return client(service, REGION)


@pytest.fixture
def deploy(aws_servers, tmp_path):
    name = f"stack-{uuid.uuid4().hex}"

    def deploy(**parameters):
        plan = plan_template(TEMPLATE, {"Name": f"{name}-{len(parameters)}", **parameters}, StackIdentity(name, REGION))
        outputs = Deployer(in_region, plan, tmp_path, {}, tmp_path, Timings(), {}).deploy(lambda _: None).outputs
        publish_stack(in_region("cloudformation"), plan, outputs)
        return plan, outputs

    return deploy


def described(name):
    (stack,) = in_region("cloudformation").describe_stacks(StackName=name)["Stacks"]
    return stack


def test_a_stack_is_described_by_its_name_with_outputs_and_parameters(deploy):
    plan, outputs = deploy()
    stack = described(plan.stack.name)
    assert stack["StackStatus"] == "CREATE_COMPLETE"
    assert {one["OutputKey"]: one["OutputValue"] for one in stack["Outputs"]} == outputs
    assert outputs["Setting"] == "on"
    assert stack["Outputs"][0]["Description"] == "Where files are put"
    assert {one["ParameterKey"]: one["ParameterValue"] for one in stack["Parameters"]} == plan.parameters
    # It is told of, and made once: nothing of it belongs to CloudFormation.
    in_region("cloudformation").delete_stack(StackName=plan.stack.name)
    in_region("s3").head_bucket(Bucket=outputs["Bucket"])


def test_a_stack_that_is_deployed_again_is_the_only_one_of_its_name(deploy):
    deploy()
    plan, outputs = deploy(Notifies="off")
    shown = {one["OutputKey"]: one["OutputValue"] for one in described(plan.stack.name)["Outputs"]}
    assert shown == outputs
    assert shown["Setting"] == "off"


def test_a_stack_that_does_not_exist_is_a_validation_error_as_on_aws(deploy):
    plan, _ = deploy()
    for name, region in (("nobody", REGION), (plan.stack.name, "us-east-1")):
        with pytest.raises(ClientError) as caught:
            client("cloudformation", region).describe_stacks(StackName=name)
        assert caught.value.response["Error"]["Code"] == "ValidationError"


def keys_announced(url):
    messages = in_region("sqs").receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
    records = [record for message in messages for record in json.loads(message["Body"]).get("Records", [])]
    assert {record["awsRegion"] for record in records} <= {REGION}
    return [record["s3"]["object"]["key"] for record in records]


@pytest.mark.parametrize(("notifies", "announced"), [("on", ["file.csv"]), ("off", [])])
def test_a_bucket_elsewhere_than_in_us_east_1_tells_its_queue_there_and_only_where_it_is_to(
    deploy, notifies, announced
):
    _, outputs = deploy(Notifies=notifies)
    s3 = in_region("s3")
    assert s3.get_bucket_location(Bucket=outputs["Bucket"])["LocationConstraint"] == REGION
    s3.put_object(Bucket=outputs["Bucket"], Key="file.csv", Body=b"a")
    assert keys_announced(outputs["QueueUrl"]) == announced
