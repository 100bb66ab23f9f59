"""A file's first record, seen without Spark: only when the quick way has found that something is wrong."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass

from alur.aws.storage import Storage
from alur.contracts.contract import Contract
from alur.errors import EmptyFile, FileError, FileVanished, HeaderMismatch, UnreadableFile
from alur.ledger.model import FileVersion

HEAD_BYTES = 256 * 1024
"""How much of a file is fetched to find its header."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a file's cells are told apart.

    Attributes:
        separator: stands between cells, one character.
        quote: stands around a cell that holds a separator, one character.
    """

    separator: str = ","
    quote: str = '"'


COMMA = Dialect()
"""What a file is read as where nobody says otherwise."""


def check_header(
    storage: Storage, contract: Contract, version: FileVersion, dialect: Dialect = COMMA
) -> FileError | None:
    """Say why a file's header is not the contract's; None: it is.

    Args:
        storage: S3.
        contract: what the header must be.
        version: the file.
        dialect: how its cells are told apart.

    Raises:
        StorageError: S3 cannot be asked.
    """
    head = storage.read(version.bucket, version.key, first_bytes=HEAD_BYTES)
    if head is None:
        return FileVanished(version.path)
    found = first_record(head, dialect)
    if isinstance(found, str):
        return UnreadableFile(version.path, found)
    if not found:
        return EmptyFile(version.path)
    expected = contract.column_names
    if [name.lower() for name in found] != [name.lower() for name in expected]:
        return HeaderMismatch(version.path, expected, found)
    return None


def has_records(storage: Storage, version: FileVersion, dialect: Dialect = COMMA) -> bool | None:
    """Say whether a file holds anything beside its header; None: it has not even bytes, or is gone.

    Args:
        storage: S3.
        version: the file.
        dialect: how its cells are told apart.

    Raises:
        StorageError: S3 cannot be asked.
    """
    head = storage.read(version.bucket, version.key, first_bytes=HEAD_BYTES)
    if not head:
        return None
    rows = _records(head.decode("utf-8-sig", errors="replace"), dialect)
    return sum(1 for row in rows if row) > 1 or len(head) >= HEAD_BYTES


def first_record(head: bytes, dialect: Dialect = COMMA) -> list[str] | str:
    """Return the cells of the first record of some bytes, or what is wrong with them.

    Args:
        head: the first bytes of a file.
        dialect: how its cells are told apart.
    """
    # The last character may be cut in two.
    text = head.decode("utf-8-sig", errors="replace")
    if "\x00" in text:
        return "it holds NUL characters: not text in UTF-8; convert it, and upload it again"
    if "\ufffd" in text[: len(text) - 4]:
        return "it is not text in UTF-8; convert it, and upload it again"
    try:
        for row in _records(text, dialect):
            if row:
                return row
    except csv.Error as error:
        return f"its first record cannot be read: {error}"
    return []


def _records(text: str, dialect: Dialect) -> Iterator[list[str]]:
    return csv.reader(io.StringIO(text, newline=""), delimiter=dialect.separator, quotechar=dialect.quote, strict=False)
