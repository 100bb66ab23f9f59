"""Clearing: everything that the ledger has of a table's files is forgotten; the table itself is not touched."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from alur.ledger.files import FileLedger

_PASSES = 3
"""What changes under our hands is read again, and then removed; what changes again and again is being ingested."""


@dataclass(frozen=True, slots=True)
class Cleared:
    """What clearing did.

    Attributes:
        removed: how many entries went.
        left: how many were changed by somebody whenever they were to go.
    """

    removed: int
    left: int


def clear(files: FileLedger, ingestion_key: str, progress: Callable[[int], None] = lambda _: None) -> Cleared:
    """Remove a table's watermark and then every entry, a page at a time.

    The watermark first: killed in between, no file is passed over, and to run it again completes it.

    Args:
        files: the ledger.
        ingestion_key: the table.
        progress: told how many entries have gone.

    Raises:
        LedgerError: the ledger cannot be asked or written; what was removed is.
    """
    files.set_watermark(ingestion_key, None)
    removed = left = 0
    for _ in range(_PASSES):
        left = 0
        for page in files.walk(ingestion_key):
            gone = files.delete(page)
            removed += gone
            left += len(page) - gone
            progress(removed)
        if not left:
            break
    return Cleared(removed, left)
