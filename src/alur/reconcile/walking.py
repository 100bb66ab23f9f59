"""The walk: every item of a table is looked at, when its contract has changed and once a day, a few pages a sweep.

A contract's change makes its failed files due, and those that are processing are looked at again when they fail.
What no open batch knows of is found: an item that is processing, or waits, under a batch that is closed or was removed.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from alur.clock import Clock
from alur.contracts.contract import Contract
from alur.errors import AlurError, Transient
from alur.ledger.batches import Batch, BatchState, BatchStore, Walk
from alur.ledger.files import FileLedger
from alur.ledger.model import LedgerItem, Status
from alur.ledger.transitions import remember, waits
from alur.reconcile.claiming import Reclaimer
from alur.reconcile.decisions import needs_walk

logger = logging.getLogger(__name__)


class Walker:
    """Walks over tables' items.

    Args:
        files, batches: the ledger.
        reclaimer: claims files that wait.
        clock: the present.
        lease: how long a function of older code may still be claiming after a contract has changed.
    """

    def __init__(
        self, files: FileLedger, batches: BatchStore, reclaimer: Reclaimer, clock: Clock, lease: timedelta
    ) -> None:
        self._files = files
        self._batches = batches
        self._reclaimer = reclaimer
        self._clock = clock
        self._lease = lease
        self._done: dict[str, Walk] = {}

    def walk(self, contract: Contract, may_go_on: Callable[[], bool]) -> tuple[AlurError, ...]:
        """Begin a walk over a table's items if one is due, go on with one that was begun, or do nothing.

        Args:
            contract: the table's, as it is now.
            may_go_on: whether there is time for another page.

        Returns:
            Errors of single files.

        Raises:
            AlurError: the ledger or S3 cannot be asked.
        """
        key, now = contract.ingestion_key, self._clock()
        known = self._done.get(key)
        # A process asks once for a contract: an older one beside a newer would change it back and forth.
        if known is not None and not needs_walk(known, known.contract_fingerprint, now):
            return ()
        before = self._batches.read_walk(key)
        if before is not None and before.is_done and not needs_walk(before, contract.fingerprint, now):
            self._done[key] = before
            return ()
        if before is not None and not before.is_done and before.contract_fingerprint == contract.fingerprint:
            return self._go_on(contract, before, may_go_on)
        is_changed = before is not None and before.contract_fingerprint != contract.fingerprint
        walk = Walk(key, contract.fingerprint, now, again_at=now + self._lease if is_changed else None)
        if not self._batches.write_walk(walk, before):
            return ()
        return self._go_on(contract, walk, may_go_on)

    def _go_on(self, contract: Contract, walk: Walk, may_go_on: Callable[[], bool]) -> tuple[AlurError, ...]:
        errors: list[AlurError] = []
        for page in self._files.walk(walk.ingestion_key, after=walk.after):
            of_page = self._look_at(contract, page)
            errors += of_page
            if any(isinstance(error, Transient) for error in of_page):
                # The next sweep looks at this page again; what is refused for good would hold the walk up for ever.
                return tuple(errors)
            further = replace(walk, after=page[-1].path)
            if not self._batches.write_walk(further, walk):
                return tuple(errors)
            walk = further
            if not may_go_on():
                return tuple(errors)
        done = replace(walk, after=None, is_done=True)
        if self._batches.write_walk(done, walk):
            self._done[walk.ingestion_key] = done
        return tuple(errors)

    def _look_at(self, contract: Contract, page: tuple[LedgerItem, ...]) -> tuple[AlurError, ...]:
        due = {
            item.path: item
            for item in page
            if item.status is Status.FAILED and item.contract_fingerprint != contract.fingerprint
        }
        # A run that judges by the contract as it was may be under way: whatever comes of it is looked at again.
        outdated = [
            item
            for item in page
            if item.status is Status.PROCESSING
            and item.contract_fingerprint != contract.fingerprint
            and item.waiting is None
        ]
        now = self._clock()
        now_there = {item.path: item for item in page}
        for outcome in self._files.apply([remember(item, item.version, item.event_at or now) for item in outdated]):
            if outcome.item is None:
                del now_there[outcome.path]
                continue
            now_there[outcome.path] = outcome.item
            if outcome.item.status is Status.FAILED:
                due[outcome.path] = outcome.item
        unseen = [item for item in now_there.values() if waits(item) and item.path not in due]
        owners = self._batches.read_all(
            contract.ingestion_key, [item.batch_id for item in unseen if item.batch_id is not None]
        )
        for item in unseen:
            owner = owners.get(item.batch_id or "")
            if owner is None:
                logger.warning("%s is %s, and its batch is not there: it is claimed anew", item.path, item.status)
                due[item.path] = item
            elif owner.state is BatchState.CLOSED:
                self._reopen(owner, item)
        if not due:
            return ()
        logger.info("%d files are due", len(due), extra={"ingestion_key": contract.ingestion_key})
        return self._reclaimer.reclaim(contract, due.values()).errors

    def _reopen(self, owner: Batch, item: LedgerItem) -> None:
        if self._batches.reopen_closed(owner, self._clock()):
            logger.warning(
                "%s is %s under a batch that was closed: somebody looks at it again",
                item.path,
                item.status,
                extra={"ingestion_key": owner.ingestion_key, "batch_id": owner.batch_id},
            )
