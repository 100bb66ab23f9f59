"""What a contract asks of a table that is there already: columns to add, columns to widen, and what is refused. Pure.

Only what leaves every row readable as it is: a column more, or a type that holds all that the earlier one held. The
widenings are those of Iceberg's format version 2 (https://iceberg.apache.org/spec/#schema-evolution).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from alur.contracts.contract import Contract
from alur.errors import ColumnChange

_WIDENINGS = frozenset({("int", "bigint"), ("float", "double")})
_DECIMAL = re.compile(r"decimal\((?P<precision>\d+),(?P<scale>\d+)\)")


@dataclass(frozen=True, slots=True)
class Column:
    """A column that a table is to have.

    Args:
        name: its name.
        spark_type: its type in Spark SQL's DDL, as `decimal(12,2)`.
        comment: for people.
    """

    name: str
    spark_type: str
    comment: str = ""


@dataclass(frozen=True, slots=True)
class Evolution:
    """How a table becomes what a contract says, and why it does not.

    Attributes:
        added: columns that the table lacks, in order.
        widened: columns whose type becomes a wider one.
        refused: columns that would lose something; nothing is altered where there is one.
    """

    added: tuple[Column, ...]
    widened: tuple[ColumnChange, ...]
    refused: tuple[ColumnChange, ...]

    @property
    def is_empty(self) -> bool:
        """Whether the table is what the contract says."""
        return not (self.added or self.widened or self.refused)


def columns_of(contract: Contract) -> tuple[Column, ...]:
    """Return the columns that a contract declares, without Alur's own.

    Args:
        contract: whose.
    """
    return tuple(Column(field.name, field.spark_type, field.description) for field in contract.fields)


def plan_evolution(have: Mapping[str, str], wanted: Sequence[Column]) -> Evolution:
    """Compare a table's columns with those that it is to have.

    A required field may be added too: every column of a table may be null, the rows that are there get null, and the
    contract requires the value of new files only. A column of the table whose name begins with `_` is none that a
    contract can declare, and stays. The order of columns means nothing.

    Args:
        have: the table's columns, the Spark type of each by its name.
        wanted: all columns that it is to have.
    """
    added: list[Column] = []
    widened: list[ColumnChange] = []
    refused: list[ColumnChange] = []
    for column in wanted:
        there = have.get(column.name)
        if there is None:
            added.append(column)
        elif there != column.spark_type:
            change = ColumnChange(column.name, there, column.spark_type)
            (widened if is_widening(there, column.spark_type) else refused).append(change)
    names = {column.name for column in wanted}
    refused += [
        ColumnChange(name, there, None)
        for name, there in have.items()
        if name not in names and not name.startswith("_")
    ]
    return Evolution(tuple(added), tuple(widened), tuple(refused))


def is_widening(old: str, new: str) -> bool:
    """Say whether a column of one type may become one of the other, all its values kept.

    Args:
        old: a Spark type.
        new: another one.
    """
    if (old, new) in _WIDENINGS:
        return True
    before, after = _DECIMAL.fullmatch(old), _DECIMAL.fullmatch(new)
    return (
        before is not None
        and after is not None
        and before["scale"] == after["scale"]
        and int(before["precision"]) < int(after["precision"])
    )
