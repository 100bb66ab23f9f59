"""Starting a task's run and following it: what EMR says of it, and what it says of itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from alur.aws.deployment import Deployment
from alur.aws.jobs import Jobs, RunState
from alur.aws.storage import Storage
from alur.clock import Clock
from alur.dispatch.requests import Platform, job_request
from alur.dispatch.sizing import Capacity, size
from alur.dispatch.tasks import Task, TaskArguments, progress_uri, result_uri
from alur.errors import SettingsError, StorageRefused
from alur.ledger.batches import new_batch_id

TASK_BYTES = 1024**3
"""A task's run is sized for so many bytes: what it will find is not known before it looks."""

_STAGES: Mapping[str, str] = {
    "SUBMITTED": "queued",
    "QUEUED": "queued",
    "PENDING": "queued",
    "SCHEDULED": "starting",
    "RUNNING": "starting",
    "CANCELLING": "cancelling",
}


@dataclass(frozen=True, slots=True)
class StartedTask:
    """A task's run.

    Attributes:
        application_id, run_id: EMR's.
        token: the run's own name.
        lake_bucket: where it tells of itself.
        logs: where the driver's logs go, `s3://…`.
    """

    application_id: str
    run_id: str
    token: str
    lake_bucket: str
    logs: str


@dataclass(frozen=True, slots=True)
class TaskState:
    """How far a task's run is.

    Attributes:
        stage: queued, starting, reading, publishing, cancelling, or EMR's last word in lower case.
        run: what EMR says; None: the run or its application is gone.
        result: what it came to, once it has said so.
    """

    stage: str
    run: RunState | None
    result: Mapping[str, Any] | None

    @property
    def has_ended(self) -> bool:
        """Whether nothing more comes of it."""
        return self.run is None or self.run.has_ended


class TaskRuns:
    """Starts tasks in one deployment.

    Args:
        deployment: where.
        clock: the present.
    """

    def __init__(self, deployment: Deployment, clock: Clock) -> None:
        self._deployment = deployment
        self._clock = clock
        self._jobs = Jobs(deployment.client("emr-serverless"))
        self._storage = Storage(deployment.client("s3"))

    def start(
        self,
        task: Task,
        subject: str,
        *,
        since: datetime | None = None,
        dry_run: bool = False,
        file: str | None = None,
        limit: int | None = None,
    ) -> StartedTask:
        """Start a run.

        Args:
            task: what it does.
            subject: to what.
            since: a pipeline's loads pass older files over.
            dry_run: a rebuild writes nothing.
            file, limit: of which file, and how many of the rejects are told.

        Raises:
            SubmitError: EMR did not start it, or its answer was lost.
            DeploymentUnknown: nothing says where.
        """
        name = self._deployment.name
        arguments = TaskArguments(
            token=f"task-{new_batch_id(self._clock())}",
            task=task,
            subject=subject,
            state_table=name("StateTable"),
            batches_table=name("BatchesTable"),
            database=name("Database"),
            landing_bucket=name("LandingBucket"),
            lake_bucket=name("LakeBucket"),
            region=self._region(),
            max_attempts=int(name("MaxAttempts")),
            since=since,
            dry_run=dry_run,
            file=file,
            limit=limit,
        )
        platform = Platform(
            environment=name("Environment"),
            region=arguments.region,
            job_role_arn=name("JobRoleArn"),
            entry_point_uri=name("EntryPointUri"),
            archive_uri=name("ArchiveUri"),
            lake_bucket=arguments.lake_bucket,
            artifacts_bucket=name("ArtifactsBucket"),
        )
        workers = size(TASK_BYTES, 1, Capacity(int(name("MaxVcpu")), int(name("MaxMemoryGb"))))
        request = job_request(platform, subject, arguments.render(), workers)
        application_id = name("ApplicationId")
        run_id = self._jobs.start(application_id, arguments.token, request)
        logs = f"s3://{platform.artifacts_bucket}/logs/applications/{application_id}/jobs/{run_id}/"
        return StartedTask(application_id, run_id, arguments.token, arguments.lake_bucket, logs)

    def state(self, started: StartedTask) -> TaskState:
        """Ask how far a run is.

        Raises:
            SubmitUnknown: EMR cannot be asked.
            StorageError: S3 cannot be asked.
        """
        run = self._jobs.state(started.application_id, started.run_id)
        result = None
        if run is None or run.has_ended:
            result = self._document(result_uri(started.lake_bucket, started.token))
            return TaskState("gone" if run is None else run.state.lower(), run, result)
        stage = _STAGES.get(run.state, run.state.lower())
        if run.state == "RUNNING" and (said := self._document(progress_uri(started.lake_bucket, started.token))):
            stage = str(said["stage"])
        return TaskState(stage, run, None)

    def cancel(self, started: StartedTask) -> None:
        """Cancel a run; what it has claimed is free when its lease has passed.

        Raises:
            SubmitError: EMR did not.
        """
        self._jobs.cancel(started.application_id, started.run_id)

    def _document(self, uri: str) -> Mapping[str, Any] | None:
        try:
            document: Mapping[str, Any] = self._storage.get_document(uri)
        except StorageRefused as refusal:
            if refusal.code == "NoSuchKey":
                return None
            raise
        return document

    def _region(self) -> str:
        region = self._deployment.region_name
        if region is None:
            raise SettingsError(
                "AWS_REGION", "no Region is named: set it, or write region into the section of samconfig.toml"
            )
        return region
