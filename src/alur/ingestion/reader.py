"""Files become rows: one pass over their bytes, every cell judged on the way.

The common case, every file has the contract's header, costs no look at the headers: Spark compares them while it
reads (`enforceSchema=false`) and fails the read where one differs. Only then are they fetched.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from alur.contracts.contract import Contract
from alur.errors import ReadNotExact
from alur.ingestion.cells import CORRUPT_RECORD, any_bad, is_bad, reason, value_of
from alur.ingestion.naming import Source, paths_to_read

OWN_COLUMNS: tuple[tuple[str, str], ...] = (
    ("_ingested_at", "timestamp"),
    ("_source_system", "string"),
    ("_source_file", "string"),
    ("_source_etag", "string"),
    ("_batch_id", "string"),
    ("_rescued_data", "string"),
)
"""The columns that every bronze table has after its contract's: (name, Spark type)."""

KEY_COLUMNS = ("_source_file", "_source_etag", "_batch_id")
"""The columns that say whose a row is: without them it cannot be written."""

TRACED_COLUMNS = (*KEY_COLUMNS, "_rescued_data")
"""The columns that are marked: the keys, and the one by which a file is judged."""

LOAD_KEY = "alur.load"
"""The metadata of a marked column that names its load."""

COLUMN_KEY = "alur.column"
"""The metadata of a marked column that says which it is."""

_OPTIONS = {
    "header": "true",
    "enforceSchema": "false",
    "mode": "PERMISSIVE",
    "columnNameOfCorruptRecord": CORRUPT_RECORD,
    # Without it a quoted newline makes two broken records of one, silently.
    "multiLine": "true",
    "quote": '"',
    "escape": '"',
    "encoding": "UTF-8",
    "columnPruning": "false",
    # What stands for a cell without anything in it; by default a quoted empty one would be null too.
    "nullValue": "\ue000",
}


def read_rows(
    spark: SparkSession,
    contract: Contract,
    sources: Sequence[Source],
    *,
    whole_folders: set[str],
    batch_id: str,
    now: datetime,
    load_id: str | None = None,
    options: Mapping[str, str] | None = None,
) -> DataFrame:
    """Return the rows of some files, as the bronze table stores them. Lazy: nothing is read yet.

    A row that cannot be stored under the contract has the reason, as JSON, in `_rescued_data`.

    Args:
        spark: the session.
        contract: how to read.
        sources: the files, each with the URI under which Spark finds its bytes.
        whole_folders: folders that are read as a whole; of what else is in them nothing is kept.
        batch_id: of the batch.
        now: becomes `_ingested_at`.
        load_id: marks the key columns, so that whatever is derived from these rows can be traced to them.
        options: options of Spark's reader over Alur's own.

    Raises:
        ReadNotExact: Spark would read a file twice.
    """
    schema = ", ".join([*(f"`{name}` string" for name in contract.column_names), f"`{CORRUPT_RECORD}` string"])
    raw = (
        spark.read.schema(schema).options(**{**_OPTIONS, **(options or {})}).csv(paths_to_read(sources, whole_folders))
    )
    check_each_once(_planned_files(raw))
    files = spark.createDataFrame(
        [(source.uri, source.version.path, source.version.etag) for source in sources],
        "uri string, _source_file string, _source_etag string",
    )
    # `file_path` is percent-encoded; url_decode would also make a blank of a plus.
    uri = F.url_decode(F.replace(F.col("_metadata.file_path"), F.lit("+"), F.lit("%2B")))
    named = raw.withColumn("__uri", uri).join(F.broadcast(files), F.col("__uri") == F.col("uri"))
    values = [value_of(field, contract.null_values) for field in contract.fields]
    flags = [is_bad(field, contract.null_values, value) for field, value in zip(contract.fields, values, strict=True)]
    own: dict[str, Column] = {
        "_ingested_at": F.lit(now),
        "_source_system": F.lit(contract.source_system),
        "_source_file": F.col("_source_file"),
        "_source_etag": F.col("_source_etag"),
        "_batch_id": F.lit(batch_id),
        "_rescued_data": F.when(any_bad(flags), reason(contract, flags)),
    }
    return named.select(
        *[value.alias(field.name) for field, value in zip(contract.fields, values, strict=True)],
        *[marked(own[name].cast(spark_type), name, load_id) for name, spark_type in OWN_COLUMNS],
    )


def empty_rows(spark: SparkSession, contract: Contract, *, batch_id: str, load_id: str) -> DataFrame:
    """Return no rows, with the columns of the bronze table, marked as those of a load are.

    Args:
        spark: the session.
        contract: of the table.
        batch_id: of the load.
        load_id: the load.
    """
    columns = [(field.name, field.spark_type) for field in contract.fields] + list(OWN_COLUMNS)
    nothing = spark.createDataFrame([], ", ".join(f"`{name}` {spark_type}" for name, spark_type in columns))
    return nothing.select(
        *[F.col(field.name) for field in contract.fields],
        *[marked(F.lit(batch_id) if name == "_batch_id" else F.col(name), name, load_id) for name, _ in OWN_COLUMNS],
    )


def marked(column: Column, name: str, load_id: str | None) -> Column:
    """Name a column of a load; one that says whose a row is carries the load's id with it.

    Args:
        column: its value.
        name: what it is called.
        load_id: the load; None: nobody will trace it.
    """
    if load_id is None or name not in TRACED_COLUMNS:
        return column.alias(name)
    return column.alias(name, metadata={LOAD_KEY: load_id, COLUMN_KEY: name})


def check_each_once(planned: Iterable[str]) -> None:
    """Refuse a read in which a file comes twice: how Spark resolves paths decides that, not what it was told.

    Args:
        planned: the files that Spark is going to read.

    Raises:
        ReadNotExact: one of them is there more than once.
    """
    seen: set[str] = set()
    for file in planned:
        if file in seen:
            raise ReadNotExact(file)
        seen.add(file)


def _planned_files(rows: DataFrame) -> list[str]:
    # DataFrame.inputFiles() would leave out what comes twice.
    relation: Any = rows._jdf.queryExecution().analyzed().relation()
    return [str(file) for file in relation.inputFiles()]
