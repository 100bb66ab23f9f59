"""The events that the local stack's S3 sends, which differ from AWS's: no sequencer, slashes encoded, other times."""

from __future__ import annotations

import json

import boto3
import pytest
from moto.server import ThreadedMotoServer

from alur.dispatch.events import ObjectCreated, parse

BUCKET = "events-of-local-s3"
KEY = "orders/Januar 2026/a+b 100% ä.csv"
REGION = "us-east-1"


@pytest.fixture(scope="module")
def make_client():
    """Yields a maker of clients of a server of our own: moto's decorators would empty every other server's state."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()

    def make(service: str):
        return boto3.client(
            service,
            region_name=REGION,
            endpoint_url=f"http://{host}:{port}",
            aws_access_key_id="testing",
            aws_secret_access_key="testing",
        )

    yield make
    server.stop()


@pytest.fixture
def queue(make_client, request):
    """Yields the S3 client, the SQS client, and the URL and ARN of a queue of its own."""
    s3, sqs = make_client("s3"), make_client("sqs")
    s3.create_bucket(Bucket=BUCKET)
    url = sqs.create_queue(QueueName=request.node.name)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    yield s3, sqs, url, arn
    s3.delete_object(Bucket=BUCKET, Key=KEY)
    s3.delete_bucket(Bucket=BUCKET)
    sqs.delete_queue(QueueUrl=url)


def invocation(sqs, url) -> dict:
    """Receive what the queue holds, as Lambda would hand it over."""
    messages = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
    return {
        "Records": [
            {"messageId": message["MessageId"], "eventSource": "aws:sqs", "body": message["Body"]}
            for message in messages
        ]
    }


def test_a_notification_is_read_with_its_key_and_the_etag_that_s3_gave(queue):
    s3, sqs, url, arn = queue
    s3.put_bucket_notification_configuration(
        Bucket=BUCKET,
        NotificationConfiguration={"QueueConfigurations": [{"QueueArn": arn, "Events": ["s3:ObjectCreated:*"]}]},
    )
    etag = s3.put_object(Bucket=BUCKET, Key=KEY, Body=b"a,b\n")["ETag"]
    created = parse(invocation(sqs, url)).created
    assert [(one.bucket, one.key, one.size_bytes) for one in created] == [(BUCKET, KEY, 4)]
    assert created[0].etag == etag.strip('"')
    assert created[0].sequencer is None
    assert created[0].version_id is None


def test_an_eventbridge_event_is_read_too(queue, make_client):
    s3, sqs, url, arn = queue
    events = make_client("events")
    pattern = {"source": ["aws.s3"], "detail-type": ["Object Created"], "detail": {"bucket": {"name": [BUCKET]}}}
    events.put_rule(Name=BUCKET, EventPattern=json.dumps(pattern))
    events.put_targets(Rule=BUCKET, Targets=[{"Id": "queue", "Arn": arn}])
    s3.put_bucket_notification_configuration(Bucket=BUCKET, NotificationConfiguration={"EventBridgeConfiguration": {}})
    s3.put_object(Bucket=BUCKET, Key=KEY, Body=b"a,b\n")
    (created,) = parse(invocation(sqs, url)).created
    events.remove_targets(Rule=BUCKET, Ids=["queue"])
    events.delete_rule(Name=BUCKET)
    assert isinstance(created, ObjectCreated)
    assert (created.bucket, created.key, created.size_bytes) == (BUCKET, KEY, 4)
    assert created.event_at.tzinfo is not None
