"""The ledger, rebuilt from the table: its rows, and the records that its snapshots name.

Entries are written only where there is none. A record proves something only if a snapshot on main names it: there are
records of attempts that never committed, and nothing here looks at those.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from pyspark.sql import SparkSession

from alur.aws.storage import Storage
from alur.clock import Clock, to_iso
from alur.contracts.contract import Contract, OnOverwrite
from alur.engine.evidence import (
    Counted,
    CountedRejects,
    Publication,
    count_rejects,
    count_rows,
    list_objects,
    pin_rejects,
    read_history,
    read_publications,
)
from alur.engine.iceberg import IcebergTable
from alur.errors import CommitRefused
from alur.ledger.files import FileLedger
from alur.ledger.model import SCHEMA_VERSION, FileVersion, Status
from alur.ledger.table import Absent, Change

logger = logging.getLogger(__name__)

_ENTRIES_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class KnownFile:
    """What a table proves of a path: its newest version is in.

    Attributes:
        path: `s3://bucket/key`.
        etag: of that version.
        batch_id: of the batch that brought it.
        rows: its own rows in the table.
        ingested_at: the latest `_ingested_at` of them; None: it has no rows, or they do not say.
        publication: what the commit says that brought it; None: its snapshot has expired.
        counted_rejects: how many rejects of it there are; None: there is no table of them.
    """

    path: str
    etag: str
    batch_id: str
    rows: int
    ingested_at: datetime | None = None
    publication: Publication | None = None
    counted_rejects: int | None = None

    @property
    def rejects(self) -> int | None:
        """How many of its records are in the table of the rejects instead, as its commit says, else as it was counted.

        None: nobody knows.
        """
        return self.publication.rejects if self.publication is not None else self.counted_rejects

    @property
    def processed_at(self) -> datetime | None:
        """When it came in: the time of its commit, else that of its rows."""
        return self.publication.committed_at if self.publication is not None else self.ingested_at


@dataclass(frozen=True, slots=True)
class RebuildReport:
    """What a rebuild did, or would do.

    Attributes:
        table: `catalog.database.table`.
        ingestion_key: its name in the ledger.
        snapshot_id: the snapshot it was rebuilt from.
        is_dry_run: nothing was written; `restored` would have been.
        restored: the entries that were written.
        kept: paths that the table knows and that had an entry already, which stayed as it is.
        removed: paths whose newest commit brought rows, none of which are there: somebody removed them. Not restored.
        unknown: objects in the bucket of which neither table nor ledger know anything: they have failed, or were
            without rows and their commit has expired, or have never been read. Not restored; they are read (again).
        overtaken: restored paths that a run has published meanwhile: their entries are of the version before.
        history_is_whole: every commit since the table's first is still told; else versions without rows may be among
            the unknown.
    """

    table: str
    ingestion_key: str
    snapshot_id: int
    is_dry_run: bool
    restored: tuple[KnownFile, ...]
    kept: tuple[str, ...]
    removed: tuple[str, ...]
    unknown: tuple[str, ...]
    overtaken: tuple[str, ...]
    history_is_whole: bool

    def to_document(self) -> dict[str, Any]:
        """Render as JSON's own types."""
        return {
            "schema_version": SCHEMA_VERSION,
            "table": self.table,
            "ingestion_key": self.ingestion_key,
            "snapshot_id": str(self.snapshot_id),
            "is_dry_run": self.is_dry_run,
            "restored": [
                {
                    "path": file.path,
                    "etag": file.etag,
                    "batch_id": file.batch_id,
                    "rows": file.rows,
                    "rejects": file.rejects,
                    "snapshot_id": file.publication and str(file.publication.snapshot_id),
                }
                for file in self.restored
            ],
            "kept": list(self.kept),
            "removed": list(self.removed),
            "unknown": list(self.unknown),
            "overtaken": list(self.overtaken),
            "history_is_whole": self.history_is_whole,
        }


def rebuild_ledger(
    spark: SparkSession,
    contract: Contract,
    table: IcebergTable,
    *,
    files: FileLedger,
    storage: Storage,
    clock: Clock,
    is_dry_run: bool = False,
) -> RebuildReport:
    """Write the ledger's missing entries of a table from what the table itself proves, at main's head.

    Better done while no run of the table is going: what is published meanwhile is told as `overtaken`.

    Args:
        spark: the session.
        contract: the table's, its variables replaced.
        table: the bronze table.
        files: the ledger.
        storage: S3; listings of the bucket tell the sizes of objects that are still the version.
        clock: the present.
        is_dry_run: write nothing.

    Raises:
        TableUnsupported: the table has no snapshot.
        CommitRefused: the table was rolled back, or its history expired, meanwhile; what was written is right, and
            the rest is written by another rebuild.
        LedgerError: the ledger cannot be asked or written; some entries may have been written.
        StorageError: S3 cannot be asked.
    """
    pin = table.head().snapshot_id
    rejects_pin = pin_rejects(spark, table)
    rows = count_rows(spark, table, pin)
    rejects = None if rejects_pin is None else count_rejects(spark, *rejects_pin)
    split = read_history(spark, table).split_at(pin)
    if split is None:
        raise CommitRefused(table.name, f"snapshot {pin} left the history meanwhile; rebuild again")
    _, history = split
    past = read_publications(storage, history.commits)
    objects = list_objects(storage, contract)
    have = {item.path for page in files.walk(contract.ingestion_key) for item in page}
    known, removed = know_files(
        rows.held, past.newest_first, contract.on_overwrite, None if rejects is None else rejects.held
    )
    wanted = [file for file in known if file.path not in have]
    written = wanted if is_dry_run else _write(files, contract, wanted, objects, clock)
    restored_paths = {file.path for file in written}
    report = RebuildReport(
        table=table.name,
        ingestion_key=contract.ingestion_key,
        snapshot_id=pin,
        is_dry_run=is_dry_run,
        restored=tuple(written),
        kept=tuple(file.path for file in known if file.path not in restored_paths),
        removed=tuple(path for path in removed if path not in have),
        unknown=tuple(sorted(objects.keys() - have - {file.path for file in known} - set(removed))),
        overtaken=() if is_dry_run else _overtaken(spark, contract, table, pin, written, files, storage),
        history_is_whole=history.is_whole and not past.lost_records,
    )
    logger.info(
        "%d entries %s, %d were there, %d files unknown",
        len(report.restored),
        "to be restored" if is_dry_run else "restored",
        len(report.kept),
        len(report.unknown),
        extra={"ingestion_key": contract.ingestion_key},
    )
    return report


def know_files(
    held: Mapping[str, Sequence[Counted]],
    newest_first: Iterable[Publication],
    on_overwrite: OnOverwrite,
    rejected: Mapping[str, Sequence[CountedRejects]] | None = None,
) -> tuple[list[KnownFile], list[str]]:
    """Say what a table proves of each path. Pure.

    Args:
        held: the rows of a snapshot, by path.
        newest_first: what the commits that led to it have published.
        on_overwrite: the contract's rule.
        rejected: the rejects, by path; None: there is no table of them.

    Returns:
        What is known, by path; and the paths whose newest commit brought rows, none of which are there.
    """
    published: dict[str, list[Publication]] = {}
    for publication in newest_first:
        published.setdefault(publication.path, []).append(publication)
    known: list[KnownFile] = []
    removed: list[str] = []
    for path in sorted(held.keys() | published.keys()):
        file = _know_file(held.get(path, ()), published.get(path, ()), on_overwrite)
        if file is None:
            removed.append(path)
        else:
            known.append(file if rejected is None else _with_rejects(file, rejected.get(path, ())))
    return known, removed


def restore(
    file: KnownFile, *, ingestion_key: str, source_system: str, current: FileVersion | None, now: datetime
) -> Change:
    """Make the entry of a file whose version is in the table, if there is none. Pure.

    Args:
        file: what the table proves.
        ingestion_key: the table's name in the ledger.
        source_system: the contract's.
        current: the object as it is; its size is the version's if it still is that version. None: there is none.
        now: when it is restored.
    """
    is_current = current is not None and current.etag == file.etag
    processed_at = file.processed_at or now
    sets: dict[str, Any] = {
        "file_size": current.size_bytes if current is not None and is_current else 0,
        "file_etag": file.etag,
        "status": Status.COMPLETED.value,
        "batch_id": file.batch_id,
        "attempt": 1,
        "rows_ingested": file.rows,
        "processed_at": int(processed_at.timestamp()),
        "processed_at_iso": processed_at.strftime("%Y-%m-%d %H:%M:%S UTC"),
        "source_system": source_system,
        "rebuilt_at": to_iso(now),
        "schema_version": SCHEMA_VERSION,
    }
    if current is not None and is_current and current.last_modified is not None:
        sets["last_modified"] = to_iso(current.last_modified)
    if file.rejects is not None:
        sets["rows_rejected"] = file.rejects
    if file.publication is not None:
        sets |= {
            "snapshot_id": str(file.publication.snapshot_id),
            "queryable_at": to_iso(file.publication.committed_at),
        }
        if file.publication.contract_fingerprint is not None:
            sets["contract_fingerprint"] = file.publication.contract_fingerprint
    return Change({"ingestion_key": ingestion_key, "file_path": file.path}, (Absent(),), sets)


def _know_file(
    held: Sequence[Counted], newest_first: Sequence[Publication], on_overwrite: OnOverwrite
) -> KnownFile | None:
    places = {
        (publication.etag, publication.batch_id): (number, publication)
        for number, publication in reversed(list(enumerate(newest_first)))
    }

    def age(rows: Counted) -> tuple[int, float]:
        # What has no commit any more is older than what has one; among those the rows themselves tell.
        number, _ = places.get((rows.etag, rows.batch_id), (len(newest_first), None))
        return number, -rows.ingested_at.timestamp() if rows.ingested_at else 0.0

    newest_rows = min(held, key=age, default=None)
    newest = newest_first[0] if newest_first else None
    bare_counts = not held or on_overwrite is OnOverwrite.APPEND
    if newest is not None and newest.rows == 0 and bare_counts:
        return KnownFile(newest.path, newest.etag, newest.batch_id, 0, publication=newest)
    if newest_rows is None:
        return None
    _, publication = places.get((newest_rows.etag, newest_rows.batch_id), (0, None))
    return KnownFile(
        newest_rows.path,
        newest_rows.etag,
        newest_rows.batch_id,
        newest_rows.rows,
        newest_rows.ingested_at,
        publication,
    )


def _with_rejects(file: KnownFile, rejected: Sequence[CountedRejects]) -> KnownFile:
    mine = (file.etag, file.batch_id)
    return replace(file, counted_rejects=sum(group.count for group in rejected if (group.etag, group.batch_id) == mine))


def _write(
    files: FileLedger,
    contract: Contract,
    wanted: Sequence[KnownFile],
    objects: Mapping[str, FileVersion],
    clock: Clock,
) -> list[KnownFile]:
    """Write entries, and return those that were written: where one came meanwhile it stays."""
    written: list[KnownFile] = []
    for start in range(0, len(wanted), _ENTRIES_AT_ONCE):
        some = wanted[start : start + _ENTRIES_AT_ONCE]
        outcomes = files.apply(
            [
                restore(
                    file,
                    ingestion_key=contract.ingestion_key,
                    source_system=contract.source_system,
                    current=objects.get(file.path),
                    now=clock(),
                )
                for file in some
            ]
        )
        written += [file for file, outcome in zip(some, outcomes, strict=True) if outcome.applied]
    return written


def _overtaken(
    spark: SparkSession,
    contract: Contract,
    table: IcebergTable,
    pin: int,
    written: Sequence[KnownFile],
    files: FileLedger,
    storage: Storage,
) -> tuple[str, ...]:
    """Return the restored paths that somebody has published since the pin without owning the entry that we wrote."""
    if table.head().snapshot_id == pin:
        return ()
    split = read_history(spark, table).split_at(pin)
    if split is None:
        raise CommitRefused(table.name, f"snapshot {pin} left the history meanwhile; audit the table")
    later, _ = split
    batches = {file.path: file.batch_id for file in written}
    paths = {publication.path for publication in read_publications(storage, later).newest_first} & batches.keys()
    items = files.read(contract.ingestion_key, paths)
    return tuple(sorted(path for path, item in items.items() if item.batch_id == batches[path]))
