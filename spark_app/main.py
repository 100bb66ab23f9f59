"""The Spark job's entry point: wiring, nothing else."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Sequence

from py4j.protocol import Py4JError
from pyspark.sql import SparkSession

from alur.aws.clients import client
from alur.aws.dynamodb import BotoDynamo
from alur.aws.storage import Storage
from alur.clock import utc_now
from alur.contracts import load_contracts
from alur.decorators import pipeline_on_event
from alur.dispatch.job_arguments import JobArguments
from alur.dispatch.tasks import TaskArguments, is_task
from alur.engine.job import run_job
from alur.engine.logs import log_as_json
from alur.engine.pipelines import stager_of
from alur.engine.tasks import deployment_of, run_task
from alur.errors import ContractError
from alur.ingestion.workplace import Workplace
from alur.ledger.batches import batch_store
from alur.ledger.files import file_ledger


def main() -> int:
    """Do what the arguments name: batches of files, or a task.

    Returns:
        0 if all of it was done, else 1.
    """
    orders = sys.argv[1:]
    spark = SparkSession.builder.getOrCreate()
    try:
        return 0 if (_do_task if is_task(orders) else _ingest)(spark, orders) else 1
    finally:
        # Of a JVM that has died nothing is left to stop, and what it died of is the error to be seen.
        with contextlib.suppress(Py4JError, OSError):
            spark.stop()


def _do_task(spark: SparkSession, orders: Sequence[str]) -> bool:
    arguments = TaskArguments.parse(orders)
    log_as_json(token=arguments.token, job_run_id=spark.sparkContext.applicationId)
    return run_task(spark, arguments)


def _ingest(spark: SparkSession, orders: Sequence[str]) -> bool:
    arguments = JobArguments.parse(orders)
    log_as_json(token=arguments.token, job_run_id=spark.sparkContext.applicationId)
    contracts = {contract.ingestion_key: contract for contract in load_contracts(variables=arguments.variables)}
    if arguments.ingestion_key not in contracts:
        raise ContractError(arguments.ingestion_key, "this code has no such contract; deploy again, or put it back")
    contract = contracts[arguments.ingestion_key]
    pipeline = pipeline_on_event(contract.ingestion_key)
    gateway = BotoDynamo(client("dynamodb"))
    return run_job(
        spark,
        arguments,
        contract,
        files=file_ledger(gateway, arguments.state_table),
        batches=batch_store(gateway, arguments.batches_table),
        storage=Storage(client("s3")),
        clock=utc_now,
        make_stager=None if pipeline is None else stager_of(pipeline, contract, Workplace(deployment_of(arguments))),
    )


if __name__ == "__main__":
    sys.exit(main())
