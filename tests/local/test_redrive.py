"""What docs/operating.md tells to do, done to a running stack: dead letters sent back, a failed file tried again.

The stack has no place for job runs, so a file that is claimed stays `processing`.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time

import pytest

from alur.aws.clients import client
from alur.local.resources import Timings
from alur.local.stack import Options, running_stack

pytestmark = pytest.mark.stack

WAIT_SECONDS = 60
# Names that no other stack of this process has: what moto holds outlives a stack.
PARAMETERS = {
    "Environment": "redrive",
    **dict.fromkeys(
        (
            "StateTableName",
            "BatchesTableName",
            "LandingBucketName",
            "LakeBucketName",
            "ArtifactsBucketName",
            "DatabaseName",
        ),
        "",
    ),
}
CONTENT = b"order_id\n1\n"


@pytest.fixture(scope="module")
def outputs(paths, tmp_path_factory):
    options = Options(PARAMETERS, slots=0, timings=Timings(window_seconds=0.1, retry_seconds=0))
    with running_stack(paths, options, lambda _: None, tmp_path_factory.mktemp("stack")) as state:
        yield state.outputs


def wait_until(holds, what):
    deadline = time.monotonic() + WAIT_SECONDS
    while not holds():
        assert time.monotonic() < deadline, f"not within {WAIT_SECONDS} s: {what}"
        time.sleep(0.05)


def waiting(url):
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    attributes = client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
    return sum(int(value) for value in attributes.values())


def put(outputs, key):
    client("s3").put_object(Bucket=outputs["LandingBucket"], Key=key, Body=CONTENT)


def key_of(outputs, key):
    path = f"s3://{outputs['LandingBucket']}/{key}"
    return {"TableName": outputs["StateTable"], "Key": {"ingestion_key": {"S": "orders"}, "file_path": {"S": path}}}


def item(outputs, key):
    found = client("dynamodb").get_item(**key_of(outputs, key), ConsistentRead=True).get("Item", {})
    return {name: next(iter(value.values())) for name, value in found.items()}


def is_claimed(outputs, key, not_by=None):
    found = item(outputs, key)
    return found.get("status") == "processing" and found["batch_id"] != not_by


def send_back_as_documented(paths, outputs):
    """Run the page's own Python."""
    text = (paths.template.parent / "docs" / "operating.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    names = {"DEAD_LETTERS": outputs["DeadLetterQueueUrl"], "EVENTS": outputs["EventQueueUrl"]}
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **names}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def unreachable(table):
    """Take a table away, and return what brings it back."""
    dynamodb = client("dynamodb")
    described = dynamodb.describe_table(TableName=table)["Table"]
    kept = ("TableName", "AttributeDefinitions", "KeySchema")
    indexes = [
        {name: index[name] for name in ("IndexName", "KeySchema", "Projection")}
        for index in described["GlobalSecondaryIndexes"]
    ]
    dynamodb.delete_table(TableName=table)
    return lambda: dynamodb.create_table(
        **{name: described[name] for name in kept}, GlobalSecondaryIndexes=indexes, BillingMode="PAY_PER_REQUEST"
    )


def test_an_event_that_failed_to_the_last_is_sent_back_and_its_file_is_claimed(paths, outputs):
    bring_back = unreachable(outputs["BatchesTable"])
    put(outputs, "orders/dead.csv")
    wait_until(lambda: waiting(outputs["DeadLetterQueueUrl"]) == 1, "the event among the dead letters")
    assert waiting(outputs["EventQueueUrl"]) == 0
    assert item(outputs, "orders/dead.csv") == {}

    # What EventBridge leaves when it cannot deliver is the event itself.
    etag = client("s3").head_object(Bucket=outputs["LandingBucket"], Key="orders/dead.csv")["ETag"].strip('"')
    undelivered = {
        "source": "aws.s3",
        "detail-type": "Object Created",
        "time": "2026-11-23T10:00:00Z",
        "detail": {
            "bucket": {"name": outputs["LandingBucket"]},
            "object": {"key": "orders/undelivered.csv", "size": len(CONTENT), "etag": etag},
        },
    }
    client("sqs").send_message(QueueUrl=outputs["DeadLetterQueueUrl"], MessageBody=json.dumps(undelivered))

    bring_back()
    said = send_back_as_documented(paths, outputs)
    assert len(said) == 2
    assert all(line.startswith("sent back: ") for line in said)
    for key in ("orders/dead.csv", "orders/undelivered.csv"):
        wait_until(lambda key=key: is_claimed(outputs, key), f"{key} claimed")
    wait_until(lambda: waiting(outputs["EventQueueUrl"]) == 0, "the events handled")
    assert waiting(outputs["DeadLetterQueueUrl"]) == 0


def fail(outputs, key, *, is_permanent):
    client("dynamodb").update_item(
        **key_of(outputs, key),
        UpdateExpression="SET #status = :failed, error_type = :type, error_is_permanent = :permanent",
        ExpressionAttributeNames={"#status": "status"},
        ExpressionAttributeValues={
            ":failed": {"S": "failed"},
            ":type": {"S": "HeaderMismatch" if is_permanent else "RunsFailed"},
            ":permanent": {"BOOL": is_permanent},
        },
    )


def copy_onto_itself(outputs, key):
    bucket = outputs["LandingBucket"]
    client("s3").copy_object(
        Bucket=bucket, Key=key, CopySource={"Bucket": bucket, "Key": key}, MetadataDirective="REPLACE"
    )


def delete_item(outputs, key):
    client("dynamodb").delete_item(
        **key_of(outputs, key),
        ConditionExpression="#status <> :processing",
        ExpressionAttributeNames={"#status": "status"},
        ExpressionAttributeValues={":processing": {"S": "processing"}},
    )


def test_a_failed_file_whose_event_is_sent_again_is_claimed_again(outputs):
    put(outputs, "orders/again.csv")
    wait_until(lambda: is_claimed(outputs, "orders/again.csv"), "claimed")
    first = item(outputs, "orders/again.csv")["batch_id"]
    fail(outputs, "orders/again.csv", is_permanent=False)
    copy_onto_itself(outputs, "orders/again.csv")
    wait_until(lambda: is_claimed(outputs, "orders/again.csv", not_by=first), "claimed again")


def test_a_file_that_failed_for_good_is_claimed_again_only_without_its_item(outputs):
    put(outputs, "orders/for_good.csv")
    wait_until(lambda: is_claimed(outputs, "orders/for_good.csv"), "claimed")
    with pytest.raises(client("dynamodb").exceptions.ConditionalCheckFailedException):
        delete_item(outputs, "orders/for_good.csv")
    first = item(outputs, "orders/for_good.csv")["batch_id"]
    fail(outputs, "orders/for_good.csv", is_permanent=True)
    copy_onto_itself(outputs, "orders/for_good.csv")
    wait_until(lambda: waiting(outputs["EventQueueUrl"]) == 0, "the event handled")
    assert item(outputs, "orders/for_good.csv")["status"] == "failed"

    delete_item(outputs, "orders/for_good.csv")
    copy_onto_itself(outputs, "orders/for_good.csv")
    wait_until(lambda: is_claimed(outputs, "orders/for_good.csv", not_by=first), "claimed again")
