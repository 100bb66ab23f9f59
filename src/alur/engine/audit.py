"""The audit: for every file of a table, whether bucket, ledger, rows and rejects agree, and the proof.

Everything is asked of one snapshot, in this order: the rows at it, then the ledger, then the bucket, then what was
committed meanwhile. So a file that moves on during the audit is never taken for a difference: what the ledger says was
true after the rows were counted, and a commit in between names its paths.

The rejects are counted at a snapshot of their own table that is pinned after that of the rows. As they are committed
before the rows, those of every row that was counted are among them, or were taken away by whoever replaced the rows
meanwhile; and who commits or takes away rejects names the paths too.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from pyspark.sql import SparkSession

from alur.aws.storage import Storage
from alur.clock import Clock, to_iso
from alur.contracts.contract import Contract, OnOverwrite
from alur.engine.evidence import (
    Counted,
    CountedRejects,
    History,
    Publication,
    TableRejects,
    TableRows,
    Unowned,
    count_rejects,
    count_rows,
    list_objects,
    pin_rejects,
    read_history,
    read_publications,
)
from alur.engine.iceberg import IcebergTable
from alur.engine.ports import Commit
from alur.engine.rejects_audit import judge_rejects, know_rejects, say_rejects
from alur.errors import CommitRefused
from alur.ledger.files import FileLedger
from alur.ledger.model import SCHEMA_VERSION, FileVersion, LedgerItem, Published, Status

logger = logging.getLogger(__name__)


class Verdict(StrEnum):
    """What the audit says of one file."""

    AGREE = "agree"
    """Completed, and the table holds exactly its rows, of that version, from that batch."""

    FAILED = "failed"
    """Failed, and the table holds no row of it, or exactly those of its last good version, as the ledger says."""

    PROCESSING = "processing"
    """In flight: a batch owns it, and whatever the table holds of it is single."""

    WAITING = "waiting"
    """Ledger and rows agree, and the bucket has another version, which nobody has claimed yet."""

    NOT_SEEN = "not-seen"
    """In the bucket; neither ledger nor table know it."""

    GONE = "gone"
    """Ledger and rows agree, and the bucket does not have it any more."""

    MOVED = "moved"
    """Published after the snapshot that was audited: only the next audit can tell."""

    ROWS_MISSING = "rows-missing"
    """The table holds fewer of its rows than the ledger, or the record of their commit, says; or none."""

    ROWS_DOUBLED = "rows-doubled"
    """The table holds more of its rows than that, or those of two batches, or of two versions that are not appended."""

    WRONG_VERSION = "wrong-version"
    """The table holds another version's rows than the ledger says."""

    WRONG_BATCH = "wrong-batch"
    """The table holds the version's rows from another batch than the ledger says."""

    ROWS_THOUGH_FAILED = "rows-though-failed"
    """The ledger says that this version has failed, and the table holds its rows."""

    NO_ENTRY = "no-entry"
    """The table holds its rows, and the ledger has no entry: it was deleted, or lost."""

    REJECTS_DIFFER = "rejects-differ"
    """The table of the rejects does not hold exactly those of what is in, as the record of its commit says; or the
    ledger says another number."""

    UNKNOWN = "unknown"
    """Completed by an entry that does not say how many rows: there is nothing to compare with."""

    @property
    def is_difference(self) -> bool:
        """Whether somebody has to look."""
        return self in DIFFERENCES


DIFFERENCES = frozenset(
    {
        Verdict.ROWS_MISSING,
        Verdict.ROWS_DOUBLED,
        Verdict.WRONG_VERSION,
        Verdict.WRONG_BATCH,
        Verdict.ROWS_THOUGH_FAILED,
        Verdict.NO_ENTRY,
        Verdict.REJECTS_DIFFER,
        Verdict.UNKNOWN,
    }
)
"""The verdicts under which an audit does not agree."""


@dataclass(frozen=True, slots=True)
class Held:
    """Rows of one version from one batch that the table holds.

    Attributes:
        etag: of the version.
        batch_id: of the batch.
        rows: how many, counted.
        proof: what the commit that brought them says; None: its snapshot has expired.
    """

    etag: str
    batch_id: str
    rows: int
    proof: Publication | None = None


@dataclass(frozen=True, slots=True)
class AuditedFile:
    """One file, and what is said of it.

    Attributes:
        path: `s3://bucket/key`.
        verdict: whether they agree.
        bucket: the object as it is; None: there is none.
        item: what the ledger has; None: nothing.
        held: what the table holds.
        rejected: what the table of the rejects holds.
        proof: the commit that brought what the ledger says, or, without an entry, what the table holds; None: its
            snapshot has expired, or there is none.
        sentence: the verdict, for people.
    """

    path: str
    verdict: Verdict
    bucket: FileVersion | None
    item: LedgerItem | None
    held: tuple[Held, ...]
    rejected: tuple[CountedRejects, ...]
    proof: Publication | None
    sentence: str

    def to_document(self) -> dict[str, Any]:
        """Render as JSON's own types."""
        return {
            "path": self.path,
            "verdict": self.verdict.value,
            "sentence": self.sentence,
            "bucket": self.bucket and {"etag": self.bucket.etag, "size_bytes": self.bucket.size_bytes},
            "ledger": self.item
            and {
                "status": self.item.status.value,
                "etag": self.item.etag,
                "batch_id": self.item.batch_id,
                "rows": self.item.rows,
                "rejects": self.item.rejects,
                "snapshot_id": self.item.snapshot_id,
            },
            "table": [{"etag": rows.etag, "batch_id": rows.batch_id, "rows": rows.rows} for rows in self.held],
            "rejects": [
                {"etag": group.etag, "batch_id": group.batch_id, "attempt": group.attempt, "rejects": group.count}
                for group in self.rejected
            ],
            "proof": self.proof
            and {
                # As text: a snapshot's id is more than a double holds.
                "snapshot_id": str(self.proof.snapshot_id),
                "committed_at": to_iso(self.proof.committed_at),
                "batch_id": self.proof.batch_id,
                "etag": self.proof.etag,
                "rows": self.proof.rows,
                "rejects": self.proof.rejects,
                "record": self.proof.record,
            },
        }


@dataclass(frozen=True, slots=True)
class AuditReport:
    """What an audit found.

    Attributes:
        table: `catalog.database.table`.
        ingestion_key: its name in the ledger.
        snapshot_id: the snapshot that was audited.
        audited_at: when.
        history_is_whole: every commit since the table's first is still told; else older proofs are gone.
        files: every file that bucket, ledger or table know, by path.
        rejects: those of the files, counted; None: there is no table of them.
        foreign: rows that no batch has brought, as other people append them; no difference.
        unmanaged: rows that were written with the ledger switched off; no difference.
    """

    table: str
    ingestion_key: str
    snapshot_id: int
    audited_at: datetime
    history_is_whole: bool
    files: tuple[AuditedFile, ...]
    rejects: TableRejects | None
    foreign: tuple[Unowned, ...]
    unmanaged: tuple[Unowned, ...]

    @property
    def differences(self) -> tuple[AuditedFile, ...]:
        """The files that somebody has to look at."""
        return tuple(file for file in self.files if file.verdict.is_difference)

    @property
    def agrees(self) -> bool:
        """Whether there is no difference."""
        return not self.differences

    @property
    def counts(self) -> dict[Verdict, int]:
        """How many files each verdict has, in the verdicts' order; those without any are left out."""
        counted = Counter(file.verdict for file in self.files)
        return {verdict: counted[verdict] for verdict in Verdict if counted[verdict]}

    def to_document(self) -> dict[str, Any]:
        """Render as JSON's own types."""
        return {
            "schema_version": SCHEMA_VERSION,
            "table": self.table,
            "ingestion_key": self.ingestion_key,
            "snapshot_id": str(self.snapshot_id),
            "audited_at": to_iso(self.audited_at),
            "history_is_whole": self.history_is_whole,
            "agrees": self.agrees,
            "counts": {verdict.value: number for verdict, number in self.counts.items()},
            "rejects": self.rejects
            and {
                "table": self.rejects.table.name,
                "snapshot_id": str(self.rejects.snapshot_id),
                "count": self.rejects.count,
            },
            "files": [file.to_document() for file in self.files],
            "foreign": [_unowned_document(rows) for rows in self.foreign],
            "unmanaged": [_unowned_document(rows) for rows in self.unmanaged],
        }


def audit_table(
    spark: SparkSession,
    contract: Contract,
    table: IcebergTable,
    *,
    files: FileLedger,
    storage: Storage,
    clock: Clock,
) -> AuditReport:
    """Say for every file of a table whether bucket, ledger, rows and rejects agree, at main's head. Changes nothing.

    Args:
        spark: the session.
        contract: the table's, its variables replaced.
        table: the bronze table.
        files: the ledger.
        storage: S3.
        clock: the present.

    Raises:
        TableUnsupported: the table has no snapshot.
        CommitRefused: a table was rolled back, or its history expired, while it was audited; audit it again.
        LedgerError: the ledger cannot be asked.
        StorageError: S3 cannot be asked.
    """
    audited_at = clock()
    pin = table.head().snapshot_id
    # After the rows' own: what a run commits in between are rejects of rows that it commits later.
    rejects_pin = pin_rejects(spark, table)
    rows = count_rows(spark, table, pin)
    rejects = None if rejects_pin is None else count_rejects(spark, *rejects_pin)
    items = {item.path: item for page in files.walk(contract.ingestion_key) for item in page}
    objects = list_objects(storage, contract)
    later, history = _split(spark, table, pin)
    past = read_publications(storage, history.commits)
    audited = _judge_all(rows, rejects, items, objects, past.newest_first, contract.on_overwrite)
    if any(file.verdict.is_difference for file in audited):
        moved = {publication.path for publication in read_publications(storage, later).newest_first}
        touched = set(moved)
        if rejects is not None and any(file.verdict is Verdict.REJECTS_DIFFER for file in audited):
            later, _ = _split(spark, rejects.table, rejects.snapshot_id)
            touched |= {publication.path for publication in read_publications(storage, later).newest_first}
        audited = [_or_moved(file, moved, touched) for file in audited]
    report = AuditReport(
        table=table.name,
        ingestion_key=contract.ingestion_key,
        snapshot_id=pin,
        audited_at=audited_at,
        history_is_whole=history.is_whole and not past.lost_records,
        files=tuple(audited),
        rejects=rejects,
        foreign=rows.foreign,
        unmanaged=rows.unmanaged,
    )
    logger.info(
        "%d files audited at snapshot %d, %d differences",
        len(report.files),
        pin,
        len(report.differences),
        extra={"ingestion_key": contract.ingestion_key},
    )
    return report


def _split(spark: SparkSession, table: IcebergTable, pin: int) -> tuple[tuple[Commit, ...], History]:
    """Return what was committed since a snapshot, and the history that ends with it."""
    split = read_history(spark, table).split_at(pin)
    if split is None:
        raise CommitRefused(table.name, f"snapshot {pin} left the history while it was audited; audit it again")
    return split


def judge(
    bucket: FileVersion | None, item: LedgerItem | None, held: Sequence[Held], on_overwrite: OnOverwrite
) -> Verdict:
    """Say whether what three places know of a file's rows agrees. What the bucket has never makes a difference. Pure.

    Args:
        bucket: the object as it is; None: there is none.
        item: what the ledger has; None: nothing.
        held: what the table holds, each version and batch once.
        on_overwrite: the contract's rule.

    Returns:
        Every verdict but MOVED, for which one has to know what was committed since, and REJECTS_DIFFER.
    """
    flaw = _flaw_of_rows(held, on_overwrite)
    if flaw is not None:
        return flaw
    if item is None:
        if held:
            return Verdict.NO_ENTRY
        return Verdict.GONE if bucket is None else Verdict.NOT_SEEN
    if item.status is Status.PROCESSING:
        return Verdict.PROCESSING
    is_completed = item.status is Status.COMPLETED
    flaw = (_flaw_of_completed if is_completed else _flaw_of_failed)(item, held, on_overwrite)
    if flaw is not None:
        return flaw
    if bucket is None:
        return Verdict.GONE
    if bucket.etag != item.etag and not (is_completed and on_overwrite is OnOverwrite.SKIP):
        return Verdict.WAITING
    return Verdict.AGREE if is_completed else Verdict.FAILED


def _flaw_of_rows(held: Sequence[Held], on_overwrite: OnOverwrite) -> Verdict | None:
    """What the table alone gives away, whatever the ledger says."""
    places = [rows.etag if on_overwrite is OnOverwrite.APPEND else "" for rows in held]
    if len(set(places)) < len(places):
        return Verdict.ROWS_DOUBLED
    for rows in held:
        if rows.proof is not None and rows.proof.rows != rows.rows:
            return _too_few_or_too_many(rows.rows, rows.proof.rows)
    return None


def _flaw_of_completed(item: LedgerItem, held: Sequence[Held], on_overwrite: OnOverwrite) -> Verdict | None:
    if item.rows is None:
        return Verdict.UNKNOWN
    return _compare(_comparable(held, item.etag, on_overwrite), item.etag, item.rows_batch_id, item.rows)


def _flaw_of_failed(item: LedgerItem, held: Sequence[Held], on_overwrite: OnOverwrite) -> Verdict | None:
    if any(rows.etag == item.etag and rows.batch_id == item.batch_id for rows in held):
        return Verdict.ROWS_THOUGH_FAILED
    last_good = item.previous or Published("", "", 0, "")
    there = _comparable(held, last_good.etag, on_overwrite)
    flaw = _compare(there, last_good.etag, last_good.batch_id, last_good.rows)
    if flaw is Verdict.WRONG_VERSION and there[0].etag == item.etag:
        return Verdict.ROWS_THOUGH_FAILED
    return flaw


def _comparable(held: Sequence[Held], etag: str, on_overwrite: OnOverwrite) -> list[Held]:
    """The rows that the ledger speaks of: where versions are appended, it tells of one, and the others stay."""
    return [rows for rows in held if on_overwrite is not OnOverwrite.APPEND or rows.etag == etag]


def _compare(there: Sequence[Held], etag: str, batch_id: str | None, rows: int) -> Verdict | None:
    if not there:
        return Verdict.ROWS_MISSING if rows else None
    (only,) = there
    if only.etag != etag:
        return Verdict.WRONG_VERSION
    # An entry that a predecessor wrote names no batch.
    if batch_id and only.batch_id != batch_id:
        return Verdict.WRONG_BATCH
    return _too_few_or_too_many(only.rows, rows)


def _too_few_or_too_many(counted: int, said: int) -> Verdict | None:
    if counted == said:
        return None
    return Verdict.ROWS_MISSING if counted < said else Verdict.ROWS_DOUBLED


def _judge_all(
    rows: TableRows,
    rejects: TableRejects | None,
    items: Mapping[str, LedgerItem],
    objects: Mapping[str, FileVersion],
    publications: Sequence[Publication],
    on_overwrite: OnOverwrite,
) -> list[AuditedFile]:
    rejected: Mapping[str, tuple[CountedRejects, ...]] = {} if rejects is None else rejects.held
    proofs: dict[tuple[str, str, str], Publication] = {}
    told: dict[str, list[Publication]] = {}
    for publication in publications:
        told.setdefault(publication.path, []).append(publication)
        # Newest first: a batch that has published a path twice is proved by its last commit.
        proofs.setdefault((publication.path, publication.etag, publication.batch_id), publication)
    audited: list[AuditedFile] = []
    for path in sorted(rows.held.keys() | items.keys() | objects.keys() | rejected.keys()):
        bucket, item, counted = objects.get(path), items.get(path), rows.held.get(path, ())
        held = tuple(_held(group, proofs) for group in counted)
        verdict = judge(bucket, item, held, on_overwrite)
        flaws: Sequence[str] = ()
        if not verdict.is_difference:
            known = know_rejects(counted, told.get(path, ()), rejected.get(path, ()), item, on_overwrite)
            flaws = judge_rejects(known, item)
            verdict = Verdict.REJECTS_DIFFER if flaws else verdict
        if item is not None:
            proof = proofs.get((path, item.etag, item.rows_batch_id or ""))
        else:
            proof = held[0].proof if held else None
        sentence = _say(verdict, bucket, item, held, proof) + "".join(f"; {flaw}" for flaw in flaws)
        audited.append(AuditedFile(path, verdict, bucket, item, held, rejected.get(path, ()), proof, sentence))
    return audited


def _held(counted: Counted, proofs: Mapping[tuple[str, str, str], Publication]) -> Held:
    proof = proofs.get((counted.path, counted.etag, counted.batch_id))
    return Held(counted.etag, counted.batch_id, counted.rows, proof)


def _or_moved(file: AuditedFile, moved: set[str], touched: set[str]) -> AuditedFile:
    """Return a file that differs as one that has moved, where a later commit names it.

    Of rows only commits of the bronze table tell, and of rejects those of both tables.
    """
    if not file.verdict.is_difference:
        return file
    if file.path not in (touched if file.verdict is Verdict.REJECTS_DIFFER else moved):
        return file
    sentence = "published after the snapshot that was audited; audit the table again"
    return replace(file, verdict=Verdict.MOVED, sentence=sentence)


def _say(
    verdict: Verdict,
    bucket: FileVersion | None,
    item: LedgerItem | None,
    held: Sequence[Held],
    proof: Publication | None,
) -> str:
    if verdict is Verdict.NOT_SEEN:
        return "in the bucket; neither the ledger nor the table know it"
    ledger, table = _say_ledger(item), _say_table(held)
    if verdict.is_difference:
        recorded = [
            f"; the record of snapshot {rows.proof.snapshot_id} says {_say_rows(rows.proof.rows)}"
            for rows in held
            if rows.proof is not None and rows.proof.rows != rows.rows
        ]
        return f"the ledger says {ledger}; the table holds {table}{''.join(recorded)}"
    if verdict is Verdict.PROCESSING:
        return f"{ledger}; the table holds {table}"
    if proof is not None:
        proved = f"brought by snapshot {proof.snapshot_id}"
    elif item is not None and item.status is Status.COMPLETED:
        proved = "the snapshot that brought it has expired, the count still holds"
    else:
        proved = f"the table holds {table}"
    where = ""
    if verdict is Verdict.WAITING and bucket is not None:
        where = f"; the bucket has version {bucket.etag}, which nobody has claimed yet"
    elif verdict is Verdict.GONE:
        where = "; the object is not in the bucket any more"
    return f"{ledger}; {proved}{where}"


def _say_ledger(item: LedgerItem | None) -> str:
    if item is None:
        return "nothing"
    of = f"version {item.etag} by batch {item.batch_id}"
    if item.status is Status.COMPLETED:
        rejects = f" and {say_rejects(item.rejects)}" if item.rejects else ""
        rows = "nobody counted the rows" if item.rows is None else _say_rows(item.rows)
        return f"completed, {rows}{rejects} of {of}"
    last_good = item.previous
    still = (
        f", still there {_say_rows(last_good.rows)} of version {last_good.etag} by batch {last_good.batch_id}"
        if last_good is not None
        else ""
    )
    return f"{item.status.value}{f' ({item.error_type})' if item.error_type else ''}, {of}{still}"


def _say_table(held: Sequence[Held]) -> str:
    if not held:
        return "no rows"
    return " and ".join(f"{_say_rows(rows.rows)} of version {rows.etag} by batch {rows.batch_id}" for rows in held)


def _say_rows(rows: int) -> str:
    return "1 row" if rows == 1 else f"{rows} rows"


def _unowned_document(rows: Unowned) -> dict[str, Any]:
    return {
        "source_file": rows.source_file,
        "source_etag": rows.source_etag,
        "batch_id": rows.batch_id,
        "rows": rows.rows,
    }
