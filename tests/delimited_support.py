"""Contracts and files for the tests of `alur.delimited`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from alur.contracts import BronzeTable, Contract, FieldDeclaration, LongField, StringField
from alur.delimited import Reject, Row, read_file

PATH = "s3://landing/t/a.csv"


def contract(fields: dict[str, FieldDeclaration] | None = None, **meta: Any) -> Contract:
    """The contract of a table with these columns (a string `a` and a bigint `b`) and this Meta."""
    said = {"source_path": "s3://landing/t/*.csv", "source_system": "test", **meta}
    columns = fields or {"a": StringField(), "b": LongField()}
    table: Any = type("ThingsBronze", (BronzeTable,), {"Meta": type("Meta", (), said), **columns})
    found: Contract = table.contract()
    return found


def read(data: str | bytes | Iterable[bytes], of: Contract | None = None, **options: Any) -> list[Row | Reject]:
    """What the records of a file become."""
    if isinstance(data, str):
        data = data.encode()
    chunks = [data] if isinstance(data, bytes) else data
    return list(read_file(PATH, chunks, of or contract(), **options))


def values(data: str | bytes | Iterable[bytes], of: Contract | None = None, **options: Any) -> list[tuple[Any, ...]]:
    """The values of a file's rows, none of which may be a reject or have lost anything."""
    rows = read(data, of, **options)
    assert all(isinstance(row, Row) and row.rescued is None for row in rows), rows
    return [row.values for row in rows if isinstance(row, Row)]
