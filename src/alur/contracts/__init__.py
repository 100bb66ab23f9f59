"""Contracts: tables, their columns, and which object belongs to which table. Pure, and light to import."""

from __future__ import annotations

from alur.contracts.contract import Contract, OnOverwrite, Trigger
from alur.contracts.dialect import Dialect
from alur.contracts.fields import (
    BooleanField,
    DateField,
    DecimalField,
    DoubleField,
    Field,
    FieldDeclaration,
    IntegerField,
    LongField,
    StringField,
    TimestampField,
)
from alur.contracts.globs import literal_prefix
from alur.contracts.loading import load_contracts
from alur.contracts.partitions import PartitionField, Transform
from alur.contracts.routing import Router
from alur.contracts.table import BronzeTable, contract_of, ingestion_key_of

__all__ = [
    "BooleanField",
    "BronzeTable",
    "Contract",
    "DateField",
    "DecimalField",
    "Dialect",
    "DoubleField",
    "Field",
    "FieldDeclaration",
    "IntegerField",
    "LongField",
    "OnOverwrite",
    "PartitionField",
    "Router",
    "StringField",
    "TimestampField",
    "Transform",
    "Trigger",
    "contract_of",
    "ingestion_key_of",
    "literal_prefix",
    "load_contracts",
]
