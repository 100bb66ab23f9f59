"""How one load reads its files: everything that its caller said, checked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from alur.contracts.contract import Contract
from alur.errors import FileError, Outside, Permanent, UnreadableFile
from alur.ingestion.headers import Dialect
from alur.ingestion.naming import Source
from alur.ingestion.reader import OWN_COLUMNS, empty_rows, read_rows


@dataclass(frozen=True, slots=True)
class Reading:
    """What a caller of `load_to_bronze` said.

    Attributes:
        spark: the session.
        table: the table's contract.
        files: the contract of the files: without the columns that the caller gives.
        custom: those columns' values.
        excluded: Alur's own columns that are left out.
        options: options of Spark's reader.
        dialect: how the files' cells are told apart.
        checks_headers: a file's header must be the contract's; else columns are taken by position.
    """

    spark: SparkSession
    table: Contract
    files: Contract
    custom: Mapping[str, Any]
    excluded: Sequence[str]
    options: Mapping[str, str]
    dialect: Dialect
    checks_headers: bool

    def rows(self, sources: Sequence[Source], *, batch_id: str, load_id: str, now: datetime) -> DataFrame:
        """Return the rows of some files, lazily; of none, no rows of the same columns.

        Args:
            sources: the files.
            batch_id: their `_batch_id`.
            load_id: the load's.
            now: becomes `_ingested_at`.
        """
        if not sources:
            return self.nothing(load_id, batch_id)
        rows = read_rows(
            self.spark,
            self.files,
            sources,
            # Beside the load's own files a folder may hold one whose header would stop the read.
            whole_folders=set(),
            batch_id=batch_id,
            now=now,
            load_id=load_id,
            options=self.options,
        )
        if self.custom:
            given = [
                F.lit(self.custom[field.name]).cast(field.spark_type).alias(field.name)
                if field.name in self.custom
                else F.col(field.name)
                for field in self.table.fields
            ]
            rows = rows.select(*given, *[F.col(name) for name, _ in OWN_COLUMNS])
        return rows.drop(*self.excluded)

    def find_unreadable(self, sources: Sequence[Source]) -> dict[str, FileError]:
        """Find the files that Spark cannot read, by halving: a read of many says of none which it was.

        Args:
            sources: files of which at least one made a read fail; where none does now, the answer is empty.
        """
        problem = self._problem(sources)
        if problem is None:
            return {}
        if len(sources) == 1:
            path = sources[0].version.path
            return {path: UnreadableFile(path, f"Spark cannot read it: {problem}")}
        middle = len(sources) // 2
        return {**self.find_unreadable(sources[:middle]), **self.find_unreadable(sources[middle:])}

    def _problem(self, sources: Sequence[Source]) -> str | None:
        rows = read_rows(
            self.spark,
            self.files,
            sources,
            whole_folders=set(),
            batch_id="",
            now=datetime.now(UTC),
            options=self.options,
        )
        try:
            rows.write.format("noop").mode("overwrite").save()
        except (PySparkException, Py4JJavaError) as error:
            return first_line(error)
        return None

    def nothing(self, load_id: str, batch_id: str) -> DataFrame:
        """Return no rows, of the same columns."""
        return empty_rows(self.spark, self.table, batch_id=batch_id, load_id=load_id).drop(*self.excluded)


def first_line(error: BaseException) -> str:
    """Return what an error of Spark says in its first line."""
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__


def break_the_contract(errors: Iterable[FileError]) -> list[FileError]:
    """Return those failures that are the file's own: not that it changed, went away, or may not be read.

    Args:
        errors: why files failed.
    """
    return [error for error in errors if issubclass(type(error), Permanent) and not issubclass(type(error), Outside)]
