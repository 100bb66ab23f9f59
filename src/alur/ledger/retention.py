"""What a purge may forget, and the moment before which a table's files are passed over afterwards. Pure.

          watermark                 oldest kept    cutoff                    now
    ----------|<------ a week ------>|---------------|------------------------|
     forgotten                        kept, or looked up: completed long ago,
                                      and not so old that listings pass it over

A listing passes over what S3 dates before the watermark, so the watermark stays a week below everything that somebody
may still have to look at: an entry that is kept, and an object that nobody has ingested. The week is for what S3 dates
back: an upload in parts has the date on which it began.

Whatever is completed, old enough to be forgotten and yet not older than the watermark keeps its entry, or it would be
read again for nothing. It holds the watermark back no further: else nothing would ever be forgotten where a file comes
every day.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from alur.ledger.model import LedgerItem, Status

MARGIN = timedelta(weeks=1)
"""How far the watermark stays below the oldest that somebody may have to look at."""

_NOBODY_KNOWS = datetime.fromtimestamp(0, UTC)


@dataclass(frozen=True, slots=True)
class Holder:
    """What holds the watermark where it is.

    Attributes:
        path: the file.
        date: its S3 date.
        why: `completed`, `failed`, `processing`, or `not ingested`.
    """

    path: str
    date: datetime
    why: str


@dataclass(slots=True)
class Retained:
    """A table's entries, told apart as they are walked over.

    Args:
        cutoff: what was completed before this may be forgotten.

    Attributes:
        kept: how many entries stay whatever the watermark is.
        removable: how many may be forgotten, as far as their age goes.
        oldest_removable: the oldest S3 date among those.
        oldest: the oldest of the kept.
        oldest_unsettled: the oldest that is not completed, or has something newer behind it.
    """

    cutoff: datetime
    kept: int = 0
    removable: int = 0
    oldest_removable: datetime | None = None
    oldest: Holder | None = None
    oldest_unsettled: Holder | None = None

    def add(self, item: LedgerItem) -> None:
        """Look at an entry.

        Args:
            item: what the ledger has of a file.
        """
        date = s3_date(item)
        if is_removable(item, self.cutoff):
            self.removable += 1
            self.oldest_removable = min(date, self.oldest_removable or date)
            return
        self.kept += 1
        holder = Holder(item.path, date, item.status.value)
        self.oldest = older(self.oldest, holder)
        if not is_settled(item):
            self.oldest_unsettled = older(self.oldest_unsettled, holder)


def s3_date(item: LedgerItem) -> datetime:
    """Return when S3 says an entry's object was written, as nearly as the entry knows; never too early.

    Args:
        item: what the ledger has of a file.
    """
    return item.last_modified or item.event_at or item.claimed_at or item.processed_at or _NOBODY_KNOWS


def is_settled(item: LedgerItem) -> bool:
    """Whether nobody has to look at a file again: it is completed, and nothing newer is known of."""
    return item.status is Status.COMPLETED and item.waiting is None


def is_removable(item: LedgerItem, cutoff: datetime) -> bool:
    """Whether a file was settled before a moment, and may be forgotten.

    Args:
        item: what the ledger has of it.
        cutoff: the moment.
    """
    return is_settled(item) and item.processed_at is not None and item.processed_at < cutoff


def older(one: Holder | None, other: Holder) -> Holder:
    """Return the one with the older date."""
    return other if one is None or other.date < one.date else one


def bound_of(retained: Retained) -> datetime:
    """Return the date of the oldest that is kept; where nothing is, the cutoff."""
    return retained.oldest.date if retained.oldest else retained.cutoff


def decide_watermark(retained: Retained, without_entry: Holder | None, before: datetime | None) -> datetime:
    """Decide where the watermark goes.

    Args:
        retained: the table's entries.
        without_entry: the oldest object that nobody has ingested, of those not dated before the watermark as it is:
            older ones were passed over already, and cannot be told from what an earlier purge forgot.
        before: the watermark as it is; None: there is none.

    Returns:
        A week before the oldest that is kept or not ingested; without any, before the cutoff. It only goes back where
        something that waits would be passed over.
    """
    wanted = bound_of(retained)
    if without_entry is not None:
        wanted = min(wanted, without_entry.date)
    wanted -= MARGIN
    if before is None or wanted >= before:
        return wanted
    unsettled = retained.oldest_unsettled
    return unsettled.date - MARGIN if unsettled is not None and unsettled.date < before else before


def held_by(retained: Retained, without_entry: Holder | None) -> Holder | None:
    """Return what holds the watermark back; None: only the age that was asked for."""
    if without_entry is None:
        return retained.oldest
    return older(retained.oldest, without_entry)
