from __future__ import annotations

import threading
import time
import uuid

import pytest

from alur.aws.clients import client
from alur.local.poller import Poller, QueueMapping, failed_ids, to_record

WAIT_SECONDS = 20


def wait_until(condition):
    deadline = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


@pytest.mark.parametrize(
    ("answer", "failed"),
    [
        (None, set()),
        ({}, set()),
        ({"batchItemFailures": []}, set()),
        ({"batchItemFailures": None}, set()),
        ({"batchItemFailures": [{"itemIdentifier": "b"}]}, {"b"}),
        ({"batchItemFailures": [{"itemIdentifier": "unknown"}]}, {"a", "b"}),
        ({"batchItemFailures": [{"itemIdentifier": ""}]}, {"a", "b"}),
        ({"batchItemFailures": [{"wrong": "b"}]}, {"a", "b"}),
        ({"batchItemFailures": "b"}, {"a", "b"}),
        ("text", {"a", "b"}),
    ],
)
def test_answers_are_read_as_lambda_reads_them(answer, failed):
    assert failed_ids(answer, ["a", "b"], True) == failed


def test_without_report_batch_item_failures_an_answer_means_nothing():
    assert failed_ids({"batchItemFailures": [{"itemIdentifier": "a"}]}, ["a"], False) == frozenset()


@pytest.mark.stack
class TestOverSqs:
    @pytest.fixture
    def queues(self, aws_servers):
        sqs, name = client("sqs"), f"q-{uuid.uuid4().hex}"
        dead = sqs.create_queue(QueueName=f"{name}-dead")["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        policy = f'{{"deadLetterTargetArn": "{arn}", "maxReceiveCount": 2}}'
        url = sqs.create_queue(QueueName=name, Attributes={"RedrivePolicy": policy, "VisibilityTimeout": "60"})[
            "QueueUrl"
        ]
        return url, dead

    @pytest.fixture
    def poll(self, queues):
        pollers = []

        def start(function, batch_size=1000, window=0.3):
            mapping = QueueMapping(queues[0], "arn:aws:sqs:us-east-1:123456789012:q", batch_size, window, True, 0)
            pollers.append(Poller(mapping, client("sqs"), function))
            pollers[-1].start()

        yield start
        for poller in pollers:
            poller.stop()

    def count(self, url):
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        attributes = client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
        return sum(int(value) for value in attributes.values())

    def send(self, url, *bodies):
        for body in bodies:
            client("sqs").send_message(QueueUrl=url, MessageBody=body)

    def test_messages_are_gathered_into_one_call_and_deleted(self, queues, poll):
        self.send(queues[0], *(f"m{number}" for number in range(25)))
        batches = []
        poll(lambda event: batches.append([record["body"] for record in event["Records"]]))
        wait_until(lambda: self.count(queues[0]) == 0)
        assert sorted(batches[0]) == sorted(f"m{number}" for number in range(25))
        assert len(batches) == 1

    def test_a_batch_is_never_larger_than_the_mapping_says(self, queues, poll):
        self.send(queues[0], *(f"m{number}" for number in range(25)))
        sizes = []
        poll(lambda event: sizes.append(len(event["Records"])), batch_size=12)
        wait_until(lambda: sum(sizes) == 25)
        assert max(sizes) == 12

    def test_what_fails_comes_back_alone_and_ends_in_the_dead_letter_queue(self, queues, poll):
        self.send(queues[0], "good", "bad")
        seen = []

        def handler(event):
            seen.append(sorted(record["body"] for record in event["Records"]))
            bad = [record["messageId"] for record in event["Records"] if record["body"] == "bad"]
            return {"batchItemFailures": [{"itemIdentifier": one} for one in bad]}

        poll(handler)
        wait_until(lambda: self.count(queues[1]) == 1)
        assert seen == [["bad", "good"], ["bad"]]

    def test_a_handler_that_raises_fails_its_whole_batch(self, queues, poll):
        self.send(queues[0], "one", "two")
        tried = threading.Event()

        def handler(event):
            if not tried.is_set():
                tried.set()
                raise ValueError("once")

        poll(handler)
        assert tried.wait(WAIT_SECONDS)
        wait_until(lambda: self.count(queues[0]) == 0)
        assert self.count(queues[1]) == 0


def test_a_record_has_the_fields_of_lambdas_own():
    message = {
        "MessageId": "m",
        "ReceiptHandle": "r",
        "Body": "b",
        "MD5OfBody": "d",
        "Attributes": {"SentTimestamp": "1"},
    }
    assert to_record(message, "arn:aws:sqs:ap-southeast-5:123456789012:q") == {
        "messageId": "m",
        "receiptHandle": "r",
        "body": "b",
        "attributes": {"SentTimestamp": "1"},
        "messageAttributes": {},
        "md5OfBody": "d",
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:ap-southeast-5:123456789012:q",
        "awsRegion": "ap-southeast-5",
    }
