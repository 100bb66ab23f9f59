"""Tables of Glue as Iceberg's Glue catalog leaves them, made without Spark."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping, Sequence

from alur.aws.clients import client


def create_iceberg_table(
    database: str, table: str, columns: Mapping[str, str], *, bucket: str, partitions: Sequence[tuple[str, str]] = ()
) -> None:
    """Create a table, and the database if it is not there.

    Args:
        database, table: its name.
        columns: the type of each, by its name.
        bucket: for its description; it is made if it is not there.
        partitions: (column, transform) each, as Iceberg writes transforms.
    """
    glue, s3 = client("glue"), client("s3")
    if database not in {known["Name"] for known in glue.get_databases()["DatabaseList"]}:
        glue.create_database(DatabaseInput={"Name": database})
    s3.create_bucket(Bucket=bucket)
    ids = {name: number for number, name in enumerate(columns, 1)}
    metadata = {
        "current-schema-id": 0,
        "schemas": [{"schema-id": 0, "fields": [{"id": number, "name": name} for name, number in ids.items()]}],
        "default-spec-id": 0,
        "partition-specs": [
            {"spec-id": 0, "fields": [{"source-id": ids[name], "transform": how} for name, how in partitions]}
        ],
    }
    key = f"{table}/metadata/00000.gz.metadata.json"
    s3.put_object(Bucket=bucket, Key=key, Body=gzip.compress(json.dumps(metadata).encode()))
    listed = [
        {"Name": name, "Type": kind, "Parameters": {"iceberg.field.current": "true"}} for name, kind in columns.items()
    ]
    glue.create_table(
        DatabaseName=database,
        TableInput={
            "Name": table,
            "TableType": "EXTERNAL_TABLE",
            "StorageDescriptor": {"Columns": listed},
            "Parameters": {"table_type": "ICEBERG", "metadata_location": f"s3://{bucket}/{key}"},
        },
    )
