"""S3 events in, Spark jobs out. Powertools and wiring, nothing else."""

from __future__ import annotations

import logging
import os
from functools import cache
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.logging.utils import copy_config_to_registered_loggers
from aws_lambda_powertools.metrics import MetricUnit

from alur.aws.settings import Settings
from alur.dispatch.dispatcher import Dispatcher, Report
from alur.dispatch.events import parse
from alur.dispatch.parts import Parts
from alur.ledger.transitions import Decision

logger = Logger()
metrics = Metrics()
logging.getLogger("alur")
copy_config_to_registered_loggers(source_logger=logger, include={"alur"})


@cache
def dispatcher() -> Dispatcher:
    """Make the dispatcher once for each execution environment, at its first event."""
    return Parts.of(Settings.from_env(os.environ)).dispatcher()


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Claim the files that the event names and start what can be started.

    Returns:
        For an event of SQS the messages that must come back, each by its own id.

    Raises:
        AlurError: an event that came without a queue failed; Lambda tries it again.
    """
    intake = parse(event)
    report = dispatcher().dispatch(intake)
    _count(report)
    came_by_queue = any(delivery.message_id is not None for delivery in intake.deliveries)
    if report.errors and not came_by_queue:
        raise report.errors[0]
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in report.failed_message_ids]}


def _count(report: Report) -> None:
    def decided(*decisions: Decision) -> int:
        return sum(counts.get(decision, 0) for counts in report.decisions.values() for decision in decisions)

    for name, value in {
        "FilesReceived": report.received,
        "FilesClaimed": decided(Decision.CLAIM),
        "FilesDuplicate": decided(Decision.DUPLICATE),
        "FilesRemembered": decided(Decision.REMEMBER),
        "FilesSkipped": decided(Decision.SKIPPED, Decision.GONE),
        "FilesUnrouted": report.unrouted,
        "RecordsIgnored": report.ignored,
        "RecordsMalformed": report.malformed,
        "RunsStarted": len(report.submissions),
    }.items():
        metrics.add_metric(name=name, unit=MetricUnit.Count, value=value)
    logger.info(
        "dispatched",
        extra={
            "received": report.received,
            "unrouted": report.unrouted,
            "ignored": report.ignored,
            "malformed": report.malformed,
            "decisions": {
                key: {decision.value: count for decision, count in counts.items()}
                for key, counts in report.decisions.items()
            },
            "job_run_ids": [submission.run_id for submission in report.submissions],
            "messages_failed": len(report.failed_message_ids),
        },
    )
