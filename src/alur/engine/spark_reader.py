"""The reader that Spark is: files under a contract, onto scratch branches."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from pyspark.sql import SparkSession

from alur.aws.storage import Storage
from alur.contracts.contract import Contract
from alur.delimited.counted import Counted
from alur.engine.iceberg import IcebergTable
from alur.ingestion.careful import CarefulRows, HowRead
from alur.ingestion.failures import failing_as_read
from alur.ingestion.headings import Heading
from alur.ingestion.naming import Source
from alur.ingestion.plain import read_plainly


class SparkReader:
    """`FileReader` over a session.

    Args:
        spark: the session.
        contract: how to read.
        bronze, rejects: whither.
        storage: S3.
        lake_bucket: where what has to be unpacked goes.
    """

    def __init__(
        self,
        spark: SparkSession,
        contract: Contract,
        bronze: IcebergTable,
        rejects: IcebergTable,
        storage: Storage,
        lake_bucket: str,
    ) -> None:
        self._spark = spark
        self._contract = contract
        self._bronze = bronze
        self._rejects = rejects
        self._storage = storage
        self._lake_bucket = lake_bucket

    def append(
        self,
        branch: str,
        sources: Sequence[Source],
        *,
        heading: Heading,
        whole_folders: set[str],
        batch_id: str,
        now: datetime,
    ) -> None:
        """See `FileReader.append`."""
        rows = read_plainly(
            self._spark,
            self._contract,
            sources,
            heading=heading,
            whole_folders=whole_folders,
            batch_id=batch_id,
            now=now,
        )
        with failing_as_read():
            self._bronze.append(branch, rows)

    def read_carefully(self, sources: Sequence[Source], *, batch_id: str, now: datetime) -> SparkCarefulReading:
        """See `FileReader.read_carefully`."""
        how = HowRead(self._contract, self._lake_bucket)
        rows = CarefulRows(self._spark, self._storage, how, sources, batch_id=batch_id, now=now)
        return SparkCarefulReading(rows, self._bronze, self._rejects)


class SparkCarefulReading:
    """`CarefulReading` over what Spark's workers found.

    Args:
        found: what they found.
        bronze, rejects: whither.
    """

    def __init__(self, found: CarefulRows, bronze: IcebergTable, rejects: IcebergTable) -> None:
        self._found = found
        self._bronze = bronze
        self._rejects = rejects

    @property
    def counted(self) -> Mapping[str, Counted]:
        """See `CarefulReading.counted`."""
        with failing_as_read():
            return self._found.counted

    def append_rows(self, branch: str, paths: Collection[str]) -> None:
        """See `CarefulReading.append_rows`."""
        if paths:
            with failing_as_read():
                self._bronze.append(branch, self._found.rows(paths))

    def append_rejects(self, branch: str, paths: Collection[str], attempt: str) -> None:
        """See `CarefulReading.append_rejects`."""
        with failing_as_read():
            self._rejects.append(branch, self._found.rejects(paths, attempt))

    def close(self) -> None:
        """See `CarefulReading.close`."""
        self._found.close()
