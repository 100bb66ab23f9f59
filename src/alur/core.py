"""Contracts, by the name under which `alur-framework` has them: the same classes as in `alur.contracts`."""

from __future__ import annotations

from alur.contracts import (
    BooleanField,
    BronzeTable,
    DateField,
    DecimalField,
    DoubleField,
    Field,
    IntegerField,
    LongField,
    StringField,
    TimestampField,
)

__all__ = [
    "BooleanField",
    "BronzeTable",
    "DateField",
    "DecimalField",
    "DoubleField",
    "Field",
    "IntegerField",
    "LongField",
    "StringField",
    "TimestampField",
]
