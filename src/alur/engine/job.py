"""The job: the batches of one run, one after the other."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from py4j.protocol import Py4JError
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from alur.aws.storage import Storage
from alur.clock import Clock
from alur.contracts.contract import Contract
from alur.dispatch.job_arguments import JobArguments
from alur.dispatch.sizing import CATALOG
from alur.engine.batch import BatchRun, Workshop
from alur.engine.tables import ensure_table
from alur.errors import AlurError
from alur.ledger.batches import BatchState, BatchStore
from alur.ledger.files import FileLedger
from alur.ledger.manifest import Manifest

logger = logging.getLogger(__name__)


def run_job(
    spark: SparkSession,
    arguments: JobArguments,
    contract: Contract,
    *,
    files: FileLedger,
    batches: BatchStore,
    storage: Storage,
    clock: Clock,
    sleep: Callable[[float], None] = time.sleep,
) -> bool:
    """Ingest each batch of a run; one that cannot be finished costs no other.

    Args:
        spark: the session.
        arguments: the run's orders.
        contract: of the table.
        files, batches: the ledger.
        storage: S3.
        clock: the present.
        sleep: waits that many seconds.

    Returns:
        Whether every batch was finished; a file that failed by name is finished too.

    Raises:
        AlurError: no batch could be begun.
    """
    workshop: Workshop | None = None
    all_finished = True
    for batch_id in arguments.batch_ids:
        where = {"ingestion_key": arguments.ingestion_key, "batch_id": batch_id}
        batch = batches.begin(arguments.ingestion_key, batch_id, arguments.token)
        if batch is None or batch.state is BatchState.CLOSED:
            logger.info("the batch is closed: nothing to do", extra=where)
            continue
        workshop = workshop or Workshop(
            spark=spark,
            contract=contract,
            table=ensure_table(spark, CATALOG, arguments.database, contract),
            files=files,
            batches=batches,
            storage=storage,
            lake_bucket=arguments.lake_bucket,
            token=arguments.token,
            clock=clock,
            sleep=sleep,
        )
        try:
            manifest = Manifest.from_document(storage.get_document(batch.manifest_uri))
            result = BatchRun(workshop, batch, manifest).run()
        except (AlurError, PySparkException, Py4JError):
            logger.exception("the batch could not be finished: its claims stand", extra=where)
            all_finished = False
        else:
            logger.info(
                "%d files completed, %d failed, %d rows",
                result.completed,
                result.failed,
                result.rows,
                extra={
                    **where,
                    "files_completed": result.completed,
                    "files_failed": result.failed,
                    "rows": result.rows,
                    "latency_seconds_median": result.latency_seconds_median,
                    "latency_seconds_max": result.latency_seconds_max,
                },
            )
    return all_finished
