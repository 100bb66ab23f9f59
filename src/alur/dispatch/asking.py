"""Asking for files again: those that failed, or any whose rows a person wants read anew.

First the entry says that the file is to be tried again, then an event names it, and the dispatcher claims it as it
claims everything. Killed in between, the entry is due: the reconciler's daily walk or the next `alur run` takes it, and
to ask again sends the event. Where a table takes no events, the next `alur run` takes the file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from alur.aws.storage import Storage
from alur.clock import Clock
from alur.contracts.contract import Contract
from alur.contracts.routing import Router
from alur.dispatch.looking import look
from alur.errors import StorageError
from alur.ledger.files import FileLedger
from alur.ledger.model import FileVersion, LedgerItem, Status
from alur.ledger.paths import split_path
from alur.ledger.transitions import ask_again, reprocess

Notify = Callable[[Iterable[FileVersion]], object]
"""Sends an event for each object."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What became of files that were asked for.

    Attributes:
        asked: they are tried again.
        notified: for how many of them an event was sent; the others wait for the next `alur run`.
        gone: their objects are not in the bucket any more; their entries are as they were.
        unclaimed: no glob of the contract means them any more; their entries are as they were.
        changed: somebody else was at their entries just then, which are as he left them.
        passed_over: they wait for `alur run`, and are older than the table's watermark.
    """

    asked: tuple[str, ...] = ()
    notified: int = 0
    gone: tuple[str, ...] = ()
    unclaimed: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    passed_over: tuple[str, ...] = ()

    def __add__(self, other: Asked) -> Asked:
        """Put two of them together."""
        return Asked(
            self.asked + other.asked,
            self.notified + other.notified,
            self.gone + other.gone,
            self.unclaimed + other.unclaimed,
            self.changed + other.changed,
            self.passed_over + other.passed_over,
        )


@dataclass(frozen=True, slots=True)
class Request:
    """One file that one table is to read again.

    Attributes:
        contract: the table's.
        item: what the ledger has of it; None: nothing.
        current: what the object is now.
    """

    contract: Contract
    item: LedgerItem | None
    current: FileVersion


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a file cannot be read again now.

    Attributes:
        path: the file.
        table: which table's; None: any.
        reason: why, and what to do.
        held: what the ledger has of it, where that is why: it is being processed.
    """

    path: str
    table: str | None
    reason: str
    held: LedgerItem | None = None


class Asker:
    """Asks for files again.

    Args:
        files: the ledger.
        storage: S3.
        takes_events: whether a table's files are taken in by events.
        notify: sends an event for each object.
        clock: the present.
    """

    def __init__(
        self,
        *,
        files: FileLedger,
        storage: Storage,
        takes_events: Callable[[Contract], bool],
        notify: Notify,
        clock: Clock,
    ) -> None:
        self._files = files
        self._storage = storage
        self._takes_events = takes_events
        self._notify = notify
        self._clock = clock
        self._watermarks: dict[str, datetime | None] = {}

    def retry(self, contract: Contract, items: Iterable[LedgerItem]) -> Asked:
        """Let failed files be tried again.

        Args:
            contract: their table's.
            items: as they were read; those that have not failed are left alone.

        Raises:
            AlurError: the ledger cannot be written, or the queue; what was asked for is due, and may be asked again.
        """
        failed = [item for item in items if item.status is Status.FAILED]
        router = Router([contract])
        claimed = [item for item in failed if router.route(*split_path(item.path))]
        unclaimed = tuple(item.path for item in failed if not router.route(*split_path(item.path)))
        seen = look(self._storage, (item.version for item in claimed))
        there: dict[str, FileVersion] = {}
        for item in claimed:
            found = seen[item.path]
            if found is not None:
                # Whoever may not ask S3 for it leaves that to the dispatcher, which looks anyway.
                there[item.path] = item.version if isinstance(found, StorageError) else found
        now = self._clock()
        outcomes = self._files.apply([ask_again(item, now) for item in claimed if item.path in there])
        asked = [there[outcome.path] for outcome in outcomes if outcome.applied]
        return Asked(
            asked=tuple(version.path for version in asked),
            notified=self._send(contract, asked),
            gone=tuple(item.path for item in claimed if item.path not in there),
            unclaimed=unclaimed,
            changed=tuple(outcome.path for outcome in outcomes if not outcome.applied),
            passed_over=self._passed_over(contract, asked),
        )

    def prepare(
        self, contracts: Sequence[Contract], paths: Iterable[str]
    ) -> tuple[tuple[Request, ...], tuple[Refusal, ...]]:
        """Say which files can be read again by which tables, and which cannot, and why. Nothing is changed.

        Args:
            contracts: of the tables that may be meant.
            paths: `s3://bucket/key`, each.

        Raises:
            AlurError: the ledger or S3 cannot be asked.
        """
        router = Router(contracts)
        wanted = {path: router.route(*split_path(path)) for path in dict.fromkeys(paths)}
        refusals = [Refusal(path, None, _unclaimed(contracts)) for path, claimants in wanted.items() if not claimants]
        claimed = [FileVersion(*split_path(path), "", 0) for path, claimants in wanted.items() if claimants]
        seen: dict[str, FileVersion] = {}
        for path, found in look(self._storage, claimed).items():
            if isinstance(found, StorageError):
                raise found
            if found is None:
                refusals.append(Refusal(path, None, _GONE))
            else:
                seen[path] = found
        requests: list[Request] = []
        for contract in contracts:
            mine = [path for path in seen if contract in wanted[path]]
            items = self._files.read(contract.ingestion_key, mine)
            for path in mine:
                item = items.get(path)
                if item is not None and item.status is Status.PROCESSING:
                    refusals.append(Refusal(path, contract.ingestion_key, _BUSY, held=item))
                else:
                    requests.append(Request(contract, item, seen[path]))
        return tuple(requests), tuple(refusals)

    def reprocess(self, requests: Sequence[Request]) -> Asked:
        """Have files read again, and their rows replaced.

        Args:
            requests: what `prepare` returned.

        Raises:
            AlurError: the ledger cannot be written, or the queue; what was asked for is due, and may be asked again.
        """
        total = Asked()
        for contract in dict.fromkeys(request.contract for request in requests):
            mine = [request for request in requests if request.contract == contract]
            now = self._clock()
            outcomes = self._files.apply([reprocess(request.item, now) for request in mine if request.item])
            changed = {outcome.path for outcome in outcomes if not outcome.applied}
            asked = [request.current for request in mine if request.current.path not in changed]
            total += Asked(
                asked=tuple(version.path for version in asked),
                notified=self._send(contract, asked),
                changed=tuple(sorted(changed)),
                passed_over=self._passed_over(contract, asked),
            )
        return total

    def _send(self, contract: Contract, versions: Sequence[FileVersion]) -> int:
        if not versions or not self._takes_events(contract):
            return 0
        self._notify(versions)
        return len(versions)

    def _passed_over(self, contract: Contract, versions: Sequence[FileVersion]) -> tuple[str, ...]:
        if not versions or self._takes_events(contract):
            return ()
        key = contract.ingestion_key
        if key not in self._watermarks:
            self._watermarks[key] = self._files.watermark(key)
        watermark = self._watermarks[key]
        return tuple(
            version.path
            for version in versions
            if watermark is not None and version.last_modified is not None and version.last_modified < watermark
        )


_GONE = (
    "there is no such object, so that its rows would stay and its entry would fail; upload it again under the same "
    "key, and it is ingested as any file is"
)
_BUSY = "wait until that has ended, and ask again"


def _unclaimed(contracts: Sequence[Contract]) -> str:
    globs = ", ".join(glob for contract in contracts for glob in contract.source_paths)
    return f"no contract claims it: none of {globs or 'no globs'} means it; correct Meta.source_path and deploy"
