"""The Spark job's entry point: wiring, nothing else."""

from __future__ import annotations

import contextlib
import sys

from py4j.protocol import Py4JError
from pyspark.sql import SparkSession

from alur.aws.clients import client
from alur.aws.dynamodb import BotoDynamo
from alur.aws.storage import Storage
from alur.clock import utc_now
from alur.contracts import load_contracts
from alur.dispatch.job_arguments import JobArguments
from alur.engine.job import run_job
from alur.engine.logs import log_as_json
from alur.errors import ContractError
from alur.ledger.batches import batch_store
from alur.ledger.files import file_ledger


def main() -> int:
    """Run the batches that the arguments name.

    Returns:
        0 if every batch was finished, else 1.
    """
    arguments = JobArguments.parse(sys.argv[1:])
    spark = SparkSession.builder.getOrCreate()
    log_as_json(token=arguments.token, job_run_id=spark.sparkContext.applicationId)
    contracts = {contract.ingestion_key: contract for contract in load_contracts(variables=arguments.variables)}
    if arguments.ingestion_key not in contracts:
        raise ContractError(arguments.ingestion_key, "this code has no such contract; deploy again, or put it back")
    gateway = BotoDynamo(client("dynamodb"))
    try:
        finished = run_job(
            spark,
            arguments,
            contracts[arguments.ingestion_key],
            files=file_ledger(gateway, arguments.state_table),
            batches=batch_store(gateway, arguments.batches_table),
            storage=Storage(client("s3")),
            clock=utc_now,
        )
    finally:
        # Of a JVM that has died nothing is left to stop, and what it died of is the error to be seen.
        with contextlib.suppress(Py4JError, OSError):
            spark.stop()
    return 0 if finished else 1


if __name__ == "__main__":
    sys.exit(main())
