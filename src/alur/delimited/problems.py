"""Why a cell has no value."""

from __future__ import annotations


class BadCell(Exception):
    """A cell holds what its column cannot.

    Args:
        reason: what is wrong, without the cell.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
