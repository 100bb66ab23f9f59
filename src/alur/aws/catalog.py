"""Glue: whether a table is there and what it is, without Spark.

Iceberg writes each column into Glue's copy of the table too, and the whole of it into a JSON document on S3, to which
the table's parameter `metadata_location` points (https://iceberg.apache.org/spec/#table-metadata-fields).
"""

from __future__ import annotations

import gzip
import json
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from alur.aws.storage import Storage
from alur.contracts.partitions import PartitionField, Transform
from alur.errors import CatalogError
from alur.ledger.paths import split_path

_TRANSFORMS: Mapping[str, Transform] = {
    "identity": Transform.IDENTITY,
    "year": Transform.YEARS,
    "month": Transform.MONTHS,
    "day": Transform.DAYS,
    "hour": Transform.HOURS,
    "bucket": Transform.BUCKET,
    "truncate": Transform.TRUNCATE,
}
_TRANSFORM = re.compile(r"(?P<name>[a-z]+)(?:\[(?P<argument>\d+)\])?")
_DROPPED = "void"


@dataclass(frozen=True, slots=True)
class CatalogTable:
    """A table as the catalog has it.

    Attributes:
        columns: the type of each, by its name.
        metadata_location: where Iceberg's own description of it is; empty: it is no table of Iceberg.
    """

    columns: Mapping[str, str]
    metadata_location: str

    @property
    def is_iceberg(self) -> bool:
        """Whether it is a table of Iceberg."""
        return bool(self.metadata_location)


def find_table(glue: Any, database: str, table: str) -> CatalogTable | None:
    """Return a table of the catalog; None: there is none of that name.

    Args:
        glue: a boto3 `glue` client.
        database: the Glue database.
        table: the table.

    Raises:
        CatalogError: Glue cannot be asked.
    """
    try:
        found = glue.get_table(DatabaseName=database, Name=table)["Table"]
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "unknown")
        if code == "EntityNotFoundException":
            return None
        raise CatalogError(f"{database}.{table}", code, error.response.get("Error", {}).get("Message", "")) from error
    except BotoCoreError as error:
        raise CatalogError(f"{database}.{table}", type(error).__name__, str(error)) from error
    columns = found.get("StorageDescriptor", {}).get("Columns", ())
    return CatalogTable(
        # Iceberg leaves there what the table once had, too.
        {column["Name"]: column.get("Type", "") for column in columns if _is_current(column)},
        found.get("Parameters", {}).get("metadata_location", ""),
    )


def table_exists(glue: Any, database: str, table: str) -> bool:
    """Say whether the catalog has a table.

    Args:
        glue: a boto3 `glue` client.
        database: the Glue database.
        table: the table.

    Raises:
        CatalogError: Glue cannot be asked.
    """
    return find_table(glue, database, table) is not None


def read_partitions(storage: Storage, table: CatalogTable) -> tuple[PartitionField, ...]:
    """Read how new files of an Iceberg table are partitioned.

    Args:
        storage: S3.
        table: a table of Iceberg.

    Raises:
        StorageError: its description may not be read.
        CatalogError: it is not there, or is not understood.
    """
    where = table.metadata_location
    try:
        bucket, key = split_path(where)
        body = storage.read(bucket, key)
        if body is None:
            raise CatalogError(where, "NoSuchKey", "the table's description is not there")
        return partitions_in(json.loads(gzip.decompress(body) if ".gz." in key else body))
    except (OSError, EOFError, zlib.error, LookupError, TypeError, ValueError) as error:
        raise CatalogError(where, type(error).__name__, f"it is no description of a table: {error}") from error


def partitions_in(metadata: Mapping[str, Any]) -> tuple[PartitionField, ...]:
    """Return the partitioning that a description of a table says.

    Args:
        metadata: Iceberg's JSON.

    Raises:
        LookupError: something is missing in it.
        ValueError: a transform is not known.
    """
    schema = {schema["schema-id"]: schema for schema in metadata["schemas"]}[metadata["current-schema-id"]]
    spec = {spec["spec-id"]: spec for spec in metadata["partition-specs"]}[metadata["default-spec-id"]]
    names = {field["id"]: field["name"] for field in schema["fields"]}
    return tuple(
        _partition(names[field["source-id"]], field["transform"])
        for field in spec["fields"]
        if field["transform"] != _DROPPED
    )


def _is_current(column: Mapping[str, Any]) -> bool:
    return bool(column.get("Parameters", {}).get("iceberg.field.current", "true") == "true")


def _partition(column: str, transform: str) -> PartitionField:
    match = _TRANSFORM.fullmatch(transform)
    if match is None or match["name"] not in _TRANSFORMS:
        raise ValueError(f"the transform {transform} of {column} is not known")
    return PartitionField(_TRANSFORMS[match["name"]], column, int(match["argument"]) if match["argument"] else None)
