"""The sweep: look at everything that is open, and do for each what the pure decisions say.

It runs on EMR's state-change events, which are best effort, and on a schedule, which is certain. Two sweeps at once
are harmless: every step is a conditional write or a request that may be repeated.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from alur.aws.jobs import Jobs
from alur.aws.settings import Settings
from alur.aws.storage import Storage
from alur.clock import Clock
from alur.contracts.contract import Contract, Trigger
from alur.dispatch.batching import BatchMaker
from alur.dispatch.settlement import RunEnd
from alur.dispatch.submission import Submission, Submitter
from alur.errors import AlurError
from alur.faults import fault_point
from alur.ledger.batches import Batch, BatchResult, BatchState, BatchStore, Open, Slot, SlotHistory
from alur.ledger.files import FileLedger
from alur.reconcile.claiming import Reclaimer
from alur.reconcile.decisions import BatchAction, SlotAction, decide_batch, decide_slot
from alur.reconcile.visits import Visitor
from alur.reconcile.walking import Walker

logger = logging.getLogger(__name__)

_PROCESSING = (BatchState.CLAIMING, BatchState.READY, BatchState.SUBMITTED)


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
    """What a sweep did and saw.

    Attributes:
        ended: the runs whose slots it freed.
        submissions: the runs it started.
        given_up: files that it failed: no run could be had to look at them, or their objects are gone.
        open_batches: how many batches are not closed.
        failed_in_a_row: how many runs of one slot did not succeed, one after the other, where it is the most.
        oldest_processing: since when the file has been processing that has been so the longest; None: there is none.
        errors: what failed; each stopped its own item only.
    """

    ended: tuple[EndedRun, ...]
    submissions: tuple[Submission, ...]
    given_up: int
    open_batches: int
    failed_in_a_row: int
    oldest_processing: datetime | None
    errors: tuple[AlurError, ...]


@dataclass(slots=True)
class _Sweep:
    """What a sweep has gathered so far."""

    ended: list[EndedRun] = field(default_factory=list)
    submissions: list[Submission] = field(default_factory=list)
    given_up: int = 0
    errors: list[AlurError] = field(default_factory=list)

    @contextmanager
    def apart(self, ingestion_key: str) -> Iterator[None]:
        """One item's error never stops the sweep."""
        try:
            yield
        except AlurError as error:
            self.note(error, ingestion_key)

    def note(self, error: AlurError, ingestion_key: str) -> None:
        logger.error("%s", error, extra={"ingestion_key": ingestion_key})
        self.errors.append(error)


class Reconciler:
    """Looks at what is open.

    Args:
        contracts: every table's, as this code declares them.
        files, batches: the ledger.
        storage: S3.
        jobs: EMR Serverless.
        submitter: starts runs.
        maker: makes batches.
        settings: the deployment.
        clock: the present.
    """

    def __init__(
        self,
        *,
        contracts: Iterable[Contract],
        files: FileLedger,
        batches: BatchStore,
        storage: Storage,
        jobs: Jobs,
        submitter: Submitter,
        maker: BatchMaker,
        settings: Settings,
        clock: Clock,
    ) -> None:
        self._contracts = {contract.ingestion_key: contract for contract in contracts}
        self._batches = batches
        self._jobs = jobs
        self._submitter = submitter
        self._settings = settings
        self._clock = clock
        self._unsubmitted_after = timedelta(seconds=settings.unsubmitted_seconds)
        reclaimer = Reclaimer(files, maker, storage, clock)
        self._visitor = Visitor(
            files=files,
            batches=batches,
            maker=maker,
            reclaimer=reclaimer,
            storage=storage,
            clock=clock,
            retries=settings.retries,
            takes_events=lambda contract: takes_events(contract, settings),
        )
        self._walker = Walker(files, batches, reclaimer, clock, timedelta(seconds=settings.lease_seconds))

    def sweep(self, may_go_on: Callable[[], bool] = lambda: True) -> SweepReport:
        """Look at every open batch and slot once, and go on with the walks over the tables' items.

        Args:
            may_go_on: whether there is time for more: what is not come to is left to the next sweep.

        Raises:
            LedgerError: the list of what is open cannot be had.
        """
        sweep = _Sweep()
        open_now = self._batches.open()
        moved: dict[str, Batch] = {}
        for slot in open_now.slots:
            with sweep.apart(slot.ingestion_key):
                moved |= self._look_at_slot(slot, sweep)
        batches = [moved.get(batch.batch_id, batch) for batch in open_now.batches]
        held = _held_tokens(open_now)
        for batch in batches:
            if not may_go_on():
                break
            with sweep.apart(batch.ingestion_key):
                self._look_at_batch(batch, held.get(batch.ingestion_key, frozenset()), sweep)
        for contract in self._contracts.values():
            if may_go_on() and takes_events(contract, self._settings):
                with sweep.apart(contract.ingestion_key):
                    for error in self._walker.walk(contract, may_go_on):
                        sweep.note(error, contract.ingestion_key)
        for ingestion_key in sorted(
            {batch.ingestion_key for batch in self._batches.open().batches if self._is_ready(batch)}
        ):
            with sweep.apart(ingestion_key):
                while (submission := self._submitter.submit_ready(ingestion_key)) is not None:
                    sweep.submissions.append(submission)
        return SweepReport(
            tuple(sweep.ended),
            tuple(sweep.submissions),
            sweep.given_up,
            len(open_now.batches),
            max((history.failed_in_a_row for history in self._histories()), default=0),
            min((batch.created_at for batch in batches if batch.state in _PROCESSING), default=None),
            tuple(sweep.errors),
        )

    def _histories(self) -> list[SlotHistory]:
        numbers = range(self._settings.max_runs_per_table)
        return self._batches.read_histories([(key, number) for key in self._contracts for number in numbers])

    def _look_at_slot(self, slot: Slot, sweep: _Sweep) -> dict[str, Batch]:
        """Repeat a request of which nobody knows a run, or settle what has ended; return the batches that moved."""
        run = self._jobs.state(slot.application_id, slot.run_id) if slot.run_id else None
        action = decide_slot(slot, run, self._clock(), self._unsubmitted_after)
        if action is SlotAction.REPEAT:
            sweep.submissions.append(self._submitter.submit(slot, is_repeated=True))
        elif action is SlotAction.SETTLE and slot.run_id is not None:
            end = RunEnd.of(run)
            settlement = self._submitter.settle(slot, end)
            fault_point("reconciler.settled")
            now_there = self._batches.read_all(slot.ingestion_key, slot.batch_ids)
            if settlement is not None:
                results = (batch.result for batch in now_there.values())
                told = tuple(result for result in results if result is not None and result.token == slot.token)
                sweep.ended.append(EndedRun(slot.ingestion_key, slot.run_id, end.state, told))
            return now_there
        return {}

    def _look_at_batch(self, batch: Batch, held: frozenset[str], sweep: _Sweep) -> None:
        """Do what a batch needs, up to `ready`."""
        now = self._clock()
        action = decide_batch(batch, now, held)
        if action is BatchAction.GIVE_CLAIMING_UP:
            logger.warning(
                "the dispatcher of a batch did not come back: whatever it claimed is ingested",
                extra={"ingestion_key": batch.ingestion_key, "batch_id": batch.batch_id},
            )
            self._batches.give_claiming_up(batch, now)
        elif action is BatchAction.LAPSE:
            logger.warning(
                "a session did not renew its lease: what it claimed is free",
                extra={"ingestion_key": batch.ingestion_key, "batch_id": batch.batch_id},
            )
            self._batches.lapse(batch, now)
        elif action is BatchAction.CHECK_RUN:
            self._check_run(batch)
        elif action is not BatchAction.VISIT:
            return
        current = self._batches.read(batch.ingestion_key, batch.batch_id)
        if current is None or current.state is not BatchState.WAITING:
            return
        visited = self._visitor.visit(current, self._contracts.get(batch.ingestion_key))
        sweep.given_up += visited.given_up
        for error in visited.errors:
            sweep.note(error, batch.ingestion_key)

    def _check_run(self, batch: Batch) -> None:
        """Release a batch that no slot holds, if none of its runs is alive."""
        for number in range(self._settings.max_runs_per_table):
            slot = self._batches.read_slot(batch.ingestion_key, number)
            if slot is not None and slot.token == batch.token:
                return
        for run_id in batch.run_ids:
            run = self._jobs.state(self._settings.application_id, run_id)
            if run is not None and not run.has_ended:
                return
        self._batches.release(batch, self._clock())

    def _is_ready(self, batch: Batch) -> bool:
        return decide_batch(batch, self._clock(), frozenset({batch.token or ""})) is BatchAction.SUBMIT


def takes_events(contract: Contract, settings: Settings) -> bool:
    """Whether a table's files are taken in by themselves, and not only by `alur run`.

    Args:
        contract: the table's.
        settings: the deployment.
    """
    return settings.ingests_events and contract.trigger is Trigger.EVENT


def _held_tokens(open_now: Open) -> Mapping[str, frozenset[str]]:
    held: dict[str, frozenset[str]] = {}
    for slot in open_now.slots:
        held[slot.ingestion_key] = held.get(slot.ingestion_key, frozenset()) | {slot.token}
    return held
