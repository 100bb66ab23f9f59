"""What a file came to that was read record by record."""

from __future__ import annotations

from dataclasses import dataclass

from alur.delimited.rows import Reject
from alur.errors import FileError


@dataclass(frozen=True, slots=True)
class Counted:
    """What a file came to.

    Attributes:
        rows: how many of its records can be stored.
        rejects: how many cannot.
        first: the first ten of those, their records cut.
        error: why it cannot be read at all; None: it can.
    """

    rows: int = 0
    rejects: int = 0
    first: tuple[Reject, ...] = ()
    error: FileError | None = None
