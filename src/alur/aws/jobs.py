"""EMR Serverless: starting a run, and what became of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from alur.errors import SubmitRefused, SubmitThrottled, SubmitUnknown

_THROTTLED = frozenset(
    {
        "ThrottlingException",
        "TooManyRequestsException",
        "ServiceQuotaExceededException",
        "ConflictException",
    }
)
_REFUSED = frozenset(
    {
        "AccessDeniedException",
        "ResourceNotFoundException",
        "UnrecognizedClientException",
        "ValidationException",
    }
)
_OF_THE_PLATFORM = re.compile(
    r"maximum.?capacity|insufficient|capacity.{0,40}exceed|exceed.{0,60}capacity|quota|vcpu limit|queue.{0,20}time"
    r"|no executor being launched",
    re.IGNORECASE,
)
"""What `stateDetails` says where a run failed for want of room, and not by what it did."""

_TOO_LONG = re.compile(r"execution.{0,40}tim(e|ed)[ -]?out|execution.?timeout|ran for \d+ minutes", re.IGNORECASE)
"""What `stateDetails` says of a run that went on for too long."""

TERMINAL_STATES = frozenset({"SUCCESS", "FAILED", "CANCELLED"})
"""The states that a run never leaves. A state that is not known here counts as going on: new ones do appear."""


@dataclass(frozen=True, slots=True)
class RunState:
    """What EMR says of a run.

    Attributes:
        state: SUBMITTED, QUEUED, PENDING, SCHEDULED, RUNNING, CANCELLING, SUCCESS, FAILED, CANCELLED.
        details: EMR's own sentence about it.
    """

    state: str
    details: str

    @property
    def has_ended(self) -> bool:
        """Whether the run is over."""
        return self.state in TERMINAL_STATES

    @property
    def is_excused(self) -> bool:
        """Whether its end says nothing of what it was doing: cancelled, timed out in the queue, or out of capacity."""
        # Behind it EMR quotes what the driver said, in the words of whatever it died of.
        own_words = self.details.partition("ExitCode")[0]
        if _TOO_LONG.search(own_words):
            # EMR cancels a run that outlives its executionTimeoutMinutes; a file may be what it hung on.
            return False
        return self.state == "CANCELLED" or (self.state == "FAILED" and bool(_OF_THE_PLATFORM.search(own_words)))


class Jobs:
    """EMR Serverless over a boto3 client.

    Args:
        client: a boto3 `emr-serverless` client.
    """

    def __init__(self, client: Any) -> None:
        self._client = client

    def start(self, application_id: str, client_token: str, request: Mapping[str, Any]) -> str:
        """Start a run and return its id; the same client token returns the same run.

        Args:
            application_id: where.
            client_token: makes a repetition harmless, as long as EMR remembers it (how long is not documented).
            request: StartJobRun's other arguments.

        Raises:
            SubmitThrottled: certainly not started; later may do.
            SubmitRefused: certainly not started, and the same request never will be.
            SubmitUnknown: it may have been started.
        """
        try:
            answer = self._client.start_job_run(applicationId=application_id, clientToken=client_token, **request)
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code", "unknown")
            text = error.response.get("Error", {}).get("Message", "")
            kind = SubmitThrottled if code in _THROTTLED else SubmitRefused if code in _REFUSED else SubmitUnknown
            raise kind(application_id, code, text) from error
        except BotoCoreError as error:
            raise SubmitUnknown(application_id, type(error).__name__, str(error)) from error
        run_id: str = answer["jobRunId"]
        return run_id

    def state(self, application_id: str, run_id: str) -> RunState | None:
        """Return a run's state; None: the run or its application is gone.

        Raises:
            SubmitUnknown: EMR cannot be asked.
        """
        try:
            run = self._client.get_job_run(applicationId=application_id, jobRunId=run_id)["jobRun"]
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code", "unknown")
            if code == "ResourceNotFoundException":
                return None
            raise SubmitUnknown(application_id, code, error.response.get("Error", {}).get("Message", "")) from error
        except BotoCoreError as error:
            raise SubmitUnknown(application_id, type(error).__name__, str(error)) from error
        return RunState(run["state"], run.get("stateDetails", ""))

    def cancel(self, application_id: str, run_id: str) -> None:
        """Ask EMR to cancel a run; one that has ended, or is not there, is left as it is.

        Raises:
            SubmitUnknown: EMR cannot be asked.
        """
        try:
            self._client.cancel_job_run(applicationId=application_id, jobRunId=run_id)
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code", "unknown")
            if code not in ("ResourceNotFoundException", "ValidationException"):
                message = error.response.get("Error", {}).get("Message", "")
                raise SubmitUnknown(application_id, code, message) from error
        except BotoCoreError as error:
            raise SubmitUnknown(application_id, type(error).__name__, str(error)) from error
