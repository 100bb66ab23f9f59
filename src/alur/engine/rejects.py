"""Which rejects belong to the rows that are in the bronze table, and which do not. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from alur.contracts.contract import OnOverwrite
from alur.engine.ports import Found
from alur.engine.verdicts import relevant


def stale_rejects(found: Sequence[Found], etag: str, attempt: str | None, on_overwrite: OnOverwrite) -> list[Found]:
    """Return the rejects of a path that are not of the attempt whose rows are in.

    Args:
        found: the path's rejects.
        etag: the version that is in.
        attempt: the attempt that has brought it.
        on_overwrite: the contract's rule.
    """
    return [rows for rows in relevant(found, etag, on_overwrite) if rows.attempt != attempt]
