"""DataFrames onto a scratch branch: what a session or a pipeline made of its loads, and what became of each file.

A file is judged by all of its records, also by those that a pipeline filters out. Where the DataFrame holds them all,
what was staged tells; where it may not, the load's own rows are read a second time, and only then.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import reduce

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from alur.aws.storage import Storage
from alur.contracts.contract import Contract
from alur.engine.iceberg import IcebergTable, count_by_path
from alur.engine.ports import Staged
from alur.engine.spark_reader import read_failed
from alur.engine.staging import Staging, judge_file
from alur.errors import FileError, PipelineError, StrictModeError, UntrackedDataFrame
from alur.ingestion.loads import Load
from alur.ingestion.preparing import look_after
from alur.ingestion.reader import OWN_COLUMNS
from alur.ingestion.reading import break_the_contract
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


class FrameStager:
    """Stages the rows of one batch that a DataFrame holds.

    Args:
        contract: of the table.
        table: the bronze table.
        storage: S3.
        batch_id: the batch's.
        written: the DataFrame, and its loads.
        strict: a file that breaks the contract breaks the write.
    """

    def __init__(
        self,
        *,
        contract: Contract,
        table: IcebergTable,
        storage: Storage,
        batch_id: str,
        written: Written,
        strict: bool,
    ) -> None:
        self._contract = contract
        self._table = table
        self._storage = storage
        self._batch_id = batch_id
        self._written = written
        self._strict = strict

    def stage(self, branch: str, items: Mapping[str, LedgerItem], now: datetime) -> Staging:
        """See `StagesFiles.stage`; the rows have their `_ingested_at` already.

        Raises:
            ReadFailed: the rows could not be made.
            StrictModeError: files break the contract.
            UntrackedDataFrame: it holds rows of other files, or rows twice.
        """
        seen = self._written.seen
        read = [seen[path] for path in items]
        self._append(branch, [path for path in seen if path not in items])
        staged = self._table.staged(branch, self._batch_id)
        self._check_paths(staged, items)
        counted = staged if self._written.trace.keeps_all else self._count()
        self._check_repeats(staged, counted)
        failed: dict[str, FileError] = {}
        for version in read:
            how = next(load.reading for load in self._written.loads if version.path in load.seen)
            if error := judge_file(
                self._storage,
                how.files,
                version,
                counted.get(version.path),
                how.dialect,
                headers=how.checks_headers,
            ):
                failed[version.path] = error
        # Last, and it outranks whatever was found in the bytes: they may have been another version's.
        failed.update(look_after(self._storage, read))
        if self._strict and (breaking := break_the_contract(failed.values())):
            raise StrictModeError(breaking)
        for error in failed.values():
            logger.warning("%s", error, extra={"batch_id": self._batch_id, "error_type": type(error).__name__})
        return Staging({path: count.rows for path, count in staged.items()}, failed)

    def _append(self, branch: str, left_out: Sequence[str]) -> None:
        rows = self._written.rows.where(F.col("_batch_id") == self._batch_id)
        if left_out:
            rows = rows.where(~F.col("_source_file").isin(*left_out))
        try:
            self._table.append(branch, rows)
        except (PySparkException, Py4JJavaError) as error:
            raise read_failed(error) from error

    def _count(self) -> dict[str, Staged]:
        """Count what the files hold, by the loads' own rows."""
        rows = reduce(
            DataFrame.unionByName,
            [load.whole().select("_source_file", "_rescued_data") for load in self._written.loads],
        )
        return count_by_path(rows)

    def _check_paths(self, staged: Mapping[str, Staged], items: Mapping[str, LedgerItem]) -> None:
        for path in staged:
            if path not in items:
                raise UntrackedDataFrame("write_table", f"the DataFrame holds rows of {path}, which the load has not")

    def _check_repeats(self, staged: Mapping[str, Staged], counted: Mapping[str, Staged]) -> None:
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
