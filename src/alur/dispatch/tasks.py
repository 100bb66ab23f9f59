"""Tasks: what a run does beside the events' batches (a pipeline, an audit, a rebuild), and where it tells of itself.

A task's run has no slot and no batch of its own: a pipeline claims its files itself. How far it is and what it came to
it writes to S3, and whoever waits reads it there; the ledger is none of its business where it is switched off.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from alur.clock import from_iso, to_iso


class Task(StrEnum):
    """What a run is to do."""

    PIPELINE = "pipeline"
    """Run a pipeline; the subject is its name."""

    AUDIT = "audit"
    """Compare bucket, ledger and table; the subject is the ingestion key."""

    REBUILD = "rebuild"
    """Write the ledger's entries anew from the table; the subject is the ingestion key."""

    REJECTS = "rejects"
    """Tell which records could not be stored; the subject is the ingestion key."""


@dataclass(frozen=True, slots=True)
class TaskArguments:
    """A task's orders.

    Attributes:
        token: the request's client token: names the run from before it has an id.
        task: what it does.
        subject: to what.
        state_table, batches_table: the ledger.
        database: the Glue database.
        landing_bucket, lake_bucket: buckets.
        region: where all of it is.
        max_attempts: how often a version of a file is tried.
        since: a pipeline's loads pass files over whose S3 date is earlier; None: those before the table's watermark.
        dry_run: say what would be written, and write nothing; for a task that knows the difference, as a rebuild does.
        file: only of this file, `s3://bucket/key`; None: of all. For the rejects.
        limit: how much is told, at most; None: as much as the task sees fit. For the rejects.
    """

    token: str
    task: Task
    subject: str
    state_table: str
    batches_table: str
    database: str
    landing_bucket: str
    lake_bucket: str
    region: str
    max_attempts: int
    since: datetime | None = None
    dry_run: bool = False
    file: str | None = None
    limit: int | None = None

    def render(self) -> list[str]:
        """Render as the entry point's arguments."""
        named = {
            "--task": self.task.value,
            "--token": self.token,
            "--subject": self.subject,
            "--state-table": self.state_table,
            "--batches-table": self.batches_table,
            "--database": self.database,
            "--landing-bucket": self.landing_bucket,
            "--lake-bucket": self.lake_bucket,
            "--region": self.region,
            "--max-attempts": str(self.max_attempts),
        }
        if self.since is not None:
            named["--since"] = to_iso(self.since)
        # As below: an older run knows no such argument.
        if self.limit is not None:
            named["--limit"] = str(self.limit)
        # Only where it is so: code that was deployed before there was a dry run knows no such argument, and stops.
        flags = ["--dry-run"] if self.dry_run else []
        # In one word: a key may begin with dashes.
        flags += [f"--file={self.file}"] if self.file is not None else []
        return [*(part for name, value in named.items() for part in (name, value)), *flags]

    @classmethod
    def parse(cls, arguments: Sequence[str]) -> TaskArguments:
        """Read what `render` made.

        Raises:
            SystemExit: an argument is missing or unknown; argparse has said which.
        """
        parser = argparse.ArgumentParser(prog="main.py", description="Do one task beside the events' batches.")
        parser.add_argument("--task", required=True, type=Task)
        for name in (
            "token",
            "subject",
            "state-table",
            "batches-table",
            "database",
            "landing-bucket",
            "lake-bucket",
            "region",
        ):
            parser.add_argument(f"--{name}", required=True)
        parser.add_argument("--max-attempts", required=True, type=int)
        parser.add_argument("--since", type=from_iso)
        parser.add_argument("--dry-run", action="store_true")
        parser.add_argument("--file")
        parser.add_argument("--limit", type=int)
        return cls(**vars(parser.parse_args(arguments)))


def is_task(arguments: Sequence[str]) -> bool:
    """Whether the entry point's arguments are a task's, and not those of batches."""
    return "--task" in arguments


def progress_uri(lake_bucket: str, token: str) -> str:
    """Say where a task says how far it is."""
    return f"s3://{lake_bucket}/alur/runs/{token}/progress.json"


def result_uri(lake_bucket: str, token: str) -> str:
    """Say where a task says what it came to."""
    return f"s3://{lake_bucket}/alur/runs/{token}/result.json"
