"""Visits to batches that no run has.

What is due of them is claimed anew; what is still processing is repeated, split, or given up.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypedDict

from alur.aws.storage import Storage
from alur.clock import Clock
from alur.contracts.contract import Contract
from alur.dispatch.batching import BatchMaker
from alur.errors import AlurError, Lapsed
from alur.faults import fault_point
from alur.ledger.batches import Batch, BatchStore
from alur.ledger.files import FileLedger
from alur.ledger.manifest import Candidate, Manifest
from alur.ledger.model import LedgerItem, Status
from alur.ledger.retries import NEVER_BEGAN_AGAIN, Retries
from alur.ledger.transitions import fail, hand_over, postpone, release
from alur.ledger.verdicts import final_error
from alur.reconcile.claiming import Reclaimer
from alur.reconcile.decisions import Step, Visit, decide_visit, due_files

logger = logging.getLogger(__name__)


class _Blame(TypedDict):
    run: str
    error_type: str
    error_message: str


@dataclass(frozen=True, slots=True)
class Visited:
    """What came of a visit.

    Attributes:
        given_up: files that failed by it, and are not tried again by themselves.
        errors: of single files.
    """

    given_up: int = 0
    errors: tuple[AlurError, ...] = ()


class Visitor:
    """Visits waiting batches.

    Args:
        files, batches: the ledger.
        maker: makes batches.
        reclaimer: claims what is due.
        storage: S3.
        clock: the present.
        retries: the rule by which what failed is tried again.
        takes_events: whether a table's files are taken in by themselves.
    """

    def __init__(
        self,
        *,
        files: FileLedger,
        batches: BatchStore,
        maker: BatchMaker,
        reclaimer: Reclaimer,
        storage: Storage,
        clock: Clock,
        retries: Retries,
        takes_events: Callable[[Contract], bool],
    ) -> None:
        self._files = files
        self._batches = batches
        self._maker = maker
        self._storage = storage
        self._clock = clock
        self._retries = retries
        self._reclaimer = reclaimer
        self._takes_events = takes_events

    def visit(self, batch: Batch, contract: Contract | None) -> Visited:
        """Do for a waiting batch what its files need.

        Args:
            batch: as it was just read.
            contract: its table's; None: this code has no such contract.

        Raises:
            AlurError: the ledger or S3 cannot be asked; whatever was done stands, and the next visit goes on.
        """
        manifest = Manifest.from_document(self._storage.get_document(batch.manifest_uri))
        items = self._files.read(batch.ingestion_key, manifest.paths)
        fault_point("reconciler.read")
        now = self._clock()
        if batch.interactive:
            self._release(batch, items, now)
            if contract is not None and not self._takes_events(contract):
                # Its files wait for the next `alur run`, which looks at all of them by itself.
                self._batches.close_waiting(batch, now)
                fault_point("reconciler.closed")
                return Visited()
        visited = Visited()
        due = due_files(batch, items.values(), now)
        if due and contract is not None:
            reclaimed = self._reclaimer.reclaim(contract, due)
            visited = Visited(reclaimed.vanished, reclaimed.errors)
            for item in due:
                del items[item.path]
            items.update(reclaimed.items)
        visit = decide_visit(batch, items.values(), now, self._retries)
        if visit.step is Step.NONE:
            self._leave(batch, visit, now, can_claim=contract is not None)
            return visited
        logger.warning(
            "%d files of a batch are still processing after its run: %s",
            len(visit.processing),
            visit.step,
            extra={
                "ingestion_key": batch.ingestion_key,
                "batch_id": batch.batch_id,
                "charges": batch.charges,
                "last_error_type": batch.last_error_type,
                "last_error": batch.last_error,
            },
        )
        if visit.step is Step.SPLIT:
            self._split(batch, visit)
        elif visit.step is Step.GIVE_UP:
            return Visited(visited.given_up + self._give_up(batch, visit), visited.errors)
        else:
            self._repeat(batch, visit)
        return visited

    def _release(self, batch: Batch, items: dict[str, LedgerItem], now: datetime) -> None:
        """Free what a session still has: no run may go on with it, for nobody but the session has its DataFrame."""
        held = [item for item in items.values() if item.batch_id == batch.batch_id and item.status is Status.PROCESSING]
        for outcome in self._files.apply([release(item, error=Lapsed(item.path), now=now) for item in held]):
            if outcome.item is None:
                del items[outcome.path]
            else:
                items[outcome.path] = outcome.item

    def _leave(self, batch: Batch, visit: Visit, now: datetime, *, can_claim: bool) -> None:
        """Close a batch of which nothing is processing, or say when to come back."""
        if visit.look_at is None:
            self._batches.close_waiting(batch, now)
            fault_point("reconciler.closed")
            return
        # Without its contract nothing of it can be claimed: a later deploy may bring it back.
        not_before = now if can_claim else now + self._retries.delay(1)
        self._batches.wait(batch, max(visit.look_at, not_before))

    def _repeat(self, batch: Batch, visit: Visit) -> None:
        if visit.costs_attempt:
            self._files.apply(
                [
                    postpone(
                        item,
                        next_try_at=visit.not_before,
                        is_last_look=visit.step is Step.LAST_LOOK,
                        **_blame(batch),
                    )
                    for item in visit.processing
                ]
            )
        self._batches.repeat(
            batch,
            not_before=visit.not_before,
            # It may be what its run died of: the batches beside it shall not pay for it.
            alone=batch.alone or batch.charges > 0,
            last_look=visit.step is Step.LAST_LOOK,
            files=len(visit.processing),
            size_bytes=_size(visit.processing),
        )

    def _split(self, batch: Batch, visit: Visit) -> None:
        """Hand the files to two new batches; the old one is closed when a visit finds nothing of its own left."""
        items = sorted(visit.processing, key=lambda item: item.path)
        middle = (len(items) + 1) // 2
        for half in (items[:middle], items[middle:]):
            candidates = [
                Candidate(item.version, item.event_at or item.claimed_at or batch.created_at) for item in half
            ]
            part = self._maker.begin(batch.ingestion_key, half[0].contract_fingerprint or "", candidates, whole=batch)
            fault_point("reconciler.split-created")
            given = self._files.apply([hand_over(item, batch_id=part.batch_id, **_blame(batch)) for item in half])
            fault_point("reconciler.split-claimed")
            won = [item.version for item, outcome in zip(half, given, strict=True) if outcome.applied]
            self._maker.end(part, won)
            logger.warning(
                "a batch is split: its runs died, and a file of it may be why",
                extra={"ingestion_key": batch.ingestion_key, "batch_id": batch.batch_id, "half": part.batch_id},
            )

    def _give_up(self, batch: Batch, visit: Visit) -> int:
        now = self._clock()
        next_try_at = now + NEVER_BEGAN_AGAIN if batch.never_began else None
        outcomes = self._files.apply(
            [
                fail(
                    item,
                    batch_id=batch.batch_id,
                    error=final_error(batch, item.path, batch.charges),
                    now=now,
                    next_try_at=next_try_at,
                )
                for item in visit.processing
            ]
        )
        return sum(outcome.applied for outcome in outcomes)


def _blame(batch: Batch) -> _Blame:
    return {
        "run": batch.token or "",
        "error_type": batch.why_type,
        "error_message": batch.why,
    }


def _size(items: Sequence[LedgerItem]) -> int:
    return sum(item.size_bytes for item in items)
