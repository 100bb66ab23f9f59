"""What a table that takes nothing under a contract means for a file of it. Pure."""

from __future__ import annotations

from alur.errors import ContractNarrowed, FileError, TableRefused, TableUnsupported


def refusal_of(path: str, error: TableUnsupported) -> FileError:
    """Return why a file fails, where its table takes no rows of its contract.

    Args:
        path: `s3://bucket/key`.
        error: what the table said.
    """
    if error.refused:
        return ContractNarrowed(path, error.table, error.refused)
    return TableRefused(path, str(error))
