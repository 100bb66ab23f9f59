"""Alur's own columns of a bronze table, and how those of a load are marked so that its rows can be traced."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from alur.contracts.contract import Contract
from alur.ingestion.jvm import few_rows

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

LOAD_KEY = "alur.load"
"""The metadata of a marked column that names its load."""

COLUMN_KEY = "alur.column"
"""The metadata of a marked column that says which it is."""


def empty_rows(spark: SparkSession, contract: Contract, *, batch_id: str, load_id: str) -> DataFrame:
    """Return no rows, with the columns of the bronze table, marked as those of a load are.

    Args:
        spark: the session.
        contract: of the table.
        batch_id: of the load.
        load_id: the load.
    """
    columns = [(field.name, field.spark_type) for field in contract.fields] + list(OWN_COLUMNS)
    nothing = few_rows(spark, columns, [])
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
    if load_id is None or name not in KEY_COLUMNS:
        return column.alias(name)
    return column.alias(name, metadata={LOAD_KEY: load_id, COLUMN_KEY: name})
