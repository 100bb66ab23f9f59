"""Read of an Iceberg table what its own metadata says, without Spark.

The current snapshot's summary counts the table's records; for a table without delete files, as copy-on-write makes
it, `total-records` is exact (Iceberg specification, "Optional Snapshot Summary Fields").
"""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from alur.aws.clients import client
from alur.errors import LocalStackError


@dataclass(frozen=True, slots=True)
class TableContent:
    """What a table holds.

    Args:
        rows: its rows.
        data_files: its data files.
        snapshot_id: the snapshot that says so; None for a table without one.
    """

    rows: int
    data_files: int
    snapshot_id: str | None


def table_content(database: str, table: str) -> TableContent:
    """Return what a table of the Glue catalog holds; a table that does not exist holds nothing.

    Raises:
        LocalStackError: it is no Iceberg table, or it has delete files, so that its summary would not be exact.
    """
    glue = client("glue")
    try:
        found = glue.get_table(DatabaseName=database, Name=table)["Table"]
    except glue.exceptions.EntityNotFoundException:
        return TableContent(0, 0, None)
    location = (found.get("Parameters") or {}).get("metadata_location")
    if not location:
        raise LocalStackError(table, "it is no Iceberg table")
    parts = urlsplit(location, allow_fragments=False)
    body = client("s3").get_object(Bucket=parts.netloc, Key=parts.path.lstrip("/"))["Body"].read()
    return read_metadata(table, json.loads(gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body))


def read_metadata(table: str, metadata: dict[str, Any]) -> TableContent:
    """Read the current snapshot of a table's metadata.

    Raises:
        LocalStackError: it has delete files.
    """
    current = metadata.get("current-snapshot-id")
    for snapshot in metadata.get("snapshots", []):
        if snapshot["snapshot-id"] == current:
            summary = snapshot["summary"]
            if int(summary.get("total-delete-files", 0)):
                raise LocalStackError(table, "it has delete files, so its summary does not count its rows exactly")
            return TableContent(
                int(summary.get("total-records", 0)), int(summary.get("total-data-files", 0)), str(current)
            )
    return TableContent(0, 0, None)
