"""One batch, from its manifest to the end of its claims: the steps of an optimistic upsert by path.

    pin, look, own, adopt   what the tables and the ledger say
    stage                   the rows on a scratch branch, then each file's verdict, then what has to go
    record, commit          one snapshot on each table's main, valid only if nobody has published a path of it since
                            the look: the rejects first, then the rows, which decide
    sweep                   what the rejects of these paths had before, and what attempts have left there that died
    flip                    each claim ends by its own file's verdict

Refused, or the outcome unknown: from the beginning. Nothing that was staged is used again.
"""

from __future__ import annotations

import logging
import re
import secrets
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Any

from alur.aws.storage import Storage
from alur.clock import Clock
from alur.contracts.contract import Contract, OnOverwrite
from alur.engine.ports import Commit, Doomed, Found, PublishingTable, Snapshot, StagedFiles, Tables
from alur.engine.records import (
    PUBLISHED,
    RecordedFile,
    attempt_of,
    published_paths,
    record_document,
    record_uri,
    recorded_files,
)
from alur.engine.refusals import refusal_of
from alur.engine.rejects import stale_rejects
from alur.engine.staging import Stager, StagesFiles, Staging
from alur.engine.verdicts import Division, divide, relevant
from alur.errors import (
    AlurError,
    CommitRefused,
    CommitUnknown,
    FileChanged,
    FileError,
    FileVanished,
    TableUnsupported,
)
from alur.faults import fault_point
from alur.ingestion.objects import look_at_objects
from alur.ledger.batches import Batch, BatchResult, BatchStore
from alur.ledger.files import FileLedger
from alur.ledger.manifest import Manifest
from alur.ledger.model import FileVersion, LedgerItem, Published, Status
from alur.ledger.retries import Retries
from alur.ledger.transitions import complete, fail, waits
from alur.ledger.verdicts import final_error

logger = logging.getLogger(__name__)

STAGING_LIMIT = timedelta(hours=12)
"""Files that were staged longer ago are not committed: clean-up may have taken some, and Iceberg would not look."""

BRANCH_LIMIT = timedelta(hours=24)
"""A scratch branch that is older belongs to no run that could still commit it."""

ROUNDS = 5
"""How often a batch begins anew before the run leaves it to the next one."""

_CLOCKS_APART = timedelta(hours=1)
"""How far the catalog's clock may be from that of the functions."""

_BRANCH = re.compile(r"alur_.+_(\d{10,})_[0-9a-f]{8}")


@dataclass(frozen=True, slots=True)
class Workshop:
    """What the work on a table's batches needs.

    Attributes:
        contract: the table's.
        open_tables: returns the tables and what reads files into them, made and widened if need be.
        files, batches: the ledger.
        storage: S3.
        lake_bucket: where records and copies go.
        token: the run's.
        clock: the present.
        sleep: waits that many seconds.
        retries: the rule by which what failed is tried again.
        make_nonce: eight hexadecimal digits that were not used before.
        make_stager: makes what stages a batch's files; None: they are read plainly.
    """

    contract: Contract
    open_tables: Callable[[], Tables]
    files: FileLedger
    batches: BatchStore
    storage: Storage
    lake_bucket: str
    token: str
    clock: Clock
    sleep: Callable[[float], None]
    retries: Retries
    make_nonce: Callable[[], str] = lambda: secrets.token_hex(4)
    make_stager: Callable[[Tables, Batch], StagesFiles] | None = None


@dataclass(frozen=True, slots=True)
class _Done:
    """A file whose rows are in the table: by which batch, and by which of its attempts, if that is still known."""

    item: LedgerItem
    rows: int
    snapshot: Snapshot
    is_new: bool
    published_by: str
    attempt: str | None = None
    rejects: int = 0


@dataclass(frozen=True, slots=True)
class _Looked:
    """What tables and ledger say of a batch's paths: the pinned heads, their rows, the items, and whose they are."""

    pinned: Snapshot
    rejects_pinned: Snapshot
    found: Mapping[str, Sequence[Found]]
    rejected: Mapping[str, Sequence[Found]]
    items: Mapping[str, LedgerItem]
    division: Division


@dataclass(frozen=True, slots=True)
class _Round:
    """What one round came to: every item of the batch's paths, the verdicts on its own, and what the look found."""

    items: Mapping[str, LedgerItem]
    done: Sequence[_Done] = ()
    failed: Sequence[tuple[LedgerItem, FileError]] = ()
    found: Mapping[str, Sequence[Found]] = field(default_factory=dict)

    @property
    def has_touched(self) -> bool:
        """Whether a file is again, or still, the version that was claimed, but was written while it was read."""
        return any(_is_touched(error) for _, error in self.failed)


def branch_name(batch_id: str, now: datetime, nonce: str) -> str:
    """Return the name of a scratch branch, which says when it was made.

    Args:
        batch_id: the batch's.
        now: the present.
        nonce: eight hexadecimal digits.
    """
    return f"alur_{batch_id}_{int(now.timestamp())}_{nonce}".replace("-", "_")


def made_at(branch: str) -> datetime | None:
    """Return when a scratch branch was made, by its name; None: it is none.

    Args:
        branch: its name.
    """
    match = _BRANCH.fullmatch(branch)
    return datetime.fromtimestamp(int(match[1]), UTC) if match else None


def stale_branches(names: Iterable[str], now: datetime) -> list[str]:
    """Return those scratch branches that no run can still be working on.

    Args:
        names: of branches.
        now: the present.
    """
    made = ((name, made_at(name)) for name in names)
    return [name for name, moment in made if moment is not None and now - moment > BRANCH_LIMIT]


class BatchRun:
    """Ingests one batch.

    Args:
        workshop: what it works with.
        batch: which batch.
        manifest: its candidates.
        note: told each item whose claim has ended.
    """

    def __init__(
        self,
        workshop: Workshop,
        batch: Batch,
        manifest: Manifest,
        note: Callable[[Mapping[str, LedgerItem]], None] = lambda _: None,
    ) -> None:
        self._note = note
        self._at = workshop
        self._batch = batch
        self._manifest = manifest
        self._where = {"ingestion_key": batch.ingestion_key, "batch_id": batch.batch_id}

    def run(self) -> BatchResult:
        """Publish what can be published, end every claim that can be ended, and close the batch if nothing waits.

        Raises:
            AlurError: the batch could not be finished; its claims stand, and the same batch may be run again.
        """
        try:
            tables = self._at.open_tables()
            if self._batch.last_look:
                return self._settle([self._flip(self._look_last(tables), leave_touched=False)])
            return self._ingest(tables)
        except TableUnsupported as error:
            logger.error("%s", error, extra=self._where)
            return self._settle([self._flip(self._refuse(error), leave_touched=False)])

    def _ingest(self, tables: Tables) -> BatchResult:
        rounds: list[_Round] = []
        number = 1
        while True:
            try:
                this = self._publish(tables, is_first=number == 1 and len(self._batch.begun_by) <= 1)
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

    def _refuse(self, error: TableUnsupported) -> _Round:
        """Fail every file: the table takes nothing under this contract, whatever a file holds."""
        items = self._at.files.read(self._batch.ingestion_key, self._manifest.paths)
        mine = [item for item in items.values() if item.batch_id == self._batch.batch_id]
        return _Round(
            items,
            failed=[(item, refusal_of(item.path, error)) for item in mine if item.status is Status.PROCESSING],
        )

    def _look_last(self, tables: Tables) -> _Round:
        """Complete what is in the table from this batch, and fail the rest: it has been tried often enough."""
        looked = self._look(tables)
        done, left = self._adopt_all(tables, looked)
        # What the object is now outranks how often its claimed version was tried.
        there = look_at_objects(self._at.storage, [item.version for item in left]).found
        failed = [(item, self._last_word(item, there.get(item.path))) for item in left]
        return _Round(looked.items, done, failed, looked.found)

    def _last_word(self, item: LedgerItem, current: FileVersion | None) -> FileError:
        if current is None:
            return FileVanished(item.path)
        if current.etag != item.etag:
            return FileChanged(item.path, item.etag, current.etag)
        # This run has begun with the batch too, and is none of those that left it undone.
        return final_error(self._batch, item.path, self._batch.charges - 1)

    def _look(self, tables: Tables) -> _Looked:
        # The rejects first: whoever had committed some by now looked at the bronze table before this batch does.
        rejects_pinned = tables.rejects.head()
        pinned = tables.bronze.head()
        found = tables.bronze.look(pinned.snapshot_id, self._manifest.paths)
        rejected = tables.rejects.look(rejects_pinned.snapshot_id, self._manifest.paths)
        # Only now: an owner that lost its files before the look cannot publish them after it.
        items = self._at.files.read(self._batch.ingestion_key, self._manifest.paths)
        division = divide(items.values(), found, self._batch, self._at.contract.on_overwrite)
        return _Looked(pinned, rejects_pinned, found, rejected, items, division)

    def _adopt_all(
        self, tables: Tables, looked: _Looked, *, empty_too: bool = True
    ) -> tuple[list[_Done], list[LedgerItem]]:
        """Complete what is in from this batch, with rows or without; return it, and the items that are left."""
        done = self._adopt(tables.bronze, looked)
        empty = self._adopt_empty(tables.bronze, looked.division.to_read, looked.found) if empty_too else []
        in_already = {file.item.path for file in empty}
        adopted = [*done, *empty]
        self._sweep_rejects(tables, adopted, looked.rejected)
        return adopted, [item for item in looked.division.to_read if item.path not in in_already]

    def _recorded_commits(self, table: PublishingTable) -> Iterator[tuple[Commit, tuple[RecordedFile, ...]]]:
        """Yield the commits that may be this batch's or newer, newest first, with the files that each has published."""
        for commit in table.history():
            if commit.snapshot.committed_at < self._batch.created_at - _CLOCKS_APART:
                return
            if commit.record_uri is not None:
                files = recorded_files(self._at.storage.get_document(commit.record_uri))
                yield commit, tuple(file for file in files if file.verdict == PUBLISHED)

    def _adopt(self, table: PublishingTable, looked: _Looked) -> list[_Done]:
        """Complete what is in from this batch, each file by the commit that brought it."""
        adopted = looked.division.adopted
        wanted = {item.path for item, _ in adopted}
        brought: dict[str, tuple[Snapshot, str, int]] = {}
        for commit, files in self._recorded_commits(table) if wanted else ():
            if commit.batch_id in self._batch.ids and commit.record_uri is not None:
                for file in files:
                    brought.setdefault(file.path, (commit.snapshot, attempt_of(commit.record_uri), file.rejects))
            if wanted <= brought.keys():
                break
        done: list[_Done] = []
        for item, there in adopted:
            if item.path in brought:
                snapshot, attempt, rejects = brought[item.path]
                done.append(_Done(item, there.rows, snapshot, False, there.batch_id, attempt, rejects))
                continue
            # Where history was expired, the rows are proof that they are there, and nobody knows since when.
            mine = (item.etag, there.batch_id)
            of_it = [rows.rows for rows in looked.rejected.get(item.path, ()) if (rows.etag, rows.batch_id) == mine]
            done.append(_Done(item, there.rows, looked.pinned, False, there.batch_id, None, sum(of_it)))
        return done

    def _adopt_empty(
        self, table: PublishingTable, items: Sequence[LedgerItem], found: Mapping[str, Sequence[Found]]
    ) -> list[_Done]:
        """Complete versions without rows that are in: the newest record that names their path is this batch's."""
        rule = self._at.contract.on_overwrite
        wanted = {item.path: item for item in items if not relevant(found.get(item.path, ()), item.etag, rule)}
        done: list[_Done] = []
        for commit, files in self._recorded_commits(table) if wanted else ():
            for file in files:
                item = wanted.pop(file.path, None)
                if item is None or commit.batch_id not in self._batch.ids:
                    continue
                if file.etag == item.etag and not file.rows:
                    attempt = attempt_of(commit.record_uri or "")
                    done.append(_Done(item, 0, commit.snapshot, False, commit.batch_id or "", attempt, file.rejects))
            if not wanted:
                break
        return done

    def _publish(self, tables: Tables, *, is_first: bool) -> _Round:
        at = self._at
        looked = self._look(tables)
        items, division = looked.items, looked.division
        fault_point("job.looked")
        logger.info(
            "%d files to read, %d in the table already",
            len(division.to_read),
            len(division.adopted),
            extra=self._where,
        )
        # Of a batch that nobody has worked on nothing without rows is looked for: a new file would pay for the history.
        done, to_read = self._adopt_all(tables, looked, empty_too=not is_first)
        if not to_read:
            return _Round(items, done)
        nonce = at.make_nonce()
        began_at = at.clock()
        branch = branch_name(self._batch.batch_id, began_at, nonce)
        tables.bronze.create_branch(branch, looked.pinned.snapshot_id)
        fault_point("job.branched")
        try:
            with self._stager(tables).stage(branch, {item.path: item for item in to_read}, began_at) as staging:
                fault_point("job.staged")
                if len(staging.failed) < len(to_read):
                    self._remove_rows(tables.bronze, branch, to_read, staging, looked.found)
                    fault_point("job.removed")
                    new, rejects_committed = self._commit(tables, branch, nonce, looked, to_read, staging)
                    self._sweep_rejects(tables, new, self._dead_rejects(tables.rejects, rejects_committed, looked))
                    done += new
        finally:
            tables.bronze.drop_branch(branch)
        failed = [(item, staging.failed[item.path]) for item in to_read if item.path in staging.failed]
        return _Round(items, done, failed, looked.found)

    def _stager(self, tables: Tables) -> StagesFiles:
        at = self._at
        if at.make_stager is not None:
            return at.make_stager(tables, self._batch)
        return Stager(
            contract=at.contract,
            tables=tables,
            storage=at.storage,
            lake_bucket=at.lake_bucket,
            batch_id=self._batch.batch_id,
            sleep=at.sleep,
        )

    def _remove_rows(
        self,
        table: PublishingTable,
        branch: str,
        read: Sequence[LedgerItem],
        staging: Staging,
        found: Mapping[str, Sequence[Found]],
    ) -> None:
        """Take from the branch what the published versions replace, and what was staged of files left out."""
        rule, mine = self._at.contract.on_overwrite, self._batch.batch_id
        doomed = [
            Doomed(item.path, rows.etag, rows.batch_id)
            for item in read
            if item.path not in staging.failed
            for rows in relevant(found.get(item.path, ()), item.etag, rule)
            if rows.batch_id != mine
        ]
        doomed += [
            Doomed(item.path, item.etag, mine)
            for item in read
            if item.path in staging.failed and staging.rows.get(item.path)
        ]
        if doomed:
            table.remove_rows(branch, doomed)

    def _commit(
        self, tables: Tables, branch: str, nonce: str, looked: _Looked, read: Sequence[LedgerItem], staging: Staging
    ) -> tuple[list[_Done], Snapshot]:
        """Bring what was staged onto both tables' main, the rejects first; return the files that are in."""
        batch_id = self._batch.batch_id
        files = tables.bronze.collect(branch, looked.pinned.snapshot_id)
        uri = self._record(nonce, looked.pinned, [_recorded(item, staging) for item in read])
        published = [item for item in read if item.path not in staging.failed]
        paths = [item.path for item in published]
        pin = looked.pinned.snapshot_id
        fault_point("job.recorded")
        with self._on_branch(tables.rejects, branch, looked.rejects_pinned, staging.rejects) as rejects_branch:
            if rejects_branch is not None:
                staging.append_rejects(rejects_branch, nonce)
                fault_point("job.rejects-staged")
            self._check_age(tables.bronze, branch)
            rejects_committed = self._commit_to(
                tables.rejects,
                rejects_branch,
                looked.rejects_pinned,
                uri,
                paths,
                # An attempt that the bronze table will refuse is to leave no rejects.
                also=lambda: tables.bronze.refusal(pin, paths, self._published_paths),
            )
        fault_point("job.rejects-committed")
        try:
            committed = tables.bronze.commit(
                branch,
                pin,
                files,
                batch_id=batch_id,
                record_uri=uri,
                paths=paths,
                published_paths=self._published_paths,
            )
        except CommitRefused:
            self._withdraw_rejects(tables, nonce, [item for item in published if item.path in staging.rejects])
            raise
        fault_point("job.committed")
        logger.info("committed snapshot %d", committed.snapshot_id, extra=self._where)
        done = [
            _Done(
                item,
                staging.rows.get(item.path, 0),
                committed,
                is_new=True,
                published_by=batch_id,
                attempt=nonce,
                rejects=staging.rejects.get(item.path, 0),
            )
            for item in published
        ]
        return done, rejects_committed

    def _check_age(self, table: PublishingTable, branch: str) -> None:
        began_at = made_at(branch)
        if began_at is None or self._at.clock() - began_at > STAGING_LIMIT:
            raise CommitRefused(table.name, f"the files were staged more than {STAGING_LIMIT} ago")

    @contextmanager
    def _on_branch(
        self, table: PublishingTable, branch: str, pinned: Snapshot, needed: Collection[Any]
    ) -> Iterator[str | None]:
        """A scratch branch for as long as the context lasts; None, where it is not needed."""
        if not needed:
            yield None
            return
        table.create_branch(branch, pinned.snapshot_id)
        try:
            yield branch
        finally:
            table.drop_branch(branch)

    def _record(self, nonce: str, pinned: Snapshot, files: list[RecordedFile]) -> str:
        """Write a record; before the commit that names it: a snapshot never names a record that is not there."""
        at = self._at
        uri = record_uri(at.lake_bucket, self._batch.ingestion_key, self._batch.batch_id, nonce)
        document = record_document(
            ingestion_key=self._batch.ingestion_key,
            batch_id=self._batch.batch_id,
            token=at.token,
            pin=pinned.snapshot_id,
            contract_fingerprint=at.contract.fingerprint,
            created_at=at.clock(),
            files=files,
        )
        at.storage.put_document(uri, document)
        return uri

    def _commit_to(
        self,
        rejects: PublishingTable,
        branch: str | None,
        pinned: Snapshot,
        uri: str,
        paths: Sequence[str],
        also: Callable[[], str | None] | None = None,
    ) -> Snapshot:
        pin = pinned.snapshot_id
        return rejects.commit(
            branch,
            pin,
            StagedFiles(pin, (), ()) if branch is None else rejects.collect(branch, pin),
            batch_id=self._batch.batch_id,
            record_uri=uri,
            paths=paths,
            published_paths=self._published_paths,
            also=also,
        )

    def _published_paths(self, uri: str) -> frozenset[str]:
        return published_paths(self._at.storage.get_document(uri))

    def _dead_rejects(
        self, rejects: PublishingTable, committed: Snapshot, looked: _Looked
    ) -> Mapping[str, Sequence[Found]]:
        """Return the rejects whose attempts the bronze table refuses from now on.

        Those that were there at the look are of attempts that looked before this one; and of this batch, which
        publishes a path once, there is no other attempt any more that could.
        """
        head = rejects.head()
        if head.snapshot_id == committed.snapshot_id:
            return looked.rejected
        now = rejects.look(head.snapshot_id, self._manifest.paths)
        return {
            path: [
                rows for rows in found if rows.batch_id == self._batch.batch_id or rows in looked.rejected.get(path, ())
            ]
            for path, found in now.items()
        }

    def _sweep_rejects(self, tables: Tables, done: Sequence[_Done], rejected: Mapping[str, Sequence[Found]]) -> None:
        """Take from the table of the rejects what is not of the attempt whose rows are in.

        Only now that they are in: until then an attempt that has committed rejects may still commit its rows.

        Args:
            tables: the tables.
            done: the files that are in.
            rejected: rejects of those files, of attempts that cannot commit their rows any more.
        """
        known = [file for file in done if file.attempt is not None and rejected.get(file.item.path)]
        doomed = [
            Doomed(file.item.path, rows.etag, rows.batch_id, rows.attempt)
            for file in known
            for rows in stale_rejects(
                rejected[file.item.path], file.item.etag, file.attempt, self._at.contract.on_overwrite
            )
        ]
        if not doomed:
            return
        named = [RecordedFile(file.item.path, file.item.etag, PUBLISHED, file.rows, file.rejects) for file in known]
        self._remove_rejects(tables, doomed, named)
        fault_point("job.rejects-swept")

    def _withdraw_rejects(self, tables: Tables, attempt: str, rejecting: Sequence[LedgerItem]) -> None:
        """Take back the rejects of an attempt whose rows were refused: nobody may come by these files again."""
        if not rejecting:
            return
        doomed = [Doomed(item.path, item.etag, self._batch.batch_id, attempt) for item in rejecting]
        named = [RecordedFile(item.path, item.etag, PUBLISHED, 0) for item in rejecting]
        try:
            self._remove_rejects(tables, doomed, named)
        except AlurError as error:
            # They count for nothing, and whoever publishes the files next sweeps them.
            logger.warning("rejects of a refused attempt stay: %s", error, extra=self._where)

    def _remove_rejects(self, tables: Tables, doomed: Sequence[Doomed], named: list[RecordedFile]) -> None:
        nonce = self._at.make_nonce()
        branch = branch_name(self._batch.batch_id, self._at.clock(), nonce)
        pinned = tables.rejects.head()
        with self._on_branch(tables.rejects, branch, pinned, doomed):
            tables.rejects.remove_rows(branch, doomed)
            uri = self._record(nonce, tables.bronze.head(), named)
            self._commit_to(tables.rejects, branch, pinned, uri, [file.path for file in named])

    def _flip(self, this: _Round, *, leave_touched: bool) -> _Round:
        """End each claim by its own file's verdict; return the round with the items as they are then."""
        at, batch_id, now = self._at, self._batch.batch_id, self._at.clock()
        failed = [(item, error) for item, error in this.failed if not (leave_touched and _is_touched(error))]
        transitions = [
            complete(
                done.item,
                batch_id=batch_id,
                rows=done.rows,
                rejects=done.rejects,
                snapshot_id=str(done.snapshot.snapshot_id),
                queryable_at=done.snapshot.committed_at,
                now=now,
                published_by=done.published_by,
            )
            for done in this.done
        ] + [
            fail(
                item,
                batch_id=batch_id,
                error=error,
                now=now,
                next_try_at=at.retries.next_try(error, item.attempt, now),
                contract_fingerprint=at.contract.fingerprint,
                previous=self._still_there(item, this.found.get(item.path, ())),
            )
            for item, error in failed
        ]
        items = dict(this.items)
        for outcome in at.files.apply(transitions):
            if not outcome.applied:
                logger.warning("%s is not this batch's any more", outcome.path, extra=self._where)
            if outcome.item is None:
                del items[outcome.path]
            else:
                items[outcome.path] = outcome.item
        fault_point("job.flipped")
        ended = {transition.key["file_path"] for transition in transitions}
        self._note({path: item for path, item in items.items() if path in ended})
        return _Round(items, this.done, failed)

    def _still_there(self, item: LedgerItem, found: Sequence[Found]) -> Published | None:
        """Say which version a failed file still has in the table, where its item does not.

        A session that died between its commit and its flip leaves rows that no item ever called completed.
        """
        others = [rows for rows in found if rows.batch_id not in self._batch.ids]
        if item.previous is not None or len(others) != 1 or self._at.contract.on_overwrite is OnOverwrite.APPEND:
            return None
        return Published(others[0].etag, others[0].batch_id, others[0].rows, "")

    def _settle(self, rounds: Sequence[_Round]) -> BatchResult:
        """Close the batch if nobody waits on it, and note what became of it."""
        done = [done for this in rounds for done in this.done]
        failed = [item for this in rounds for item, _ in this.failed]
        latencies = [
            (file.snapshot.committed_at - file.item.event_at).total_seconds()
            for file in done
            if file.is_new and file.item.event_at is not None
        ]
        items = rounds[-1].items
        # A failed file that waits no more is one that nothing more comes of by itself.
        retried = sum(item.path in items and waits(items[item.path]) for item in failed)
        result = BatchResult(
            token=self._at.token,
            completed=len(done),
            failed=len(failed) - retried,
            retried=retried,
            rows=sum(file.rows for file in done),
            latency_seconds_median=round(median(latencies)) if latencies else 0,
            latency_seconds_max=round(max(latencies)) if latencies else 0,
        )
        if any(item.batch_id == self._batch.batch_id and waits(item) for item in items.values()):
            logger.info("the batch stays open: a file waits", extra=self._where)
            self._at.batches.finish(self._batch, self._at.token, result)
            if self._batch.interactive:
                self._at.batches.hand_back(self._batch, self._at.clock())
        else:
            self._at.batches.close(self._batch, self._at.clock(), result)
        return result


def _is_touched(error: FileError) -> bool:
    return isinstance(error, FileChanged) and error.found == error.claimed


def _recorded(item: LedgerItem, staging: Staging) -> RecordedFile:
    error = staging.failed.get(item.path)
    if error is not None:
        return RecordedFile(item.path, item.etag, type(error).__name__, 0)
    rows, rejects = staging.rows.get(item.path, 0), staging.rejects.get(item.path, 0)
    return RecordedFile(item.path, item.etag, PUBLISHED, rows, rejects)
