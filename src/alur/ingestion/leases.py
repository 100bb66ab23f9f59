"""Leases: as long as a session lives, what it has claimed is its own."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from datetime import timedelta

from alur.clock import Clock
from alur.errors import AlurError
from alur.ledger.batches import Batch, BatchStore

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Lease:
    batches: BatchStore
    batch: Batch
    seconds: float
    clock: Clock


class LeaseKeeper:
    """Renews leases, each thrice in its time, on a thread of its own that ends with the last of them.

    A process that is killed, or stands still for longer than a lease, loses its files to the next run; whatever it
    then publishes is refused by the table.
    """

    def __init__(self) -> None:
        self._held: dict[str, _Lease] = {}
        self._lock = threading.Lock()
        self._changed = threading.Event()
        self._thread: threading.Thread | None = None

    def keep(self, batches: BatchStore, batch: Batch, *, seconds: float, clock: Clock) -> None:
        """Renew a batch's lease until `let_go`, or until it is found to be lost.

        Args:
            batches: the batches' store.
            batch: which.
            seconds: how long the lease is.
            clock: the present.
        """
        with self._lock:
            self._held[batch.batch_id] = _Lease(batches, batch, seconds, clock)
            if self._thread is None:
                # A daemon: a session that is left must not hang on it.
                self._thread = threading.Thread(target=self._run, name="alur-leases", daemon=True)
                self._thread.start()
        self._changed.set()

    def let_go(self, batch: Batch) -> None:
        """Renew a batch's lease no more."""
        with self._lock:
            self._held.pop(batch.batch_id, None)
        self._changed.set()

    def renew_all(self) -> None:
        """Renew every lease once; one that cannot be renewed just now is tried again, one that is lost is not."""
        with self._lock:
            held = list(self._held.values())
        for lease in held:
            try:
                is_ours = lease.batches.renew(lease.batch, lease.clock() + timedelta(seconds=lease.seconds))
            except AlurError as error:
                logger.warning("the lease of batch %s could not be renewed just now: %s", lease.batch.batch_id, error)
                continue
            with self._lock:
                if not is_ours and self._held.pop(lease.batch.batch_id, None) is not None:
                    logger.warning("the lease of batch %s is lost: its files are free", lease.batch.batch_id)

    def _run(self) -> None:
        while True:
            with self._lock:
                if not self._held:
                    self._thread = None
                    return
                interval = min(lease.seconds for lease in self._held.values()) / 3
            self._changed.clear()
            if not self._changed.wait(interval):
                self.renew_all()


keeper = LeaseKeeper()
"""The process's."""
