"""The event queue through the gateway: calls that are full and never too large, and what SQS's errors mean."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from alur.aws.clients import client
from alur.aws.queue import BYTES_PER_CALL, EventQueue
from alur.errors import QueueRefused, QueueUnavailable
from alur.local.environment import Endpoints
from ledger_support import unique


class Recording:
    """SQS's client as far as the gateway knows it; each answer is handed out once, then all is well."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.calls: list[list[str]] = []

    def send_message_batch(self, *, QueueUrl: str, Entries: Any) -> Any:
        self.calls.append([entry["MessageBody"] for entry in Entries])
        answer = self.answers.pop(0) if self.answers else {}
        if isinstance(answer, Exception):
            raise answer
        return answer


def queue(recording: Recording, sleeps: list[float] | None = None) -> EventQueue:
    return EventQueue(recording, "https://queue", (sleeps if sleeps is not None else []).append)


def failure(number: int, code: str = "InternalError", *, ours: bool = False) -> dict[str, Any]:
    return {"Id": str(number), "SenderFault": ours, "Code": code, "Message": "why"}


def test_ten_messages_go_in_a_call() -> None:
    recording = Recording()
    queue(recording).send([str(number) for number in range(23)])
    assert [len(call) for call in recording.calls] == [10, 10, 3]
    assert [body for call in recording.calls for body in call] == [str(number) for number in range(23)]


def test_a_call_holds_no_more_bytes_than_it_may() -> None:
    recording = Recording()
    queue(recording).send(["ü" * 50_000] * 5)
    assert [len(call) for call in recording.calls] == [2, 2, 1]
    assert all(sum(len(body.encode()) for body in call) <= BYTES_PER_CALL for call in recording.calls)


def test_without_messages_nobody_is_called() -> None:
    recording = Recording()
    queue(recording).send([])
    assert recording.calls == []


def test_what_sqs_did_not_take_is_sent_again_and_nothing_else() -> None:
    recording, sleeps = Recording({"Failed": [failure(1), failure(2)]}, {"Failed": [failure(0)]}), []
    queue(recording, sleeps).send(["a", "b", "c"])
    assert recording.calls == [["a", "b", "c"], ["b", "c"], ["b"]]
    assert len(sleeps) == 2


def test_what_is_never_taken_is_told() -> None:
    recording = Recording(*[{"Failed": [failure(0)]}] * 20)
    with pytest.raises(QueueUnavailable, match="InternalError"):
        queue(recording).send(["a"])


def test_what_is_our_fault_is_not_tried_again() -> None:
    recording = Recording({"Failed": [failure(0, "InvalidMessageContents", ours=True)]})
    with pytest.raises(QueueRefused, match="InvalidMessageContents"):
        queue(recording).send(["a"])
    assert len(recording.calls) == 1


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ClientError({"Error": {"Code": "AccessDenied"}}, "SendMessageBatch"), QueueRefused),
        (ClientError({"Error": {"Code": "ServiceUnavailable"}}, "SendMessageBatch"), QueueUnavailable),
        (EndpointConnectionError(endpoint_url="https://queue"), QueueUnavailable),
    ],
)
def test_errors_of_boto_are_ours(error: Exception, kind: type[Exception]) -> None:
    with pytest.raises(kind):
        queue(Recording(error)).send(["a"])


def test_a_real_queue_takes_a_message_of_the_largest_size(aws_servers: Endpoints) -> None:
    sqs = client("sqs")
    url = sqs.create_queue(QueueName=unique("queue"))["QueueUrl"]
    EventQueue(sqs, url).send(["x" * 240_000, "y"])
    found = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]
    assert {len(message["Body"]) for message in found} <= {240_000, 1}


def test_a_queue_that_is_not_there_is_refused(aws_servers: Endpoints) -> None:
    sqs = client("sqs")
    with pytest.raises(QueueRefused, match=r"NonExistentQueue|QueueDoesNotExist"):
        EventQueue(sqs, f"{aws_servers.aws}/123456789012/nowhere").send(["a"])
