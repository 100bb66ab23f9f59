"""A workbench for sessions: `load_to_bronze` and `AWSAdapter` over the suite's servers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from workbench import BATCHES_TABLE, DATABASE, LAKE, LANDING, STATE_TABLE, Servers, Workbench, next_name

from alur.aws.deployment import Deployment
from alur.contracts import BronzeTable, DecimalField, LongField, StringField
from alur.engine import AWSAdapter
from alur.engine.writing import WriteResult
from alur.ingestion import load_to_bronze
from alur.ingestion.loads import current_workplace
from alur.ingestion.workplace import Workplace


class SessionBench(Workbench):
    """One table's files, loads, writes and looks."""

    def __init__(self, spark: SparkSession, servers: Servers, target: type[BronzeTable]) -> None:
        super().__init__(spark, servers, target.contract())
        self.target = target
        clients: Mapping[str, Any] = {"s3": servers.s3, "dynamodb": servers.dynamodb, "glue": servers.glue}
        self.deployment = Deployment(
            region="us-east-1",
            given={
                "StateTable": STATE_TABLE,
                "BatchesTable": BATCHES_TABLE,
                "Database": DATABASE,
                "LakeBucket": LAKE,
                "LandingBucket": LANDING,
            },
            variables={},
            make_client=lambda service, _: clients[service],
        )
        self.adapter = AWSAdapter(deployment=self.deployment)
        self.adapter.place = Workplace(self.deployment, sleep=self.slept.append)

    def glob(self, pattern: str = "**/*.csv") -> str:
        """Return a glob below the table's folder."""
        return f"s3://{self.bucket}/{self.folder}{pattern}"

    def load(self, source_path: str | Sequence[str] | None = None, **options: Any) -> DataFrame:
        """Load what is new below the table's folder."""
        token = current_workplace.set(self.adapter.place)
        try:
            wanted = source_path if source_path is not None else self.glob()
            return load_to_bronze(self.spark, wanted, "suite", self.target, **options)
        finally:
            current_workplace.reset(token)

    def write(self, rows: DataFrame) -> WriteResult:
        """Write into the bench's table."""
        return self.adapter.write_table(rows, self.target)

    def run_once(self, **options: Any) -> WriteResult:
        """Load and write what is new."""
        return self.write(self.load(**options))


def make_target(**meta: Any) -> type[BronzeTable]:
    """Return a class of three columns whose table nobody else has."""
    fields: dict[str, Any] = {"id": LongField(nullable=False), "name": StringField(), "amount": DecimalField(12, 2)}
    settings = {"source_path": f"s3://{LANDING}/**", "source_system": "suite", **meta}
    return type(next_name(), (BronzeTable,), {**fields, "Meta": type("Meta", (), settings)})


MakeBench = Callable[..., SessionBench]
"""Makes a bench for a table of its own; takes what its `Meta` says."""
