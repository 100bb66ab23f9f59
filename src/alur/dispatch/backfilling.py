"""Backfilling: files that were in the bucket before anybody listened are announced as if they had just landed.

A page of a listing at a time, so that a million keys take no more memory than a thousand. What the ledger has in the
same version is left out; what it has not is announced, and the dispatcher decides. So it may be stopped and run again:
whatever was sent twice is claimed once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from alur.contracts.contract import Contract
from alur.contracts.routing import Router
from alur.ledger.files import FileLedger
from alur.ledger.model import FileVersion, LedgerItem, Status
from alur.ledger.paths import MAX_PATH_BYTES

EXAMPLES = 5
"""How many of the files that are left out are named."""


class Fate(StrEnum):
    """What becomes of an object."""

    SEND = "send"
    """The ledger does not have this version of it, or not to the end: it is announced."""

    KNOWN = "known"
    """The ledger has this version, completed or processing."""

    UNCLAIMED = "unclaimed"
    """The contract's globs do not mean it: the dispatcher would not know whose it is."""

    UNSTORABLE = "unstorable"
    """Its path is longer than the ledger holds."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a backfill is.

    Attributes:
        listed: objects that the source means.
        sent: of those, the ones that were announced.
        known: those that the ledger has already.
        unclaimed: those that the contract does not mean.
        unstorable: those whose path the ledger cannot hold.
        examples_unclaimed, examples_unstorable: the first few of them.
    """

    listed: int = 0
    sent: int = 0
    known: int = 0
    unclaimed: int = 0
    unstorable: int = 0
    examples_unclaimed: tuple[str, ...] = ()
    examples_unstorable: tuple[str, ...] = ()

    @property
    def matched(self) -> int:
        """How many of the objects are the table's."""
        return self.sent + self.known

    def further(self, fates: Sequence[tuple[FileVersion, Fate]]) -> Progress:
        """Return how far it is after some more objects.

        Args:
            fates: each of them, and what became of it.
        """

        def count(fate: Fate) -> int:
            return sum(one is fate for _, one in fates)

        def examples(known: tuple[str, ...], fate: Fate) -> tuple[str, ...]:
            return (*known, *(version.path for version, one in fates if one is fate))[:EXAMPLES]

        return Progress(
            self.listed + len(fates),
            self.sent + count(Fate.SEND),
            self.known + count(Fate.KNOWN),
            self.unclaimed + count(Fate.UNCLAIMED),
            self.unstorable + count(Fate.UNSTORABLE),
            examples(self.examples_unclaimed, Fate.UNCLAIMED),
            examples(self.examples_unstorable, Fate.UNSTORABLE),
        )


def is_known(item: LedgerItem | None, version: FileVersion) -> bool:
    """Whether the ledger has this very version, completed or processing: then nothing would come of an event.

    Args:
        item: what the ledger has of the path.
        version: what the listing says.
    """
    return item is not None and item.etag == version.etag and item.status is not Status.FAILED


class Backfiller:
    """Announces a table's files.

    Args:
        contract: the table's.
        files: the ledger.
        notify: sends an event for each object; does nothing in a rehearsal.
    """

    def __init__(
        self, contract: Contract, files: FileLedger, notify: Callable[[Sequence[FileVersion]], object]
    ) -> None:
        self._contract = contract
        self._router = Router([contract])
        self._files = files
        self._notify = notify

    def run(self, pages: Iterable[Sequence[FileVersion]]) -> Iterator[Progress]:
        """Announce what is new, and yield how far it is after each page; at least once.

        Args:
            pages: the objects that the source means, as listings give them.

        Raises:
            AlurError: S3, the ledger or the queue cannot be asked; what was sent is sent.
        """
        progress = Progress()
        for page in pages:
            fates = self._sort(page)
            new = [version for version, fate in fates if fate is Fate.SEND]
            if new:
                self._notify(new)
            progress = progress.further(fates)
            yield progress
        if not progress.listed:
            yield progress

    def _sort(self, page: Sequence[FileVersion]) -> list[tuple[FileVersion, Fate]]:
        mine = [version for version in page if self._is_claimed(version) and _fits(version)]
        items = self._files.read(self._contract.ingestion_key, [version.path for version in mine])
        return [(version, self._fate(version, items)) for version in page]

    def _fate(self, version: FileVersion, items: Mapping[str, LedgerItem]) -> Fate:
        if not self._is_claimed(version):
            return Fate.UNCLAIMED
        if not _fits(version):
            return Fate.UNSTORABLE
        return Fate.KNOWN if is_known(items.get(version.path), version) else Fate.SEND

    def _is_claimed(self, version: FileVersion) -> bool:
        return bool(self._router.route(version.bucket, version.key))


def _fits(version: FileVersion) -> bool:
    return len(version.path.encode()) <= MAX_PATH_BYTES
