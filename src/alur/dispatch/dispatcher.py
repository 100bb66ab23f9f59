"""Events in, claims and runs out.

For each table: the candidates' manifest, the batch, the claims, `ready`, and a run if the table has a place for one.
What goes wrong for one table fails the messages that named it, which come back; the others' claims stand.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from alur.aws.storage import Storage
from alur.clock import Clock
from alur.contracts.contract import Contract, Trigger
from alur.contracts.routing import Router
from alur.dispatch.batching import BatchMaker
from alur.dispatch.events import Ignored, Intake, Malformed, ObjectCreated
from alur.dispatch.looking import look
from alur.dispatch.submission import Submission, Submitter
from alur.errors import AlurError, LedgerUnavailable, MalformedEvent, StorageError, SubmitError
from alur.faults import fault_point
from alur.ledger.files import FileLedger
from alur.ledger.manifest import Candidate
from alur.ledger.model import FileVersion, LedgerItem
from alur.ledger.paths import MAX_PATH_BYTES
from alur.ledger.table import Change
from alur.ledger.transitions import Claimant, Decision, claim, decide_by_event, decide_by_object, forget, remember

logger = logging.getLogger(__name__)

_ROUNDS = 4


@dataclass(frozen=True, slots=True)
class Report:
    """What became of an invocation's events.

    Attributes:
        failed_message_ids: SQS messages that must come back: malformed, or their table could not be served.
        errors: what failed, for an invocation that has no messages to send back.
        received: object-created records.
        unrouted: of those, keys that no contract claims.
        ignored: records of other kinds.
        malformed: records that are none.
        decisions: how many files were claimed, duplicates, remembered, …, by table.
        submissions: the runs that were started.
    """

    failed_message_ids: tuple[str, ...]
    errors: tuple[AlurError, ...]
    received: int
    unrouted: int
    ignored: int
    malformed: int
    decisions: Mapping[str, Mapping[Decision, int]]
    submissions: tuple[Submission, ...]


@dataclass(slots=True)
class _Work:
    """One table's share of an invocation."""

    contract: Contract
    newest: dict[str, Candidate] = field(default_factory=dict)
    contested: set[str] = field(default_factory=set)
    message_ids: set[str] = field(default_factory=set)

    def add(self, candidate: Candidate, message_id: str | None) -> None:
        path = candidate.version.path
        known = self.newest.get(path)
        if known is not None and known.version.etag != candidate.version.etag:
            self.contested.add(path)
        if known is None or known.event_at <= candidate.event_at:
            self.newest[path] = candidate
        if message_id is not None:
            self.message_ids.add(message_id)


@dataclass(frozen=True, slots=True)
class _Plan:
    """What one file becomes, and the change that makes it so; None: nothing is to be done."""

    decision: Decision
    version: FileVersion | None
    change: Change | None


class Dispatcher:
    """Serves the events of one invocation.

    Args:
        router: which contracts claim a key.
        files: the files' ledger.
        maker: makes batches.
        storage: S3.
        submitter: starts runs.
        clock: the present.
    """

    def __init__(
        self,
        *,
        router: Router,
        files: FileLedger,
        maker: BatchMaker,
        storage: Storage,
        submitter: Submitter,
        clock: Clock,
    ) -> None:
        self._router = router
        self._files = files
        self._maker = maker
        self._storage = storage
        self._submitter = submitter
        self._clock = clock

    def dispatch(self, intake: Intake) -> Report:
        """Claim what is new and start what can be started.

        Args:
            intake: the parsed event.

        Returns:
            What became of it; nothing is raised for what one message or one table did wrong.
        """
        counts: Counter[str] = Counter()
        failed_message_ids: set[str] = set()
        errors: list[AlurError] = []
        works = self._sort(intake, counts, failed_message_ids, errors)
        decisions: dict[str, Counter[Decision]] = {}
        submissions: list[Submission] = []
        for ingestion_key, work in works.items():
            decisions[ingestion_key] = Counter()
            try:
                submission = self._serve(work, decisions[ingestion_key])
            except SubmitError as error:
                # The claims and the ready batch are durable: what is ready gets submitted by the reconciler.
                logger.warning("%s", error, extra={"ingestion_key": ingestion_key})
            except AlurError as error:
                logger.error("the table's files come back: %s", error, extra={"ingestion_key": ingestion_key})
                failed_message_ids |= work.message_ids
                errors.append(error)
            else:
                submissions.extend([submission] if submission else [])
        return Report(
            failed_message_ids=tuple(sorted(failed_message_ids)),
            errors=tuple(errors),
            received=counts["received"],
            unrouted=counts["unrouted"],
            ignored=counts["ignored"],
            malformed=counts["malformed"],
            decisions=decisions,
            submissions=tuple(submissions),
        )

    def _sort(
        self, intake: Intake, counts: Counter[str], failed_message_ids: set[str], errors: list[AlurError]
    ) -> dict[str, _Work]:
        works: dict[str, _Work] = {}

        def refuse(error: MalformedEvent, message_id: str | None) -> None:
            counts["malformed"] += 1
            logger.error("malformed record: %s", error, extra={"message_id": message_id})
            errors.append(error)
            if message_id is not None:
                failed_message_ids.add(message_id)

        for delivery in intake.deliveries:
            for record in delivery.records:
                if isinstance(record, Malformed):
                    refuse(record.error, delivery.message_id)
                elif isinstance(record, Ignored):
                    counts["ignored"] += 1
                    logger.info("ignored: %s", record.reason, extra={"message_id": delivery.message_id})
                else:
                    counts["received"] += 1
                    contracts = self._router.route(record.bucket, record.key)
                    if not contracts:
                        counts["unrouted"] += 1
                        logger.warning("no contract claims s3://%s/%s", record.bucket, record.key)
                    elif not any(contract.trigger is Trigger.EVENT for contract in contracts):
                        counts["ignored"] += 1
                        logger.info("s3://%s/%s waits for `alur run`: its trigger is run", record.bucket, record.key)
                    elif (error := _unstorable(record)) is not None:
                        refuse(error, delivery.message_id)
                    else:
                        _share_out(record, delivery.message_id, contracts, works)
        return works

    def _serve(self, work: _Work, decided: Counter[Decision]) -> Submission | None:
        contract = work.contract
        candidates = tuple(work.newest[path] for path in sorted(work.newest))
        batch = self._maker.begin(contract.ingestion_key, contract.fingerprint, candidates)
        claimed = self._claim(candidates, work.contested, Claimant.of(contract, batch.batch_id), decided)
        fault_point("dispatcher.claimed")
        logger.info(
            "claimed %d of %d files",
            len(claimed),
            len(candidates),
            extra={"ingestion_key": contract.ingestion_key, "batch_id": batch.batch_id},
        )
        ready = self._maker.end(batch, claimed)
        return self._submitter.submit_ready(contract.ingestion_key, ready) if ready else None

    def _claim(
        self, candidates: Sequence[Candidate], contested: set[str], claimant: Claimant, decided: Counter[Decision]
    ) -> list[FileVersion]:
        """Claim what nobody has; on a conflict the object says which version is current."""
        claimed: list[FileVersion] = []
        by_path = {candidate.version.path: candidate for candidate in candidates}
        # Optimistic: most files are new, so the first round neither reads the ledger nor asks S3.
        undecided: dict[str, LedgerItem | None] = dict.fromkeys(by_path)
        for _ in range(_ROUNDS):
            planned = self._plan(by_path, undecided, contested, claimant)
            settled = [path for path, plan in planned.items() if plan.change is None]
            for path in settled:
                decided[planned[path].decision] += 1
                del undecided[path]
            for outcome in self._files.apply([plan.change for plan in planned.values() if plan.change is not None]):
                plan = planned[outcome.path]
                if not outcome.applied:
                    undecided[outcome.path] = outcome.item
                    continue
                del undecided[outcome.path]
                decided[plan.decision] += 1
                if plan.decision is Decision.CLAIM and plan.version is not None:
                    claimed.append(plan.version)
            if not undecided:
                return claimed
        raise LedgerUnavailable(
            "claim", "Contended", f"{len(undecided)} items changed under each of {_ROUNDS} attempts"
        )

    def _plan(
        self,
        by_path: Mapping[str, Candidate],
        undecided: Mapping[str, LedgerItem | None],
        contested: set[str],
        claimant: Claimant,
    ) -> dict[str, _Plan]:
        by_event = {path: decide_by_event(item, by_path[path].version, claimant) for path, item in undecided.items()}
        looked = self._look(
            by_path[path].version
            for path, decision in by_event.items()
            if decision is Decision.LOOK or path in contested
        )
        now = self._clock()
        plans: dict[str, _Plan] = {}
        for path, item in undecided.items():
            candidate = by_path[path]
            current = looked.get(path, candidate.version)
            decision = decide_by_object(item, current, claimant) if path in looked else by_event[path]
            change: Change | None = None
            if decision is Decision.CLAIM and current is not None:
                change = claim(item, current, claimant, event_at=candidate.event_at, now=now)
            elif decision is Decision.REMEMBER and item is not None and current is not None:
                logger.info("a newer version waits while %s is processing", path)
                change = remember(item, current, candidate.event_at)
            elif decision is Decision.GONE and item is not None and item.waiting is not None:
                change = forget(item)
            plans[path] = _Plan(decision, current, change)
        return plans

    def _look(self, versions: Iterable[FileVersion]) -> dict[str, FileVersion | None]:
        seen: dict[str, FileVersion | None] = {}
        for path, found in look(self._storage, versions).items():
            if isinstance(found, StorageError):
                raise found
            seen[path] = found
        return seen


def _share_out(
    record: ObjectCreated, message_id: str | None, contracts: Iterable[Contract], works: dict[str, _Work]
) -> None:
    version = FileVersion(record.bucket, record.key, record.etag, record.size_bytes, record.version_id)
    for contract in contracts:
        if contract.trigger is not Trigger.EVENT:
            continue
        work = works.setdefault(contract.ingestion_key, _Work(contract))
        work.add(Candidate(version, record.event_at), message_id)


def _unstorable(record: ObjectCreated) -> MalformedEvent | None:
    """Say why the ledger can have no item for an object: else one statement costs its whole call, and its table."""
    path = FileVersion(record.bucket, record.key, record.etag, record.size_bytes).path
    if len(path.encode()) <= MAX_PATH_BYTES:
        return None
    return MalformedEvent(f"{path} is longer than {MAX_PATH_BYTES} bytes, the most that the ledger holds: rename it")
