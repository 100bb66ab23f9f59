"""DataFrames onto a scratch branch: what a session or a pipeline made of its loads, and what became of each file.

What each file came to is known since it was loaded, also of the records that a pipeline filters out. What is left to
find out is whose rows the DataFrame holds, and whether the files are still what was read.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from alur.aws.storage import Storage
from alur.contracts.contract import Contract
from alur.delimited.counted import Counted
from alur.engine.iceberg import IcebergTable
from alur.engine.staging import Staging
from alur.errors import PipelineError, UntrackedDataFrame
from alur.ingestion.columns import OWN_COLUMNS
from alur.ingestion.failures import failing_as_read
from alur.ingestion.loads import Load
from alur.ingestion.plain import Lines
from alur.ingestion.preparing import look_after
from alur.ingestion.tracing import Trace
from alur.ledger.model import FileVersion, LedgerItem

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Written:
    """A DataFrame that is to be written, and where its rows come from.

    Attributes:
        rows: with the table's columns.
        trace: what its plan says.
        loads: the loads that it descends from.
    """

    rows: DataFrame
    trace: Trace
    loads: tuple[Load, ...]

    @property
    def seen(self) -> Mapping[str, FileVersion]:
        """The loads' files as they were seen before they were read, by path."""
        return {path: version for load in self.loads for path, version in load.seen.items()}


class LoadedRejects:
    """`CarefulReading` over what loads have found, as far as a write needs it.

    Args:
        loads: the loads.
        rejects: the table of the rejects.
    """

    def __init__(self, loads: Sequence[Load], rejects: IcebergTable) -> None:
        self._loads = loads
        self._rejects = rejects

    @property
    def counted(self) -> Mapping[str, Counted]:
        """See `CarefulReading.counted`."""
        return {path: count for load in self._loads for path, count in load.counted.items()}

    def append_rows(self, branch: str, paths: Collection[str]) -> None:
        """Do nothing: the rows are in the DataFrame."""

    def append_rejects(self, branch: str, paths: Collection[str], attempt: str) -> None:
        """See `CarefulReading.append_rejects`."""
        for load in self._loads:
            mine = [path for path in paths if path in load.counted]
            if load.careful is not None and mine:
                with failing_as_read():
                    self._rejects.append(branch, load.careful.rejects(mine, attempt))

    def close(self) -> None:
        """Do nothing: another attempt may need them; the load's end frees them."""


class FrameStager:
    """Stages the rows of one batch that a DataFrame holds.

    Args:
        bronze, rejects: the tables.
        storage: S3.
        batch_id: the batch's.
        written: the DataFrame, and its loads.
    """

    def __init__(
        self, *, bronze: IcebergTable, rejects: IcebergTable, storage: Storage, batch_id: str, written: Written
    ) -> None:
        self._bronze = bronze
        self._rejects = rejects
        self._storage = storage
        self._batch_id = batch_id
        self._written = written

    def stage(self, branch: str, items: Mapping[str, LedgerItem], now: datetime) -> Staging:
        """See `StagesFiles.stage`; the rows have their `_ingested_at` already.

        Raises:
            ReadFailed: the rows could not be made.
            UntrackedDataFrame: it holds rows of other files, or rows twice.
        """
        seen = self._written.seen
        careful = LoadedRejects(self._written.loads, self._rejects)
        counted = careful.counted
        self._append(branch, [path for path in seen if path not in items])
        staged = self._bronze.staged(branch, self._batch_id)
        self._check_paths(staged, items)
        self._check_repeats(staged, counted)
        failed = look_after(self._storage, [seen[path] for path in items])
        for error in failed.values():
            logger.warning("%s", error, extra={"batch_id": self._batch_id, "error_type": type(error).__name__})
        rejects = {
            path: counted[path].rejects
            for path in items
            if path not in failed and path in counted and counted[path].rejects
        }
        return Staging({path: count.rows for path, count in staged.items()}, failed, rejects, careful)

    def _append(self, branch: str, left_out: Sequence[str]) -> None:
        rows = self._written.rows.where(F.col("_batch_id") == self._batch_id)
        if left_out:
            rows = rows.where(~F.col("_source_file").isin(*left_out))
        with failing_as_read():
            self._bronze.append(branch, rows)

    def _check_paths(self, staged: Mapping[str, Lines], items: Mapping[str, LedgerItem]) -> None:
        for path in staged:
            if path not in items:
                raise UntrackedDataFrame("write_table", f"the DataFrame holds rows of {path}, which the load has not")

    def _check_repeats(self, staged: Mapping[str, Lines], counted: Mapping[str, Counted]) -> None:
        if not self._written.trace.repeats:
            return
        for path, count in staged.items():
            if path in counted and count.rows > counted[path].rows:
                raise UntrackedDataFrame(
                    "union",
                    f"the DataFrame holds rows of {path} twice: unite parts of a load that have no row in common",
                )


def fit_columns(rows: DataFrame, contract: Contract, pipeline: str = "write_table") -> DataFrame:
    """Return a DataFrame with exactly the table's columns; what is left out of Alur's own, or may be null, is null.

    Args:
        rows: what is to be written.
        contract: of the table.
        pipeline: who wrote it, for messages.

    Raises:
        PipelineError: it has a column that the table has not, or lacks one that may not be null.
    """
    own = dict(OWN_COLUMNS)
    extra = [name for name in rows.columns if name not in own and name not in contract.column_names]
    if extra:
        raise PipelineError(
            pipeline,
            f"{', '.join(extra)} is no column of {contract.class_name}: declare a field of that name, or drop it",
        )
    missing = [field.name for field in contract.fields if field.name not in rows.columns and not field.nullable]
    if missing:
        raise PipelineError(
            pipeline, f"{contract.class_name} requires {', '.join(missing)}, and the DataFrame has not: keep it"
        )
    wanted = [(field.name, field.spark_type) for field in contract.fields] + list(OWN_COLUMNS)
    return rows.select(
        *[
            F.col(f"`{name}`") if name in rows.columns else F.lit(None).cast(spark_type).alias(name)
            for name, spark_type in wanted
        ]
    )
