"""The rejects that go with a table's rows, the newest first: read, and not changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pyspark.sql import DataFrame, SparkSession, Window
from pyspark.sql import functions as F

from alur.clock import to_iso
from alur.contracts.contract import Contract
from alur.engine.iceberg import BRONZE_KEYS, REJECTS_KEYS, IcebergTable
from alur.ingestion.jvm import few_rows
from alur.ledger.model import SCHEMA_VERSION

SHOWN_CHARACTERS = 1000
"""How much of a record a report holds: a record can be megabytes long, and the table has the whole of it."""


@dataclass(frozen=True, slots=True)
class RejectedRecord:
    """A record that could not be stored.

    Attributes:
        line: the physical line of the file on which it begins, from 1.
        column: the column that is at fault; None: the record as a whole is.
        reason: what is wrong.
        record: its text, or the beginning of it.
    """

    line: int
    column: str | None
    reason: str
    record: str


@dataclass(frozen=True, slots=True)
class RejectedFile:
    """One version of a file that has rejects beside its rows.

    Attributes:
        path: `s3://bucket/key`.
        etag: of the version.
        batch_id: of the batch that brought it.
        ingested_at: when its records were read.
        count: how many rejects it has.
        records: the first of them.
    """

    path: str
    etag: str
    batch_id: str
    ingested_at: datetime
    count: int
    records: tuple[RejectedRecord, ...]


@dataclass(frozen=True, slots=True)
class RejectsReport:
    """The rejects of a table.

    Attributes:
        table: the table of the rejects, `catalog.database.table`.
        ingestion_key: the bronze table's name in the ledger.
        total: how many there are in all.
        file_count: how many versions of files have some.
        files: the newest of those, with as many rejects as were asked for.
    """

    table: str
    ingestion_key: str
    total: int
    file_count: int
    files: tuple[RejectedFile, ...]

    def to_document(self) -> dict[str, Any]:
        """Render as JSON's own types."""
        return {
            "schema_version": SCHEMA_VERSION,
            "table": self.table,
            "ingestion_key": self.ingestion_key,
            "total": self.total,
            "file_count": self.file_count,
            "shown": sum(len(file.records) for file in self.files),
            "files": [
                {
                    "path": file.path,
                    "etag": file.etag,
                    "batch_id": file.batch_id,
                    "ingested_at": to_iso(file.ingested_at),
                    "rejects": file.count,
                    "records": [
                        {"line": one.line, "column": one.column, "reason": one.reason, "record": one.record}
                        for one in file.records
                    ],
                }
                for file in self.files
            ],
        }


def read_rejects(
    spark: SparkSession, contract: Contract, bronze: IcebergTable, rejects: str, *, limit: int, path: str | None = None
) -> RejectsReport:
    """Return the rejects of those publications whose rows are in the bronze table. Changes nothing.

    An attempt that died between its two commits has left rejects, and no rows: those count for nothing.

    Args:
        spark: the session.
        contract: the bronze table's.
        bronze: the bronze table.
        rejects: the table of the rejects, `catalog.database.table`; it need not be there.
        limit: how many rejects are returned, at most.
        path: only those of this file; None: of all.
    """
    if not spark.catalog.tableExists(rejects):
        return RejectsReport(rejects, contract.ingestion_key, 0, 0, ())
    rows, found = spark.table(bronze.name).select(*BRONZE_KEYS), spark.table(rejects)
    if path is not None:
        rows, found = (frame.where(F.col("_source_file") == path) for frame in (rows, found))
    groups = _published(rows, found).persist()
    try:
        total, file_count = groups.agg(F.coalesce(F.sum("count"), F.lit(0)), F.count("*")).collect()[0]
        newest = groups.orderBy(F.desc("at"), "_source_file", *REJECTS_KEYS).limit(limit).collect()
        files = _filled(spark, found, newest, limit)
    finally:
        groups.unpersist()
    return RejectsReport(rejects, contract.ingestion_key, total, file_count, files)


def _published(rows: DataFrame, rejects: DataFrame) -> DataFrame:
    """Count the rejects of each publication whose rows are there, with the time at which they were read."""
    groups = rejects.groupBy(*REJECTS_KEYS).agg(
        F.count("*").alias("count"), F.unix_millis(F.max("_ingested_at")).alias("at")
    )
    # Of a batch's attempts the last one has brought the rows: behind it nothing is read any more.
    last = Window.partitionBy(*BRONZE_KEYS).orderBy(F.desc("at"), F.desc("_attempt"))
    newest = groups.withColumn("__place", F.row_number().over(last)).where("__place = 1").drop("__place")
    return newest.join(rows, list(BRONZE_KEYS), "left_semi")


def _filled(spark: SparkSession, rejects: DataFrame, newest: list[Any], limit: int) -> tuple[RejectedFile, ...]:
    wanted: list[Any] = []
    left = limit
    for group in newest:
        if left <= 0:
            break
        wanted.append(group)
        left -= group["count"]
    if not wanted:
        return ()
    places = few_rows(
        spark,
        [("__place", "int"), *((name, "string") for name in REJECTS_KEYS)],
        [(number, *(group[name] for name in REJECTS_KEYS)) for number, group in enumerate(wanted)],
    )
    told = (
        rejects.join(F.broadcast(places), list(REJECTS_KEYS))
        .select(
            "__place",
            "line_number",
            "column_name",
            "reason",
            F.substring("record", 1, SHOWN_CHARACTERS + 1).alias("record"),
        )
        .orderBy("__place", "line_number")
        .limit(limit)
        .collect()
    )
    by_place: dict[int, list[RejectedRecord]] = {}
    for row in told:
        by_place.setdefault(row["__place"], []).append(_record(row.asDict()))
    return tuple(
        RejectedFile(
            group["_source_file"],
            group["_source_etag"],
            group["_batch_id"],
            datetime.fromtimestamp(group["at"] / 1000, UTC),
            group["count"],
            tuple(by_place.get(place, ())),
        )
        for place, group in enumerate(wanted)
    )


def _record(row: Mapping[str, Any]) -> RejectedRecord:
    text = row["record"]
    shown = text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}…"
    return RejectedRecord(row["line_number"], row["column_name"], row["reason"], shown)
