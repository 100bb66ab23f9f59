"""What a stack is busy with: messages in its queue, open batches and slots, job runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from alur.aws.clients import client
from alur.local.emr.model import TERMINAL


@dataclass(frozen=True, slots=True)
class JobRun:
    """A job run, as ListJobRuns has it.

    Args:
        run_id: its id.
        state: its state.
        details: why, where it failed.
    """

    run_id: str
    state: str
    details: str


@dataclass(frozen=True, slots=True)
class Activity:
    """What there is to do.

    Args:
        messages: events that wait or are being handled.
        dead_letters: messages that were given up.
        open_items: batches that are not closed, and slots that are taken.
        runs: every job run there was, the newest first.
    """

    messages: int
    dead_letters: int
    open_items: int
    runs: tuple[JobRun, ...]

    @property
    def is_idle(self) -> bool:
        """Whether nothing is left to do."""
        return not self.messages and not self.open_items and all(run.state in TERMINAL for run in self.runs)

    @property
    def failed_runs(self) -> tuple[JobRun, ...]:
        """The runs that did not succeed."""
        return tuple(run for run in self.runs if run.state in ("FAILED", "CANCELLED"))


def observe(outputs: Mapping[str, str]) -> Activity:
    """Look at a deployment.

    Args:
        outputs: its outputs.
    """
    return Activity(
        _messages(outputs["EventQueueUrl"]),
        _messages(outputs["DeadLetterQueueUrl"]),
        _open_items(outputs["BatchesTable"]),
        _runs(outputs["ApplicationId"]),
    )


def _messages(url: str) -> int:
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    answer = client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=names)
    return sum(int(value) for value in answer["Attributes"].values())


def _open_items(table: str) -> int:
    pages = client("dynamodb").get_paginator("scan").paginate(TableName=table, IndexName="open", Select="COUNT")
    return sum(int(page["Count"]) for page in pages)


def _runs(application_id: str) -> tuple[JobRun, ...]:
    pages = client("emr-serverless").get_paginator("list_job_runs").paginate(applicationId=application_id)
    return tuple(
        JobRun(run["id"], run["state"], run.get("stateDetails", "")) for page in pages for run in page["jobRuns"]
    )
