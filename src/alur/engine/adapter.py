"""`AWSAdapter`: one deployment's tables and ledger, as pipelines and notebooks use them."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from pyspark.sql import DataFrame

from alur.aws.catalog import table_exists
from alur.aws.clients import resource
from alur.aws.deployment import Deployment
from alur.contracts.table import BronzeTable, contract_of
from alur.dispatch.sizing import CATALOG
from alur.engine.session import get_spark_session
from alur.engine.writing import LoadWriter, WriteResult
from alur.ingestion.workplace import Workplace
from alur.ledger.model import LedgerItem, Status
from alur.ledger.transitions import mark_completed


class AWSAdapter:
    """Reads and writes bronze tables, and says what the ledger knows. Making one makes no call.

    Where things are is looked for when it is needed: what is given here, then the variables `ALUR_…`, then the outputs
    of the stack of the environment that `ALUR_ENV` names in samconfig.toml.

    Args:
        region: the Region; None: as variables or samconfig.toml say.
        state_table: the ledger's table.
        batches_table: the batches' table.
        database: the Glue database.
        lake_bucket: the bucket of the tables and of records.
        landing_bucket: the bucket where files land.
        environment: a section of samconfig.toml, whose stack's outputs come before variables.
        deployment: all of these at once.
    """

    def __init__(
        self,
        region: str | None = None,
        *,
        state_table: str | None = None,
        batches_table: str | None = None,
        database: str | None = None,
        lake_bucket: str | None = None,
        landing_bucket: str | None = None,
        environment: str | None = None,
        deployment: Deployment | None = None,
    ) -> None:
        given = {
            "StateTable": state_table,
            "BatchesTable": batches_table,
            "Database": database,
            "LakeBucket": lake_bucket,
            "LandingBucket": landing_bucket,
        }
        self.place = Workplace(
            deployment
            or Deployment(
                region=region,
                environment=environment,
                given={name: value for name, value in given.items() if value is not None},
            )
        )

    @property
    def state_table(self) -> str:
        """The name of the ledger's table.

        Raises:
            DeploymentUnknown: nothing says which it is.
        """
        return self.place.deployment.name("StateTable")

    @cached_property
    def dynamodb(self) -> Any:
        """A boto3 `dynamodb` resource in the deployment's Region."""
        return resource("dynamodb", self.place.deployment.region_name)

    def table_name(self, table: type[BronzeTable]) -> str:
        """Return a table's name in Spark: `alur.database.orders`.

        Raises:
            DeploymentUnknown: nothing says which the database is.
        """
        return f"{CATALOG}.{self.place.deployment.name('Database')}.{contract_of(table).ingestion_key}"

    def table_exists(self, table: type[BronzeTable]) -> bool:
        """Say whether a table is in the catalog.

        Args:
            table: its class.

        Raises:
            CatalogError: Glue cannot be asked.
            DeploymentUnknown: nothing says where it would be.
        """
        glue = self.place.deployment.client("glue")
        return table_exists(glue, self.place.deployment.name("Database"), contract_of(table).ingestion_key)

    def read_table(self, table: type[BronzeTable]) -> DataFrame:
        """Return a table's rows, Alur's own columns too.

        Args:
            table: its class.
        """
        return get_spark_session().table(self.table_name(table))

    def write_table(self, df: DataFrame, table: type[BronzeTable], mode: str = "append") -> WriteResult:
        """Publish the loads that a DataFrame descends from, each once, and end their claims.

        Args:
            df: what `load_to_bronze` returned, or what was made of it.
            table: the table's class; the loads must be for it.
            mode: `append`, the only one: what a newer version of a file replaces, its contract says.

        Raises:
            UntrackedDataFrame: its loads cannot be established, are for another table, or were written already.
            StrictModeError: files of a strict load break the contract; nothing was written.
            AlurError: it could not be written; what was claimed is free again.
        """
        if mode != "append":
            raise ValueError(f"mode={mode!r}: rows are appended; another version of a file replaces its rows by itself")
        return LoadWriter(df.sparkSession, self.place).write(df, contract_of(table))

    def is_file_processed(self, ingestion_key: str, file_path: str) -> bool:
        """Say whether the ledger has a file as completed.

        Args:
            ingestion_key: the table.
            file_path: `s3://bucket/key`.

        Raises:
            LedgerError: the ledger cannot be asked: that is never an answer.
        """
        item = self.place.files.read(ingestion_key, [file_path]).get(file_path)
        return item is not None and item.status is Status.COMPLETED

    def get_processed_files(self, ingestion_key: str) -> list[str]:
        """Return the paths of a table's completed files, sorted.

        Args:
            ingestion_key: the table.

        Raises:
            LedgerError: the ledger cannot be asked.
        """
        return [
            item.path
            for page in self.place.files.walk(ingestion_key)
            for item in page
            if item.status is Status.COMPLETED
        ]

    def mark_file_processed(
        self, ingestion_key: str, file_path: str, file_size: int, file_etag: str, rows_ingested: int
    ) -> None:
        """Note a file as completed that was ingested without Alur, so that it is not read.

        A file that Alur itself has an entry for stays as it is: what is in the table is not for a note to say.

        Args:
            ingestion_key: the table.
            file_path: `s3://bucket/key`.
            file_size: in bytes.
            file_etag: of the version.
            rows_ingested: how many rows it has.

        Raises:
            LedgerError: the ledger cannot be written.
            ValueError: the ledger has an entry for the file that says otherwise.
        """
        change = mark_completed(
            ingestion_key,
            file_path,
            etag=file_etag.strip('"'),
            size_bytes=file_size,
            rows=rows_ingested,
            now=datetime.now(UTC),
        )
        (outcome,) = self.place.files.apply([change])
        if not outcome.applied and not _says_the_same(outcome.item, file_etag):
            status = outcome.item.status.value if outcome.item else "gone"
            raise ValueError(f"{file_path} has an entry already: it is {status}; `alur reprocess` reads it again")


def _says_the_same(item: LedgerItem | None, etag: str) -> bool:
    return item is not None and item.status is Status.COMPLETED and item.etag == etag.strip('"')
