"""What is ready gets submitted, what has ended frees its place. Powertools and wiring, nothing else."""

from __future__ import annotations

import logging
import os
from functools import cache
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.logging.utils import copy_config_to_registered_loggers
from aws_lambda_powertools.metrics import MetricUnit

from alur.aws.settings import Settings
from alur.dispatch.parts import Parts
from alur.reconcile.reconciler import EndedRun, Reconciler

logger = Logger()
metrics = Metrics()
logging.getLogger("alur")
copy_config_to_registered_loggers(source_logger=logger, include={"alur"})


@cache
def reconciler() -> Reconciler:
    """Make the reconciler once for each execution environment, at its first event."""
    parts = Parts.of(Settings.from_env(os.environ))
    return Reconciler(batches=parts.batches, jobs=parts.jobs, submitter=parts.submitter, clock=parts.clock)


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Look at everything that is open. The event, a run's change of state or the schedule, only says when.

    Returns:
        What was done, in numbers.

    Raises:
        AlurError: a step failed; the others were done.
    """
    report = reconciler().sweep()
    for ended in report.ended:
        _count(ended)
    metrics.add_metric(name="RunsStarted", unit=MetricUnit.Count, value=len(report.submissions))
    done = {
        "ended": [ended.run_id for ended in report.ended],
        "job_run_ids": [submission.run_id for submission in report.submissions],
        "errors": len(report.errors),
    }
    logger.info("swept", extra={"detail_type": event.get("detail-type", ""), **done})
    if report.errors:
        raise report.errors[0]
    return done


def _count(ended: EndedRun) -> None:
    logger.info(
        "run ended", extra={"ingestion_key": ended.ingestion_key, "job_run_id": ended.run_id, "state": ended.state}
    )
    metrics.add_metric(name="RunsFailed", unit=MetricUnit.Count, value=int(ended.state != "SUCCESS"))
    for result in ended.results:
        metrics.add_metric(name="FilesCompleted", unit=MetricUnit.Count, value=result.completed)
        metrics.add_metric(name="FilesFailed", unit=MetricUnit.Count, value=result.failed)
        metrics.add_metric(name="RowsIngested", unit=MetricUnit.Count, value=result.rows)
        if result.completed:
            metrics.add_metric(name="ArrivalToQueryable", unit=MetricUnit.Seconds, value=result.latency_seconds_median)
            metrics.add_metric(name="ArrivalToQueryableMax", unit=MetricUnit.Seconds, value=result.latency_seconds_max)
