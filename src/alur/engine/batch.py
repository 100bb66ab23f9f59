"""One batch, from its manifest to the end of its claims: the steps of an optimistic upsert by path.

    pin, look, own, adopt   what the table and the ledger say
    stage                   the rows on a scratch branch, then each file's verdict, then what has to go
    record, commit          one snapshot on main, valid only if nobody has published a path of it since the look
    flip                    each claim ends by its own file's verdict

Refused, or the outcome unknown: from the beginning. Nothing that was staged is used again.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from statistics import median

from pyspark.sql import SparkSession

from alur.aws.storage import Storage
from alur.clock import Clock
from alur.contracts.contract import Contract, OnOverwrite
from alur.engine.iceberg import Found, IcebergTable, Snapshot
from alur.engine.records import PUBLISHED, RecordedFile, published_paths, record_document, record_uri
from alur.engine.staging import Stager, Staging
from alur.engine.verdicts import divide, relevant
from alur.errors import CommitRefused, CommitUnknown, FileChanged, FileError
from alur.ledger.batches import Batch, BatchResult, BatchStore
from alur.ledger.files import FileLedger
from alur.ledger.manifest import Manifest
from alur.ledger.model import LedgerItem, Status
from alur.ledger.transitions import complete, fail

logger = logging.getLogger(__name__)

STAGING_LIMIT = timedelta(hours=12)
"""Files that were staged longer ago are not committed: clean-up may have taken some, and Iceberg would not look."""

ROUNDS = 5
"""How often a batch begins anew before the run leaves it to the next one."""


@dataclass(frozen=True, slots=True)
class Workshop:
    """What the work on a table's batches needs.

    Attributes:
        spark: the session.
        contract: the table's.
        table: the bronze table.
        files, batches: the ledger.
        storage: S3.
        lake_bucket: where records and copies go.
        token: the run's.
        clock: the present.
        sleep: waits that many seconds.
    """

    spark: SparkSession
    contract: Contract
    table: IcebergTable
    files: FileLedger
    batches: BatchStore
    storage: Storage
    lake_bucket: str
    token: str
    clock: Clock
    sleep: Callable[[float], None]


@dataclass(frozen=True, slots=True)
class _Done:
    """A file whose rows are in the table."""

    item: LedgerItem
    rows: int
    snapshot: Snapshot
    is_new: bool


@dataclass(frozen=True, slots=True)
class _Round:
    """What one round came to: every item of the batch's paths, and the verdicts on those that are the batch's."""

    items: Mapping[str, LedgerItem]
    done: Sequence[_Done] = ()
    failed: Sequence[tuple[LedgerItem, FileError]] = ()

    @property
    def has_touched(self) -> bool:
        """Whether a file is again, or still, the version that was claimed, but was written while it was read."""
        return any(_is_touched(error) for _, error in self.failed)


class BatchRun:
    """Ingests one batch.

    Args:
        workshop: what it works with.
        batch: which batch.
        manifest: its candidates.
    """

    def __init__(self, workshop: Workshop, batch: Batch, manifest: Manifest) -> None:
        self._at = workshop
        self._batch = batch
        self._manifest = manifest
        self._where = {"ingestion_key": batch.ingestion_key, "batch_id": batch.batch_id}

    def run(self) -> BatchResult:
        """Publish what can be published, end every claim that can be ended, and close the batch if nothing waits.

        Raises:
            AlurError: the batch could not be finished; its claims stand, and the same batch may be run again.
        """
        rounds: list[_Round] = []
        number = 1
        while True:
            try:
                this = self._publish()
            except (CommitRefused, CommitUnknown) as error:
                if number == ROUNDS:
                    raise
                logger.warning("round %d of %d: %s; looking again", number, ROUNDS, error, extra=self._where)
            else:
                again = this.has_touched and number < ROUNDS
                rounds.append(self._flip(this, leave_touched=again))
                if not again:
                    return self._settle(rounds)
                logger.info("the same bytes were uploaded while they were read: once more", extra=self._where)
            number += 1

    def _publish(self) -> _Round:
        at = self._at
        pinned = at.table.head()
        found = at.table.look(pinned.snapshot_id, self._manifest.paths)
        # Only now: an owner that lost its files before the look cannot publish them after it.
        items = at.files.read(self._batch.ingestion_key, self._manifest.paths)
        division = divide(items.values(), found, self._batch.batch_id, at.contract.on_overwrite)
        logger.info(
            "%d files to read, %d in the table already",
            len(division.to_read),
            len(division.adopted),
            extra=self._where,
        )
        done: list[_Done] = []
        if division.adopted:
            brought = at.table.find_commit(batch_id=self._batch.batch_id) or pinned
            done += [_Done(item, rows, brought, is_new=False) for item, rows in division.adopted]
        if not division.to_read:
            return _Round(items, done)
        nonce = secrets.token_hex(4)
        branch = f"alur_{self._batch.batch_id}_{nonce}".replace("-", "_")
        began_at = at.clock()
        at.table.create_branch(branch, pinned.snapshot_id)
        try:
            staging = self._stager().stage(branch, {item.path: item for item in division.to_read}, began_at)
            published = [item for item in division.to_read if item.path not in staging.failed]
            if published:
                self._remove_rows(branch, published, staging, found)
                if at.clock() - began_at > STAGING_LIMIT:
                    raise CommitRefused(at.table.name, f"the files were staged more than {STAGING_LIMIT} ago")
                committed = self._commit(branch, nonce, pinned, division.to_read, staging)
                done += [_Done(item, staging.rows.get(item.path, 0), committed, is_new=True) for item in published]
        finally:
            at.table.drop_branch(branch)
        failed = [(item, staging.failed[item.path]) for item in division.to_read if item.path in staging.failed]
        return _Round(items, done, failed)

    def _stager(self) -> Stager:
        at = self._at
        return Stager(
            spark=at.spark,
            contract=at.contract,
            table=at.table,
            storage=at.storage,
            lake_bucket=at.lake_bucket,
            batch_id=self._batch.batch_id,
            sleep=at.sleep,
        )

    def _remove_rows(
        self, branch: str, published: Sequence[LedgerItem], staging: Staging, found: Mapping[str, Sequence[Found]]
    ) -> None:
        """Take from the branch what the published versions replace, and what was staged of files left out."""
        rule = self._at.contract.on_overwrite
        replaced = [
            (item.path, item.etag if rule is OnOverwrite.APPEND else None)
            for item in published
            if relevant(found.get(item.path, ()), item.etag, rule)
        ]
        left_out = [path for path in staging.failed if staging.rows.get(path)]
        if replaced or left_out:
            self._at.table.remove_rows(branch, self._batch.batch_id, replaced=replaced, left_out=left_out)

    def _commit(
        self, branch: str, nonce: str, pinned: Snapshot, read: Sequence[LedgerItem], staging: Staging
    ) -> Snapshot:
        at = self._at
        files = at.table.collect(branch, pinned.snapshot_id)
        uri = record_uri(at.lake_bucket, self._batch.ingestion_key, self._batch.batch_id, nonce)
        document = record_document(
            ingestion_key=self._batch.ingestion_key,
            batch_id=self._batch.batch_id,
            token=at.token,
            pin=pinned.snapshot_id,
            contract_fingerprint=at.contract.fingerprint,
            created_at=at.clock(),
            files=[_recorded(item, staging) for item in read],
        )
        # Written before the commit that names it: a snapshot never names a record that is not there.
        at.storage.put_document(uri, document)
        committed = at.table.commit(
            branch,
            pinned.snapshot_id,
            files,
            batch_id=self._batch.batch_id,
            record_uri=uri,
            paths=published_paths(document),
            published_paths=lambda theirs: published_paths(at.storage.get_document(theirs)),
        )
        logger.info("committed snapshot %d", committed.snapshot_id, extra=self._where)
        return committed

    def _flip(self, this: _Round, *, leave_touched: bool) -> _Round:
        """End each claim by its own file's verdict; return the round with the items as they are then."""
        at, batch_id, now = self._at, self._batch.batch_id, self._at.clock()
        failed = [(item, error) for item, error in this.failed if not (leave_touched and _is_touched(error))]
        transitions = [
            complete(
                done.item,
                batch_id=batch_id,
                rows=done.rows,
                snapshot_id=str(done.snapshot.snapshot_id),
                queryable_at=done.snapshot.committed_at,
                now=now,
            )
            for done in this.done
        ] + [fail(item, batch_id=batch_id, error=error, now=now) for item, error in failed]
        items = dict(this.items)
        for outcome in at.files.apply(transitions):
            if not outcome.applied:
                logger.warning("%s is not this batch's any more", outcome.path, extra=self._where)
            if outcome.item is None:
                del items[outcome.path]
            else:
                items[outcome.path] = outcome.item
        return _Round(items, this.done, failed)

    def _settle(self, rounds: Sequence[_Round]) -> BatchResult:
        """Close the batch if nobody waits on it, and note what became of it."""
        done = [done for this in rounds for done in this.done]
        latencies = [
            (file.snapshot.committed_at - file.item.event_at).total_seconds()
            for file in done
            if file.is_new and file.item.event_at is not None
        ]
        result = BatchResult(
            token=self._at.token,
            completed=len(done),
            failed=sum(len(this.failed) for this in rounds),
            rows=sum(file.rows for file in done),
            latency_seconds_median=round(median(latencies)) if latencies else 0,
            latency_seconds_max=round(max(latencies)) if latencies else 0,
        )
        if all(_is_settled(item, self._batch.batch_id) for item in rounds[-1].items.values()):
            self._at.batches.close(self._batch, self._at.clock(), result)
        else:
            logger.info("the batch stays open: a file waits", extra=self._where)
            self._at.batches.finish(self._batch, result)
        return result


def _is_touched(error: FileError) -> bool:
    return isinstance(error, FileChanged) and error.found == error.claimed


def _recorded(item: LedgerItem, staging: Staging) -> RecordedFile:
    error = staging.failed.get(item.path)
    if error is not None:
        return RecordedFile(item.path, item.etag, type(error).__name__, 0)
    return RecordedFile(item.path, item.etag, PUBLISHED, staging.rows.get(item.path, 0))


def _is_settled(item: LedgerItem, batch_id: str) -> bool:
    """Whether nobody has to look at a file on behalf of this batch."""
    if item.batch_id != batch_id:
        return True
    return item.waiting is None and (
        item.status is Status.COMPLETED or (item.status is Status.FAILED and item.is_permanent)
    )
