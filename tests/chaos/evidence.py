"""What bucket, ledger and table hold, read with boto3 and plain Spark SQL: nothing here is Alur's."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

import boto3
from boto3.dynamodb.types import TypeDeserializer
from expectation import TableReject, TableRow
from pyspark.sql import SparkSession
from recount import COLUMNS, RESCUED

_REJECTS = "__rejects"
_SPELLED = {"created_at": "date_format(created_at, 'yyyy-MM-dd HH:mm:ss')"}


@dataclass(frozen=True)
class Commit:
    """A snapshot of main.

    Args:
        snapshot_id: Iceberg's id.
        committed_at_ms: its time.
        operation: `append`, `overwrite`, `replace`, `delete`.
        batch_id: of the batch that committed it; None: somebody else did.
        record: the record that it names; None: none.
        attempt: by the record's name, which of the batch's attempts it is.
    """

    snapshot_id: str
    committed_at_ms: int
    operation: str
    batch_id: str | None
    record: Mapping[str, Any] | None
    attempt: str | None = None

    def published(self, path: str) -> Mapping[str, Any] | None:
        """Return what its record says of a path; None: nothing."""
        files = self.record["files"] if self.record else ()
        return next((file for file in files if file["path"] == path), None)


class Evidence:
    """Looks at a deployment.

    Args:
        spark: a session with the catalog `alur`.
        outputs: the deployment's outputs.
        table: the table's name, which is its ingestion key too.
    """

    def __init__(self, spark: SparkSession, outputs: Mapping[str, str], table: str) -> None:
        self._spark = spark
        self._outputs = outputs
        self._key = table
        self.table_name = f"alur.{outputs['Database']}.{table}"
        self.rejects_name = self.table_name + _REJECTS
        self._s3, self._dynamodb, self._glue = (boto3.client(name) for name in ("s3", "dynamodb", "glue"))
        self._records: dict[str, Any] = {}

    def etags(self, prefix: str) -> dict[str, str]:
        """Return what the landing bucket holds, by path."""
        bucket = self._outputs["LandingBucket"]
        found: dict[str, str] = {}
        for page in self._s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
            for listed in page.get("Contents", []):
                found[f"s3://{bucket}/{listed['Key']}"] = listed["ETag"].strip('"')
        return found

    def items(self) -> dict[str, dict[str, Any]]:
        """Return the ledger's items, by path."""
        pages = self._dynamodb.get_paginator("query").paginate(
            TableName=self._outputs["StateTable"],
            KeyConditionExpression="ingestion_key = :key",
            ExpressionAttributeValues={":key": {"S": self._key}},
            ConsistentRead=True,
        )
        items = [_plain(item) for page in pages for item in page["Items"]]
        return {item["file_path"]: item for item in items if item["file_path"].startswith("s3://")}

    def batches(self) -> dict[str, dict[str, Any]]:
        """Return the batches' items, slots too, by their ids."""
        pages = self._dynamodb.get_paginator("query").paginate(
            TableName=self._outputs["BatchesTable"],
            KeyConditionExpression="ingestion_key = :key",
            ExpressionAttributeValues={":key": {"S": self._key}},
            ConsistentRead=True,
        )
        items = [_plain(item) for page in pages for item in page["Items"]]
        return {item["batch_id"]: item for item in items}

    def batches_naming(self, path: str) -> list[str]:
        """Return the ids of the batches whose manifest names a path."""
        bucket, prefix = self._outputs["LakeBucket"], f"alur/batches/{self._key}/"
        ids = []
        for page in self._s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
            for listed in page.get("Contents", []):
                if listed["Key"].endswith("/manifest.json"):
                    manifest = self._document(f"s3://{bucket}/{listed['Key']}")
                    if path in {f"s3://{file['bucket']}/{file['key']}" for file in manifest["files"]}:
                        ids.append(manifest["batch_id"])
        return sorted(ids)

    def has_table(self) -> bool:
        """Whether the table is there: the first job makes it."""
        return self._metadata(self._key) is not None

    def has_rejects(self) -> bool:
        """Whether the table of the rejects is there."""
        return self._metadata(self._key + _REJECTS) is not None

    def rows(self) -> list[TableRow]:
        """Return the table's rows, as text."""
        if not self.has_table():
            return []
        columns = ", ".join(_SPELLED.get(name, f"CAST({name} AS STRING) AS {name}") for name in COLUMNS)
        found = self._spark.sql(
            f"SELECT {columns}, {RESCUED}, _source_file, _source_etag, _batch_id FROM {self.table_name}"
        )
        width = len(COLUMNS) + 1
        return [TableRow(tuple(row[:width]), *row[width:]) for row in found.collect()]

    def rejects(self) -> list[TableReject]:
        """Return what the table of the rejects holds."""
        if not self.has_rejects():
            return []
        found = self._spark.sql(
            f"SELECT line_number, record, _source_file, _source_etag, _batch_id, _attempt FROM {self.rejects_name}"
        )
        return [TableReject((row[0], row[1]), *row[2:]) for row in found.collect()]

    def groups(self, snapshot_id: str) -> list[tuple[str, str, str, int]]:
        """Return path, ETag, batch and number of the rows of a snapshot."""
        found = self._spark.sql(
            "SELECT _source_file, _source_etag, _batch_id, count(*) "
            f"FROM {self.table_name} VERSION AS OF {snapshot_id} WHERE _batch_id NOT LIKE 'foreign-%' GROUP BY ALL"
        )
        return [tuple(row) for row in found.collect()]

    def commits(self) -> list[Commit]:
        """Return main's snapshots, the oldest first."""
        metadata = self._metadata(self._key) or {}
        snapshots = {str(snapshot["snapshot-id"]): snapshot for snapshot in metadata.get("snapshots", [])}
        lineage: list[Commit] = []
        current = str(metadata.get("current-snapshot-id"))
        while current in snapshots:
            snapshot = snapshots[current]
            summary = snapshot["summary"]
            uri = summary.get("alur.record")
            lineage.append(
                Commit(
                    current,
                    snapshot["timestamp-ms"],
                    summary["operation"],
                    summary.get("alur.batch-id"),
                    None if uri is None else self._document(uri),
                    None if uri is None else uri.rpartition("/")[2].removesuffix(".json"),
                )
            )
            current = str(snapshot.get("parent-snapshot-id"))
        return lineage[::-1]

    def _metadata(self, table: str) -> dict[str, Any] | None:
        try:
            found = self._glue.get_table(DatabaseName=self._outputs["Database"], Name=table)["Table"]
        except self._glue.exceptions.EntityNotFoundException:
            return None
        metadata: dict[str, Any] = json.loads(self._bytes(found["Parameters"]["metadata_location"]))
        return metadata

    def _document(self, uri: str) -> Any:
        # Manifests and records never change.
        if uri not in self._records:
            self._records[uri] = json.loads(self._bytes(uri))
        return self._records[uri]

    def _bytes(self, uri: str) -> bytes:
        parts = urlsplit(uri, allow_fragments=False)
        body = self._s3.get_object(Bucket=parts.netloc, Key=parts.path.lstrip("/"))["Body"].read()
        return gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body


def _plain(item: Mapping[str, Any]) -> dict[str, Any]:
    deserializer = TypeDeserializer()
    return {name: _whole(deserializer.deserialize(value)) for name, value in item.items()}


def _whole(value: Any) -> Any:
    if isinstance(value, Decimal):
        return int(value)
    if isinstance(value, dict):
        return {name: _whole(inner) for name, inner in value.items()}
    if isinstance(value, set):
        return sorted(value)
    return value
