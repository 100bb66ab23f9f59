"""Purging: the entries of files that were ingested long ago are forgotten, and listings pass such files over.

Twice over the entries, a page at a time: once to see what stays, once to remove. The watermark moves before anything is
removed: killed in between, a purge has passed over files that were ingested, and still has their entries. To run it
again completes it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from alur.contracts.contract import Contract, OnOverwrite
from alur.ledger.dynamo import KEYS_PER_CALL
from alur.ledger.files import FileLedger
from alur.ledger.model import FileVersion, LedgerItem, Status
from alur.ledger.paths import MAX_PATH_BYTES
from alur.ledger.retention import (
    MARGIN,
    Holder,
    Retained,
    bound_of,
    decide_watermark,
    held_by,
    is_removable,
    is_settled,
    s3_date,
)

Progress = Callable[[int], None]
"""Told how many entries or objects have been looked at."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a purge is going to do.

    Attributes:
        cutoff: what was completed before this may be forgotten.
        entries: how many there are.
        before: the watermark as it is; None: there is none.
        watermark: what it becomes; None: there is still none, because nothing can be forgotten.
        holder: what holds it back; None: only the age that was asked for.
        skipped: files whose objects are versions that `on_overwrite = "skip"` left out: their entries stay.
    """

    cutoff: datetime
    entries: int
    before: datetime | None
    watermark: datetime | None
    holder: Holder | None
    skipped: frozenset[str]

    def forgets(self, item: LedgerItem) -> bool:
        """Whether an entry goes."""
        return (
            self.watermark is not None
            and is_removable(item, self.cutoff)
            and s3_date(item) < self.watermark
            and item.path not in self.skipped
        )


@dataclass(frozen=True, slots=True)
class Purged:
    """What a purge did, or would do.

    Attributes:
        removed: how many entries went.
        kept: how many stay.
        changed: how many of those were to go, and were changed by somebody meanwhile.
        watermark: as it is now; None: there is none.
    """

    removed: int
    kept: int
    changed: int
    watermark: datetime | None


@dataclass(slots=True)
class _Search:
    """The search for what is in the bucket and not in the ledger."""

    bound: datetime
    oldest: Holder | None = None
    skipped: set[str] = field(default_factory=set)


class Purger:
    """Purges one table.

    Args:
        files: the ledger.
        contract: the table's.
    """

    def __init__(self, files: FileLedger, contract: Contract) -> None:
        self._files = files
        self._contract = contract
        self._key = contract.ingestion_key

    def plan(
        self,
        cutoff: datetime,
        pages: Iterable[Sequence[FileVersion]],
        walked: Progress = lambda _: None,
        listed: Progress = lambda _: None,
    ) -> Plan:
        """See what stays, and decide where the watermark goes. Nothing is changed.

        Args:
            cutoff: what was completed before this may be forgotten.
            pages: every object that the contract claims, as listings give them.
            walked: told how many entries have been seen.
            listed: told how many objects have been seen.

        Raises:
            LedgerError: the ledger cannot be asked.
            StorageError: a page cannot be had.
        """
        retained = Retained(cutoff)
        for page in self._files.walk(self._key):
            for item in page:
                retained.add(item)
            walked(retained.kept + retained.removable)
        before = self._files.watermark(self._key)
        search = self._search(bound_of(retained), before, pages, listed)
        watermark: datetime | None = decide_watermark(retained, search.oldest, before)
        goes_back = before is not None and watermark is not None and watermark < before
        oldest = retained.oldest_removable
        if not goes_back and (oldest is None or watermark is None or oldest >= watermark):
            # Nothing would be gained by it, and what comes with an old date would be passed over.
            watermark = before
        return Plan(
            cutoff,
            retained.kept + retained.removable,
            before,
            watermark,
            held_by(retained, search.oldest),
            frozenset(search.skipped),
        )

    def carry_out(self, plan: Plan, progress: Progress = lambda _: None) -> Purged:
        """Move the watermark, then remove.

        Args:
            plan: what `plan` returned.
            progress: told how many entries have been looked at.

        Raises:
            LedgerError: the ledger cannot be asked or written; what was done stands, and the same again goes on.
        """
        if plan.watermark != plan.before:
            self._files.set_watermark(self._key, plan.watermark)
        watermark = plan.watermark
        seen = removed = chosen = 0
        late: datetime | None = None
        for page in self._files.walk(self._key):
            going = [item for item in page if plan.forgets(item)]
            removed += self._files.delete(going)
            chosen += len(going)
            seen += len(page)
            for date in (s3_date(item) for item in page if not is_settled(item)):
                late = min(date, late or date)
            progress(seen)
        if late is not None and watermark is not None and late < watermark:
            # Somebody asked for an old file while this went on: it is not to be passed over.
            watermark = late - MARGIN
            self._files.set_watermark(self._key, watermark)
        return Purged(removed, seen - removed, chosen - removed, watermark)

    def rehearse(self, plan: Plan, progress: Progress = lambda _: None) -> Purged:
        """Count what `carry_out` would remove, and change nothing.

        Args:
            plan: what `plan` returned.
            progress: told how many entries have been looked at.

        Raises:
            LedgerError: the ledger cannot be asked.
        """
        seen = going = 0
        for page in self._files.walk(self._key):
            going += sum(plan.forgets(item) for item in page)
            seen += len(page)
            progress(seen)
        return Purged(going, seen - going, 0, plan.watermark)

    def _search(
        self, bound: datetime, before: datetime | None, pages: Iterable[Sequence[FileVersion]], listed: Progress
    ) -> _Search:
        """Find the oldest object of which the ledger has no entry, or one of another version."""
        search = _Search(bound)
        seen = 0
        for page in pages:
            wanted = [version for version in page if self._matters(version, search.bound, before)]
            for start in range(0, len(wanted), KEYS_PER_CALL):
                some = wanted[start : start + KEYS_PER_CALL]
                items = self._files.read(self._key, [version.path for version in some])
                for version in some:
                    self._compare(version, items.get(version.path), search)
            seen += len(page)
            listed(seen)
        return search

    def _matters(self, version: FileVersion, bound: datetime, before: datetime | None) -> bool:
        """Whether an object can hold the watermark back; without this each one would cost a lookup."""
        if len(version.path.encode()) > MAX_PATH_BYTES:
            # The ledger can have no entry of it, ever.
            return False
        date = version.last_modified
        if date is None or (before is not None and date < before):
            return False
        return date < bound or self._contract.on_overwrite is OnOverwrite.SKIP

    def _compare(self, version: FileVersion, item: LedgerItem | None, search: _Search) -> None:
        if item is not None and item.etag == version.etag:
            return
        if item is not None and item.status is Status.COMPLETED and self._contract.on_overwrite is OnOverwrite.SKIP:
            # Only its entry says that this version is not to be read.
            search.skipped.add(version.path)
            return
        date = version.last_modified
        if date is not None and date < search.bound:
            search.bound = date
            search.oldest = Holder(version.path, date, "not ingested")
