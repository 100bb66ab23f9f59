"""What a file is told when its batch has been tried often enough. Pure."""

from __future__ import annotations

from alur.errors import FileError, KilledRun, RunsFailed, RunsNeverBegan
from alur.ledger.batches import RUN_DIED, Batch
from alur.ledger.retries import NEVER_BEGAN_LIMIT


def final_error(batch: Batch, path: str, runs: int) -> FileError:
    """Say why a file of a batch that nothing more is tried with was not ingested.

    Args:
        batch: as it is now; `files` is how many of its files were left.
        path: `s3://bucket/key`.
        runs: how many runs left it undone.
    """
    last = f"{batch.why_type}: {batch.why}"
    if batch.never_began:
        return RunsNeverBegan(path, max(len(batch.run_ids), NEVER_BEGAN_LIMIT), last)
    if batch.last_error_type == RUN_DIED and batch.files == 1:
        return KilledRun(path, runs, batch.why)
    return RunsFailed(path, runs, last)
