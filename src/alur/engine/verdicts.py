"""Which files of a batch are whose, done, or to be read. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from alur.contracts.contract import OnOverwrite
from alur.engine.ports import Found
from alur.ledger.batches import Batch
from alur.ledger.model import LedgerItem, Status


@dataclass(frozen=True, slots=True)
class Division:
    """A batch's files, divided after the look and the second reading of the ledger.

    Attributes:
        adopted: in the table already, from this batch: the item, and its rows there.
        to_read: this batch's, and not in the table from it.
    """

    adopted: tuple[tuple[LedgerItem, Found], ...]
    to_read: tuple[LedgerItem, ...]


def divide(
    items: Iterable[LedgerItem], found: Mapping[str, Sequence[Found]], batch: Batch, on_overwrite: OnOverwrite
) -> Division:
    """Divide a batch's files.

    Only rows of this very batch are adopted, or of the whole of which it is a half. Rows of any other, even of the same
    bytes, are replaced: an owner in between may still be alive, and only a commit that names the path shuts it out.

    Args:
        items: what the ledger has for the batch's paths, read after the look.
        found: what the look found.
        batch: the batch.
        on_overwrite: the contract's rule.
    """
    adopted: list[tuple[LedgerItem, Found]] = []
    to_read: list[LedgerItem] = []
    for item in items:
        if item.batch_id != batch.batch_id or item.status is Status.COMPLETED:
            continue
        there = relevant(found.get(item.path, ()), item.etag, on_overwrite)
        if len(there) == 1 and there[0].batch_id in batch.ids and there[0].etag == item.etag:
            # Rows that are in win, over a `failed` of this batch too.
            adopted.append((item, there[0]))
        elif item.status is Status.PROCESSING:
            to_read.append(item)
    return Division(tuple(adopted), tuple(to_read))


def relevant(found: Sequence[Found], etag: str, on_overwrite: OnOverwrite) -> list[Found]:
    """Return the rows that a version's own would take the place of: all of the path, or, where versions are appended,
    those of the same version."""
    return [rows for rows in found if on_overwrite is not OnOverwrite.APPEND or rows.etag == etag]
