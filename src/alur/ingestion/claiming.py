"""A session's claims: what lies under some globs, what the ledger has of it, and what of it is ours from now on.

The same claims as those of the dispatcher, made by whoever reads the files himself. What is known costs one lookup for
100 files; what is new two changes for 25, its claim and its end.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from alur.aws.storage import Page
from alur.clock import Clock, to_iso
from alur.contracts.contract import Contract
from alur.dispatch.batching import BatchMaker
from alur.errors import AlurError, FileError, LoadLost, Released
from alur.ledger.batches import Batch, BatchState, BatchStore
from alur.ledger.dynamo import KEYS_PER_CALL
from alur.ledger.files import FileLedger
from alur.ledger.manifest import Candidate
from alur.ledger.model import FileVersion, LedgerItem, Status
from alur.ledger.retention import MARGIN
from alur.ledger.retries import Retries
from alur.ledger.table import Change
from alur.ledger.transitions import Claimant, Decision, claim, decide_by_object, fail, release, remember

logger = logging.getLogger(__name__)

_LOOKED_UP_TOGETHER = 10 * KEYS_PER_CALL

ALL_PROCESSED = "All files have been processed. No new data to ingest."
"""What is said when every file that was listed is completed."""


@dataclass(frozen=True, slots=True)
class Held:
    """A file that somebody else is ingesting.

    Attributes:
        path: `s3://bucket/key`.
        batch_id: whose it is.
        since: when it was claimed.
    """

    path: str
    batch_id: str
    since: datetime | None


@dataclass(frozen=True, slots=True)
class NotTaken:
    """A file that failed before, and is not tried again before something changes.

    Attributes:
        path: `s3://bucket/key`.
        error_type: the kind of failure.
        reason: its message.
    """

    path: str
    error_type: str
    reason: str


@dataclass(slots=True)
class Survey:
    """What became of the files that were listed and are not ours.

    Attributes:
        listed: how many files the globs mean.
        completed: how many of them are in the table.
        passed_over: how many are older than the moment before which files are passed over.
        failed: those that failed and are not tried again now.
        held: those that others are ingesting.
    """

    listed: int = 0
    completed: int = 0
    passed_over: int = 0
    failed: list[NotTaken] = field(default_factory=list)
    held: list[Held] = field(default_factory=list)

    @property
    def skipped(self) -> int:
        """How many were listed and left alone."""
        return self.completed + self.passed_over + len(self.failed) + len(self.held)

    def say_nothing_to_read(self, globs: Sequence[str]) -> str:
        """Say in one line why there is nothing to read.

        Args:
            globs: what was listed.
        """
        if not self.listed:
            return f"No file matches {', '.join(globs)}. No new data to ingest."
        if not self.failed and not self.held:
            if not self.passed_over:
                return ALL_PROCESSED
            return f"{ALL_PROCESSED[:-1]}; {self.passed_over} older files were passed over."
        parts = [f"{self.completed} completed"] if self.completed else []
        if self.failed:
            first = self.failed[0]
            parts.append(f"{len(self.failed)} failed (the first: {first.error_type}: {first.reason})")
        if self.held:
            first_held = self.held[0]
            since = f" since {to_iso(first_held.since)}" if first_held.since else ""
            parts.append(f"{len(self.held)} being ingested (the first by batch {first_held.batch_id}{since})")
        if self.passed_over:
            parts.append(f"{self.passed_over} older ones passed over")
        return f"Nothing to read: of {self.listed} files {', '.join(parts)}."


@dataclass(frozen=True, slots=True)
class Taken:
    """What a session has claimed.

    Attributes:
        batch: the batch that owns it; None: nothing was to be had.
        items: the claims, by path.
        survey: what became of the rest.
    """

    batch: Batch | None
    items: Mapping[str, LedgerItem]
    survey: Survey


class SessionClaims:
    """Claims files for a session, and ends claims that it does not keep.

    Args:
        contract: the table's.
        files, batches: the ledger.
        maker: makes batches.
        clock: the present.
        retries: the rule by which what failed is tried again.
    """

    def __init__(
        self,
        contract: Contract,
        *,
        files: FileLedger,
        batches: BatchStore,
        maker: BatchMaker,
        clock: Clock,
        retries: Retries,
    ) -> None:
        self._contract = contract
        self._files = files
        self._batches = batches
        self._maker = maker
        self._clock = clock
        self._retries = retries

    def take(self, pages: Iterable[Page], *, since: datetime | None = None) -> Taken:
        """Claim what is new among the listed files, or due, or whose owner is gone.

        Args:
            pages: of listings, no object twice.
            since: files whose S3 date is earlier are passed over; None: those before the table's watermark.

        Raises:
            LoadLost: the claims took longer than the lease; what was claimed is released.
            AlurError: S3 or the ledger cannot be asked; what was claimed by then is released.
        """
        survey = Survey()
        bound = _Bound(since, is_known=since is not None)
        wanted: dict[str, tuple[LedgerItem | None, FileVersion]] = {}
        contested: list[tuple[LedgerItem, FileVersion]] = []
        for versions in _gathered(pages):
            survey.listed += len(versions)
            for version, item in self._look_up(versions, bound, survey):
                self._sort(version, item, survey, wanted, contested)
        self._settle_contested(contested, survey, wanted)
        if not wanted:
            return Taken(None, {}, survey)
        return self._claim(wanted, survey)

    def release(self, items: Iterable[LedgerItem], reason: str) -> None:
        """Free claims that nothing came of: failed, transient, due at once.

        Args:
            items: the claims.
            reason: why.

        Raises:
            LedgerError: the ledger cannot be written; they are free when the lease has passed.
        """
        now = self._clock()
        self._files.apply([release(item, error=Released(item.path, reason), now=now) for item in items])

    def fail(self, failed: Sequence[tuple[LedgerItem, FileError]]) -> None:
        """End claims by what is wrong with the files.

        Args:
            failed: each claim, and why.

        Raises:
            LedgerError: the ledger cannot be written.
        """
        now = self._clock()
        self._files.apply(
            [
                fail(
                    item,
                    batch_id=item.batch_id or "",
                    error=error,
                    now=now,
                    next_try_at=self._retries.next_try(error, item.attempt, now),
                )
                for item, error in failed
            ]
        )

    def end(self, batch: Batch) -> None:
        """Let go of a batch of which nothing is processing any more; the reconciler looks whether a file of it waits.

        Raises:
            LedgerError: the ledger cannot be written.
        """
        self._batches.hand_back(batch, self._clock())

    def _look_up(
        self, versions: Sequence[FileVersion], bound: _Bound, survey: Survey
    ) -> Iterator[tuple[FileVersion, LedgerItem | None]]:
        """Yield each file that is not completed, with its item, the newest first.

        What is passed over is not looked up.

        The watermark is asked for only where it may matter: where a file has no item, and is older than it may be.
        """
        newest_first = sorted(versions, key=lambda version: (_date(version), version.key), reverse=True)
        position = 0
        while position < len(newest_first):
            if bound.is_before(newest_first[position]):
                survey.passed_over += len(newest_first) - position
                return
            chunk = newest_first[position : position + KEYS_PER_CALL]
            chunk = [version for version in chunk if not bound.is_before(version)]
            glances = self._files.glance(self._contract.ingestion_key, [version.path for version in chunk])
            if not bound.is_known and any(
                version.path not in glances and self._may_be_before_a_watermark(version) for version in chunk
            ):
                bound.moment, bound.is_known = self._files.watermark(self._contract.ingestion_key), True
            unsettled: list[FileVersion] = []
            for version in chunk:
                glance = glances.get(version.path)
                if glance is None and bound.is_before(version):
                    survey.passed_over += 1
                elif glance is None:
                    yield version, None
                elif glance.status is Status.COMPLETED and glance.etag == version.etag:
                    survey.completed += 1
                else:
                    unsettled.append(version)
            if unsettled:
                items = self._files.read(self._contract.ingestion_key, [version.path for version in unsettled])
                yield from ((version, items.get(version.path)) for version in unsettled)
            position += len(chunk)

    def _may_be_before_a_watermark(self, version: FileVersion) -> bool:
        return _date(version) < (self._clock() - MARGIN).timestamp()

    def _sort(
        self,
        version: FileVersion,
        item: LedgerItem | None,
        survey: Survey,
        wanted: dict[str, tuple[LedgerItem | None, FileVersion]],
        contested: list[tuple[LedgerItem, FileVersion]],
    ) -> None:
        if item is not None and item.status is Status.PROCESSING:
            contested.append((item, version))
            return
        decision = decide_by_object(item, version, Claimant.of(self._contract, ""))
        if decision is Decision.CLAIM:
            wanted[version.path] = (item, version)
        elif item is not None and item.status is Status.FAILED:
            survey.failed.append(NotTaken(item.path, item.error_type or "", item.error_message or ""))
        else:
            survey.completed += 1

    def _settle_contested(
        self,
        contested: Sequence[tuple[LedgerItem, FileVersion]],
        survey: Survey,
        wanted: dict[str, tuple[LedgerItem | None, FileVersion]],
    ) -> None:
        """Take what belongs to nobody that is alive; of what others have, note that something newer came."""
        if not contested:
            return
        owners = self._batches.read_all(
            self._contract.ingestion_key, [item.batch_id for item, _ in contested if item.batch_id is not None]
        )
        now = self._clock()
        newer: list[Change] = []
        for item, version in contested:
            if is_free(owners.get(item.batch_id or ""), now):
                wanted[item.path] = (item, version)
                continue
            survey.held.append(Held(item.path, item.batch_id or "", item.claimed_at))
            if item.etag != version.etag:
                newer.append(remember(item, version, version.last_modified or now))
        self._files.apply(newer)

    def _claim(self, wanted: Mapping[str, tuple[LedgerItem | None, FileVersion]], survey: Survey) -> Taken:
        now = self._clock()
        contract = self._contract
        paths = sorted(wanted)
        candidates = [Candidate(wanted[path][1], wanted[path][1].last_modified or now) for path in paths]
        batch = self._maker.begin(contract.ingestion_key, contract.fingerprint, candidates, interactive=True)
        claimant = Claimant.of(contract, batch.batch_id)
        try:
            outcomes = self._files.apply(
                [
                    claim(wanted[path][0], candidate.version, claimant, event_at=candidate.event_at, now=now)
                    for path, candidate in zip(paths, candidates, strict=True)
                ]
            )
        except BaseException:
            self._give_up(batch, paths)
            raise
        items: dict[str, LedgerItem] = {}
        for outcome in outcomes:
            item = outcome.item
            if outcome.applied and item is not None:
                items[outcome.path] = item
            elif item is not None and item.status is Status.COMPLETED:
                survey.completed += 1
            else:
                # Somebody was faster; whoever deleted the item since leaves it to the next load.
                batch_id, since = (item.batch_id, item.claimed_at) if item else (None, None)
                survey.held.append(Held(outcome.path, batch_id or "", since))
        logger.info(
            "claimed %d of %d files",
            len(items),
            len(paths),
            extra={"ingestion_key": contract.ingestion_key, "batch_id": batch.batch_id},
        )
        if not items:
            self._batches.close(batch, self._clock())
            return Taken(None, {}, survey)
        if not self._maker.renew(batch):
            # The claims took longer than the lease, and whoever ended it may not have seen them.
            self.release(items.values(), "its claims took longer than its lease")
            self._batches.reopen_lapsed(batch, self._clock())
            raise LoadLost(batch.batch_id)
        return Taken(batch, items, survey)

    def _give_up(self, batch: Batch, paths: Sequence[str]) -> None:
        """Free whatever a claim that was cut short has won, as far as the ledger can still be written."""
        try:
            found = self._files.read(self._contract.ingestion_key, paths)
            self.release([item for item in found.values() if item.batch_id == batch.batch_id], "its claims failed")
            self.end(batch)
        except AlurError as error:
            logger.warning("the claims of batch %s stand until its lease has passed: %s", batch.batch_id, error)


def is_free(owner: Batch | None, now: datetime) -> bool:
    """Whether files that are processing belong to nobody who could still be at them.

    Args:
        owner: the batch that owns them; None: it is not there.
        now: the present.
    """
    if owner is None or owner.state is BatchState.CLOSED:
        return True
    if not owner.interactive:
        return False
    return owner.state is not BatchState.LEASED or owner.lease_until <= now


@dataclass(slots=True)
class _Bound:
    """The moment before which files are passed over; not known before somebody needs it."""

    moment: datetime | None
    is_known: bool

    def is_before(self, version: FileVersion) -> bool:
        return self.moment is not None and _date(version) < self.moment.timestamp()


def _gathered(pages: Iterable[Page]) -> Iterator[list[FileVersion]]:
    """Put small pages together, so that a lookup asks for as many files as it may."""
    gathered: list[FileVersion] = []
    for page in pages:
        gathered += page.objects
        if len(gathered) >= _LOOKED_UP_TOGETHER:
            yield gathered
            gathered = []
    if gathered:
        yield gathered


def _date(version: FileVersion) -> float:
    return version.last_modified.timestamp() if version.last_modified else 0.0
