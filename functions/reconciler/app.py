"""What was claimed gets finished, tried again, or failed. Powertools and wiring, nothing else."""

from __future__ import annotations

import logging
import os
from datetime import datetime
from functools import cache
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.logging.utils import copy_config_to_registered_loggers
from aws_lambda_powertools.metrics import MetricUnit

from alur.aws.settings import Settings
from alur.clock import utc_now
from alur.dispatch.parts import Parts
from alur.reconcile.reconciler import EndedRun, Reconciler, SweepReport

RESERVE_MILLISECONDS = 30_000
"""No further item is begun with when less is left of the function's time: the next sweep goes on."""

logger = Logger()
metrics = Metrics()
logging.getLogger("alur")
copy_config_to_registered_loggers(source_logger=logger, include={"alur"})


@cache
def reconciler() -> Reconciler:
    """Make the reconciler once for each execution environment, at its first event."""
    parts = Parts.of(Settings.from_env(os.environ))
    return Reconciler(
        contracts=parts.contracts(),
        files=parts.files,
        batches=parts.batches,
        storage=parts.storage,
        jobs=parts.jobs,
        submitter=parts.submitter,
        maker=parts.maker,
        settings=parts.settings,
        clock=parts.clock,
    )


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Look at everything that is open. The event, a run's change of state or the schedule, only says when.

    Returns:
        What was done, in numbers.

    Raises:
        AlurError: a step failed; the others were done.
    """
    report = reconciler().sweep(lambda: context.get_remaining_time_in_millis() > RESERVE_MILLISECONDS)
    _count(report, utc_now())
    done = {
        "ended": [ended.run_id for ended in report.ended],
        "job_run_ids": [submission.run_id for submission in report.submissions],
        "given_up": report.given_up,
        "batches_open": report.open_batches,
        "errors": len(report.errors),
    }
    logger.info("swept", extra={"detail_type": event.get("detail-type", ""), **done})
    if report.errors:
        raise report.errors[0]
    return done


def _count(report: SweepReport, now: datetime) -> None:
    for ended in report.ended:
        _count_run(ended)
    age_seconds = 0.0
    if report.oldest_processing is not None:
        age_seconds = max(0.0, (now - report.oldest_processing).total_seconds())
    metrics.add_metric(name="RunsStarted", unit=MetricUnit.Count, value=len(report.submissions))
    metrics.add_metric(name="BatchesOpen", unit=MetricUnit.Count, value=report.open_batches)
    metrics.add_metric(name="OldestProcessingMinutes", unit=MetricUnit.Count, value=round(age_seconds / 60))
    metrics.add_metric(name="RunsFailedInARow", unit=MetricUnit.Count, value=report.failed_in_a_row)
    if report.given_up:
        metrics.add_metric(name="FilesFailed", unit=MetricUnit.Count, value=report.given_up)


def _count_run(ended: EndedRun) -> None:
    logger.info(
        "run ended", extra={"ingestion_key": ended.ingestion_key, "job_run_id": ended.run_id, "state": ended.state}
    )
    metrics.add_metric(name="RunsFailed", unit=MetricUnit.Count, value=int(ended.state != "SUCCESS"))
    for result in ended.results:
        metrics.add_metric(name="FilesCompleted", unit=MetricUnit.Count, value=result.completed)
        metrics.add_metric(name="FilesFailed", unit=MetricUnit.Count, value=result.failed)
        metrics.add_metric(name="FilesRetried", unit=MetricUnit.Count, value=result.retried)
        metrics.add_metric(name="RowsIngested", unit=MetricUnit.Count, value=result.rows)
        if result.completed:
            metrics.add_metric(name="ArrivalToQueryable", unit=MetricUnit.Seconds, value=result.latency_seconds_median)
            metrics.add_metric(name="ArrivalToQueryableMax", unit=MetricUnit.Seconds, value=result.latency_seconds_max)
