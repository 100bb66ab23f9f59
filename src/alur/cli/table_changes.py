"""What contracts would change of the tables that are deployed: what is altered, what is refused, what stays."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from alur.aws.catalog import find_table, read_partitions
from alur.aws.deployment import Deployment
from alur.aws.storage import Storage
from alur.cli.declarations import DeclaredTable
from alur.cli.findings import Finding, Level
from alur.contracts.evolution import columns_of, plan_evolution
from alur.contracts.partitions import PartitionField
from alur.errors import AlurError, CatalogError


def examine_tables(tables: Iterable[DeclaredTable], deployment: Deployment, database: str) -> Iterator[Finding]:
    """Compare contracts with the catalog; a table that is not there yet is nothing to say of.

    Args:
        tables: the project's.
        deployment: where it is deployed.
        database: the Glue database of its tables.
    """
    glue, storage = deployment.client("glue"), Storage(deployment.client("s3"))
    for table in tables:
        yield from _examine(table, glue, storage, database)


def column_findings(table: DeclaredTable, have: Mapping[str, str]) -> Iterator[Finding]:
    """Say what becomes of a table's columns.

    Args:
        table: the contract, and its place.
        have: the table's columns, the type of each by its name.
    """
    plan = plan_evolution(have, columns_of(table.contract))
    for change in plan.refused:
        yield Finding(Level.ERROR, table.place, change.refusal)
    for change in plan.widened:
        problem = f"the next run widens column {change.column} from {change.old} to {change.new}"
        yield Finding(Level.INFORMATION, table.place, problem)
    for column in plan.added:
        problem = f"the next run adds column {column.name}, {column.spark_type}, null in the rows that are there"
        yield Finding(Level.INFORMATION, table.place, problem)


def partition_findings(table: DeclaredTable, have: Iterable[PartitionField]) -> Iterator[Finding]:
    """Say where a table is partitioned in another way than its contract says.

    Args:
        table: the contract, and its place.
        have: the table's partitioning.
    """
    there, wanted = [part.sql for part in have], [part.sql for part in table.contract.partition_by]
    # Their order changes the folders' names only.
    if sorted(there) != sorted(wanted):
        yield Finding(
            Level.WARNING,
            table.place,
            f"the table is partitioned by {_listed(there)}, and Meta.partition_by says {_listed(wanted)}: the table "
            "stays as it is; write what it has into Meta.partition_by, or alter the table yourself (ALTER TABLE … ADD, "
            "DROP or REPLACE PARTITION FIELD)",
        )


def _examine(table: DeclaredTable, glue: Any, storage: Storage, database: str) -> Iterator[Finding]:
    key = table.contract.ingestion_key
    try:
        found = find_table(glue, database, key)
    except CatalogError as error:
        yield Finding(Level.WARNING, table.place, f"whether the table takes the contract could not be asked: {error}")
        return
    if found is None:
        return
    if not found.is_iceberg:
        problem = f"{database}.{key} is there and is no table of Iceberg: no run can write it; rename the class, or it"
        yield Finding(Level.ERROR, table.place, problem)
        return
    yield from column_findings(table, found.columns)
    try:
        partitions = read_partitions(storage, found)
    except AlurError as error:
        yield Finding(Level.WARNING, table.place, f"how the table is partitioned could not be seen: {error}")
        return
    yield from partition_findings(table, partitions)


def _listed(parts: list[str]) -> str:
    return ", ".join(parts) or "nothing"
