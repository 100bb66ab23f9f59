"""What a cell of text becomes under a contract: a value, null, or a reason why its row cannot be stored.

Every file is read as text, and each cell is then converted by `try_cast` behind a pattern that says which spellings
count. So the outcome does not depend on ANSI mode, and what Spark would quietly make of a cell (today's date of
`12:30`, 1.24 of a decimal 1.239, 1.0 of `1d`) is told instead of stored.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

from pyspark.sql import Column
from pyspark.sql import functions as F

from alur.contracts.contract import Contract
from alur.contracts.fields import Field

CORRUPT_RECORD = "_corrupt_record"
"""The reader puts the raw text of a record here whose number of cells is not the header's."""

# Spark decodes bytes that are not UTF-8 as U+FFFD, without a word: stored so, the text would be lost.
_NOT_TEXT = r"[\x00\x{FFFD}]"
_WHOLE = r"^\s*[+-]?[0-9]+\s*$"
_DOUBLE = r"^\s*([+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?|NaN|[+-]?Infinity)\s*$"
_BOOLEAN = r"(?i)^\s*(true|false|t|f|yes|no|y|n|1|0)\s*$"
_DATE = r"^\s*[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}\s*$"
_TIMESTAMP = (
    r"^\s*[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}"
    r"([T ][0-9]{1,2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?(Z| ?UTC|[+-][0-9]{2}:?[0-9]{2})?)?\s*$"
)


def spelling_of(field: Field) -> str | None:
    """Return the pattern of the spellings that a field takes; None: any text.

    Args:
        field: of a contract.
    """
    if field.spark_type.startswith("decimal"):
        scale = int(field.spark_type.rstrip(")").split(",")[1])
        # Digits beyond the scale may only be zeros; without a scale there is nothing that begins with the point.
        begins_with_point = rf"|\.[0-9]{{1,{scale}}}0*" if scale else ""
        return rf"^\s*[+-]?([0-9]+(\.[0-9]{{0,{scale}}}0*)?{begins_with_point})\s*$"
    return {
        "string": None,
        "int": _WHOLE,
        "bigint": _WHOLE,
        "double": _DOUBLE,
        "boolean": _BOOLEAN,
        "date": _DATE,
        "timestamp": _TIMESTAMP,
    }[field.spark_type]


def value_of(field: Field, null_values: Sequence[str]) -> Column:
    """Return the column's value: null where the cell is empty, stands for null, or cannot be stored.

    Args:
        field: of a contract; the DataFrame has its text under the field's name.
        null_values: what stands for null, beside the empty cell.
    """
    text = _text(field, null_values)
    pattern = spelling_of(field)
    if pattern is None:
        return text
    return F.when(text.rlike(pattern), F.expr(f"try_cast(`{field.name}` AS {field.spark_type})"))


def is_bad(field: Field, null_values: Sequence[str], value: Column) -> Column:
    """Return whether the cell cannot be stored: it holds something that has no value, or lacks what is required.

    Args:
        field: of a contract; the DataFrame has its text under the field's name.
        null_values: what stands for null, beside the empty cell.
        value: what `value_of` made of it.
    """
    if spelling_of(field) is not None:
        return value.isNull() & _text(field, null_values).isNotNull() if field.nullable else value.isNull()
    garbled = F.coalesce(value.rlike(_NOT_TEXT), F.lit(False))
    return garbled if field.nullable else value.isNull() | garbled


def any_bad(flags: Sequence[Column]) -> Column:
    """Return whether the row cannot be stored: one of its cells cannot, or it has not the header's number of cells."""
    return reduce(lambda left, right: left | right, flags, F.col(CORRUPT_RECORD).isNotNull())


def reason(contract: Contract, flags: Sequence[Column]) -> Column:
    """Return a JSON text that says why a row cannot be stored: the columns at fault, and the record's cells.

    Args:
        contract: of the row.
        flags: `is_bad` of each of its fields, in order.
    """
    names = F.array_compact(
        F.array(*[F.when(flag, F.lit(field.name)) for field, flag in zip(contract.fields, flags, strict=True)])
    )
    cells = F.to_json(F.struct(*[F.col(field.name) for field in contract.fields]))
    return F.to_json(
        F.struct(names.alias("columns"), F.coalesce(F.col(CORRUPT_RECORD), cells).alias("record")),
    )


def _text(field: Field, null_values: Sequence[str]) -> Column:
    cell = F.col(field.name)
    if spelling_of(field) is not None:
        # A quoted empty cell is a text of no characters: a value for a string column, nothing for any other.
        cell = F.when(F.trim(cell) != "", cell)
    return F.when(~cell.isin(*null_values), cell) if null_values else cell
