"""SQS: sending events to the queue that the dispatcher takes them from."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError

from alur.errors import QueueRefused, QueueUnavailable

MESSAGES_PER_CALL = 10
BYTES_PER_CALL = 262_144
"""What one call may hold, and one message of the event queue.

Source: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html. SQS itself
takes more by now; the template's queue does not.
"""

_ROUNDS = 8
_PERMANENT = frozenset(
    {
        "AWS.SimpleQueueService.NonExistentQueue",
        "AccessDenied",
        "AccessDeniedException",
        "InvalidAddress",
        "InvalidClientTokenId",
        "InvalidMessageContents",
        "InvalidParameterValue",
        "InvalidSecurity",
        "KmsAccessDenied",
        "QueueDoesNotExist",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)


class EventQueue:
    """The event queue, over a boto3 client.

    Args:
        client: a boto3 `sqs` client; its own retries apply first.
        url: the queue's.
        sleep: waits that many seconds before messages that were not taken are sent again.
    """

    def __init__(self, client: Any, url: str, sleep: Callable[[float], None] = time.sleep) -> None:
        self._client = client
        self._url = url
        self._sleep = sleep

    def send(self, bodies: Sequence[str]) -> None:
        """Send messages, as many in a call as it takes.

        Args:
            bodies: each of at most `BYTES_PER_CALL` bytes in UTF-8.

        Raises:
            QueueError: some of them may not have been sent; to send all of them again does no harm.
        """
        for some in _calls(bodies):
            self._send(some)

    def _send(self, bodies: Sequence[str]) -> None:
        left = list(bodies)
        problem = ("unknown", "")
        for round_number in range(_ROUNDS):
            entries = [{"Id": str(number), "MessageBody": body} for number, body in enumerate(left)]
            failed = self._call(entries).get("Failed", ())
            if not failed:
                return
            for one in failed:
                problem = (one.get("Code", "unknown"), one.get("Message", ""))
                if one.get("SenderFault"):
                    raise QueueRefused(self._url, *problem)
            left = [left[int(one["Id"])] for one in failed]
            self._sleep(random.uniform(0, min(5.0, 0.05 * 2**round_number)))
        raise QueueUnavailable(self._url, *problem)

    def _call(self, entries: Sequence[dict[str, str]]) -> Any:
        try:
            return self._client.send_message_batch(QueueUrl=self._url, Entries=entries)
        except ClientError as error:
            details = error.response.get("Error", {})
            code = details.get("Code", "unknown")
            kind = QueueRefused if code in _PERMANENT else QueueUnavailable
            raise kind(self._url, code, details.get("Message", "")) from error
        except ParamValidationError as error:
            raise QueueRefused(self._url, type(error).__name__, str(error)) from error
        except BotoCoreError as error:
            raise QueueUnavailable(self._url, type(error).__name__, str(error)) from error


def _calls(bodies: Sequence[str]) -> Iterator[list[str]]:
    """Share messages out to calls: at most 10 in each, and no more bytes than a call may hold."""
    call: list[str] = []
    size = 0
    for body in bodies:
        length = len(body.encode())
        if call and (len(call) == MESSAGES_PER_CALL or size + length > BYTES_PER_CALL):
            yield call
            call, size = [], 0
        call.append(body)
        size += length
    if call:
        yield call
