"""Stopping an EMR Serverless application, so that CloudFormation can delete it.

An application can be deleted in the states CREATED and STOPPED only, and stops by itself only some minutes after its
last run: https://docs.aws.amazon.com/emr-serverless/latest/APIReference/API_DeleteApplication.html.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from alur.errors import DeployError

_DELETABLE = frozenset({"CREATED", "STOPPED", "TERMINATED"})
_CANCELLABLE = ("SUBMITTED", "QUEUED", "PENDING", "SCHEDULED", "RUNNING")
_POLL_SECONDS = 3.0


class ApplicationStopper:
    """EMR Serverless over a boto3 client.

    Args:
        client: a boto3 `emr-serverless` client.
        monotonic: returns seconds on a clock that never goes back.
        sleep: waits for so many seconds.
    """

    def __init__(
        self,
        client: Any,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._client = client
        self._monotonic = monotonic
        self._sleep = sleep

    def stop(self, application_id: str, *, timeout_seconds: float) -> None:
        """Cancel an application's runs, stop it, and return when it can be deleted, or is gone.

        Args:
            application_id: which one.
            timeout_seconds: how long to wait.

        Raises:
            DeployError: EMR refuses or cannot be asked, or the time is up.
        """
        deadline = self._monotonic() + timeout_seconds
        try:
            while (state := self._state(application_id)) not in _DELETABLE:
                alive = self._runs(application_id, (*_CANCELLABLE, "CANCELLING"))
                for run_id, run_state in alive.items():
                    if run_state != "CANCELLING":
                        self._tolerate_lateness(
                            self._client.cancel_job_run, applicationId=application_id, jobRunId=run_id
                        )
                if not alive and state == "STARTED":
                    self._tolerate_lateness(self._client.stop_application, applicationId=application_id)
                if self._monotonic() + _POLL_SECONDS > deadline:
                    raise DeployError(
                        f"stopping application {application_id}",
                        f"still {state} with {len(alive)} runs after {timeout_seconds:.0f} s; delete the stack again",
                    )
                self._sleep(_POLL_SECONDS)
        except (ClientError, BotoCoreError) as error:
            raise DeployError(f"stopping application {application_id}", str(error)) from error

    def stop_if_idle(self, application_id: str, *, timeout_seconds: float) -> int:
        """Stop an application on which nothing runs, and wait for it; no run is cancelled.

        Args:
            application_id: which one.
            timeout_seconds: how long to wait.

        Returns:
            How many runs keep it going; 0: it is stopped, or was not started, or is gone.

        Raises:
            DeployError: EMR refuses or cannot be asked, or the time is up.
        """
        deadline = self._monotonic() + timeout_seconds
        try:
            while (state := self._state(application_id)) not in _DELETABLE:
                if alive := self._runs(application_id, (*_CANCELLABLE, "CANCELLING")):
                    return len(alive)
                if state == "STARTED":
                    self._tolerate_lateness(self._client.stop_application, applicationId=application_id)
                if self._monotonic() + _POLL_SECONDS > deadline:
                    raise DeployError(
                        f"stopping application {application_id}", f"still {state} after {timeout_seconds:.0f} s"
                    )
                self._sleep(_POLL_SECONDS)
        except (ClientError, BotoCoreError) as error:
            raise DeployError(f"stopping application {application_id}", str(error)) from error
        return 0

    def _state(self, application_id: str) -> str:
        try:
            state: str = self._client.get_application(applicationId=application_id)["application"]["state"]
        except ClientError as error:
            if _code(error) == "ResourceNotFoundException":
                return "TERMINATED"
            raise
        return state

    def _runs(self, application_id: str, states: tuple[str, ...]) -> dict[str, str]:
        pages = self._client.get_paginator("list_job_runs").paginate(applicationId=application_id, states=list(states))
        return {run["id"]: run["state"] for page in pages for run in page["jobRuns"]}

    @staticmethod
    def _tolerate_lateness(call: Callable[..., Any], **arguments: str) -> None:
        # Between a look and an act a run may end and a new one begin: the next look decides, not this answer.
        try:
            call(**arguments)
        except ClientError as error:
            if _code(error) not in ("ResourceNotFoundException", "ValidationException", "ConflictException"):
                raise


def _code(error: ClientError) -> str:
    code: str = error.response.get("Error", {}).get("Code", "unknown")
    return code
