"""The stack from outside: buckets, ledger, table and logs, asked by clients that know nothing of Alur."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3

from alur.local.warehouse import TableContent, read_metadata

REGION = "ap-southeast-5"
LANDING = "alur-landing-e2e-20260122-114314"
STATE_TABLE = "alur-ingestion-state"
OTHERS = ("bucket", "landing", "archive")
"""The buckets that snippets of the guide name, beside the landing bucket."""

Item = Mapping[str, Mapping[str, Any]]
"""An item as DynamoDB gives it: `{"rows_ingested": {"N": "100"}}`."""


class World:
    """One stack.

    Args:
        variables: the environment in which it is reached.
    """

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._variables = variables

    def empty(self) -> None:
        """Leave nothing in the stack that an earlier scenario has put there."""
        for bucket in (LANDING, *OTHERS):
            for key in self.keys(bucket):
                self.s3.delete_object(Bucket=bucket, Key=key)
        for item in self.items().values():
            self.delete_item(item)
        if self._table():
            self._client("glue").delete_table(DatabaseName=self._database, Name="orders")

    def create_buckets(self) -> None:
        """Make the buckets that the guide's snippets name and that no template has."""
        for bucket in OTHERS:
            self.s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})

    def put(self, path: str, body: bytes | Path) -> str:
        """Write an object, and return its path.

        Args:
            path: `s3://bucket/key`.
            body: what is in it, or the file that has it.
        """
        bucket, _, key = path.removeprefix("s3://").partition("/")
        self.s3.put_object(Bucket=bucket, Key=key, Body=body.read_bytes() if isinstance(body, Path) else body)
        return path

    def keys(self, bucket: str) -> list[str]:
        """Return the keys of a bucket."""
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket)
        return [entry["Key"] for page in pages for entry in page.get("Contents", ())]

    def items(self) -> dict[str, Item]:
        """Return the ledger's items by path."""
        pages = self.dynamodb.get_paginator("scan").paginate(TableName=STATE_TABLE, ConsistentRead=True)
        return {item["file_path"]["S"]: item for page in pages for item in page["Items"]}

    def status_and_rows(self) -> dict[str, tuple[str, int | None]]:
        """Return what the ledger says of each file, by path."""
        return {
            path: (item["status"]["S"], int(item["rows_ingested"]["N"]) if "rows_ingested" in item else None)
            for path, item in self.items().items()
            if "status" in item
        }

    def delete_item(self, item: Item) -> None:
        """Delete an item of the ledger."""
        key = {name: item[name] for name in ("ingestion_key", "file_path")}
        self.dynamodb.delete_item(TableName=STATE_TABLE, Key=key)

    def table(self) -> TableContent:
        """Return what the table `orders` holds, by its own metadata."""
        found = self._table()
        if not found:
            return TableContent(0, 0, None)
        metadata = self.read(found["Parameters"]["metadata_location"])
        return read_metadata("orders", json.loads(metadata))

    def driver_log(self, uri: str) -> list[dict[str, Any]]:
        """Return what the job has logged in a run, a document a line.

        Args:
            uri: where the run's logs are, as `alur run` prints it.
        """
        lines = self.read(f"{uri}SPARK_DRIVER/stdout.gz").decode().splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    def read(self, uri: str) -> bytes:
        """Return an object's bytes, unpacked."""
        parts = urlsplit(uri, allow_fragments=False)
        body: bytes = self.s3.get_object(Bucket=parts.netloc, Key=parts.path.lstrip("/"))["Body"].read()
        return gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body

    @cached_property
    def s3(self) -> Any:
        """S3."""
        return self._client("s3")

    @cached_property
    def dynamodb(self) -> Any:
        """DynamoDB."""
        return self._client("dynamodb")

    @property
    def _database(self) -> str:
        return self._variables["ALUR_DATABASE"]

    def _table(self) -> Mapping[str, Any] | None:
        glue = self._client("glue")
        try:
            found: Mapping[str, Any] = glue.get_table(DatabaseName=self._database, Name="orders")["Table"]
        except glue.exceptions.EntityNotFoundException:
            return None
        return found

    def _client(self, service: str) -> Any:
        variables = self._variables
        endpoint = variables.get(f"AWS_ENDPOINT_URL_{service.upper()}", variables["AWS_ENDPOINT_URL"])
        session: Any = boto3.session.Session(
            aws_access_key_id=variables["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=variables["AWS_SECRET_ACCESS_KEY"],
            region_name=variables["AWS_REGION"],
        )
        return session.client(service, endpoint_url=endpoint)
