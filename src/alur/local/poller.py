"""Stands in for Lambda's event source mapping: SQS messages, gathered into batches, to a handler.

As on AWS: a batch is full at BatchSize messages, at 6 MB, or when the window has passed since its first message; what
the handler reports in `batchItemFailures` is not deleted; a handler that raises fails the whole batch; a message that
came too often goes to the dead-letter queue by the queue's own policy. Shortened here: the window, and the time
until a failed message comes back, which on AWS is the queue's visibility time-out of many minutes.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from alur.local.log import log

_RECEIVE_LIMIT = 10
_DELETE_LIMIT = 10
_PAYLOAD_BYTES = 6 * 1024 * 1024
_IDLE_SECONDS = 0.2
_FAULT_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class QueueMapping:
    """A queue, and the function that takes its messages.

    Args:
        queue_url: where to receive.
        queue_arn: what the records name as their source.
        batch_size: messages in one call, at most.
        window_seconds: how long a batch is gathered.
        reports_failures: whether the function's answer names the messages that failed.
        retry_seconds: after how long a failed message comes back.
    """

    queue_url: str
    queue_arn: str
    batch_size: int
    window_seconds: float
    reports_failures: bool
    retry_seconds: int


def to_record(message: Mapping[str, Any], queue_arn: str) -> dict[str, Any]:
    """Render a received message as a record of Lambda's SQS event."""
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": dict(message.get("Attributes", {})),
        "messageAttributes": {
            name: _attribute(value) for name, value in (message.get("MessageAttributes") or {}).items()
        },
        "md5OfBody": message.get("MD5OfBody", ""),
        "eventSource": "aws:sqs",
        "eventSourceARN": queue_arn,
        "awsRegion": queue_arn.split(":")[3],
    }


def failed_ids(answer: Any, all_ids: Sequence[str], reports_failures: bool) -> frozenset[str]:
    """Return the messages that are to come back, from what a handler answered.

    As Lambda reads it: no answer, or an empty list, is success; an answer that is malformed, or that names a message
    that was not in the batch, fails the whole batch.

    Args:
        answer: what the handler returned.
        all_ids: the batch's message ids.
        reports_failures: whether the mapping has ReportBatchItemFailures.
    """
    if not reports_failures or answer is None or answer == {}:
        return frozenset()
    everything = frozenset(all_ids)
    if not isinstance(answer, Mapping):
        return everything
    listed = answer.get("batchItemFailures")
    if listed is None or listed == []:
        return frozenset()
    if not isinstance(listed, list):
        return everything
    named = [entry.get("itemIdentifier") if isinstance(entry, Mapping) else None for entry in listed]
    return frozenset(str(name) for name in named) if everything.issuperset(named) else everything


class Poller:
    """Polls one queue in a thread of its own.

    Args:
        mapping: what to poll.
        sqs: a boto3 client.
        function: the handler; raises when it failed.
    """

    def __init__(self, mapping: QueueMapping, sqs: Any, function: Callable[[Mapping[str, Any]], Any]) -> None:
        self._mapping = mapping
        self._sqs = sqs
        self._function = function
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._poll, name="poller", daemon=True)

    def start(self) -> None:
        """Begin to poll."""
        self._thread.start()

    def stop(self) -> None:
        """Return when no batch is being handled any more; messages that were not handled stay in the queue."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _poll(self) -> None:
        while not self._stopping.is_set():
            try:
                batch = self._gather()
                if batch:
                    self._handle(batch)
            except Exception:  # noqa: BLE001 - one fault must not end the mapping, as it does not end Lambda's
                log.warning("polling %s failed, it goes on", self._mapping.queue_arn, exc_info=True)
                self._stopping.wait(_FAULT_SECONDS)

    def _gather(self) -> list[dict[str, Any]]:
        batch: list[dict[str, Any]] = []
        payload = 0
        deadline = 0.0
        while not self._stopping.is_set():
            room = min(_RECEIVE_LIMIT, self._mapping.batch_size - len(batch))
            received = self._receive(room)
            if received and not batch:
                deadline = time.monotonic() + self._mapping.window_seconds
            batch += received
            payload += sum(len(message["Body"]) for message in received)
            if len(batch) >= self._mapping.batch_size or payload >= _PAYLOAD_BYTES - 512 * 1024:
                return batch
            if batch and time.monotonic() >= deadline:
                return batch
            if len(received) < room:
                self._stopping.wait(_IDLE_SECONDS)
        if batch:
            self._return_to_queue(batch, 0)
        return []

    def _receive(self, limit: int) -> list[dict[str, Any]]:
        answer = self._sqs.receive_message(
            QueueUrl=self._mapping.queue_url,
            MaxNumberOfMessages=limit,
            WaitTimeSeconds=0,
            AttributeNames=["All"],
            MessageAttributeNames=["All"],
        )
        messages: list[dict[str, Any]] = answer.get("Messages", [])
        return messages

    def _handle(self, batch: list[dict[str, Any]]) -> None:
        ids = [message["MessageId"] for message in batch]
        records = [to_record(message, self._mapping.queue_arn) for message in batch]
        try:
            failed = failed_ids(self._function({"Records": records}), ids, self._mapping.reports_failures)
        except Exception as error:  # noqa: BLE001 - a handler that raises fails its batch and nothing else
            log.warning("the whole batch of %s messages comes back: %s", len(batch), error)
            failed = frozenset(ids)
        done = [message for message in batch if message["MessageId"] not in failed]
        for start in range(0, len(done), _DELETE_LIMIT):
            self._sqs.delete_message_batch(
                QueueUrl=self._mapping.queue_url,
                Entries=[
                    {"Id": str(number), "ReceiptHandle": message["ReceiptHandle"]}
                    for number, message in enumerate(done[start : start + _DELETE_LIMIT])
                ],
            )
        self._return_to_queue(
            [message for message in batch if message["MessageId"] in failed], self._mapping.retry_seconds
        )

    def _return_to_queue(self, messages: Sequence[Mapping[str, Any]], seconds: int) -> None:
        for message in messages:
            self._sqs.change_message_visibility(
                QueueUrl=self._mapping.queue_url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=seconds
            )


def _attribute(value: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "stringValue": value.get("StringValue"),
        "binaryValue": value.get("BinaryValue"),
        "stringListValues": [],
        "binaryListValues": [],
        "dataType": value.get("DataType"),
    }
