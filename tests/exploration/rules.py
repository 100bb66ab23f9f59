"""What holds always, and what holds when nothing moves any more.

The rules see everything: which bytes a row really is of, who claimed what, which commits a rollback undid. They are
told of each write and judge at once, so that a violation stands behind the very step that broke the rule.
"""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from alur.clock import from_iso
from alur.contracts.contract import OnOverwrite
from alur.engine.records import PUBLISHED, attempt_of, recorded_files
from alur.engine.validator import BATCH_KEY, RECORD_KEY
from alur.ledger.model import LedgerItem, Status
from alur.ledger.paths import split_path
from alur.ledger.table import Attributes
from exploration.table import Snap, problem_of, rejects_in, rows_in

if TYPE_CHECKING:
    from exploration.scheduler import Actor
    from exploration.world import World

_ERRORS: dict[str, frozenset[str]] = {
    "empty": frozenset({"EmptyFile"}),
    "header": frozenset({"HeaderMismatch"}),
    "broken": frozenset({"UnreadableFile"}),
    "records": frozenset({"UnstorableRecords"}),
    "poison": frozenset({"KilledRun"}),
}
_WORN_OUT = frozenset({"RunsFailed", "KilledRun", "FileUnavailable"})
"""What a file that is as it should be may fail with for good, if enough was done to its runs."""

_KNOWN_STUMBLES = frozenset(
    {
        "LedgerUnavailable",
        "StorageUnavailable",
        "StorageRefused",
        "ReadFailed",
        "CommitRefused",
        "CommitUnknown",
        "EngineFailed",
        "RunDied",
    }
)

KEY = "orders"
"""The ingestion key of the one table."""

Key = tuple[str, str]
"""A path, and, where versions are appended, the ETag: what has rows of one batch only."""


class Violation(AssertionError):
    """A rule is broken.

    Args:
        rule: in a word or two.
        what: happened.
    """

    def __init__(self, rule: str, what: str) -> None:
        super().__init__(f"{rule}: {what}")
        self.rule = rule


@dataclass(frozen=True, slots=True)
class Publication:
    """What a record says of a path: which version, by which attempt of which batch, under which columns."""

    etag: str
    batch_id: str
    attempt: str
    columns: tuple[str, ...]


class Rules:
    """The rules of one world.

    Attributes:
        forgotten: paths whose item a user has deleted.
        lost_batches: batches and slots were deleted: their files are found by the daily walk.
        died_late: a function was killed after its lease had passed, which a timeout shorter than the lease rules out.
        deployed_over: functions of the old code were under way when another contract was deployed.
        tainted: paths of commits that a rollback undid: what the ledger says of their rows is about another past.
        late: paths whose newest commit is of a batch that did not own them any more when it came.
        sights: what was seen: error types, and in a word or two what else happened.
        foreign_next: the foreign row of the next commit that has no batch.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._claims: set[tuple[str, str, str]] = set()
        self._published: dict[int, dict[Key, Publication]] = {}
        self._foreign: dict[int, frozenset[int]] = {}
        self.forgotten: set[str] = set()
        self.lost_batches = False
        self.died_late = False
        self.deployed_over = False
        self.tainted: set[str] = set()
        self.late: set[str] = set()
        self.sights: set[str] = set()
        self.foreign_next: int | None = None

    # ------------------------------------------------------------------------------------------- always

    def wrote_file(self, before: Attributes | None, after: Attributes | None) -> None:
        """Judge a write to a file's item."""
        if after is None:
            self._world.tell("an item is deleted")
            return
        item = LedgerItem.from_attributes(after)
        if self._world.trace is not None:
            self._world.tell(_shown(item))
        if item.status is Status.PROCESSING and item.batch_id:
            self._claims.add((item.path, item.etag, item.batch_id))
        self.sights |= {item.error_type or "", "waiting" if item.waiting else ""}
        self._keeps(None if before is None else LedgerItem.from_attributes(before), item)
        if item.status is Status.COMPLETED and (before or {}).get("status") != Status.COMPLETED:
            self._completed(item, after.get("rows_rejected"))

    def _keeps(self, before: LedgerItem | None, item: LedgerItem) -> None:
        """Judge what a claim takes over from the item as it was."""
        if item.status is not Status.PROCESSING or before is None or before.batch_id == item.batch_id:
            return
        told = (before.etag, before.rows_batch_id) if before.status is Status.COMPLETED else None
        if told is None and before.previous is not None:
            told = before.previous.etag, before.previous.batch_id
        kept = (item.previous.etag, item.previous.batch_id) if item.previous is not None else None
        if kept != told:
            self._world.violate("previous", f"{_shown(item)} was {_shown(before)}")
        if before.status is Status.COMPLETED and before.etag == item.etag:
            self._world.violate("done twice", f"{_shown(item)} was {_shown(before)}")
        is_handed_over = item.claimed_at == before.claimed_at
        if is_handed_over:
            self.sights.add("handed over")
        if is_handed_over and item.waiting != before.waiting:
            self._world.violate("waiting", f"{_shown(item)} was {_shown(before)}")

    def wrote_batch(self, before: Attributes | None, after: Attributes | None) -> None:
        """Judge a write to a batch or a slot."""
        if after is None:
            return
        if self._world.trace is not None:
            names = ("state", "holder", "run_id", "last_error_type", "look_at", "not_before", "last_look_after")
            old = before or {}
            changed = [f"{name}={after[name]}" for name in names if name in after and after[name] != old.get(name)]
            charged = after.get("begun_by", frozenset()) - after.get("finished_by", frozenset())
            if changed:
                self._world.tell(f"{after['batch_id']}: {', '.join(changed)}; {len(charged)} began and did not finish")
        stumble = after.get("last_error_type")
        self.sights |= {stumble or "", "last look" if "last_look_after" in after else ""}
        if stumble is not None and stumble not in _KNOWN_STUMBLES:
            said = after.get("last_error")
            if stumble not in ("FAILED", "CANCELLED", "GONE", "REFUSED"):
                self._world.violate("crash", f"a run stopped over {stumble}: {said}")

    def committed(self, snap: Snap) -> None:
        """Judge a new head of main."""
        published = dict(self._published.get(snap.parent or 0, {}))
        self.sights |= {"replaced"} if snap.removed and BATCH_KEY in snap.summary else set()
        foreign = self._foreign.get(snap.parent or 0, frozenset())
        if RECORD_KEY in snap.summary:
            document = json.loads(self._world.bucket.things[split_path(snap.summary[RECORD_KEY])].body)
            for file in recorded_files(document):
                if file.verdict == PUBLISHED:
                    published[self._key(file.path, file.etag)] = Publication(
                        file.etag,
                        snap.summary[BATCH_KEY],
                        attempt_of(snap.summary[RECORD_KEY]),
                        self._columns_of(document["contract_fingerprint"]),
                    )
                    self._note_late(file.path, snap.summary[BATCH_KEY])
        elif self.foreign_next is not None:
            foreign |= {self.foreign_next}
            self.foreign_next = None
        self._published[snap.snapshot_id], self._foreign[snap.snapshot_id] = published, foreign
        if self._world.trace is not None:
            self._world.tell(f"main is at {snap.snapshot_id}: {self._shown_rows()}")
        self._judge_rows(published, foreign)
        self.judge_rejects()

    def judge_rejects(self) -> None:
        """Judge the table of the rejects: of each published file its own are in, each once, whatever else is."""
        groups: dict[tuple[str, str, str, str], list[tuple[str, int]]] = defaultdict(list)
        for row in self._world.rejects.rows():
            if row.path is None or row.etag is None or row.batch_id is None:
                continue
            groups[row.path, row.etag, row.batch_id, row.attempt].append(row.origin)
            if (row.path, row.etag, row.batch_id) not in self._claims:
                self._world.violate("claimed", f"{row.path} has rejects of {row.etag} by {row.batch_id}")
        for (path, _), there in self._published[self._world.table.head].items():
            if path in self.tainted:
                continue
            bad = rejects_in(self._world.bucket.bodies[there.etag], there.columns)
            expected = [(there.etag, number) for number in bad]
            self.sights |= {"rejected"} if expected else set()
            found = sorted(groups.get((path, there.etag, there.batch_id, there.attempt), []))
            if found != expected:
                self._world.violate("rejects", f"{path} has rejects {found} of {there}, and should have {expected}")

    def _columns_of(self, fingerprint: str) -> tuple[str, ...]:
        return next(one.column_names for one in self._world.contracts if one.fingerprint == fingerprint)

    def _note_late(self, path: str, batch_id: str) -> None:
        item = self._world.file_table.items.get((KEY, path), {})
        if item.get("batch_id") == batch_id and item.get("status") == Status.PROCESSING:
            self.late.discard(path)
        else:
            self.late.add(path)

    def rolled_back(self, head: int, to: int) -> None:
        """Note which paths a rollback concerns."""
        undone = {path for path, _ in set(self._published[head].items()) ^ set(self._published[to].items())}
        self.tainted |= {path for path, _ in undone}

    def killed(self, actor: Actor) -> None:
        """Note when a function was killed."""
        if actor.name.startswith("L"):
            # A session may live as long as it likes; its lease is what passes.
            return
        self.died_late |= self._world.now - actor.began_at >= self._world.lease

    def deployed(self) -> None:
        """Note whether functions of the old code go on beside the new one."""
        self.deployed_over |= any(actor.name[0] in "DS" for actor in self._world.going())

    def _judge_rows(self, published: dict[Key, Publication], foreign: frozenset[int]) -> None:
        groups: dict[str, dict[tuple[str, str], list[tuple[str, int]]]] = defaultdict(lambda: defaultdict(list))
        strangers: list[int] = []
        for row in self._world.table.rows():
            if row.path is None or row.etag is None or row.batch_id is None:
                strangers.append(row.origin[1])
            else:
                groups[row.path][row.etag, row.batch_id].append(row.origin)
                if row.is_unclear:
                    self._world.violate("stored", f"a line of {row.path} that was not read is in")
        if sorted(strangers) != sorted(foreign):
            self._world.violate("foreign rows", f"there should be {sorted(foreign)}, and there are {sorted(strangers)}")
        appends = self._appends
        for path, versions in groups.items():
            etags = [etag for etag, _ in versions]
            if len(versions) > 1 and not (appends and len(set(etags)) == len(etags)):
                self._world.violate("twice", f"{path} has rows of {sorted(versions)}")
            for (etag, batch_id), origins in versions.items():
                if (path, etag, batch_id) not in self._claims:
                    self._world.violate("claimed", f"{path} has rows of {etag}, which {batch_id} never claimed")
                there = published.get(self._key(path, etag))
                if there is None or (there.etag, there.batch_id) != (etag, batch_id):
                    self._world.violate("record", f"{path} has rows of {etag} by {batch_id}, and no record says so")
                    continue
                good = rows_in(self._world.bucket.bodies[etag], there.columns)
                if sorted(origins) != [(etag, number) for number in good]:
                    self._world.violate("bytes", f"{path} has rows {sorted(origins)} as those of {etag} by {batch_id}")
        for (path, _), there in published.items():
            has_rows = rows_in(self._world.bucket.bodies[there.etag], there.columns)
            if has_rows and (there.etag, there.batch_id) not in groups.get(path, {}):
                self._world.violate("lost", f"{path} has lost the rows of {there}")

    def _completed(self, item: LedgerItem, rejected: Any) -> None:
        if item.path in self.tainted:
            return
        there = self._published[self._world.table.head].get(self._key(item.path, item.etag))
        if there is None or (there.etag, there.batch_id) != (item.etag, item.rows_batch_id):
            self._world.violate("flip", f"{_shown(item)}, and in the table is {there}")
            return
        body = self._world.bucket.bodies[item.etag]
        rows, rejects = len(rows_in(body, there.columns)), len(rejects_in(body, there.columns))
        if (item.rows, rejected) != (rows, rejects):
            self._world.violate("flip", f"{_shown(item)} counts {item.rows} rows and {rejected} rejects")

    # ------------------------------------------------------------------------------------------ at rest

    def most_runs(self) -> int:
        """How many runs all that has happened may have cost.

        One for whatever may bring a version, or bring it back; for a fault another try and, where it was the last one
        allowed, the run that only looks; one for a function that was slower than its timeout lets it be; for a file
        that kills its runs all its tries, and those of the batches that are split until it stands alone; and each run
        that EMR did not let begin.
        """
        world = self._world
        count, files = world.count, len(world.universe.keys)
        arrivals = count("uploads") + count("deletes") + count("duplicates") + count("forgets")
        returns = files * (count("deploys") + count("wipes") + count("refusals"))
        faults = count("harm") + count("twins") + count("cancels") + count("rollbacks") + count("meddling")
        deaths = count("poisons") * (world.universe.max_attempts + 2 * files)
        # What a session lets go is ingested by runs, and each time that it lets go it costs one.
        sessions = 2 * files * count("sessions")
        return arrivals + returns + sessions + count("slow functions") + 2 * faults + deaths + count("stillborn")

    def rest(self) -> None:
        """Judge a world in which nothing moves any more."""
        world = self._world
        runs = len(world.jobs.runs)
        if runs > self.most_runs():
            world.violate("runs", f"there were {runs}, and {self.most_runs()} could be needed")
        for attributes in world.batch_table.items.values():
            if "open_key" in attributes:
                world.violate("stuck", f"{attributes['batch_id']} is open: {attributes.get('state', 'a slot')}")
        items = {
            path: LedgerItem.from_attributes(attributes) for (_, path), attributes in world.file_table.items.items()
        }
        for key in world.universe.keys:
            path = world.path(key)
            thing = world.bucket.things.get(split_path(path))
            item = items.get(path)
            if item is not None:
                self._rests(item)
                if thing is not None:
                    self._says(item, thing.etag)
            elif thing is not None and path not in self.forgotten:
                world.violate("never claimed", path)

    def _rests(self, item: LedgerItem) -> None:
        world = self._world
        if item.status is Status.PROCESSING or item.waiting is not None or item.next_try_at is not None:
            world.violate("stuck", f"{_shown(item)} waits")
        if item.path in self.tainted:
            return
        published = self._published[world.table.head]
        there = published.get(self._key(item.path, item.etag))
        if item.status is Status.COMPLETED:
            if there is None or (there.etag, there.batch_id) != (item.etag, item.rows_batch_id):
                world.violate("completed", f"{_shown(item)}, and in the table is {there}")
            else:
                left = {
                    row.attempt
                    for row in world.rejects.rows()
                    if row.path == item.path and (row.etag == item.etag or not self._appends)
                }
                if left - {there.attempt}:
                    world.violate("rejects", f"{item.path} has rejects of {left}, and published is {there}")
        if item.status is Status.FAILED:
            in_table = {(row.etag, row.batch_id) for row in world.table.rows() if row.path == item.path}
            owner = world.batch(item.batch_id)
            mine = owner.ids if owner is not None else {item.batch_id}
            if any((item.etag, batch_id) in in_table for batch_id in mine):
                world.violate("failed", f"{_shown(item)}, and its rows are in")
            # Rows that came after a file had failed by name are those of a version before: no verdict shuts them out.
            # Nor does a session know of a batch that somebody deleted: a bad header fails without a look at the table.
            is_unknown = self.lost_batches and world.count("sessions")
            if not self._appends and not is_unknown and item.path not in self.forgotten | self.late:
                before = item.previous
                told = {(before.etag, before.batch_id)} if before is not None and before.rows else set()
                if told != in_table:
                    world.violate("previous", f"{_shown(item)} says that {told} is in the table, and it is {in_table}")

    def _says(self, item: LedgerItem, etag: str) -> None:
        """Judge what an item says of the object that is there."""
        world = self._world
        is_completed = item.status is Status.COMPLETED
        if item.etag != etag:
            if not (is_completed and world.contract.on_overwrite is OnOverwrite.SKIP):
                world.violate("newest", f"{_shown(item)}, and the object is {etag}")
            return
        problem = problem_of(world.bucket.bodies[etag], world.contract.column_names)
        if is_completed:
            if problem is not None and not world.count("deploys"):
                world.violate("completed", f"{_shown(item)}, and its bytes are not good: {problem}")
            return
        # An expiry between a run's first two operations costs a try too.
        harm = world.count("harm") + world.count("twins") + world.count("meddling")
        allowed = _ERRORS[problem] if problem is not None else frozenset()
        if world.count("refusals"):
            allowed |= {"TableRefused"}
        poisoned = any(b"POISON" in body for body in world.bucket.bodies.values())
        if harm >= (1 if poisoned else world.universe.max_attempts):
            allowed |= _WORN_OUT
        if item.error_type not in allowed:
            world.violate("reason", f"{_shown(item)}, and wrong with it is: {problem or 'nothing'}")
        elif item.contract_fingerprint != world.contract.fingerprint:
            world.violate("contract", f"{_shown(item)} by a contract that is not the deployed one")

    @property
    def _appends(self) -> bool:
        return self._world.universe.on_overwrite is OnOverwrite.APPEND

    def _key(self, path: str, etag: str) -> Key:
        return path, etag if self._appends else ""

    def _shown_rows(self) -> str:
        counted: dict[Any, int] = defaultdict(int)
        for row in self._world.table.rows():
            counted[row.path and row.path.rsplit("/", 1)[-1], row.etag, row.batch_id] += 1
        return ", ".join(f"{' '.join(map(str, who))} x{number}" for who, number in counted.items()) or "no rows"


def next_moment(world: World) -> datetime | None:
    """When something that waits is due next."""
    moments = [
        from_iso(attributes[name])
        for table in (world.file_table, world.batch_table)
        for attributes in table.items.values()
        for name in ("next_try_at", "look_at", "not_before", "lease_until", "rests_until")
        if name in attributes
    ]
    moments += [
        from_iso(attributes["taken_at"]) + world.unsubmitted
        for attributes in world.batch_table.items.values()
        if attributes.get("holder")
    ]
    return min((moment for moment in moments if moment > world.now), default=None)


def _shown(item: LedgerItem) -> str:
    name = item.path.rsplit("/", 1)[-1]
    parts = [name, item.status.value, item.etag, f"of {item.batch_id}", f"attempt {item.attempt}"]
    if item.error_type:
        parts.append(item.error_type)
    if item.next_try_at:
        parts.append(f"next try {item.next_try_at:%d %H:%M:%S}")
    if item.waiting:
        parts.append(f"waiting {item.waiting.etag}")
    if item.previous:
        parts.append(f"previous {item.previous.etag} of {item.previous.batch_id}")
    return " ".join(parts)
