"""How one load reads its files: everything that its caller said, checked.

What a file comes to must be known before its rows are handed out, for nothing of a DataFrame can be taken back. So a
load looks through its files once, plainly, and reads those that are not plain carefully; the DataFrame is made of what
has been found good.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import reduce
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from alur.aws.storage import Storage
from alur.contracts.contract import Contract
from alur.delimited.counted import Counted
from alur.delimited.verdicts import verdict_on
from alur.errors import FileError, Outside, Permanent, ReadFailed
from alur.ingestion.careful import CarefulRows, HowRead
from alur.ingestion.columns import OWN_COLUMNS, empty_rows, marked
from alur.ingestion.failures import failing_as_read
from alur.ingestion.headings import Heading, expected_heading, find_headings, reads_plainly
from alur.ingestion.naming import Source
from alur.ingestion.plain import count_by_path, read_plainly
from alur.ingestion.preparing import confirm, look_after


@dataclass(frozen=True, slots=True)
class FilesRead:
    """What a load's files came to.

    Attributes:
        rows: of those that can be ingested, with the table's columns, marked with the load's id.
        counted: what each of those came to, by path.
        failed: why others cannot be, by path.
        careful: where rows and rejects are of those that were read carefully; to be closed.
    """

    rows: DataFrame
    counted: Mapping[str, Counted] = field(default_factory=dict)
    failed: Mapping[str, FileError] = field(default_factory=dict)
    careful: CarefulRows | None = None


@dataclass(frozen=True, slots=True)
class _Looked:
    """What a look through a load's files has found: what to read together, its rows by path, and who is at fault."""

    parts: Mapping[Heading, Sequence[Source]] = field(default_factory=dict)
    rows: Mapping[str, int] = field(default_factory=dict)
    failed: Mapping[str, FileError] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reading:
    """What a caller of `load_to_bronze` said.

    Attributes:
        spark: the session.
        table: the table's contract.
        files: the contract of the files: without the columns that the caller gives, in the dialect that he says.
        custom: those columns' values.
        excluded: Alur's own columns that are left out.
        checks_headers: a file's header must be the contract's; else columns are taken by position.
    """

    spark: SparkSession
    table: Contract
    files: Contract
    custom: Mapping[str, Any]
    excluded: Sequence[str]
    checks_headers: bool

    def read(
        self,
        storage: Storage,
        sources: Sequence[Source],
        *,
        lake_bucket: str,
        batch_id: str,
        load_id: str,
        now: datetime,
    ) -> FilesRead:
        """Find out what files come to, and return the rows of those that can be ingested, to be read once more.

        Args:
            storage: S3.
            sources: the files.
            lake_bucket: where what has to be unpacked goes.
            batch_id: their `_batch_id`.
            load_id: the load's.
            now: becomes `_ingested_at`.

        Raises:
            ReadFailed: which file is at fault is not known.
            StorageError: S3 cannot be asked.
        """
        if not sources:
            return FilesRead(self.nothing(load_id, batch_id))
        by_path = {source.version.path: source for source in sources}
        seen = {path: source.version for path, source in by_path.items()}
        try:
            looked = self._look_for_plain(storage, sources, batch_id, now)
        except ReadFailed as error:
            moved = look_after(storage, list(seen.values()))
            if moved:
                rest = self.read(
                    storage,
                    [source for path, source in by_path.items() if path not in moved],
                    lake_bucket=lake_bucket,
                    batch_id=batch_id,
                    load_id=load_id,
                    now=now,
                )
                return FilesRead(rest.rows, rest.counted, {**moved, **rest.failed}, rest.careful)
            if not error.bytes_at_fault:
                raise
            looked = _Looked()
        plain, failed = looked.rows, confirm(storage, looked.failed, seen)
        left = [source for path, source in by_path.items() if path not in plain and path not in failed]
        how = HowRead(self.files, lake_bucket, self.checks_headers)
        careful = CarefulRows(self.spark, storage, how, left, batch_id=batch_id, now=now) if left else None
        counted = {path: Counted(rows) for path, rows in plain.items()}
        bad: dict[str, FileError] = {}
        if careful is not None:
            with failing_as_read():
                found = careful.counted
            for path, count in found.items():
                error_of = verdict_on(path, self.files, count)
                if error_of is None:
                    counted[path] = count
                else:
                    bad[path] = error_of
        failed |= confirm(storage, bad, seen)
        frames = [
            self._plainly([source for source in group if source.version.path in plain], heading, batch_id, now)
            for heading, group in looked.parts.items()
            if any(source.version.path in plain for source in group)
        ]
        if careful is not None and (kept := [path for path in careful.counted if path in counted]):
            frames.append(careful.rows(kept))
        if not frames:
            return FilesRead(self.nothing(load_id, batch_id), counted, failed, careful)
        return FilesRead(self._as_table(reduce(DataFrame.union, frames), load_id), counted, failed, careful)

    def nothing(self, load_id: str, batch_id: str) -> DataFrame:
        """Return no rows, of the same columns."""
        return empty_rows(self.spark, self.table, batch_id=batch_id, load_id=load_id).drop(*self.excluded)

    def _look_for_plain(self, storage: Storage, sources: Sequence[Source], batch_id: str, now: datetime) -> _Looked:
        """Look through what may be plain: all under the contract's heading, and each under its own if that fails.

        Raises:
            ReadFailed: which file is at fault is not known.
            StorageError: S3 cannot be asked.
        """
        may_be = [source for source in sources if reads_plainly(self.files, source.version.key)]
        parts: dict[Heading, list[Source]] = {expected_heading(self.files): may_be} if may_be else {}
        try:
            return _Looked(parts, self._look_through(parts, batch_id, now))
        except ReadFailed as error:
            if not error.bytes_at_fault or not self.checks_headers:
                raise
        headings, failed = find_headings(storage, self.files, [source.version for source in may_be])
        parts = {
            heading: [source for source in may_be if source.version.path in paths]
            for heading, paths in headings.items()
        }
        return _Looked(parts, self._look_through(parts, batch_id, now), failed)

    def _look_through(self, parts: Mapping[Heading, Sequence[Source]], batch_id: str, now: datetime) -> dict[str, int]:
        """Return how many rows each file has that can be read plainly."""
        if not parts:
            return {}
        frames = [
            self._plainly(group, heading, batch_id, now).select("_source_file", "_rescued_data")
            for heading, group in parts.items()
        ]
        with failing_as_read():
            staged = count_by_path(reduce(DataFrame.union, frames))
        return {path: count.rows for path, count in staged.items() if not count.unclear}

    def _plainly(self, sources: Sequence[Source], heading: Heading, batch_id: str, now: datetime) -> DataFrame:
        return read_plainly(
            self.spark,
            self.files,
            sources,
            heading=heading,
            # Beside the load's own files a folder may hold one whose header would stop the read.
            whole_folders=set(),
            batch_id=batch_id,
            now=now,
            checks_header=self.checks_headers,
        )

    def _as_table(self, rows: DataFrame, load_id: str) -> DataFrame:
        """Add the columns that the caller gives, mark the keys, and leave out what he does not want."""
        fields = [
            F.lit(self.custom[field.name]).cast(field.spark_type).alias(field.name)
            if field.name in self.custom
            else F.col(field.name)
            for field in self.table.fields
        ]
        own = [marked(F.col(name), name, load_id) for name, _ in OWN_COLUMNS]
        return rows.select(*fields, *own).drop(*self.excluded)


def break_the_contract(errors: Iterable[FileError]) -> list[FileError]:
    """Return those failures that are the file's own: not that it changed, went away, or may not be read.

    Args:
        errors: why files failed.
    """
    return [error for error in errors if issubclass(type(error), Permanent) and not issubclass(type(error), Outside)]
