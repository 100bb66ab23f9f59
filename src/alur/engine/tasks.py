"""A task in its run: done, and told of in S3."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from pyspark.sql import SparkSession

from alur.aws.deployment import Deployment
from alur.clock import to_iso, utc_now
from alur.contracts import load_contracts
from alur.contracts.contract import Contract
from alur.contracts.table import REJECTS_SUFFIX
from alur.dispatch.job_arguments import JobArguments
from alur.dispatch.sizing import CATALOG
from alur.dispatch.tasks import Task, TaskArguments, progress_uri, result_uri
from alur.engine.adapter import AWSAdapter
from alur.engine.audit import audit_table
from alur.engine.iceberg import IcebergTable
from alur.engine.rebuild import rebuild_ledger
from alur.engine.rejected import read_rejects
from alur.engine.runner import PipelineRunner
from alur.errors import AlurError, PipelineError, StorageError, TableUnsupported
from alur.ingestion.workplace import Workplace

logger = logging.getLogger(__name__)

_REJECTS = 100
"""So many rejects are told, where nobody says how many."""


def run_task(spark: SparkSession, arguments: TaskArguments) -> bool:
    """Do a task, and write what it came to beside the manifests in the lake.

    Args:
        spark: the session.
        arguments: the task's orders.

    Returns:
        Whether it was done; files that failed by name are no reason why it was not.
    """
    place = Workplace(deployment_of(arguments))
    uri = result_uri(arguments.lake_bucket, arguments.token)
    try:
        document = _DOING[arguments.task](spark, arguments, place)
    except Exception as error:
        # Whoever waits is told why; the traceback is in the log.
        logger.exception("the %s %s failed", arguments.task.value, arguments.subject)
        place.storage.put_document(uri, _failed(error))
        return False
    place.storage.put_document(uri, {"done": True, "task": arguments.task.value, "result": document})
    return True


def deployment_of(arguments: TaskArguments | JobArguments) -> Deployment:
    """Return the deployment that a run's arguments name; no variable and no stack is asked.

    Args:
        arguments: the run's orders.
    """
    return Deployment(
        region=arguments.region,
        given={
            "StateTable": arguments.state_table,
            "BatchesTable": arguments.batches_table,
            "Database": arguments.database,
            "LandingBucket": arguments.landing_bucket,
            "LakeBucket": arguments.lake_bucket,
            "MaxAttempts": str(arguments.max_attempts),
        },
    )


def _tell(arguments: TaskArguments, place: Workplace, stage: str) -> None:
    """Say how far it is; that this fails is no reason to stop."""
    try:
        place.storage.put_document(
            progress_uri(arguments.lake_bucket, arguments.token), {"stage": stage, "at": to_iso(utc_now())}
        )
    except StorageError as error:
        logger.warning("how far it is could not be told: %s", error)


def _pipeline(spark: SparkSession, arguments: TaskArguments, place: Workplace) -> Mapping[str, Any]:
    runner = PipelineRunner(
        AWSAdapter(deployment=place.deployment), progress=lambda stage: _tell(arguments, place, stage)
    )
    return runner.run_pipeline(arguments.subject, since=arguments.since).to_document()


def _audit(spark: SparkSession, arguments: TaskArguments, place: Workplace) -> Mapping[str, Any]:
    _tell(arguments, place, "reading")
    report = audit_table(
        spark,
        _contract(arguments),
        _table(spark, arguments),
        files=place.files,
        storage=place.storage,
        clock=utc_now,
    )
    return report.to_document()


def _rebuild(spark: SparkSession, arguments: TaskArguments, place: Workplace) -> Mapping[str, Any]:
    _tell(arguments, place, "reading")
    report = rebuild_ledger(
        spark,
        _contract(arguments),
        _table(spark, arguments),
        files=place.files,
        storage=place.storage,
        clock=utc_now,
        is_dry_run=arguments.dry_run,
    )
    return report.to_document()


def _rejects(spark: SparkSession, arguments: TaskArguments, place: Workplace) -> Mapping[str, Any]:
    _tell(arguments, place, "reading")
    table = _table(spark, arguments)
    report = read_rejects(
        spark,
        _contract(arguments),
        table,
        f"{table.name}{REJECTS_SUFFIX}",
        limit=_REJECTS if arguments.limit is None else arguments.limit,
        path=arguments.file,
    )
    return report.to_document()


_DOING: Mapping[Task, Callable[[SparkSession, TaskArguments, Workplace], Mapping[str, Any]]] = {
    Task.PIPELINE: _pipeline,
    Task.AUDIT: _audit,
    Task.REBUILD: _rebuild,
    Task.REJECTS: _rejects,
}


def _table(spark: SparkSession, arguments: TaskArguments) -> IcebergTable:
    name = f"{CATALOG}.{arguments.database}.{arguments.subject}"
    if not spark.catalog.tableExists(name):
        raise TableUnsupported(name, "there is no such table: nothing was ingested yet, or somebody dropped it")
    return IcebergTable(spark, name)


def _contract(arguments: TaskArguments) -> Contract:
    contracts = load_contracts(variables={"LandingBucket": arguments.landing_bucket})
    for contract in contracts:
        if contract.ingestion_key == arguments.subject:
            return contract
    known = ", ".join(contract.ingestion_key for contract in contracts) or "none"
    raise PipelineError(arguments.subject, f"this code has no such table; it has {known}")


def _failed(error: Exception) -> dict[str, Any]:
    message = str(error) if isinstance(error, AlurError) else f"{type(error).__name__}: {error}"
    return {"done": False, "error_type": type(error).__name__, "error_message": message}
