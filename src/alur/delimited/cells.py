"""What a cell of text becomes under a field: a value, null, or a reason why it is neither.

Which spellings count does not hang on the machine, the locale, or what Python's own conversions take.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from decimal import ROUND_HALF_EVEN, Context, Decimal
from functools import lru_cache
from math import isinf
from typing import Any

from alur.contracts.dialect import Dialect
from alur.contracts.fields import MAX_DECIMAL_PRECISION, Field, decimal_digits
from alur.delimited.moments import date_parser, timestamp_parser
from alur.delimited.problems import BadCell
from alur.delimited.records import BLANKS

Converter = Callable[[str], Any]
"""Makes a value, or None, of a cell's text; raises `BadCell`."""

_WHOLE = re.compile(r"[+-]?[0-9]+").fullmatch
_DOUBLE = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|NaN|[+-]?Infinity").fullmatch
_DECIMAL = re.compile(r"[+-]?(?:([0-9]+)(?:\.([0-9]*))?|\.([0-9]+))").fullmatch
_BOOLEANS = {
    **dict.fromkeys(("true", "t", "yes", "y", "1"), True),
    **dict.fromkeys(("false", "f", "no", "n", "0"), False),
}
_BITS = {"int": 32, "bigint": 64}
_REMEMBERED_DAYS = 4096


def converter(field: Field, null_values: Sequence[str], dialect: Dialect) -> Converter:
    """Return what makes a value of a cell of this column.

    Args:
        field: of a contract.
        null_values: what stands for null, beside the empty cell.
        dialect: how numbers are written, and whether texts are trimmed.
    """
    if field.spark_type == "string":
        return _text(frozenset({"", *null_values}), trim=dialect.trim)
    return _typed(_parser(field, dialect), null_texts(null_values))


def null_texts(null_values: Sequence[str]) -> frozenset[str]:
    """Return what stands for null in a column of any type but string, without the blanks around it.

    Args:
        null_values: what the contract says stands for null, beside the empty cell.
    """
    return frozenset({"", *(value.strip(BLANKS) for value in null_values)})


def required(convert: Converter) -> Converter:
    """Return the same converter for a column that may not be null.

    Args:
        convert: what makes a value of a cell.
    """

    def strict(cell: str) -> Any:
        value = convert(cell)
        if value is None:
            raise BadCell("no value, and the column is required")
        return value

    return strict


def without_nul(convert: Converter) -> Converter:
    """Return the same converter for a text that may hold NUL, which cannot be stored.

    Args:
        convert: what makes a text of a cell.
    """

    def checked(cell: str) -> Any:
        if "\0" in cell:
            raise BadCell("holds NUL")
        return convert(cell)

    return checked


def empty_text(cell: str) -> str:
    """Return the empty text: what a quoted empty cell of a string column becomes.

    Args:
        cell: the cell, which is empty.
    """
    return ""


def _text(nulls: frozenset[str], *, trim: bool) -> Converter:
    def trimmed(cell: str) -> str | None:
        text = cell.strip(BLANKS)
        return None if text in nulls else text

    def untouched(cell: str) -> str | None:
        return None if cell in nulls else cell

    return trimmed if trim else untouched


def _typed(parse: Converter, nulls: frozenset[str]) -> Converter:
    def convert(cell: str) -> Any:
        text = cell.strip(BLANKS)
        return None if text in nulls else parse(text)

    return convert


def _parser(field: Field, dialect: Dialect) -> Converter:
    kind = field.spark_type
    if kind in _BITS:
        return _localized(_whole_parser(kind), dialect, "not a whole number")
    if kind == "double":
        return _localized(_double, dialect, "not a number")
    if kind.startswith("decimal"):
        precision, scale = decimal_digits(kind)
        return _localized(_decimal_parser(precision, scale), dialect, "not a decimal number")
    if kind == "date":
        # A file has few days, each of them often.
        return lru_cache(_REMEMBERED_DAYS)(date_parser(field.formats))
    if kind == "timestamp":
        return timestamp_parser(field.formats, field.timezone)
    assert kind == "boolean", kind
    return _boolean


def _localized(parse: Converter, dialect: Dialect, complaint: str) -> Converter:
    """Return the parser of numbers that are written as the dialect says."""
    decimal, thousands = dialect.decimal, dialect.thousands
    if decimal == "." and thousands is None:
        return parse
    point = re.escape(decimal)
    grouped = "" if thousands is None else rf"[0-9]{{1,3}}(?:{re.escape(thousands)}[0-9]{{3}})+|"
    spelling = re.compile(
        rf"[+-]?(?:{grouped}[0-9]*)(?:{point}[0-9]*)?(?:[eE][+-]?[0-9]+)?|NaN|[+-]?Infinity"
    ).fullmatch
    table = {ord(decimal): "."} if thousands is None else {ord(thousands): None, ord(decimal): "."}

    def localized(text: str) -> Any:
        if spelling(text) is None:
            raise BadCell(complaint)
        return parse(text.translate(table))

    return localized


def _whole_parser(kind: str) -> Converter:
    most = 2 ** (_BITS[kind] - 1) - 1
    least = -most - 1
    most_digits = len(str(most))
    out_of_range = f"out of range of {kind} ({least} to {most})"

    def parse(text: str) -> int:
        if len(text) < most_digits and text.isdecimal() and text.isascii():
            return int(text)
        if _WHOLE(text) is None:
            raise BadCell("not a whole number")
        # Python refuses to convert thousands of digits, and would take long for them.
        if len(text) > most_digits and len(text.lstrip("+-").lstrip("0")) > most_digits:
            raise BadCell(out_of_range)
        value = int(text[0] + (text[1:].lstrip("0") or "0")) if len(text) > most_digits else int(text)
        if not least <= value <= most:
            raise BadCell(out_of_range)
        return value

    return parse


def _double(text: str) -> float:
    if _DOUBLE(text) is None:
        raise BadCell("not a number")
    value = float(text)
    if isinf(value) and not text.endswith("y"):
        raise BadCell("out of range of double")
    return value


def _decimal_parser(precision: int, scale: int) -> Converter:
    unit = Decimal(1).scaleb(-scale)
    zero = Decimal(0).quantize(unit)
    context = Context(prec=MAX_DECIMAL_PRECISION, rounding=ROUND_HALF_EVEN)
    whole_digits = precision - scale
    too_long = f"more than {scale} digits behind the point"
    out_of_range = f"out of range of decimal({precision},{scale})"

    def parse(text: str) -> Decimal:
        match = _DECIMAL(text)
        if match is None:
            raise BadCell("not a decimal number")
        whole, behind, alone = match.groups()
        fraction = behind or alone or ""
        if len(fraction) > scale and fraction[scale:].strip("0"):
            raise BadCell(too_long)
        if whole is None and not scale:
            raise BadCell("not a decimal number")
        if whole is not None and len(whole) > whole_digits and len(whole.lstrip("0")) > whole_digits:
            raise BadCell(out_of_range)
        value = Decimal(text) if len(fraction) == scale else Decimal(text).quantize(unit, context=context)
        # There is no negative zero in a table.
        return value or zero

    return parse


def _boolean(text: str) -> bool:
    value = _BOOLEANS.get(text.lower())
    if value is None:
        raise BadCell("not true or false")
    return value
