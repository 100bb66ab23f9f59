"""A table's files, counted: by status, by what waits, by why they failed. Pure, and small however many there are."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime

from alur.ledger.model import LedgerItem, Status
from alur.ledger.transitions import is_due

_OTHER = "other"
_TYPES_KEPT = 50


@dataclass(frozen=True, slots=True)
class Reason:
    """Why files failed.

    Attributes:
        error_type: the kind of failure.
        files: how many files failed so.
        example: one of them.
        message: what is wrong with it.
    """

    error_type: str
    files: int
    example: str
    message: str


@dataclass(slots=True)
class Tally:
    """The files of one table, counted as they are walked over.

    Args:
        now: the present.
        contract_fingerprint: of the contract as it is now; a failed file of another is due.

    Attributes:
        by_status: files, by status.
        rows: of the completed files.
        earlier_rows: rows of earlier versions that are still in the table, because their files' newer ones are not.
        oldest_processing: the file that has been processing the longest.
        due: failed files that are tried again by whoever comes next.
        scheduled: failed files that are tried again later by themselves.
        next_try_at: when the first of those is.
        newer: files behind which a newer version waits.
        failed_with_earlier_rows: failed files of which the table still has an earlier version.
    """

    now: datetime
    contract_fingerprint: str | None
    by_status: Counter[Status] = field(default_factory=Counter)
    rows: int = 0
    earlier_rows: int = 0
    oldest_processing: LedgerItem | None = None
    due: int = 0
    scheduled: int = 0
    next_try_at: datetime | None = None
    newer: int = 0
    failed_with_earlier_rows: int = 0
    _types: Counter[str] = field(default_factory=Counter)
    _examples: dict[str, tuple[str, str]] = field(default_factory=dict)

    @property
    def files(self) -> int:
        """All of them."""
        return self.by_status.total()

    @property
    def reasons(self) -> tuple[Reason, ...]:
        """Why files failed, the most frequent first."""
        return tuple(Reason(kind, files, *self._examples[kind]) for kind, files in self._types.most_common())

    def add(self, item: LedgerItem) -> None:
        """Count a file.

        Args:
            item: what the ledger has of it.
        """
        self.by_status[item.status] += 1
        self.newer += item.waiting is not None
        if item.status is Status.COMPLETED:
            self.rows += item.rows or 0
            return
        self.earlier_rows += item.previous.rows if item.previous else 0
        if item.status is Status.PROCESSING:
            if self.oldest_processing is None or _since(item, self.now) < _since(self.oldest_processing, self.now):
                self.oldest_processing = item
            return
        self.failed_with_earlier_rows += item.previous is not None
        self._count_failure(item)
        if is_due(item, self.now, self.contract_fingerprint):
            self.due += 1
        elif item.next_try_at is not None:
            self.scheduled += 1
            self.next_try_at = min(item.next_try_at, self.next_try_at or item.next_try_at)

    def _count_failure(self, item: LedgerItem) -> None:
        kind = item.error_type or "unknown"
        if kind not in self._types and len(self._types) >= _TYPES_KEPT:
            kind = _OTHER
        self._types[kind] += 1
        self._examples.setdefault(kind, (item.path, item.error_message or ""))


def _since(item: LedgerItem, now: datetime) -> datetime:
    return item.claimed_at or now
