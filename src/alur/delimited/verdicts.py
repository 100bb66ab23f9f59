"""Whether a file has lost so many records that it has failed."""

from __future__ import annotations

from collections.abc import Sequence

from alur.contracts.contract import Contract
from alur.delimited.counted import Counted
from alur.delimited.rows import Reject
from alur.errors import FileError, UnstorableRecords

LISTED_REJECTS = 10
"""How many rejects the message lists."""

_LISTED_CHARACTERS = 150


def verdict_on(path: str, contract: Contract, count: Counted) -> FileError | None:
    """Say why a file that was read carefully is to be left out; None: it is not.

    Args:
        path: the file.
        contract: of its table.
        count: what it came to.
    """
    return count.error or judge(path, contract, count.rows, count.rejects, count.first)


def judge(path: str, contract: Contract, good: int, bad: int, first: Sequence[Reject]) -> FileError | None:
    """Return why a file has failed for its rejects; None: it has not.

    Args:
        path: of the file.
        contract: whose limits count.
        good: how many of its records are rows.
        bad: how many are rejects.
        first: the first of the rejects, `LISTED_REJECTS` or more if there are so many.
    """
    limit = _broken_limit(contract, good, bad)
    if limit is None:
        return None
    listed = "; ".join(_listed(reject) for reject in first[:LISTED_REJECTS])
    return UnstorableRecords(path, bad, good + bad, listed, limit)


def _broken_limit(contract: Contract, good: int, bad: int) -> str | None:
    if not bad:
        return None
    most, part = contract.dialect.max_bad_rows, contract.dialect.max_bad_fraction
    if most is not None and bad > most:
        return f"more than Meta.max_bad_rows = {most}"
    if part is not None and bad > part * (good + bad):
        return f"a larger part than Meta.max_bad_fraction = {part}"
    if not good:
        return "and so none is left"
    return None


def _listed(reject: Reject) -> str:
    column = "" if reject.column is None else f"column {reject.column}: "
    text = f"line {reject.line}: {column}{reject.reason}"
    return text if len(text) <= _LISTED_CHARACTERS else f"{text[:_LISTED_CHARACTERS]}…"
