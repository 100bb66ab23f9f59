"""What a job run is, and the states that it goes through.

    SUBMITTED -> [QUEUED] -> SCHEDULED -> RUNNING -> SUCCESS | FAILED
    any of them that is not terminal -> CANCELLING -> CANCELLED

Source: EMR Serverless User Guide, "Job run states". PENDING exists there too; nothing here waits for capacity that is
being prepared, so no run is ever in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from alur.clock import to_iso


class RunState(StrEnum):
    """The state of a job run, as GetJobRun reports it."""

    SUBMITTED = "SUBMITTED"  # accepted by StartJobRun
    QUEUED = "QUEUED"  # waiting for a slot
    SCHEDULED = "SCHEDULED"  # has a slot; code is being fetched
    RUNNING = "RUNNING"  # the driver's process exists
    SUCCESS = "SUCCESS"  # it exited with 0
    FAILED = "FAILED"  # anything else, a time-out included
    CANCELLING = "CANCELLING"  # CancelJobRun was called, the driver may still live
    CANCELLED = "CANCELLED"  # and is gone


TERMINAL = frozenset({RunState.SUCCESS, RunState.FAILED, RunState.CANCELLED})
"""States that never change again."""


@dataclass(frozen=True, slots=True)
class RunRequest:
    """What StartJobRun was asked.

    Args:
        application_id: the application.
        release_label: the application's release.
        client_token: makes the operation idempotent.
        execution_role_arn: the role that the job would run under.
        name: the run's name, or None.
        entry_point: `s3://` URI of the script.
        arguments: its arguments.
        submit_parameters: `sparkSubmitParameters`.
        overrides: `configurationOverrides`, or an empty mapping.
        tags: tags of the run.
        timeout_minutes: after how long the run is ended.
        raw: the request as it came.
    """

    application_id: str
    release_label: str
    client_token: str
    execution_role_arn: str
    name: str | None
    entry_point: str
    arguments: tuple[str, ...]
    submit_parameters: str
    overrides: Mapping[str, Any]
    tags: Mapping[str, str]
    timeout_minutes: int
    raw: Mapping[str, Any]


@dataclass(slots=True)
class Run:
    """A job run; `Runs` alone changes one, under its lock.

    Args:
        run_id: its id.
        arn: its ARN.
        request: what was asked.
        created_at: when StartJobRun was called.
    """

    run_id: str
    arn: str
    request: RunRequest
    created_at: datetime
    state: RunState = RunState.SUBMITTED
    state_details: str = ""
    updated_at: datetime = field(init=False)
    started_at: datetime | None = None
    ended_at: datetime | None = None

    def __post_init__(self) -> None:
        self.updated_at = self.created_at


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a driver ended.

    Args:
        succeeded: whether it exited with 0.
        details: what GetJobRun says as `stateDetails`.
    """

    succeeded: bool
    details: str


@dataclass(frozen=True, slots=True)
class StateChange:
    """One change of one run's state.

    Args:
        run_id: the run.
        arn: its ARN.
        application_id: its application.
        release_label: the application's release.
        state: the new state.
        previous: the state before, or None for a new run.
        created_at: when the run was created.
        updated_at: when it changed.
    """

    run_id: str
    arn: str
    application_id: str
    release_label: str
    state: RunState
    previous: RunState | None
    created_at: datetime
    updated_at: datetime


def to_event(change: StateChange, event_id: str, account: str, region: str) -> dict[str, Any]:
    """Render a change as the EventBridge event `EMR Serverless Job Run State Change`.

    Args:
        change: what happened.
        event_id: the event's own id.
        account: the account id.
        region: the Region.

    Returns:
        The event as a target receives it. As on AWS it has neither tags, nor arguments, nor a reason.
    """
    detail = {
        "jobRunId": change.run_id,
        "applicationId": change.application_id,
        "arn": change.arn,
        "releaseLabel": change.release_label,
        "state": change.state.value,
        "createdBy": f"arn:aws:sts::{account}:assumed-role/local/local",
        "createdAt": to_iso(change.created_at),
        "updatedAt": to_iso(change.updated_at),
    }
    if change.previous is not None:
        detail["previousState"] = change.previous.value
    return {
        "version": "0",
        "id": event_id,
        "detail-type": "EMR Serverless Job Run State Change",
        "source": "aws.emr-serverless",
        "account": account,
        "time": change.updated_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "region": region,
        "resources": [],
        "detail": detail,
    }
