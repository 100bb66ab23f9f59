"""Iceberg tables in the catalog: made from their columns, and altered as these grow."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Mapping, Sequence

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from alur.contracts.contract import Contract
from alur.contracts.evolution import Column, columns_of, plan_evolution
from alur.contracts.table import REJECTS_SUFFIX
from alur.engine.iceberg import REJECTS_KEYS, IcebergTable
from alur.errors import TableUnsupported
from alur.ingestion.careful import REJECT_COLUMNS
from alur.ingestion.columns import OWN_COLUMNS

logger = logging.getLogger(__name__)

_METRICS = "write.metadata.metrics.column."

PROPERTIES: dict[str, str] = {
    # Athena does not read format 3 yet, and the way there is one-way.
    "format-version": "2",
    # With merge-on-read a DELETE adds delete files, which the collected data files would not carry.
    "write.delete.mode": "copy-on-write",
    "write.update.mode": "copy-on-write",
    "write.merge.mode": "copy-on-write",
    "write.distribution-mode": "none",
    "write.target-file-size-bytes": "268435456",
    # The default keeps the first 16 characters, which is nothing of an S3 path.
    f"{_METRICS}_source_file": "full",
    f"{_METRICS}_batch_id": "full",
    "write.metadata.delete-after-commit.enabled": "true",
    "write.metadata.previous-versions-max": "100",
    "write.metadata.compression-codec": "gzip",
    "commit.retry.num-retries": "20",
    "history.expire.max-snapshot-age-ms": str(14 * 24 * 3600 * 1000),
}
"""What a table is created with, as far as it has the columns.

Reference: https://iceberg.apache.org/docs/latest/configuration/.
"""

_ALTER_ATTEMPTS = 8
"""How often a table is looked at and altered anew when others change it at that moment."""

_ALTER_PAUSE_SECONDS = 0.2

_EVERYWHERE = {"_ingested_at": "when Alur read the row", "_source_system": "where the file came from"} | {
    "_source_file": "s3://bucket/key of the file",
    "_source_etag": "the version of the file",
    "_batch_id": "the batch that brought the row",
    "_rescued_data": "JSON of what the columns could not hold",
}


def ensure_table(spark: SparkSession, catalog: str, database: str, contract: Contract) -> IcebergTable:
    """Return the contract's table: created if it is not there, altered if the contract has gained something.

    How a table that is there is partitioned stays as it is, whatever the contract says.

    Args:
        spark: the session.
        catalog: the catalog's name in Spark.
        database: the Glue database.
        contract: what the table must hold.

    Raises:
        TableUnsupported: the contract drops or narrows a column of the table, or the table's settings rule
            publishing out.
    """
    name = f"{catalog}.{database}.{contract.ingestion_key}"
    own = (Column(column, spark_type, _EVERYWHERE[column]) for column, spark_type in OWN_COLUMNS)
    ensure_iceberg(
        spark,
        name,
        (*columns_of(contract), *own),
        partition_sql=", ".join(part.sql for part in contract.partition_by),
        comment=contract.description,
    )
    table = IcebergTable(spark, name)
    table.check_settings()
    table.ensure_head()
    return table


def ensure_rejects(spark: SparkSession, catalog: str, database: str, contract: Contract) -> IcebergTable:
    """Return the table of the contract's rejects, created if it is not there.

    Args:
        spark: the session.
        catalog: the catalog's name in Spark.
        database: the Glue database.
        contract: of the bronze table.

    Raises:
        TableUnsupported: the table's settings rule publishing out.
    """
    name = f"{catalog}.{database}.{contract.ingestion_key}{REJECTS_SUFFIX}"
    columns = [Column(column, spark_type, comment) for column, spark_type, comment in REJECT_COLUMNS]
    ensure_iceberg(
        spark, name, columns, comment=f"Records that could not be stored in {contract.ingestion_key}, and why"
    )
    table = IcebergTable(spark, name, REJECTS_KEYS)
    table.check_settings()
    table.ensure_head()
    return table


def ensure_iceberg(
    spark: SparkSession,
    name: str,
    columns: Sequence[Column],
    *,
    partition_sql: str = "",
    comment: str = "",
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Make a table if it is not there, and add and widen columns if they differ; never take anything away.

    Harmless under a race: whoever loses finds the table made, or altered.

    Args:
        spark: the session.
        name: `catalog.database.table`.
        columns: all that it is to have, in the order in which they are made.
        partition_sql: what stands in `PARTITIONED BY (…)` where it is made; empty: it is not partitioned.
        comment: of the table, where it is made.
        sleep: waits that many seconds.

    Raises:
        TableUnsupported: a column of the table is not among the columns, or is of a type that may not become theirs.
    """
    try:
        spark.sql(create_statement(name, columns, partition_sql=partition_sql, comment=comment))
    except (PySparkException, Py4JJavaError):
        # IF NOT EXISTS looks and then creates: of two runs at once one may still lose, to a table that is there now.
        if not spark.catalog.tableExists(name):
            raise
    for attempt in range(1, _ALTER_ATTEMPTS + 1):
        statements = alter_statements(name, _read_columns(spark, name), columns)
        try:
            for statement in statements:
                logger.info("%s", statement)
                spark.sql(statement)
        except (PySparkException, Py4JJavaError) as error:
            # Somebody else has altered the table, or committed to it: what is left to do only another look can tell.
            if attempt == _ALTER_ATTEMPTS:
                raise
            said = _said(error)
            logger.warning("%s could not be altered, attempt %d of %d: %s", name, attempt, _ALTER_ATTEMPTS, said)
            sleep(random.uniform(0.5, 1.0) * _ALTER_PAUSE_SECONDS * attempt)
        else:
            return


def create_statement(name: str, columns: Sequence[Column], *, partition_sql: str = "", comment: str = "") -> str:
    """Render a CREATE TABLE. Every column may be null: what is required, the contract checks.

    Args:
        name: `catalog.database.table`.
        columns: what the table holds.
        partition_sql: what stands in `PARTITIONED BY (…)`; empty: it is not partitioned.
        comment: of the table.
    """
    parts = [f"CREATE TABLE IF NOT EXISTS {name} ({_listed(columns)}) USING iceberg"]
    if partition_sql:
        parts.append(f"PARTITIONED BY ({partition_sql})")
    if comment:
        parts.append(_comment(comment).strip())
    properties = _properties(columns).items()
    parts.append("TBLPROPERTIES (" + ", ".join(f"{_text(name)}={_text(value)}" for name, value in properties) + ")")
    return " ".join(parts)


def alter_statements(name: str, have: Mapping[str, str], columns: Sequence[Column]) -> list[str]:
    """Render what makes a table's columns those that it is to have; an empty list: they are.

    Args:
        name: `catalog.database.table`.
        have: the table's columns, the Spark type of each by its name.
        columns: all that it is to have.

    Raises:
        TableUnsupported: one of them would be dropped or narrowed.
    """
    plan = plan_evolution(have, columns)
    if plan.refused:
        raise TableUnsupported(name, "its columns would lose something", plan.refused)
    # One statement is one commit: nobody sees some of the new columns without the others.
    added = [f"ALTER TABLE {name} ADD COLUMNS ({_listed(plan.added)})"] if plan.added else []
    return added + [f"ALTER TABLE {name} ALTER COLUMN `{change.column}` TYPE {change.new}" for change in plan.widened]


def _properties(columns: Sequence[Column]) -> dict[str, str]:
    # Iceberg takes no setting of a column that a table has not.
    lacking = {_METRICS + name for name, _ in OWN_COLUMNS} - {_METRICS + column.name for column in columns}
    return {name: value for name, value in PROPERTIES.items() if name not in lacking}


def _read_columns(spark: SparkSession, name: str) -> dict[str, str]:
    return {field.name: field.dataType.simpleString() for field in spark.table(name).schema.fields}


def _said(error: PySparkException | Py4JJavaError) -> str:
    # What py4j itself says of Java's exception is where it was called from.
    text = str(error.java_exception if isinstance(error, Py4JJavaError) else error)
    return text.partition("\n")[0]


def _listed(columns: Sequence[Column]) -> str:
    return ", ".join(f"`{column.name}` {column.spark_type}{_comment(column.comment)}" for column in columns)


def _comment(text: str) -> str:
    return f" COMMENT {_text(text)}" if text else ""


def _text(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace("'", "\\'").replace("\n", " ")
    return f"'{escaped}'"
