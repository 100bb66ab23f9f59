"""A table's `on_event` pipeline, on exactly the files of one batch: each is handed out once, to the load that asks."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from pyspark.sql import DataFrame

from alur.aws.storage import Storage
from alur.contracts.contract import Contract
from alur.contracts.globs import compile_glob
from alur.contracts.table import BronzeTable
from alur.decorators import Pipeline
from alur.engine.adapter import AWSAdapter
from alur.engine.frames import FrameStager, Written, fit_columns
from alur.engine.iceberg import IcebergTable
from alur.engine.staging import Staging
from alur.errors import FileError, NotReadByPipeline, PipelineError, ReadFailed, UntrackedDataFrame
from alur.ingestion.claiming import Survey
from alur.ingestion.loads import Load, current_hand_out, current_workplace, find_load, gathering_loads, register
from alur.ingestion.naming import Source
from alur.ingestion.preparing import look_after, look_before, name_sources
from alur.ingestion.reading import Reading
from alur.ingestion.tracing import trace
from alur.ingestion.workplace import Workplace
from alur.ledger.batches import Batch
from alur.ledger.model import LedgerItem

logger = logging.getLogger(__name__)


def call(pipeline: Pipeline, read_table: Callable[[type[BronzeTable]], DataFrame]) -> DataFrame:
    """Call a pipeline's function with its sources, and return what is to be written.

    Args:
        pipeline: the pipeline.
        read_table: returns a bronze table's rows.

    Raises:
        PipelineError: it returned no DataFrame.
    """
    rows = pipeline.function(**{name: read_table(table) for name, table in pipeline.sources.items()})
    if not isinstance(rows, DataFrame):
        raise PipelineError(
            pipeline.name, f"it returned {type(rows).__name__}; return the DataFrame that is to be written"
        )
    return rows


def stager_of(
    pipeline: Pipeline, contract: Contract, place: Workplace
) -> Callable[[IcebergTable, IcebergTable, Batch], PipelineStager]:
    """Return what makes the stagers of a job whose table has an `on_event` pipeline.

    Args:
        pipeline: the table's.
        contract: of the table.
        place: the deployment, and S3.
    """
    read_table = AWSAdapter(deployment=place.deployment).read_table
    return lambda bronze, rejects, batch: PipelineStager(
        pipeline=pipeline,
        contract=contract,
        bronze=bronze,
        rejects=rejects,
        place=place,
        batch=batch,
        read_table=read_table,
    )


class BatchFiles:
    """The files of a batch while its pipeline runs: `HandOut` over them.

    Args:
        contract: of the table.
        storage: S3.
        lake_bucket: where what has to be unpacked goes.
        batch_id: the batch's.
        sources: its files, by path.
        pipeline: whose name messages carry.
        now: becomes `_ingested_at`.
    """

    def __init__(
        self,
        *,
        contract: Contract,
        storage: Storage,
        lake_bucket: str,
        batch_id: str,
        sources: Mapping[str, Source],
        pipeline: str,
        now: datetime,
    ) -> None:
        self._contract = contract
        self._storage = storage
        self._lake_bucket = lake_bucket
        self._batch_id = batch_id
        self._left = dict(sources)
        self._pipeline = pipeline
        self._now = now
        self.failed: dict[str, FileError] = {}
        self.loads: list[Load] = []

    def load(self, reading: Reading, globs: Sequence[str]) -> DataFrame:
        """See `HandOut.load`.

        Raises:
            PipelineError: the load is for another table than the batch.
        """
        if reading.table.ingestion_key != self._contract.ingestion_key:
            raise PipelineError(
                self._pipeline,
                f"it runs for files of {self._contract.class_name} and loads {reading.table.class_name}: with "
                "on_event=True it loads its own table's files only; read another table by sources",
            )
        wanted = [glob for text in globs for glob in compile_glob(text)]
        mine = [
            source
            for source in self._left.values()
            if any(glob.bucket == source.version.bucket and glob.matches(source.version.key) for glob in wanted)
        ]
        for source in mine:
            del self._left[source.version.path]
        load_id = secrets.token_hex(8)
        read = reading.read(
            self._storage,
            mine,
            lake_bucket=self._lake_bucket,
            batch_id=self._batch_id,
            load_id=load_id,
            now=self._now,
        )
        # Strict or not, a file that breaks the contract fails by itself: the others are somebody else's files.
        self.failed |= read.failed
        load = Load(
            load_id=load_id,
            contract=reading.table,
            batch_id=self._batch_id,
            rows=read.rows,
            survey=Survey(listed=len(mine)),
            strict=False,
            sources=tuple(source for source in mine if source.version.path not in self.failed),
            counted=read.counted,
            careful=read.careful,
        )
        register(load)
        self.loads.append(load)
        return load.rows


class PipelineStager:
    """Stages what a pipeline makes of a batch's files; `StagesFiles`.

    Args:
        pipeline: the table's `on_event` pipeline.
        contract: of the table.
        bronze, rejects: the tables.
        place: the deployment, and S3.
        batch: which batch.
        read_table: returns a bronze table's rows, for the pipeline's sources.
    """

    def __init__(
        self,
        *,
        pipeline: Pipeline,
        contract: Contract,
        bronze: IcebergTable,
        rejects: IcebergTable,
        place: Workplace,
        batch: Batch,
        read_table: Callable[[type[BronzeTable]], DataFrame],
    ) -> None:
        self._pipeline = pipeline
        self._contract = contract
        self._bronze = bronze
        self._rejects = rejects
        self._place = place
        self._batch = batch
        self._read_table = read_table

    def stage(self, branch: str, items: Mapping[str, LedgerItem], now: datetime) -> Staging:
        """See `StagesFiles.stage`.

        Raises:
            PipelineError: the pipeline returned no DataFrame, or loads another table.
            UntrackedDataFrame: whose rows it returned cannot be established.
        """
        place, batch_id = self._place, self._batch.batch_id
        sight, failed = look_before(place.storage, items, place.sleep)
        there = [sight.found[path] for path in items if path not in failed]
        sources, unnamed = name_sources(place.storage, there, lake_bucket=place.lake_bucket, batch_id=batch_id)
        failed |= unnamed
        while True:
            left = {source.version.path: source for source in sources if source.version.path not in failed}
            if not left:
                return Staging({}, failed)
            files = BatchFiles(
                contract=self._contract,
                storage=place.storage,
                lake_bucket=place.lake_bucket,
                batch_id=batch_id,
                sources=left,
                pipeline=self._pipeline.name,
                now=now,
            )
            rows = self._run(files)
            failed |= files.failed
            try:
                return self._stage(branch, items, rows, files, failed, now)
            except ReadFailed:
                moved = look_after(place.storage, [source.version for source in left.values()])
                if not moved:
                    raise
                logger.warning("the pipeline is run again, without %d files that are not what was read", len(moved))
                failed |= moved

    def _run(self, files: BatchFiles) -> DataFrame:
        place, hand_out = current_workplace.set(self._place), current_hand_out.set(files)
        try:
            with gathering_loads():
                return call(self._pipeline, self._read_table)
        finally:
            current_hand_out.reset(hand_out)
            current_workplace.reset(place)

    def _stage(
        self,
        branch: str,
        items: Mapping[str, LedgerItem],
        rows: DataFrame,
        files: BatchFiles,
        failed: Mapping[str, FileError],
        now: datetime,
    ) -> Staging:
        traced = trace(rows)
        loads = tuple(find_load(load_id) for load_id in traced.load_ids)
        if foreign := [load for load in loads if load not in files.loads]:
            raise UntrackedDataFrame(
                self._pipeline.name,
                f"it returned rows of the load {foreign[0].load_id}, which was not made for its batch",
            )
        written = Written(fit_columns(rows, self._contract, self._pipeline.name), traced, loads)
        mine = {path: items[path] for path in written.seen if path in items}
        staging = FrameStager(
            bronze=self._bronze,
            rejects=self._rejects,
            storage=self._place.storage,
            batch_id=self._batch.batch_id,
            written=written,
        ).stage(branch, mine, now)
        loaded = {path for load in files.loads for path in load.seen}
        unread = {
            path: NotReadByPipeline(path, self._pipeline.name, was_loaded=path in loaded)
            for path in items
            if path not in mine and path not in failed
        }
        for error in unread.values():
            logger.warning("%s", error, extra={"batch_id": self._batch.batch_id, "error_type": type(error).__name__})
        return replace(staging, failed={**failed, **unread, **staging.failed})
