"""What a deployment says of files, runs and batches, asked by clients of one's own. Nothing is changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from alur.aws.jobs import Jobs
from alur.aws.stacks import Stacks
from alur.cli.deployed import Deployed
from alur.clock import Clock, utc_now
from alur.ingestion.sources import list_sources
from alur.ledger.batches import Batch
from alur.ledger.model import LedgerItem
from alur.ledger.paths import split_path

TABLE = "orders"


@dataclass(frozen=True, slots=True)
class RunCost:
    """What a run of EMR Serverless has used.

    Attributes:
        run_id: its id.
        name: what it was called.
        state: as EMR calls it.
        seconds: from its submission to its end.
        vcpu_hours, memory_gb_hours: what is billed for it; None: EMR does not say (yet).
    """

    run_id: str
    name: str
    state: str
    seconds: float
    vcpu_hours: float | None
    memory_gb_hours: float | None


class Looks:
    """One deployment, looked at.

    Args:
        environment: a section of samconfig.toml.
        clock: the present.
    """

    def __init__(self, environment: str, clock: Clock = utc_now) -> None:
        self._deployed = Deployed.of(environment)
        self._clock = clock

    @property
    def stack_name(self) -> str:
        """What the environment's stack is called."""
        return self._deployed.deployment.section.stack

    def stack_is_there(self) -> bool:
        """Whether the environment's stack exists, in whatever state."""
        return Stacks(self._deployed.deployment.client("cloudformation")).find(self.stack_name) is not None

    def name(self, output: str) -> str:
        """What one of the stack's outputs says."""
        return self._deployed.deployment.name(output)

    @property
    def takes_events(self) -> bool:
        """Whether files of the table are ingested when they land."""
        return self._deployed.takes_events(self._deployed.contract(TABLE))

    def known_paths(self) -> list[str]:
        """The files of the table that the ledger has."""
        return [item.path for page in self._deployed.files.walk(TABLE) for item in page]

    def landed_paths(self) -> list[str]:
        """The objects that the table's globs mean."""
        globs = self._deployed.contract(TABLE).source_paths
        return [version.path for page in list_sources(self._deployed.storage, globs) for version in page.objects]

    def entries(self, paths: Iterable[str]) -> Mapping[str, LedgerItem]:
        """What the ledger has of some files, by path."""
        return self._deployed.files.read(TABLE, list(paths))

    def etag(self, path: str) -> str | None:
        """Which version an object is; None: there is none."""
        current = self._deployed.storage.head(*split_path(path))
        return current.etag if current is not None else None

    def batch(self, entry: LedgerItem) -> Batch | None:
        """The batch that owns a file; None: it is not there."""
        return self._deployed.batches.read(TABLE, entry.batch_id) if entry.batch_id else None

    def run_state(self, run_id: str) -> str:
        """What EMR calls the state of a run; GONE: it does not know it."""
        state = Jobs(self._emr).state(self.name("ApplicationId"), run_id)
        return "GONE" if state is None else state.state

    def costs_since(self, moment: datetime) -> list[RunCost]:
        """What each run has used that was submitted since then, the first one first."""
        application = self.name("ApplicationId")
        pages = self._emr.get_paginator("list_job_runs").paginate(applicationId=application, createdAtAfter=moment)
        listed = sorted((run for page in pages for run in page["jobRuns"]), key=lambda run: run["createdAt"])
        return [
            cost_of(self._emr.get_job_run(applicationId=application, jobRunId=run["id"])["jobRun"], self._clock())
            for run in listed
        ]

    @property
    def _emr(self) -> Any:
        return self._deployed.deployment.client("emr-serverless")


def cost_of(run: Mapping[str, Any], now: datetime) -> RunCost:
    """Read what a run has used.

    Args:
        run: as GetJobRun answers.
        now: the present.
    """
    billed = run.get("billedResourceUtilization") or {}
    ended = run.get("endedAt") or (run["updatedAt"] if run["state"] in ("SUCCESS", "FAILED", "CANCELLED") else now)
    return RunCost(
        run["jobRunId"],
        run.get("name", ""),
        run["state"],
        (ended - run["createdAt"]).total_seconds(),
        billed.get("vCPUHour"),
        billed.get("memoryGBHour"),
    )
