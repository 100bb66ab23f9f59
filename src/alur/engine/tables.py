"""The bronze table in the catalog: made, and widened, from its contract."""

from __future__ import annotations

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from alur.contracts.contract import Contract
from alur.engine.iceberg import IcebergTable
from alur.errors import TableUnsupported
from alur.ingestion.reader import OWN_COLUMNS

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
    "write.metadata.metrics.column._source_file": "full",
    "write.metadata.metrics.column._batch_id": "full",
    "write.metadata.delete-after-commit.enabled": "true",
    "write.metadata.previous-versions-max": "100",
    "write.metadata.compression-codec": "gzip",
    "commit.retry.num-retries": "20",
    "history.expire.max-snapshot-age-ms": str(14 * 24 * 3600 * 1000),
}
"""What a table is created with; reference: https://iceberg.apache.org/docs/latest/configuration/."""

_EVERYWHERE = {"_ingested_at": "when Alur read the row", "_source_system": "where the file came from"} | {
    "_source_file": "s3://bucket/key of the file",
    "_source_etag": "the version of the file",
    "_batch_id": "the batch that brought the row",
    "_rescued_data": "JSON of what the columns could not hold",
}


def ensure_table(spark: SparkSession, catalog: str, database: str, contract: Contract) -> IcebergTable:
    """Return the contract's table: created if it is not there, widened if the contract has gained columns.

    Harmless under a race: whoever loses finds the table made.

    Args:
        spark: the session.
        catalog: the catalog's name in Spark.
        database: the Glue database.
        contract: what the table must hold.

    Raises:
        TableUnsupported: a column has another type in the table, or the table's settings rule publishing out.
    """
    name = f"{catalog}.{database}.{contract.ingestion_key}"
    try:
        spark.sql(create_statement(name, contract))
    except (PySparkException, Py4JJavaError):
        # IF NOT EXISTS looks and then creates: of two runs at once one may still lose, to a table that is there now.
        if not spark.catalog.tableExists(name):
            raise
    table = IcebergTable(spark, name)
    try:
        _widen(spark, name, contract)
    except (PySparkException, Py4JJavaError):
        # The same race: once more, and the other run's columns are there.
        _widen(spark, name, contract)
    table.check_settings()
    table.ensure_head()
    return table


def create_statement(name: str, contract: Contract) -> str:
    """Render the CREATE TABLE of a contract. Every column may be null: what is required, the contract checks.

    Args:
        name: `catalog.database.table`.
        contract: what the table holds.
    """
    columns = [f"`{field.name}` {field.spark_type}{_comment(field.description)}" for field in contract.fields]
    columns += [f"`{column}` {spark_type}{_comment(_EVERYWHERE[column])}" for column, spark_type in OWN_COLUMNS]
    parts = [f"CREATE TABLE IF NOT EXISTS {name} ({', '.join(columns)}) USING iceberg"]
    if contract.partition_by:
        parts.append(f"PARTITIONED BY ({', '.join(part.sql for part in contract.partition_by)})")
    if contract.description:
        parts.append(_comment(contract.description).strip())
    parts.append("TBLPROPERTIES (" + ", ".join(f"{_text(k)}={_text(v)}" for k, v in PROPERTIES.items()) + ")")
    return " ".join(parts)


def _widen(spark: SparkSession, name: str, contract: Contract) -> None:
    have = {field.name: field.dataType.simpleString() for field in spark.table(name).schema.fields}
    wanted = {field.name: field.spark_type for field in contract.fields} | dict(OWN_COLUMNS)
    for column, spark_type in wanted.items():
        if column in have and have[column] != spark_type:
            raise TableUnsupported(
                name,
                f"column {column} is {have[column]} in the table and {spark_type} in {contract.class_name}; "
                "give the contract the table's type, or the column another name",
            )
    missing = [field for field in contract.fields if field.name not in have]
    for field in missing:
        spark.sql(f"ALTER TABLE {name} ADD COLUMN `{field.name}` {field.spark_type}{_comment(field.description)}")


def _comment(text: str) -> str:
    return f" COMMENT {_text(text)}" if text else ""


def _text(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace("'", "\\'").replace("\n", " ")
    return f"'{escaped}'"
