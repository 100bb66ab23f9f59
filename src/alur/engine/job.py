"""The job: the batches of one run, one after the other."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from py4j.protocol import Py4JError
from pyspark.sql import SparkSession

from alur.aws.storage import Storage
from alur.clock import Clock
from alur.contracts.contract import Contract
from alur.dispatch.job_arguments import JobArguments
from alur.dispatch.sizing import CATALOG
from alur.engine.batch import BatchRun, Workshop, stale_branches
from alur.engine.iceberg import IcebergTable, check_platform
from alur.engine.ports import Tables
from alur.engine.spark_reader import SparkReader
from alur.engine.staging import StagesFiles
from alur.engine.tables import ensure_rejects, ensure_table
from alur.errors import AlurError, ReadFailed, ReadNotExact
from alur.faults import fault_point
from alur.ledger.batches import Batch, BatchResult, BatchState, BatchStore
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
    make_stager: Callable[[IcebergTable, IcebergTable, Batch], StagesFiles] | None = None,
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
        make_stager: makes what stages a batch's files; None: they are read plainly.

    Returns:
        Whether every batch was finished; a file that failed by name is finished too.

    Raises:
        PlatformUnsupported: no batch can be begun here.
        LedgerError: a batch could not be begun.
    """
    check_platform(spark)
    opened = OpenedTables(spark, arguments.database, contract, storage, arguments.lake_bucket, clock)
    workshop = Workshop(
        contract=contract,
        open_tables=opened,
        files=files,
        batches=batches,
        storage=storage,
        lake_bucket=arguments.lake_bucket,
        token=arguments.token,
        clock=clock,
        sleep=sleep,
        retries=arguments.retries,
        make_stager=None if make_stager is None else lambda _, batch: make_stager(opened.bronze, opened.rejects, batch),
    )
    return run_batches(workshop, arguments.batch_ids, is_alive=lambda: _is_alive(spark))


def run_batches(workshop: Workshop, batch_ids: tuple[str, ...], *, is_alive: Callable[[], bool]) -> bool:
    """Ingest batches one after the other; one that cannot be finished costs no other.

    Args:
        workshop: what they are worked on with.
        batch_ids: which, in order.
        is_alive: whether the engine is still there: if it is not, whatever stopped the batch was its death.

    Returns:
        Whether every batch was finished; a file that failed by name is finished too.
    """
    all_finished = True
    for batch_id in batch_ids:
        where = {"ingestion_key": workshop.contract.ingestion_key, "batch_id": batch_id}
        batch = workshop.batches.begin(workshop.contract.ingestion_key, batch_id, workshop.token)
        fault_point("job.began")
        if batch is None or batch.state is BatchState.CLOSED:
            logger.info("the batch is closed: nothing to do", extra=where)
            continue
        try:
            manifest = Manifest.from_document(workshop.storage.get_document(batch.manifest_uri))
            result = BatchRun(workshop, batch, manifest).run()
        except Exception as error:
            # Of whatever kind it is: the batches after this one are not to pay for it.
            if not is_alive():
                raise
            logger.exception("the batch could not be finished: its claims stand", extra=where)
            _note(workshop, batch, error)
            all_finished = False
        else:
            _tell(result, where)
    return all_finished


class OpenedTables:
    """The tables and their reader, made at the first batch that needs them.

    Args:
        spark: the session.
        database: the Glue database.
        contract: of the table.
        storage: S3.
        lake_bucket: where copies of files go.
        clock: the present.
    """

    def __init__(
        self, spark: SparkSession, database: str, contract: Contract, storage: Storage, lake_bucket: str, clock: Clock
    ) -> None:
        self._storage = storage
        self._lake_bucket = lake_bucket
        self._spark = spark
        self._database = database
        self._contract = contract
        self._clock = clock
        self._opened: tuple[IcebergTable, IcebergTable] | None = None

    def __call__(self) -> Tables:
        """Return them as publishing needs them."""
        bronze, rejects = self._open()
        reader = SparkReader(self._spark, self._contract, bronze, rejects, self._storage, self._lake_bucket)
        return Tables(bronze, rejects, reader)

    @property
    def bronze(self) -> IcebergTable:
        """The bronze table."""
        return self._open()[0]

    @property
    def rejects(self) -> IcebergTable:
        """The table of the rejects."""
        return self._open()[1]

    def _open(self) -> tuple[IcebergTable, IcebergTable]:
        if self._opened is None:
            bronze = ensure_table(self._spark, CATALOG, self._database, self._contract)
            rejects = ensure_rejects(self._spark, CATALOG, self._database, self._contract)
            for table in (bronze, rejects):
                self._drop_stale_branches(table)
            self._opened = bronze, rejects
        return self._opened

    def _drop_stale_branches(self, table: IcebergTable) -> None:
        for branch in stale_branches(table.scratch_branches(), self._clock()):
            logger.info("dropping %s, which a run that died has left", branch)
            table.drop_branch(branch)


def _note(workshop: Workshop, batch: Batch, error: Exception) -> None:
    try:
        workshop.batches.stumble(
            batch,
            workshop.token,
            error_type=type(error).__name__,
            error=str(error),
            # What Alur knows and does not count among these is the fault of a table, of S3, or of the ledger.
            blames_files=not isinstance(error, AlurError) or isinstance(error, (ReadFailed, ReadNotExact)),
        )
    except AlurError as second:
        # Without the note the run counts as one that died.
        logger.warning("that could not be noted: %s", second)


def _tell(result: BatchResult, where: dict[str, str]) -> None:
    logger.info(
        "%d files completed, %d failed, %d to be tried again, %d rows",
        result.completed,
        result.failed,
        result.retried,
        result.rows,
        extra={
            **where,
            "files_completed": result.completed,
            "files_failed": result.failed,
            "files_retried": result.retried,
            "rows": result.rows,
            "latency_seconds_median": result.latency_seconds_median,
            "latency_seconds_max": result.latency_seconds_max,
        },
    )


def _is_alive(spark: SparkSession) -> bool:
    try:
        return not spark.sparkContext._jsc.sc().isStopped()
    except (Py4JError, OSError, AttributeError):
        return False
