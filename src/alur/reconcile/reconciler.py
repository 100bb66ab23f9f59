"""The sweep: look at everything that is open, and do for each what the pure decisions say.

It runs on EMR's state-change events, which are best effort, and on a schedule, which is certain. Two sweeps at once
are harmless: every step is a conditional write or a request that may be repeated.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from alur.aws.jobs import Jobs
from alur.clock import Clock
from alur.dispatch.submission import Submission, Submitter
from alur.errors import AlurError
from alur.ledger.batches import Batch, BatchResult, BatchStore, Slot
from alur.reconcile.decisions import BatchAction, SlotAction, decide_batch, decide_slot

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class EndedRun:
    """A run that was seen to have ended by the sweep that freed its slot.

    Attributes:
        ingestion_key: the table.
        run_id: EMR's id of it.
        state: how it ended; `GONE` where EMR knows it no more.
        results: what it made of its batches.
    """

    ingestion_key: str
    run_id: str
    state: str
    results: tuple[BatchResult, ...]


@dataclass(frozen=True, slots=True)
class SweepReport:
    """What a sweep did.

    Attributes:
        ended: the runs whose slots it freed.
        submissions: the runs it started.
        errors: what failed; each stopped its own item only.
    """

    ended: tuple[EndedRun, ...]
    submissions: tuple[Submission, ...]
    errors: tuple[AlurError, ...]


class Reconciler:
    """Looks at what is open.

    Args:
        batches: the batches' store.
        jobs: EMR Serverless.
        submitter: starts runs.
        clock: the present.
    """

    def __init__(self, *, batches: BatchStore, jobs: Jobs, submitter: Submitter, clock: Clock) -> None:
        self._batches = batches
        self._jobs = jobs
        self._submitter = submitter
        self._clock = clock

    def sweep(self) -> SweepReport:
        """Look at every open batch and slot once.

        Raises:
            LedgerError: the list of what is open cannot be had.
        """
        open_now = self._batches.open()
        ended: list[EndedRun] = []
        submissions: list[Submission] = []
        errors: list[AlurError] = []

        for slot in open_now.slots:
            with _apart(errors, slot.ingestion_key):
                self._settle(slot, ended, submissions)
        ready: set[str] = set()
        for batch in open_now.batches:
            action = decide_batch(batch, self._clock())
            with _apart(errors, batch.ingestion_key):
                if action is BatchAction.MAKE_READY:
                    self._make_ready(batch)
                if action is not BatchAction.WAIT:
                    ready.add(batch.ingestion_key)
        for ingestion_key in sorted(ready):
            with _apart(errors, ingestion_key):
                submission = self._submitter.submit_ready(ingestion_key)
                submissions.extend([submission] if submission else [])
        return SweepReport(tuple(ended), tuple(submissions), tuple(errors))

    def _settle(self, slot: Slot, ended: list[EndedRun], submissions: list[Submission]) -> None:
        run = self._jobs.state(slot.application_id, slot.run_id) if slot.run_id else None
        action = decide_slot(slot, run, self._clock())
        if action is SlotAction.REPEAT:
            submissions.append(self._submitter.submit(slot, is_repeated=True))
        elif action is SlotAction.FREE and slot.run_id is not None and self._batches.free_slot(slot):
            state = run.state if run else "GONE"
            logger.info(
                "a run has ended: %s", state, extra={"ingestion_key": slot.ingestion_key, "job_run_id": slot.run_id}
            )
            carried = (self._batches.read(slot.ingestion_key, batch_id) for batch_id in slot.batch_ids)
            results = (batch.result for batch in carried if batch is not None)
            told = tuple(result for result in results if result is not None and result.token == slot.token)
            ended.append(EndedRun(slot.ingestion_key, slot.run_id, state, told))

    def _make_ready(self, batch: Batch) -> None:
        logger.warning(
            "the dispatcher of a batch did not come back: whatever it claimed is ready now",
            extra={"ingestion_key": batch.ingestion_key, "batch_id": batch.batch_id},
        )
        self._batches.make_ready(batch, files=batch.files, size_bytes=batch.size_bytes)


@contextmanager
def _apart(errors: list[AlurError], ingestion_key: str) -> Iterator[None]:
    """One item's error never stops the sweep."""
    try:
        yield
    except AlurError as error:
        logger.error("%s", error, extra={"ingestion_key": ingestion_key})
        errors.append(error)
