"""Files that wait are claimed anew: due for another try, or with something newer behind them.

What the object is now (HEAD) decides, and every write that follows holds only while the item is as it was read.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from alur.aws.storage import Storage
from alur.clock import Clock
from alur.contracts.contract import Contract
from alur.dispatch.batching import BatchMaker
from alur.dispatch.looking import look
from alur.errors import AlurError, FileVanished, StorageError
from alur.faults import fault_point
from alur.ledger.files import FileLedger
from alur.ledger.manifest import Candidate
from alur.ledger.model import FileVersion, LedgerItem, Status
from alur.ledger.table import Change
from alur.ledger.transitions import Claimant, Decision, claim, decide_again, fail, forget, settle_vanished

logger = logging.getLogger(__name__)

FILES_PER_BATCH = 1_000
"""A contract's change may make a whole year's files due at once; a batch should still be read in one go."""


@dataclass(frozen=True, slots=True)
class Reclaimed:
    """What became of files that waited.

    Attributes:
        items: each of them as it is now; one that is gone from the ledger is not in it.
        claimed: how many were claimed into new batches.
        vanished: how many wait no more, because their objects are gone.
        errors: of single files, which are looked at again by the next sweep.
    """

    items: dict[str, LedgerItem]
    claimed: int
    vanished: int
    errors: tuple[AlurError, ...]


class Reclaimer:
    """Claims files that wait.

    Args:
        files: the files' ledger.
        maker: makes batches.
        storage: S3.
        clock: the present.
    """

    def __init__(self, files: FileLedger, maker: BatchMaker, storage: Storage, clock: Clock) -> None:
        self._files = files
        self._maker = maker
        self._storage = storage
        self._clock = clock

    def reclaim(self, contract: Contract, items: Iterable[LedgerItem]) -> Reclaimed:
        """Claim what is due into new batches, and clear what waited for nothing.

        Args:
            contract: the table's, as it is now.
            items: files that wait, as they were read. One that is processing is taken over: its batch is gone.

        Raises:
            AlurError: the ledger or S3 cannot be asked; what was claimed by then stands.
        """
        wanted = list(items)
        reclaimed = Reclaimed({}, 0, 0, ())
        for start in range(0, len(wanted), FILES_PER_BATCH):
            some = self._reclaim(contract, wanted[start : start + FILES_PER_BATCH])
            reclaimed = Reclaimed(
                reclaimed.items | some.items,
                reclaimed.claimed + some.claimed,
                reclaimed.vanished + some.vanished,
                reclaimed.errors + some.errors,
            )
        return reclaimed

    def _reclaim(self, contract: Contract, items: list[LedgerItem]) -> Reclaimed:
        now_there = {item.path: item for item in items}
        seen = look(self._storage, (item.version for item in items))
        now = self._clock()
        to_claim: list[tuple[LedgerItem, FileVersion]] = []
        vanished: list[Change] = []
        cleared: list[Change] = []
        errors: list[AlurError] = []
        undecided = Claimant.of(contract, "")
        for item in items:
            current = seen[item.path]
            if isinstance(current, StorageError):
                errors.append(current)
                continue
            decision = decide_again(item, current, undecided, now)
            if current is not None and (decision is Decision.CLAIM or item.status is Status.PROCESSING):
                to_claim.append((item, current))
            elif item.status is Status.PROCESSING and item.batch_id is not None:
                error = FileVanished(item.path)
                vanished.append(fail(item, batch_id=item.batch_id, error=error, now=now, next_try_at=now))
            elif item.status is Status.FAILED and decision is Decision.GONE:
                vanished.append(settle_vanished(item, now))
            elif item.waiting is not None:
                cleared.append(forget(item))
        outcomes = self._files.apply([*vanished, *cleared])
        for outcome in outcomes:
            _note(now_there, outcome.path, outcome.item)
        claimed = self._claim(contract, to_claim, now_there) if to_claim else 0
        gone = sum(outcome.applied for outcome in outcomes[: len(vanished)])
        return Reclaimed(now_there, claimed, gone, tuple(errors))

    def _claim(
        self, contract: Contract, wanted: list[tuple[LedgerItem, FileVersion]], now_there: dict[str, LedgerItem]
    ) -> int:
        now = self._clock()
        candidates = [Candidate(current, _event_at(item) or now) for item, current in wanted]
        batch = self._maker.begin(contract.ingestion_key, contract.fingerprint, candidates)
        claimant = Claimant.of(contract, batch.batch_id)
        claims = [
            claim(item, current, claimant, event_at=candidate.event_at, now=now)
            for (item, current), candidate in zip(wanted, candidates, strict=True)
        ]
        claimed: list[FileVersion] = []
        for (_, current), outcome in zip(wanted, self._files.apply(claims), strict=True):
            _note(now_there, outcome.path, outcome.item)
            if outcome.applied:
                claimed.append(current)
        fault_point("reconciler.claimed")
        logger.info(
            "claimed %d files that waited",
            len(claimed),
            extra={"ingestion_key": contract.ingestion_key, "batch_id": batch.batch_id},
        )
        self._maker.end(batch, claimed)
        return len(claimed)


def _event_at(item: LedgerItem) -> datetime | None:
    return item.waiting.event_at if item.waiting else item.event_at


def _note(now_there: dict[str, LedgerItem], path: str, item: LedgerItem | None) -> None:
    if item is None:
        now_there.pop(path, None)
    else:
        now_there[path] = item
