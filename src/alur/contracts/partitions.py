"""How a table is partitioned: the texts of `Meta.partition_by`, parsed.

The transforms and the types that they take are Iceberg's (https://iceberg.apache.org/spec/#partition-transforms).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from alur.errors import ContractError


class Transform(StrEnum):
    """What a partition is made of, by the name that Spark SQL gives it."""

    IDENTITY = "identity"  # the value itself
    YEARS = "years"
    MONTHS = "months"
    DAYS = "days"
    HOURS = "hours"
    BUCKET = "bucket"  # hash of the value, modulo the argument
    TRUNCATE = "truncate"  # the first letters, or the number rounded down to a multiple of the argument


TIME_TRANSFORMS = frozenset({Transform.YEARS, Transform.MONTHS, Transform.DAYS, Transform.HOURS})
"""A table has at most one of these for a column: Iceberg calls a second one redundant."""

_TYPES: Mapping[Transform, frozenset[str]] = {
    Transform.IDENTITY: frozenset({"string", "int", "bigint", "double", "boolean", "timestamp", "date", "decimal"}),
    Transform.YEARS: frozenset({"timestamp", "date"}),
    Transform.MONTHS: frozenset({"timestamp", "date"}),
    Transform.DAYS: frozenset({"timestamp", "date"}),
    Transform.HOURS: frozenset({"timestamp"}),
    Transform.BUCKET: frozenset({"string", "int", "bigint", "timestamp", "date", "decimal"}),
    Transform.TRUNCATE: frozenset({"string", "int", "bigint", "decimal"}),
}

_SHAPE = re.compile(
    r"\s*(?:(?P<transform>[a-z]+)\s*\(\s*(?:(?P<argument>\d+)\s*,\s*)?)?(?P<column>\w+)\s*(?P<close>\))?\s*"
)
_REMEDY = "write a field's name, years(x), months(x), days(x), hours(x), bucket(16, x) or truncate(4, x)"
_MAX_ARGUMENT = 2**31 - 1


@dataclass(frozen=True, slots=True)
class PartitionField:
    """One part of a table's partitioning.

    Args:
        transform: what is taken of the column.
        column: the field's name.
        argument: the number of buckets, or the width of the truncation; None for the other transforms.
    """

    transform: Transform
    column: str
    argument: int | None = None

    @property
    def sql(self) -> str:
        """The expression after Spark SQL's `PARTITIONED BY`, the column's name quoted."""
        if self.transform is Transform.IDENTITY:
            return f"`{self.column}`"
        if self.argument is None:
            return f"{self.transform}(`{self.column}`)"
        return f"{self.transform}({self.argument}, `{self.column}`)"


def parse_partitions(contract: str, texts: Sequence[str], spark_types: Mapping[str, str]) -> tuple[PartitionField, ...]:
    """Parse the texts of `Meta.partition_by`; a timestamp's bare name means its days.

    Args:
        contract: the class's name, for the message.
        texts: what the user wrote.
        spark_types: the type of each field, by name.

    Raises:
        ContractError: a text is no transform, names no field, does not fit its field's type, or says what another
            one says already.
    """
    parsed: list[PartitionField] = []
    taken: dict[tuple[str, str], str] = {}
    for text in texts:
        partition = _parse(contract, text, spark_types)
        kind = "time" if partition.transform in TIME_TRANSFORMS else partition.sql
        earlier = taken.setdefault((partition.column, kind), text)
        if len(taken) == len(parsed):
            raise ContractError(contract, f"Meta.partition_by: {text!r} and {earlier!r} say the same; keep one")
        parsed.append(partition)
    return tuple(parsed)


def _parse(contract: str, text: str, spark_types: Mapping[str, str]) -> PartitionField:
    match = _SHAPE.fullmatch(text)
    if match is None or (match["transform"] is None) != (match["close"] is None):
        raise ContractError(contract, f"Meta.partition_by: {text!r} means nothing; {_REMEDY}")
    column = match["column"]
    if column not in spark_types:
        raise ContractError(
            contract, f"Meta.partition_by: {text!r} names no field; the fields are {', '.join(spark_types)}"
        )
    family = spark_types[column].partition("(")[0]
    transform = _transform(contract, text, match["transform"], family)
    argument = int(match["argument"]) if match["argument"] is not None else None
    takes_argument = transform in (Transform.BUCKET, Transform.TRUNCATE)
    if takes_argument and (argument is None or not 1 <= argument <= _MAX_ARGUMENT):
        raise ContractError(contract, f"Meta.partition_by: {text!r} needs a number, as in {transform}(16, {column})")
    if argument is not None and not takes_argument:
        raise ContractError(contract, f"Meta.partition_by: {text!r} takes no number; write {transform}({column})")
    if family not in _TYPES[transform]:
        raise ContractError(
            contract,
            f"Meta.partition_by: {text!r}: {transform} cannot be taken of {spark_types[column]}, "
            f"only of {', '.join(sorted(_TYPES[transform]))}",
        )
    return PartitionField(transform, column, argument)


def _transform(contract: str, text: str, name: str | None, family: str) -> Transform:
    if name is None:
        return Transform.DAYS if family == "timestamp" else Transform.IDENTITY
    try:
        return Transform(name)
    except ValueError:
        raise ContractError(contract, f"Meta.partition_by: {text!r}: no transform {name}; {_REMEDY}") from None
