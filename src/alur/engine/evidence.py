"""What a table, its history and its bucket say of the table's files: read at one snapshot, judged elsewhere."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pyspark.sql import SparkSession

from alur.aws.storage import Storage
from alur.contracts.contract import Contract
from alur.contracts.globs import listing_prefixes
from alur.contracts.routing import Router
from alur.contracts.table import REJECTS_SUFFIX
from alur.engine.iceberg import REJECTS_KEYS, IcebergTable
from alur.engine.ports import Commit, Snapshot
from alur.engine.records import PUBLISHED, attempt_of, recorded_files
from alur.engine.validator import BATCH_KEY, RECORD_KEY
from alur.errors import StorageRefused, TableUnsupported
from alur.ledger.model import FileVersion

logger = logging.getLogger(__name__)

UNMANAGED_PREFIX = "unmanaged-"
"""How the `_batch_id` of rows begins that were written with the ledger switched off."""

_BATCH_ID = re.compile(r"\d{8}t\d{9}z-[0-9a-z-]+")
_RECORDS_AT_ONCE = 16
_RECORDS_HELD = 160


@dataclass(frozen=True, slots=True)
class Counted:
    """Rows of one path, one version and one batch.

    Attributes:
        path: `s3://bucket/key`.
        etag: of the version.
        batch_id: of the batch that brought them.
        rows: how many.
        ingested_at: the latest `_ingested_at` among them; None: it is null in all of them.
    """

    path: str
    etag: str
    batch_id: str
    rows: int
    ingested_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class CountedRejects:
    """Rejects of one path, one version, one batch and one of its attempts.

    Attributes:
        path: `s3://bucket/key`.
        etag: of the version.
        batch_id: of the batch that read it.
        attempt: which of the batch's attempts to publish has brought them.
        count: how many.
    """

    path: str
    etag: str
    batch_id: str
    attempt: str
    count: int


@dataclass(frozen=True, slots=True)
class TableRejects:
    """All rejects of a table of rejects, counted at one of its snapshots.

    Attributes:
        table: the table of the rejects.
        snapshot_id: which snapshot.
        held: those of batches, by path. Others' and those of loads with the ledger switched off are left out: no commit
            says how many there should be.
    """

    table: IcebergTable
    snapshot_id: int
    held: Mapping[str, tuple[CountedRejects, ...]]

    @property
    def count(self) -> int:
        """How many there are in all."""
        return sum(group.count for groups in self.held.values() for group in groups)


@dataclass(frozen=True, slots=True)
class Unowned:
    """Rows that no batch has brought, as their own columns have it."""

    source_file: str | None
    source_etag: str | None
    batch_id: str | None
    rows: int


@dataclass(frozen=True, slots=True)
class TableRows:
    """All rows of a snapshot, counted.

    Attributes:
        held: those that batches have brought, by path.
        foreign: those of others: without a batch's id, or without file or version.
        unmanaged: those that Alur wrote with the ledger switched off.
    """

    held: Mapping[str, tuple[Counted, ...]]
    foreign: tuple[Unowned, ...]
    unmanaged: tuple[Unowned, ...]


@dataclass(frozen=True, slots=True)
class History:
    """Main's snapshots that are still there.

    Attributes:
        commits: newest first.
        is_whole: they lead back to the table's first one; else older ones have expired.
    """

    commits: tuple[Commit, ...]
    is_whole: bool

    def split_at(self, snapshot_id: int) -> tuple[tuple[Commit, ...], History] | None:
        """Return what came after a snapshot, and the history that ends with it; None: it is not in the history.

        Args:
            snapshot_id: where to cut.
        """
        for number, commit in enumerate(self.commits):
            if commit.snapshot.snapshot_id == snapshot_id:
                return self.commits[:number], History(self.commits[number:], self.is_whole)
        return None


@dataclass(frozen=True, slots=True)
class Publication:
    """What a commit on main says, by its record, of one path that it published.

    Attributes:
        path: `s3://bucket/key`.
        etag: of the version.
        batch_id: of the batch.
        rows: the path's rows in the commit; 0 for a header alone.
        rejects: its rejected rows.
        contract_fingerprint: of the contract that it was read under.
        snapshot_id, committed_at: of the commit.
        record: the URI of the record.
    """

    path: str
    etag: str
    batch_id: str
    rows: int
    rejects: int
    contract_fingerprint: str | None
    snapshot_id: int
    committed_at: datetime
    record: str

    @property
    def attempt(self) -> str:
        """The `_attempt` of its rejects."""
        return attempt_of(self.record)


@dataclass(frozen=True, slots=True)
class Publications:
    """What the records of some commits say.

    Attributes:
        newest_first: every path that each of them published.
        lost_records: URIs of records that are named and not there.
    """

    newest_first: tuple[Publication, ...]
    lost_records: tuple[str, ...]


def is_batch_id(text: str | None) -> bool:
    """Whether this is the id of a batch, and no foreigner's or unmanaged writer's mark."""
    return text is not None and _BATCH_ID.fullmatch(text) is not None


def count_rows(spark: SparkSession, table: IcebergTable, snapshot_id: int) -> TableRows:
    """Count all rows of a snapshot by file, version and batch: one aggregate.

    Args:
        spark: the session.
        table: which table.
        snapshot_id: at which snapshot.
    """
    counted = spark.sql(
        "SELECT _source_file, _source_etag, _batch_id, count(*) AS number, "
        "unix_millis(max(_ingested_at)) AS ingested_at "
        f"FROM {table.name} VERSION AS OF {snapshot_id} GROUP BY _source_file, _source_etag, _batch_id"
    )
    held: dict[str, list[Counted]] = {}
    foreign: list[Unowned] = []
    unmanaged: list[Unowned] = []
    # A partition at a time: of many files the whole answer would be more than a driver takes at once.
    for row in counted.toLocalIterator():
        path, etag, batch_id, rows = row["_source_file"], row["_source_etag"], row["_batch_id"], row["number"]
        if batch_id is not None and batch_id.startswith(UNMANAGED_PREFIX):
            unmanaged.append(Unowned(path, etag, batch_id, rows))
        elif path is None or etag is None or not is_batch_id(batch_id):
            foreign.append(Unowned(path, etag, batch_id, rows))
        else:
            ingested_at = None if row["ingested_at"] is None else _moment(row["ingested_at"])
            held.setdefault(path, []).append(Counted(path, etag, batch_id, rows, ingested_at))
    return TableRows({path: tuple(groups) for path, groups in held.items()}, tuple(foreign), tuple(unmanaged))


def pin_rejects(spark: SparkSession, table: IcebergTable) -> tuple[IcebergTable, int] | None:
    """Return the table of a bronze table's rejects, and its head; None: there is none yet, or nothing was committed.

    Args:
        spark: the session.
        table: the bronze table.
    """
    name = f"{table.name}{REJECTS_SUFFIX}"
    if not spark.catalog.tableExists(name):
        return None
    rejects = IcebergTable(spark, name, REJECTS_KEYS)
    try:
        return rejects, rejects.head().snapshot_id
    except TableUnsupported:
        return None


def count_rejects(spark: SparkSession, table: IcebergTable, snapshot_id: int) -> TableRejects:
    """Count all rejects of a snapshot by file, version, batch and attempt: one aggregate.

    Args:
        spark: the session.
        table: the table of the rejects.
        snapshot_id: at which snapshot.
    """
    keys = ", ".join(REJECTS_KEYS)
    counted = spark.sql(f"SELECT {keys}, count(*) FROM {table.name} VERSION AS OF {snapshot_id} GROUP BY {keys}")
    held: dict[str, list[CountedRejects]] = {}
    for path, etag, batch_id, attempt, count in counted.toLocalIterator():
        if path is not None and is_batch_id(batch_id):
            held.setdefault(path, []).append(CountedRejects(path, etag or "", batch_id, attempt or "", count))
    return TableRejects(table, snapshot_id, {path: tuple(groups) for path, groups in held.items()})


def read_history(spark: SparkSession, table: IcebergTable) -> History:
    """Read main's snapshots from its head back, as far as they have not expired.

    Args:
        spark: the session.
        table: which table.

    Raises:
        TableUnsupported: the table has no snapshot.
    """
    head = table.head().snapshot_id
    # The metadata table has the snapshots of branches too: only the way by the parents is main's.
    snapshots = {
        row["snapshot_id"]: row
        for row in spark.sql(
            "SELECT snapshot_id, parent_id, unix_millis(committed_at) AS committed_at, "
            f"summary['{BATCH_KEY}'] AS batch_id, summary['{RECORD_KEY}'] AS record FROM {table.name}.snapshots"
        ).collect()
    }
    commits: list[Commit] = []
    wanted: int | None = head
    while wanted is not None and (row := snapshots.get(wanted)) is not None:
        snapshot = Snapshot(wanted, _moment(row["committed_at"]))
        commits.append(Commit(snapshot, row["batch_id"], row["record"]))
        wanted = row["parent_id"]
    return History(tuple(commits), is_whole=wanted is None)


def read_publications(storage: Storage, commits: Sequence[Commit]) -> Publications:
    """Read the records of some commits, several at once.

    Args:
        storage: S3.
        commits: newest first.

    Raises:
        StorageError: S3 cannot be asked; a record that is not there is no error.
    """
    with_record = [(commit, commit.record_uri) for commit in commits if commit.record_uri is not None]
    found: list[Publication] = []
    lost: list[str] = []
    with ThreadPoolExecutor(_RECORDS_AT_ONCE) as pool:
        # Not all at once: documents that wait to be looked into are held whole.
        for start in range(0, len(with_record), _RECORDS_HELD):
            some = with_record[start : start + _RECORDS_HELD]
            for (commit, uri), document in zip(some, pool.map(lambda pair: _read(storage, pair[1]), some), strict=True):
                if document is None:
                    logger.warning("the record %s of snapshot %d is lost", uri, commit.snapshot.snapshot_id)
                    lost.append(uri)
                else:
                    found.extend(_publications(commit, uri, document))
    return Publications(tuple(found), tuple(lost))


def list_objects(storage: Storage, contract: Contract) -> dict[str, FileVersion]:
    """Return every object that a contract claims, by path: by listings, 1,000 a call.

    Args:
        storage: S3.
        contract: its variables replaced.

    Raises:
        StorageError: S3 cannot be asked.
        ContractError: a glob is not one, or names a variable.
    """
    router = Router([contract])
    return {
        version.path: version
        for bucket, prefix in listing_prefixes(contract.source_paths)
        for page in storage.pages(bucket, prefix)
        for version in page.objects
        if router.route(version.bucket, version.key)
    }


def _read(storage: Storage, uri: str) -> Mapping[str, Any] | None:
    try:
        document: Mapping[str, Any] = storage.get_document(uri)
    except StorageRefused as refusal:
        if refusal.code == "NoSuchKey":
            return None
        raise
    return document


def _publications(commit: Commit, uri: str, document: Mapping[str, Any]) -> Iterator[Publication]:
    for file in recorded_files(document):
        if file.verdict == PUBLISHED:
            yield Publication(
                file.path,
                file.etag,
                commit.batch_id or document["batch_id"],
                file.rows,
                file.rejects,
                document.get("contract_fingerprint"),
                commit.snapshot.snapshot_id,
                commit.snapshot.committed_at,
                uri,
            )


def _moment(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
