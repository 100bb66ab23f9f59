"""What a run is told: rendered into the entry point's arguments by whoever submits it, read again by the job."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass

from alur.ledger.retries import Retries


@dataclass(frozen=True, slots=True)
class JobArguments:
    """A run's orders.

    Attributes:
        token: the request's client token: names this run from before it has an id.
        ingestion_key: the table.
        batch_ids: the batches that it carries, in order.
        state_table, batches_table: the ledger.
        database: the Glue database.
        landing_bucket, lake_bucket: buckets.
        region: where all of it is.
        max_attempts, backoff_seconds: the rule by which what failed is tried again.
    """

    token: str
    ingestion_key: str
    batch_ids: tuple[str, ...]
    state_table: str
    batches_table: str
    database: str
    landing_bucket: str
    lake_bucket: str
    region: str
    max_attempts: int
    backoff_seconds: float

    def render(self) -> list[str]:
        """Render as the entry point's arguments."""
        single = {
            "--token": self.token,
            "--ingestion-key": self.ingestion_key,
            "--state-table": self.state_table,
            "--batches-table": self.batches_table,
            "--database": self.database,
            "--landing-bucket": self.landing_bucket,
            "--lake-bucket": self.lake_bucket,
            "--region": self.region,
            "--max-attempts": str(self.max_attempts),
            "--backoff-seconds": f"{self.backoff_seconds:g}",
        }
        pairs = [part for name, value in single.items() for part in (name, value)]
        return [*pairs, *(part for batch_id in self.batch_ids for part in ("--batch", batch_id))]

    @classmethod
    def parse(cls, arguments: Sequence[str]) -> JobArguments:
        """Read what `render` made.

        Raises:
            SystemExit: an argument is missing or unknown; argparse has said which.
        """
        parser = argparse.ArgumentParser(prog="main.py", description="Ingest batches of files into one bronze table.")
        for name in (
            "token",
            "ingestion-key",
            "state-table",
            "batches-table",
            "database",
            "landing-bucket",
            "lake-bucket",
            "region",
        ):
            parser.add_argument(f"--{name}", required=True)
        parser.add_argument("--max-attempts", required=True, type=int)
        parser.add_argument("--backoff-seconds", required=True, type=float)
        parser.add_argument("--batch", action="append", required=True, dest="batch_ids")
        values = vars(parser.parse_args(arguments))
        return cls(**{**values, "batch_ids": tuple(values["batch_ids"])})

    @property
    def retries(self) -> Retries:
        """The rule by which what failed is tried again."""
        return Retries(self.max_attempts, self.backoff_seconds)

    @property
    def variables(self) -> dict[str, str]:
        """What `${…}` in a contract's globs may name."""
        return {"LandingBucket": self.landing_bucket}
