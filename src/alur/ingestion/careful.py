"""The careful reading: each file record by record, by `alur.delimited`, many files at once on the engine's workers.

Every worker takes a file's bytes from S3 itself, of the version that was seen and of no other, and streams them. What
it finds is kept on the workers' disks, for it is needed twice: counted, to judge the files, then written.
"""

from __future__ import annotations

import contextlib
import pickle
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property, partial
from math import ceil
from typing import Any

from py4j.protocol import Py4JError
from pyspark import StorageLevel
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from alur.aws.clients import client
from alur.aws.storage import Storage
from alur.contracts.contract import Contract
from alur.delimited.counted import Counted
from alur.delimited.files import Reject, Row, read_file
from alur.delimited.verdicts import LISTED_REJECTS
from alur.errors import FileDenied, FileError, FileUnavailable, StorageRefused, StorageUnavailable
from alur.ingestion.columns import OWN_COLUMNS
from alur.ingestion.naming import Source
from alur.ingestion.unpacking import as_text, unpack
from alur.ledger.model import FileVersion

REJECT_COLUMNS: tuple[tuple[str, str, str], ...] = (
    ("line_number", "bigint", "the physical line of the file on which the record begins, from 1"),
    ("record", "string", "the record as it stands in the file"),
    ("column_name", "string", "the column that could not be stored; null: the record as a whole could not"),
    ("reason", "string", "why not"),
    ("_ingested_at", "timestamp", "when Alur read the record"),
    ("_source_system", "string", "where the file came from"),
    ("_source_file", "string", "s3://bucket/key of the file"),
    ("_source_etag", "string", "the version of the file"),
    ("_batch_id", "string", "the batch that read it"),
    ("_attempt", "string", "which of the batch's attempts did"),
)
"""The columns of a table of rejects: (name, Spark type, comment)."""

_ROW, _FIRST, _OTHER, _ERROR = 0, 1, 2, 3
_TASKS_PER_CORE = 4
# A task costs a tenth of a second whatever it does, for Spark has its worker read the directories of two archives anew.
_FILES_PER_TASK = 8
_BYTES_PER_TASK = 1024 * 1024
_SHOWN_CHARACTERS = 200
_FOUND = (
    "__kind int, __path string, __etag string, __rescued string, "
    "__line bigint, __record string, __column string, __reason string, __error binary"
)


@dataclass(frozen=True, slots=True)
class HowRead:
    """How the files of one careful reading are read.

    Attributes:
        contract: of the files.
        lake_bucket: where what has to be unpacked goes.
        checks_header: a file's header must be the contract's; else cells are taken by position.
    """

    contract: Contract
    lake_bucket: str
    checks_header: bool = True


class CarefulRows:
    """What a careful reading found, on the workers' disks until it is closed.

    Args:
        spark: the session.
        storage: S3, as the driver asks it.
        how: how to read.
        sources: the files.
        batch_id: of the batch.
        now: becomes `_ingested_at`.
    """

    def __init__(
        self,
        spark: SparkSession,
        storage: Storage,
        how: HowRead,
        sources: Sequence[Source],
        *,
        batch_id: str,
        now: datetime,
    ) -> None:
        self._contract = how.contract
        self._paths = [source.version.path for source in sources]
        self._batch_id = batch_id
        self._now = now
        context = spark.sparkContext
        if (context.master or "").startswith("local"):
            # Its workers are children of this process: they find what it finds, whichever `python3` is the first.
            context.pythonExec = sys.executable
        unpacked, self._failed = unpack(
            spark, storage, how.contract, sources, lake_bucket=how.lake_bucket, batch_id=batch_id
        )
        versions = [source.version for source in sources if source.version.path not in self._failed]
        slices = tasks_worth([version.size_bytes for version in versions], context.defaultParallelism)
        # The largest first, dealt out in turn, so that no worker is left with all of them.
        ordered = sorted(versions, key=lambda version: -version.size_bytes)
        dealt = [(version, unpacked.get(version.path)) for start in range(slices) for version in ordered[start::slices]]
        found: Any = context.parallelize(dealt, slices).flatMap(partial(_find, how, storage.region))
        fields = ", ".join(f"`{_held(number)}` {f.spark_type}" for number, f in enumerate(how.contract.fields))
        rows: DataFrame = spark.createDataFrame(found, f"{_FOUND}, {fields}", verifySchema=False)
        self._found = rows.persist(StorageLevel.DISK_ONLY)

    @cached_property
    def counted(self) -> Mapping[str, Counted]:
        """What each file came to, by path."""
        kinds: dict[str, dict[int, int]] = {path: {} for path in self._paths}
        for path, kind, count in self._found.groupBy("__path", "__kind").count().collect():
            kinds[path][kind] = count
        told: dict[str, list[Reject]] = {}
        errors: dict[str, FileError] = dict(self._failed)
        shown = self._found.where(F.col("__kind").isin(_FIRST, _ERROR))
        record = F.substring("__record", 1, _SHOWN_CHARACTERS).alias("__record")
        for row in shown.select("__kind", "__path", "__line", record, "__column", "__reason", "__error").collect():
            if row["__kind"] == _ERROR:
                errors[row["__path"]] = pickle.loads(bytes(row["__error"]))
            else:
                reject = Reject(row["__line"], row["__record"], row["__column"], row["__reason"])
                told.setdefault(row["__path"], []).append(reject)
        return {
            path: Counted(
                found.get(_ROW, 0),
                found.get(_FIRST, 0) + found.get(_OTHER, 0),
                tuple(sorted(told.get(path, ()), key=lambda reject: reject.line)),
                errors.get(path),
            )
            for path, found in kinds.items()
        }

    def rows(self, paths: Collection[str]) -> DataFrame:
        """Return the rows of some of the files, as the bronze table stores them.

        Args:
            paths: of the files.
        """
        own = {
            "_ingested_at": F.lit(self._now),
            "_source_system": F.lit(self._contract.source_system),
            "_source_file": F.col("__path"),
            "_source_etag": F.col("__etag"),
            "_batch_id": F.lit(self._batch_id),
            "_rescued_data": F.col("__rescued"),
        }
        return self._of(paths, (_ROW,)).select(
            *[F.col(_held(number)).alias(field.name) for number, field in enumerate(self._contract.fields)],
            *[own[name].cast(spark_type).alias(name) for name, spark_type in OWN_COLUMNS],
        )

    def rejects(self, paths: Collection[str], attempt: str) -> DataFrame:
        """Return the rejects of some of the files, as their table stores them.

        Args:
            paths: of the files.
            attempt: which attempt to publish them this is.
        """
        values = {
            "line_number": F.col("__line"),
            "record": F.col("__record"),
            "column_name": F.col("__column"),
            "reason": F.col("__reason"),
            "_ingested_at": F.lit(self._now),
            "_source_system": F.lit(self._contract.source_system),
            "_source_file": F.col("__path"),
            "_source_etag": F.col("__etag"),
            "_batch_id": F.lit(self._batch_id),
            "_attempt": F.lit(attempt),
        }
        return self._of(paths, (_FIRST, _OTHER)).select(
            *[values[name].cast(spark_type).alias(name) for name, spark_type, _ in REJECT_COLUMNS]
        )

    def close(self) -> None:
        """Free what the workers keep, if there are any yet."""
        # With the engine gone, by its death or at the process's end, what it kept is gone, and whoever closes goes on.
        with contextlib.suppress(PySparkException, Py4JError, OSError):
            self._found.unpersist()

    def _of(self, paths: Collection[str], kinds: tuple[int, ...]) -> DataFrame:
        chosen = self._found.where(F.col("__kind").isin(*kinds))
        left_out = set(self._paths) - set(paths)
        return chosen.where(~F.col("__path").isin(*left_out)) if left_out else chosen


def tasks_worth(sizes_bytes: Sequence[int], cores: int) -> int:
    """Return in how many tasks it is worth reading files of these sizes: small ones share one.

    Args:
        sizes_bytes: of each file.
        cores: how many tasks run at once.
    """
    worth = max(len(sizes_bytes) / _FILES_PER_TASK, sum(sizes_bytes) / _BYTES_PER_TASK)
    return max(1, min(len(sizes_bytes), _TASKS_PER_CORE * cores, ceil(worth)))


def _held(number: int) -> str:
    # Under a name of its own: a column of the contract may be called as one of these.
    return f"__c{number}"


def _find(how: HowRead, region: str | None, file: tuple[FileVersion, FileVersion | None]) -> Iterator[tuple[Any, ...]]:
    """Read one file, or what was unpacked of it; run on a worker."""
    version, unpacked = file
    path, etag = version.path, version.etag
    contract = how.contract if unpacked is None else as_text(how.contract)
    nothing = (None,) * len(how.contract.fields)
    rejects = 0
    try:
        # A worker's environment need not name the Region.
        chunks = Storage(client("s3", region)).stream(unpacked or version)
        for found in read_file(path, chunks, contract, checks_header=how.checks_header):
            if isinstance(found, Row):
                yield (_ROW, path, etag, found.rescued, None, None, None, None, None, *found.values)
            else:
                rejects += 1
                kind = _FIRST if rejects <= LISTED_REJECTS else _OTHER
                why = (found.line, found.record, found.column, found.reason)
                yield (kind, path, etag, None, *why, None, *nothing)
    except (FileError, StorageRefused, StorageUnavailable) as error:
        yield (_ERROR, path, etag, None, None, None, None, None, pickle.dumps(_of_the_file(path, error)), *nothing)


def _of_the_file(path: str, error: FileError | StorageRefused | StorageUnavailable) -> FileError:
    if isinstance(error, StorageRefused):
        return FileDenied(path, error.code)
    if isinstance(error, StorageUnavailable):
        return FileUnavailable(path, error.code)
    return error
