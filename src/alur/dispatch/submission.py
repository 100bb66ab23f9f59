"""Ready batches become a run, if the table has a place for one.

A place is a slot: an item taken by a conditional write that already holds the whole request and its client token. So a
submitter that dies anywhere leaves either a free slot or a request that anybody can repeat word for word; and a
burst of batches finds the slot taken, waits ready, and shares the next run.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from alur.aws.jobs import Jobs
from alur.aws.settings import Settings
from alur.clock import Clock
from alur.dispatch.job_arguments import JobArguments
from alur.dispatch.requests import Platform, job_request
from alur.dispatch.settlement import RunEnd, Settlement, decide_settlement
from alur.dispatch.sizing import Capacity, size
from alur.errors import SubmitRefused, SubmitThrottled
from alur.faults import fault_point
from alur.ledger.batches import Batch, BatchState, BatchStore, Open, Slot, new_batch_id

logger = logging.getLogger(__name__)

BATCHES_PER_RUN = 50
"""A run's item and its transaction stay far below DynamoDB's limits (400 KB, 100 actions)."""

_SETTLE_ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class Submission:
    """A run that was started.

    Attributes:
        run_id: EMR's id of it.
        batch_ids: the batches that it carries.
    """

    run_id: str
    batch_ids: tuple[str, ...]


class Submitter:
    """Takes a slot and starts a run for what is ready.

    Args:
        batches: the batches' store.
        jobs: EMR Serverless.
        settings: the deployment.
        clock: the present.
    """

    def __init__(self, batches: BatchStore, jobs: Jobs, settings: Settings, clock: Clock) -> None:
        self._batches = batches
        self._jobs = jobs
        self._settings = settings
        self._clock = clock

    def submit_ready(self, ingestion_key: str, known: Batch | None = None) -> Submission | None:
        """Start one run for the table's ready batches, if a slot is free.

        Args:
            ingestion_key: the table.
            known: a batch that has just become ready, which the index may not show yet.

        Returns:
            None: nothing is ready, or every slot is taken or resting; the batches stay ready.

        Raises:
            SubmitError: EMR did not start it; the batches stay ready, to be submitted later.
            LedgerError: the ledger cannot be asked.
        """
        open_now = self._batches.open(ingestion_key)
        gone: set[str] = set()
        number = 0
        while number < self._settings.max_runs_per_table:
            now = self._clock()
            ready = choose_ready(open_now, known, now, gone)
            if not ready:
                return None
            resting_since = now - timedelta(minutes=self._settings.min_minutes_between_runs)
            slot = self._slot(ingestion_key, number, ready)
            not_ready = self._batches.take_slot(slot, now=now, not_started_since=resting_since)
            if not_ready is None:
                number += 1
            elif not_ready:
                # The index is a moment behind: somebody else's run has them.
                gone |= not_ready
            else:
                fault_point("submit.slot-taken")
                return self.submit(slot)
        logger.info("no run slot is free: %d batches wait ready", len(ready), extra={"ingestion_key": ingestion_key})
        return None

    def submit(self, slot: Slot, *, is_repeated: bool = False) -> Submission:
        """Send a taken slot's request, for the first time or again: the same token starts one run only.

        Args:
            slot: taken.
            is_repeated: the request was sent before, and what became of it is not known.

        Raises:
            SubmitThrottled, SubmitRefused: certainly not started by this call; the slot is free again and its batches
                are ready, unless an earlier call may have started the run and this one was merely throttled. A slot
                whose request was refused rests, as after a run that never began.
            SubmitUnknown: it may have been started; the slot keeps the request, to be repeated.
        """
        where = {"ingestion_key": slot.ingestion_key, "batch_ids": slot.batch_ids, "token": slot.token}
        try:
            run_id = self._jobs.start(slot.application_id, slot.token, json.loads(slot.request))
        except (SubmitThrottled, SubmitRefused) as error:
            logger.warning("the job was not started, its batches stay ready: %s", error, extra=where)
            if isinstance(error, SubmitRefused):
                self.settle(slot, RunEnd.refused(error))
            elif not is_repeated:
                self.settle(slot, RunEnd.not_started())
            raise
        fault_point("submit.started")
        self._batches.record_run(slot, run_id, self._clock())
        logger.info("started a run", extra={**where, "job_run_id": run_id})
        return Submission(run_id, slot.batch_ids)

    def settle(self, slot: Slot, end: RunEnd) -> Settlement | None:
        """Free a slot whose run has ended, or was certainly never started, and say what becomes of its batches.

        Args:
            slot: as the ledger has it.
            end: what is known of the end.

        Returns:
            None: somebody else did, or a batch changed under every attempt.
        """
        for _ in range(_SETTLE_ATTEMPTS):
            # Read anew each time: what the slot remembers, and whether the run began with a batch, is what decides.
            held = self._batches.read_slot(slot.ingestion_key, slot.number)
            if held is None or held.token != slot.token:
                return None
            batches = self._batches.read_all(slot.ingestion_key, slot.batch_ids).values()
            settlement = decide_settlement(held, end, batches, self._clock(), self._settings.retries)
            if self._batches.settle_slot(held, settlement.history, settlement.moves):
                logger.info(
                    "a run has ended: %s",
                    end.state,
                    extra={
                        "ingestion_key": slot.ingestion_key,
                        "job_run_id": held.run_id,
                        "batches_open": len(settlement.moves),
                        "details": end.details,
                    },
                )
                return settlement
        logger.warning("the slot of %s could not be freed yet", slot.ingestion_key, extra={"token": slot.token})
        return None

    def _slot(self, ingestion_key: str, number: int, ready: Sequence[Batch]) -> Slot:
        now = self._clock()
        token = f"run-{new_batch_id(now)}"
        return Slot(
            ingestion_key=ingestion_key,
            number=number,
            token=token,
            application_id=self._settings.application_id,
            request=json.dumps(self._request(ingestion_key, token, ready)),
            batch_ids=tuple(batch.batch_id for batch in ready),
            taken_at=now,
        )

    def _request(self, ingestion_key: str, token: str, ready: Sequence[Batch]) -> dict[str, Any]:
        settings = self._settings
        arguments = JobArguments(
            token=token,
            ingestion_key=ingestion_key,
            batch_ids=tuple(batch.batch_id for batch in ready),
            state_table=settings.state_table,
            batches_table=settings.batches_table,
            database=settings.database,
            landing_bucket=settings.landing_bucket,
            lake_bucket=settings.lake_bucket,
            region=settings.region,
            max_attempts=settings.max_attempts,
            backoff_seconds=settings.backoff_seconds,
        )
        workers = size(
            sum(batch.size_bytes for batch in ready),
            sum(batch.files for batch in ready),
            Capacity(settings.max_vcpu, settings.max_memory_gb),
        )
        return job_request(_platform(settings), ingestion_key, arguments.render(), workers)


def _platform(settings: Settings) -> Platform:
    return Platform(
        environment=settings.environment,
        region=settings.region,
        job_role_arn=settings.job_role_arn,
        entry_point_uri=settings.entry_point_uri,
        archive_uri=settings.archive_uri,
        lake_bucket=settings.lake_bucket,
        artifacts_bucket=settings.artifacts_bucket,
    )


def choose_ready(open_now: Open, known: Batch | None, now: datetime, gone: Collection[str] = ()) -> tuple[Batch, ...]:
    """Choose the batches of one table that the next run carries: the oldest ready ones.

    One that is to run alone does: where it is the oldest, the run carries no other; else it waits for its turn.

    Args:
        open_now: what the index shows, which may be a moment behind.
        known: a batch that has just become ready.
        now: the present; what is ready later only is not chosen.
        gone: ids that the index shows as ready, and that are not.
    """
    ready = {batch.batch_id: batch for batch in open_now.batches if batch.state is BatchState.READY}
    if known is not None:
        ready[known.batch_id] = known
    chosen = [
        batch
        for _, batch in sorted(ready.items())
        if batch.batch_id not in gone and (batch.not_before is None or batch.not_before <= now)
    ]
    if chosen and chosen[0].alone:
        return (chosen[0],)
    return tuple(batch for batch in chosen if not batch.alone)[:BATCHES_PER_RUN]
