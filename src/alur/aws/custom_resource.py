"""CloudFormation's side of a custom resource: what it asks, and how it is answered.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref.html
"""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any

from alur.errors import DeployError

# CloudFormation takes an answer of 4,096 bytes; the rest of it is ids and URIs.
_MAX_REASON_CHARACTERS = 1000
_ATTEMPTS = 4
_TIMEOUT_SECONDS = 10


@dataclass(frozen=True, slots=True)
class ResourceRequest:
    """What CloudFormation asks.

    Attributes:
        kind: `Create`, `Update` or `Delete`.
        response_url: where the answer is put. Whoever knows it can answer: keep it out of logs.
        stack_id, request_id, logical_id: to be given back with the answer.
        physical_id: the resource's name, given back unchanged; None at Create.
        properties: the resource's properties; CloudFormation makes text of every number.
    """

    kind: str
    response_url: str
    stack_id: str
    request_id: str
    logical_id: str
    physical_id: str | None
    properties: Mapping[str, Any]

    @classmethod
    def parse(cls, event: Mapping[str, Any]) -> ResourceRequest:
        """Read CloudFormation's event.

        Raises:
            KeyError: it is not an event of CloudFormation's, and nobody waits for an answer.
        """
        return cls(
            kind=event["RequestType"],
            response_url=event["ResponseURL"],
            stack_id=event["StackId"],
            request_id=event["RequestId"],
            logical_id=event["LogicalResourceId"],
            physical_id=event.get("PhysicalResourceId"),
            properties=event.get("ResourceProperties", {}),
        )

    def text(self, name: str) -> str:
        """Return a property as text.

        Raises:
            DeployError: it is missing.
        """
        if name not in self.properties:
            raise DeployError(self.logical_id, f"the property {name} is missing from the template")
        return str(self.properties[name])

    def whole(self, name: str) -> int:
        """Return a property as a whole number.

        Raises:
            DeployError: it is missing, or is no whole number.
        """
        text = self.text(name)
        try:
            return int(text)
        except ValueError:
            raise DeployError(self.logical_id, f"the property {name} is {text!r}, not a whole number") from None


@dataclass(frozen=True, slots=True)
class ResourceAnswer:
    """What CloudFormation is told.

    Attributes:
        physical_id: the resource's name. Another one than before makes CloudFormation delete the resource's old self.
        reason: why it failed; None: it succeeded.
        attributes: what `Fn::GetAtt` gives.
    """

    physical_id: str
    reason: str | None
    attributes: Mapping[str, str]


def send(request: ResourceRequest, answer: ResourceAnswer, *, sleep: Callable[[float], None] = time.sleep) -> None:
    """Answer CloudFormation, which waits until its time is up otherwise. Repeated a few times.

    Args:
        request: what was asked.
        answer: what to say.
        sleep: waits for so many seconds.

    Raises:
        DeployError: the answer could not be delivered.
    """
    body = json.dumps(
        {
            "Status": "SUCCESS" if answer.reason is None else "FAILED",
            "Reason": (answer.reason or "done")[:_MAX_REASON_CHARACTERS],
            "PhysicalResourceId": answer.physical_id,
            "StackId": request.stack_id,
            "RequestId": request.request_id,
            "LogicalResourceId": request.logical_id,
            "Data": dict(answer.attributes),
        }
    ).encode()
    # The URL is signed without a content type, and urllib would add one.
    put = urllib.request.Request(request.response_url, data=body, method="PUT", headers={"Content-Type": ""})
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            with urllib.request.urlopen(put, timeout=_TIMEOUT_SECONDS):
                return
        except (OSError, HTTPException) as error:
            if attempt == _ATTEMPTS:
                # Not the error's own text: it may hold the URL.
                status = f" {error.code}" if isinstance(error, urllib.error.HTTPError) else ""
                raise DeployError("answering CloudFormation", f"{type(error).__name__}{status}") from None
            sleep(2.0 ** (attempt - 1))
