"""One Iceberg table, through Spark and through Iceberg's own API: the only place that touches either's internals."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.java_gateway import ensure_callback_server_started
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from alur.engine.ports import Commit, Doomed, Found, Snapshot, StagedFiles
from alur.engine.validator import BATCH_KEY, RECORD_KEY, NobodyPublished
from alur.errors import CommitRefused, CommitUnknown, PlatformUnsupported, TableUnsupported
from alur.ingestion.jvm import few_rows, java_class
from alur.ingestion.plain import Lines, count_by_path

logger = logging.getLogger(__name__)

SCRATCH_PREFIX = "alur_"
"""What the name of every scratch branch begins with."""

_IN_LIST_LIMIT = 200
"""Iceberg stops pruning files by an IN list of more values than this."""

_REFERENCE_ATTEMPTS = 20
"""How often a branch is made or dropped anew when others change the table at that moment."""

_REFUSALS = ("ValidationException", "CommitFailedException")


BRONZE_KEYS = ("_source_file", "_source_etag", "_batch_id")
"""What tells the rows of one publication of a path from others, in a bronze table."""

REJECTS_KEYS = (*BRONZE_KEYS, "_attempt")
"""The same in a table of rejects, where attempts that were never published may have left rows too."""


class IcebergTable:
    """A bronze table, or one of rejects: `PublishingTable` over Iceberg.

    Args:
        spark: the session, with Iceberg's extensions and the catalog.
        name: `catalog.database.table`.
        keys: the columns by which rows belong together: path, ETag, batch, and the attempt where there is one.
    """

    def __init__(self, spark: SparkSession, name: str, keys: Sequence[str] = BRONZE_KEYS) -> None:
        self._spark = spark
        self.name = name
        self._keys = tuple(keys)

    def check_settings(self) -> None:
        """Check that the table's settings let publishing be safe.

        Raises:
            TableUnsupported: they do not.
        """
        mode = self._load().properties().getOrDefault("write.delete.mode", "copy-on-write")
        if mode != "copy-on-write":
            raise TableUnsupported(
                self.name, f"write.delete.mode is {mode}; set it to copy-on-write: rows could come twice otherwise"
            )

    def ensure_head(self) -> None:
        """Give an empty table its first, empty snapshot: without one there is nothing to look at or to branch from."""
        table = self._load()
        if table.currentSnapshot() is None:
            table.newAppend().commit()

    def head(self) -> Snapshot:
        """See `PublishingTable.head`."""
        snapshot = self._load().currentSnapshot()
        if snapshot is None:
            raise TableUnsupported(self.name, "it has no snapshot")
        return _snapshot(snapshot)

    def look(self, pin: int, paths: Sequence[str]) -> dict[str, list[Found]]:
        """See `PublishingTable.look`."""
        if self._is_empty(pin):
            return {}
        try:
            rows = self._spark.sql(f"SELECT {', '.join(self._keys)} FROM {self.name} VERSION AS OF {pin}")
            counted = self._among(rows, paths).groupBy(*self._keys).count().collect()
        except (PySparkException, Py4JJavaError) as error:
            if self._load().snapshot(pin) is not None:
                raise
            raise CommitRefused(self.name, f"snapshot {pin} has expired before it was looked at") from error
        found: dict[str, list[Found]] = {}
        for row in counted:
            path, etag, batch_id, *attempt, count = row
            found.setdefault(path, []).append(Found(etag, batch_id, count, *attempt))
        return found

    def create_branch(self, branch: str, pin: int) -> None:
        """See `PublishingTable.create_branch`."""
        self._change_references(lambda snapshots: snapshots.createBranch(branch, pin))

    def drop_branch(self, branch: str) -> None:
        """See `PublishingTable.drop_branch`."""
        try:
            if self._load().refs().containsKey(branch):
                self._change_references(lambda snapshots: snapshots.removeBranch(branch))
        except (CommitRefused, Py4JJavaError) as error:
            said = _say(error) if isinstance(error, Py4JJavaError) else error.problem
            logger.warning("the scratch branch %s of %s stays: %s", branch, self.name, said)

    def append(self, branch: str, rows: DataFrame) -> None:
        """Append rows to a scratch branch."""
        rows.writeTo(f"{self.name}.branch_{branch}").append()

    def append_to_main(self, rows: DataFrame) -> None:
        """Append rows to main at once, with no look and no condition: what the ledger does not know of."""
        rows.writeTo(self.name).append()

    def count_rows_of(self, batch_id: str) -> dict[str, int]:
        """Count the rows that main has under one `_batch_id`, by path."""
        rows = self._spark.table(self.name).where(F.col("_batch_id") == batch_id)
        return {row["_source_file"]: row["count"] for row in rows.groupBy("_source_file").count().collect()}

    def staged(self, branch: str, batch_id: str) -> dict[str, Lines]:
        """See `PublishingTable.staged`."""
        rows = self._spark.table(f"{self.name}.branch_{branch}").where(F.col("_batch_id") == batch_id)
        return count_by_path(rows)

    def remove_rows(self, branch: str, doomed: Sequence[Doomed]) -> None:
        """See `PublishingTable.remove_rows`."""
        rows = few_rows(
            self._spark,
            [("key", "string")],
            [(_key(one.path, one.etag, one.batch_id, one.attempt),) for one in doomed],
        )
        view = f"alur_doomed_{branch}"
        rows.createOrReplaceTempView(view)
        paths = [one.path for one in doomed]
        low, high = _literal(min(paths)), _literal(max(paths))
        parts = [*self._keys, *["''"] * (len(REJECTS_KEYS) - len(self._keys))]
        path, *rest = parts
        try:
            # The range prunes data files by their metrics; the subquery decides.
            self._spark.sql(
                f"DELETE FROM {self.name}.branch_{branch} WHERE _source_file >= {low} AND _source_file <= {high}"
                f" AND concat_ws(' ', {', '.join([*rest, path])}) IN (SELECT key FROM {view})"
            )
        finally:
            self._spark.catalog.dropTempView(view)

    def collect(self, branch: str, pin: int) -> StagedFiles:
        """Collect what a branch has changed since the snapshot it was made at.

        Args:
            branch: the scratch branch.
            pin: that snapshot.

        Raises:
            CommitRefused: the branch does not lead back to it.
            TableUnsupported: it has delete files, which a commit of data files would lose.
        """
        table = self._load()
        head = table.snapshot(branch)
        if head is None:
            raise CommitRefused(self.name, f"the scratch branch {branch} is gone")
        changes_of = java_class(self._spark, "org.apache.iceberg.SnapshotChanges")
        added: dict[str, Any] = {}
        removed: dict[str, Any] = {}
        snapshot = head
        while snapshot.snapshotId() != pin:
            changes = changes_of.builderFor(table).snapshot(snapshot).build()
            if any(True for _ in _each(changes.addedDeleteFiles())):
                raise TableUnsupported(self.name, "staging wrote delete files; set write.delete.mode to copy-on-write")
            # From the newest back: a file that was added here and removed later cancels out.
            for file in _each(changes.addedDataFiles()):
                location = str(file.location())
                if location in removed:
                    del removed[location]
                else:
                    added[location] = file
            for file in _each(changes.removedDataFiles()):
                removed[str(file.location())] = file
            parent = snapshot.parentId()
            snapshot = None if parent is None else table.snapshot(parent)
            if snapshot is None:
                raise CommitRefused(self.name, f"the scratch branch {branch} does not lead back to snapshot {pin}")
        return StagedFiles(head.snapshotId(), tuple(added.values()), tuple(removed.values()))

    def refusal(self, pin: int, paths: Iterable[str], published_paths: Callable[[str], frozenset[str]]) -> str | None:
        """See `PublishingTable.refusal`."""
        validator = NobodyPublished(pin, paths, published_paths)
        return validator.judge(
            (commit.snapshot.snapshot_id, {} if commit.record_uri is None else {RECORD_KEY: commit.record_uri})
            for commit in self.history()
        )

    def commit(
        self,
        branch: str | None,
        pin: int,
        files: StagedFiles,
        *,
        batch_id: str,
        record_uri: str,
        paths: Iterable[str],
        published_paths: Callable[[str], frozenset[str]],
        also: Callable[[], str | None] | None = None,
    ) -> Snapshot:
        """See `PublishingTable.commit`."""
        gateway: Any = self._spark.sparkContext._gateway
        ensure_callback_server_started(gateway)  # type: ignore[no-untyped-call]
        table = self._load()
        if branch is not None:
            current = table.snapshot(branch)
            if current is None or current.snapshotId() != files.head:
                raise CommitRefused(self.name, f"the scratch branch {branch} has moved since its files were collected")
        validator = NobodyPublished(pin, paths, published_paths, also)
        operation = table.newOverwrite()
        for file in files.added:
            operation.addFile(file)
        for file in files.removed:
            operation.deleteFile(file)
        if files.removed:
            operation.validateFromSnapshot(pin)
            operation.validateNoConflictingDeletes()
        operation.set(BATCH_KEY, batch_id)
        operation.set(RECORD_KEY, record_uri)
        operation.validateWith(validator)
        try:
            operation.commit()
        except Py4JJavaError as error:
            kinds = _kinds(error)
            if "CommitStateUnknownException" in kinds:
                raise CommitUnknown(self.name, _say(error)) from error
            if validator.refusal or any(kind in _REFUSALS for kind in kinds):
                raise CommitRefused(self.name, validator.refusal or _say(error)) from error
            # Anything else may have happened before or after the catalog took it: look again.
            raise CommitUnknown(self.name, _say(error)) from error
        committed = next((commit.snapshot for commit in self.history() if commit.record_uri == record_uri), None)
        if committed is None:
            raise CommitUnknown(self.name, "the commit was acknowledged, and its snapshot is not in main's history")
        return committed

    def history(self) -> Iterator[Commit]:
        """See `PublishingTable.history`."""
        table = self._load()
        snapshot = table.currentSnapshot()
        while snapshot is not None:
            summary = snapshot.summary()
            yield Commit(_snapshot(snapshot), summary.get(BATCH_KEY), summary.get(RECORD_KEY))
            parent = snapshot.parentId()
            snapshot = None if parent is None else table.snapshot(parent)

    def scratch_branches(self) -> tuple[str, ...]:
        """Return the names of the scratch branches that are there."""
        names = [str(name) for name in self._load().refs().keySet()]
        return tuple(sorted(name for name in names if name.startswith(SCRATCH_PREFIX)))

    def _change_references(self, change: Callable[[Any], Any]) -> None:
        """Change branches. Iceberg repeats an append that somebody overtook, but not this."""
        for attempt in range(1, _REFERENCE_ATTEMPTS + 1):
            try:
                change(self._load().manageSnapshots()).commit()
                return
            except Py4JJavaError as error:
                if "CommitFailedException" not in _kinds(error):
                    raise
                if attempt == _REFERENCE_ATTEMPTS:
                    raise CommitRefused(self.name, _say(error)) from error

    def _is_empty(self, pin: int) -> bool:
        """Whether a snapshot holds no data file, so that a new table's first batch costs no query."""
        snapshot = self._load().snapshot(pin)
        return snapshot is not None and snapshot.summary().get("total-data-files") == "0"

    def _load(self) -> Any:
        util = java_class(self._spark, "org.apache.iceberg.spark.Spark3Util")
        return util.loadIcebergTable(self._spark._jsparkSession, self.name)

    def _among(self, rows: DataFrame, paths: Sequence[str]) -> DataFrame:
        source: Column = F.col("_source_file")
        if len(paths) <= _IN_LIST_LIMIT:
            return rows.where(source.isin(*paths))
        wanted = few_rows(self._spark, [("_source_file", "string")], [(path,) for path in paths])
        within = rows.where((source >= min(paths)) & (source <= max(paths)))
        return within.join(F.broadcast(wanted), "_source_file", "left_semi")


def check_platform(spark: SparkSession) -> None:
    """Check that this platform's Iceberg has what publishing rests on.

    Args:
        spark: the session.

    Raises:
        PlatformUnsupported: it has not.
    """
    loader = java_class(spark, "java.lang.Thread").currentThread().getContextClassLoader()
    try:
        update = java_class(spark, "java.lang.Class").forName("org.apache.iceberg.SnapshotUpdate", True, loader)
    except Py4JJavaError as error:
        problem = "it is not on this platform's classpath; use an emr-spark-8 release, which has it there"
        raise PlatformUnsupported("Iceberg", problem) from error
    if "validateWith" not in {method.getName() for method in update.getMethods()}:
        version = java_class(spark, "org.apache.iceberg.IcebergBuild").version()
        raise PlatformUnsupported(
            "Iceberg",
            f"this platform's version ({version}) has no SnapshotUpdate.validateWith, on which exactly once rests; "
            "use a release with Iceberg 1.11 or later",
        )


def _each(iterable: Any) -> Iterator[Any]:
    iterator = iterable.iterator()
    while iterator.hasNext():
        # Iceberg's readers use one object again and again unless it is copied.
        yield iterator.next().copy()


def _snapshot(snapshot: Any) -> Snapshot:
    return Snapshot(snapshot.snapshotId(), datetime.fromtimestamp(snapshot.timestampMillis() / 1000, UTC))


def _key(path: str, etag: str, batch_id: str, attempt: str) -> str:
    # The path last: it alone may hold blanks.
    return f"{etag} {batch_id} {attempt} {path}"


def _literal(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _kinds(error: Py4JJavaError) -> list[str]:
    kinds: list[str] = []
    cause = error.java_exception
    while cause is not None and len(kinds) < 20:
        kinds.append(str(cause.getClass().getSimpleName()))
        cause = cause.getCause()
    return kinds


def _say(error: Py4JJavaError) -> str:
    return str(error.java_exception.getMessage() or error.java_exception.getClass().getName())
