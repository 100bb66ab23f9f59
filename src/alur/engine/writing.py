"""Writing what a session loaded: each load's files are published by the same steps as the events' batches."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field

from pyspark.sql import DataFrame, SparkSession

from alur.contracts.contract import Contract
from alur.engine.batch import BatchRun, Workshop
from alur.engine.frames import FrameStager, Written, fit_columns
from alur.engine.iceberg import check_platform
from alur.engine.job import OpenedTables
from alur.errors import AlurError, FileError, LoadLost, ReadFailed, UntrackedDataFrame
from alur.ingestion.failures import failing_as_read
from alur.ingestion.leases import keeper
from alur.ingestion.loads import Load, LoadState, begin_writing, find_load
from alur.ingestion.preparing import look_after
from alur.ingestion.tracing import trace
from alur.ingestion.workplace import Workplace
from alur.ledger.batches import BatchResult
from alur.ledger.manifest import Manifest
from alur.ledger.model import LedgerItem, Status

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class WriteResult:
    """What a write came to.

    Attributes:
        files: files whose rows are in the table.
        rows: of those.
        failed: files that failed, and why: (path, kind of error, message).
        paths: of the files.
    """

    files: int = 0
    rows: int = 0
    failed: tuple[tuple[str, str, str], ...] = ()
    paths: tuple[str, ...] = field(default=())


class LoadWriter:
    """Writes DataFrames that descend from loads.

    Args:
        spark: the session.
        place: what it works with.
    """

    def __init__(self, spark: SparkSession, place: Workplace) -> None:
        self._spark = spark
        self._place = place

    def write(self, rows: DataFrame, contract: Contract) -> WriteResult:
        """Publish the loads that a DataFrame descends from, each once.

        Args:
            rows: what `load_to_bronze` returned, or what was made of it.
            contract: of the table that it is written into.

        Raises:
            UntrackedDataFrame: its loads cannot be established, are for another table, or were written already.
            LoadLost: its files are another's by now.
            AlurError: it could not be written; what was claimed is free again.
        """
        traced = trace(rows)
        loads = tuple(find_load(load_id) for load_id in traced.load_ids)
        for load in loads:
            _check_target(load, contract)
        begin_writing(loads)
        try:
            check_platform(self._spark)
            written = Written(fit_columns(rows, contract), traced, loads)
            results = self._write_all([load for load in loads if load.seen], written, contract)
            for load in loads:
                # Of one without files too: a second time it is not.
                load.state = LoadState.WRITTEN
                load.forget()
        except BaseException as error:
            for load in loads:
                load.release(f"it could not be written: {error}")
            raise
        return WriteResult(
            sum(result.files for result in results),
            sum(result.rows for result in results),
            tuple(failed for result in results for failed in result.failed),
            tuple(path for result in results for path in result.paths),
        )

    def _write_all(self, loads: Sequence[Load], written: Written, contract: Contract) -> list[WriteResult]:
        if not loads:
            return []
        # One for all of them: the table is made and widened once.
        place = self._place
        database = place.deployment.name("Database")
        opened = OpenedTables(self._spark, database, contract, place.storage, place.lake_bucket, place.clock)
        return [self._write(load, written, opened, contract) for load in loads]

    def _write(self, load: Load, written: Written, opened: OpenedTables, contract: Contract) -> WriteResult:
        alone = Written(written.rows, written.trace, (load,))
        if not load.is_managed:
            return self._append_unmanaged(load, alone, opened)
        return self._publish(load, alone, opened, contract)

    def _publish(self, load: Load, written: Written, opened: OpenedTables, contract: Contract) -> WriteResult:
        place, batch = self._place, load.batch
        assert batch is not None  # a managed load with files has one
        opened()
        begun = place.batches.begin(batch.ingestion_key, batch.batch_id, load.load_id)
        if begun is None:
            raise LoadLost(batch.batch_id)
        workshop = Workshop(
            contract=contract,
            open_tables=opened,
            files=place.files,
            batches=place.batches,
            storage=place.storage,
            lake_bucket=place.lake_bucket,
            token=load.load_id,
            clock=place.clock,
            sleep=place.sleep,
            retries=place.retries,
            make_stager=lambda _, batch: FrameStager(
                bronze=opened.bronze,
                rejects=opened.rejects,
                storage=place.storage,
                batch_id=batch.batch_id,
                written=written,
            ),
        )
        manifest = Manifest.from_document(place.storage.get_document(batch.manifest_uri))
        ended: dict[str, LedgerItem] = {}
        try:
            result = BatchRun(workshop, begun, manifest, note=ended.update).run()
        except ReadFailed as error:
            if failed := self._blame(load):
                named = "; ".join(str(reason) for reason in failed.values())
                raise ReadFailed(named, bytes_at_fault=error.bytes_at_fault) from error
            raise
        keeper.let_go(batch)
        if not result.completed + result.failed + result.retried:
            load.state = LoadState.RELEASED
            raise LoadLost(batch.batch_id)
        load.state = LoadState.WRITTEN
        return _told(load, result, ended)

    def _blame(self, load: Load) -> dict[str, FileError]:
        """Fail the files that are not what was read any more, so that the next run goes on without them; return why."""
        failed = look_after(self._place.storage, list(load.seen.values()))
        if load.claims is not None:
            load.claims.fail([(load.items[path], reason) for path, reason in failed.items() if path in load.items])
        load.failed.update(failed)
        load.items = {path: item for path, item in load.items.items() if path not in failed}
        return failed

    def _append_unmanaged(self, load: Load, written: Written, opened: OpenedTables) -> WriteResult:
        """Append, with no look, no claim and no record: duplicates are what was asked for."""
        opened()
        rows = written.rows.where(written.rows["_batch_id"] == load.batch_id)
        rejecting = [path for path, count in load.counted.items() if count.rejects]
        with failing_as_read():
            if load.careful is not None and rejecting:
                opened.rejects.append_to_main(load.careful.rejects(rejecting, load.load_id))
            opened.bronze.append_to_main(rows)
        load.state = LoadState.WRITTEN
        counted = opened.bronze.count_rows_of(load.batch_id)
        paths = tuple(load.seen)
        return WriteResult(len(paths), sum(counted.values()), _failures(load.failed), paths)


def _check_target(load: Load, contract: Contract) -> None:
    if load.contract.ingestion_key != contract.ingestion_key:
        raise UntrackedDataFrame(
            "write_table",
            f"the load is for {load.contract.class_name}, and it is written into {contract.class_name}: "
            "load with that target, or write it into its own",
        )


def _told(load: Load, result: BatchResult, ended: dict[str, LedgerItem]) -> WriteResult:
    mine = [ended[path] for path in load.items if path in ended]
    done = [item for item in mine if item.status is Status.COMPLETED]
    failed = [
        (item.path, item.error_type or "", item.error_message or "") for item in mine if item.status is Status.FAILED
    ]
    return WriteResult(
        result.completed, result.rows, (*_failures(load.failed), *failed), tuple(item.path for item in done)
    )


def _failures(failed: dict[str, AlurError]) -> tuple[tuple[str, str, str], ...]:
    return tuple((path, type(error).__name__, str(error)) for path, error in failed.items())


def failures_of(loads: Sequence[Load]) -> tuple[tuple[str, str, str], ...]:
    """Return the files that loads have failed by name: (path, kind of error, message)."""
    return tuple(failure for load in loads for failure in _failures(load.failed))
