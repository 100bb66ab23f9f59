"""Iceberg in memory, and a reader: snapshots that never change, branches, commits that are validated as Iceberg does.

Files are rewritten as copy-on-write does: a data file that holds a row which has to go leaves, and its other rows come
back in a new one. A commit is tried again while others change the table, and the real validator is asked each time.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from alur.clock import Clock
from alur.engine.ports import Commit, Found, Snapshot, Staged, StagedFiles
from alur.engine.validator import BATCH_KEY, RECORD_KEY, NobodyPublished
from alur.errors import CommitRefused, CommitUnknown, ReadFailed
from alur.ingestion.naming import Source, folder_of
from alur.ledger.paths import split_path
from exploration.bucket import MemoryBucket, etag_of
from exploration.scheduler import Scheduler

LANDED, NOT_LANDED = "answer lost, and it landed", "answer lost, and it did not land"
POISON, BROKEN = "POISON", "BROKEN"

_COMMIT_ATTEMPTS = 21


class EngineFailed(Exception):
    """What Spark or Iceberg raises that nobody expects: a snapshot or a branch that is gone, a JVM that died."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row: what it says of itself, and, for the rules, which bytes it really is of.

    Attributes:
        path, etag, batch_id: its own columns; None in a row of somebody else's.
        origin: the ETag of the bytes that were read, and the row's number in them.
        is_bad: the contract cannot hold it.
    """

    path: str | None
    etag: str | None
    batch_id: str | None
    origin: tuple[str, int]
    is_bad: bool = False


@dataclass(frozen=True, slots=True)
class Snap:
    """A snapshot.

    Attributes:
        parent: of it, which may be gone.
        files: the data files of the whole table.
        added, removed: of those, what this snapshot changed.
    """

    snapshot_id: int
    parent: int | None
    committed_at: datetime
    summary: Mapping[str, str]
    files: frozenset[int]
    added: frozenset[int]
    removed: frozenset[int]


@dataclass(slots=True)
class Engine:
    """What a run computes with, which a file may kill."""

    is_alive: bool = True


@dataclass(slots=True)
class MemoryIceberg:
    """The table, as the catalog and the bucket hold it.

    Attributes:
        scheduler: where to stop.
        clock: dates snapshots.
        packs: the rows of one append are in one data file; else in one for each path.
        sights: what is seen, for whoever wants to know that it was.
        committed: told of each new head of main.
    """

    scheduler: Scheduler
    clock: Clock
    packs: bool
    committed: Callable[[Snap], None]
    sights: set[str]
    name: str = "alur.bronze.orders"
    head: int = 1
    version: int = 0
    snaps: dict[int, Snap] = field(default_factory=dict)
    branches: dict[str, int] = field(default_factory=dict)
    files: dict[int, tuple[Row, ...]] = field(default_factory=dict)
    made: int = 1

    def __post_init__(self) -> None:
        nothing: frozenset[int] = frozenset()
        self.snaps[1] = Snap(1, None, self.clock(), {}, nothing, nothing, nothing)

    # ------------------------------------------------------------------------------------ whoever looks

    def rows(self, snapshot_id: int | None = None) -> list[Row]:
        """The rows of a snapshot, main's newest by default."""
        snap = self.snaps[snapshot_id or self.head]
        return [row for number in sorted(snap.files) for row in self.files[number]]

    def ancestry(self, snapshot_id: int | None = None) -> Iterator[Snap]:
        """A snapshot and those before it, as far as they are kept."""
        at = snapshot_id or self.head
        snap = self.snaps.get(at)
        while snap is not None:
            yield snap
            snap = self.snaps.get(snap.parent) if snap.parent is not None else None

    # ------------------------------------------------------------------------------------- other people

    def append_foreign(self, number: int) -> None:
        """Append a row that is none of ours."""
        self._on_main(self._write([Row(None, None, None, ("foreign", number))]), frozenset())

    def compact(self) -> None:
        """Rewrite every data file into one."""
        old = self.snaps[self.head].files
        self._on_main(self._write(self.rows(), packs=True), old)

    def expire(self) -> None:
        """Drop every snapshot that is not the head of something."""
        kept = {self.head, *self.branches.values()}
        self.snaps = {number: snap for number, snap in self.snaps.items() if number in kept}
        self.version += 1

    def roll_back(self, snapshot_id: int) -> None:
        """Make an older snapshot main's head."""
        self.head = snapshot_id
        self.version += 1

    # ------------------------------------------------------------------------------------------ changes

    def add_to_branch(self, branch: str, rows: Sequence[Row]) -> None:
        """Commit new rows to a branch."""
        base = self.branch_head(branch)
        self.branches[branch] = self._snap(base, self._write(rows), frozenset(), {}).snapshot_id

    def branch_head(self, branch: str) -> Snap:
        if branch not in self.branches:
            raise EngineFailed(f"no branch {branch}")
        return self.snaps[self.branches[branch]]

    def rewrite_branch(self, branch: str, is_doomed: Callable[[Row], bool]) -> None:
        """Copy-on-write: delete rows from a branch."""
        base = self.branch_head(branch)
        touched = frozenset(number for number in base.files if any(map(is_doomed, self.files[number])))
        if not touched:
            return
        left = [row for number in sorted(touched) for row in self.files[number] if not is_doomed(row)]
        self.branches[branch] = self._snap(base, self._write(left), touched, {}).snapshot_id

    def land(self, added: frozenset[int], removed: frozenset[int], summary: Mapping[str, str]) -> None:
        """Commit to main."""
        self._on_main(added, removed, summary)

    def _on_main(
        self, added: frozenset[int], removed: frozenset[int], summary: Mapping[str, str] | None = None
    ) -> None:
        snap = self._snap(self.snaps[self.head], added, removed, summary or {})
        self.head = snap.snapshot_id
        self.committed(snap)

    def _snap(self, base: Snap, added: frozenset[int], removed: frozenset[int], summary: Mapping[str, str]) -> Snap:
        self.made += 1
        files = (base.files - removed) | added
        snap = Snap(self.made, base.snapshot_id, self.clock(), summary, files, added, removed)
        self.snaps[self.made] = snap
        self.version += 1
        return snap

    def _write(self, rows: Sequence[Row], packs: bool | None = None) -> frozenset[int]:
        groups: dict[str | None, list[Row]] = {}
        for row in rows:
            groups.setdefault(None if (self.packs if packs is None else packs) else row.path, []).append(row)
        numbers = []
        for group in groups.values():
            number = len(self.files) + 1
            self.files[number] = tuple(group)
            numbers.append(number)
        return frozenset(numbers)


class TableInUse:
    """`PublishingTable` over the table, for one run.

    Args:
        table: the table.
        engine: without which nothing goes.
    """

    def __init__(self, table: MemoryIceberg, engine: Engine) -> None:
        self._table = table
        self._engine = engine
        self.name = table.name

    def head(self) -> Snapshot:
        self._stop("main's head")
        return _shown(self._table.snaps[self._table.head])

    def look(self, pin: int, paths: Sequence[str]) -> dict[str, list[Found]]:
        self._stop("look at", pin)
        if pin not in self._table.snaps:
            raise EngineFailed(f"no snapshot {pin}")
        counted: dict[tuple[str, str, str], int] = {}
        for row in self._table.rows(pin):
            if row.path in paths and row.path and row.etag and row.batch_id:
                key = (row.path, row.etag, row.batch_id)
                counted[key] = counted.get(key, 0) + 1
        found: dict[str, list[Found]] = {}
        for (path, etag, batch_id), rows in counted.items():
            found.setdefault(path, []).append(Found(etag, batch_id, rows))
        return found

    def history(self) -> Iterator[Commit]:
        self._stop("history")
        for snap in list(self._table.ancestry()):
            yield Commit(_shown(snap), snap.summary.get(BATCH_KEY), snap.summary.get(RECORD_KEY))

    def create_branch(self, branch: str, pin: int) -> None:
        self._stop("create branch at", pin)
        if pin not in self._table.snaps:
            raise EngineFailed(f"no snapshot {pin}")
        self._table.branches[branch] = pin
        self._table.version += 1

    def drop_branch(self, branch: str) -> None:
        self._stop("drop branch")
        self._table.branches.pop(branch, None)
        self._table.version += 1

    def staged(self, branch: str, batch_id: str) -> dict[str, Staged]:
        self._stop("count what is staged")
        counted: dict[str, Staged] = {}
        head = self._table.branch_head(branch).snapshot_id
        for row in self._table.rows(head):
            if row.batch_id == batch_id and row.path is not None:
                old = counted.get(row.path, Staged(0, 0, None))
                bad = json.dumps({"record": "1,2"}) if row.is_bad else old.first_bad
                counted[row.path] = Staged(old.rows + 1, old.bad_rows + row.is_bad, bad)
        return counted

    def remove_rows(
        self, branch: str, batch_id: str, *, replaced: Sequence[tuple[str, str | None]], left_out: Sequence[str]
    ) -> None:
        self._stop("remove rows", replaced, left_out)
        etags = dict(replaced)

        def is_doomed(row: Row) -> bool:
            if row.batch_id == batch_id:
                return row.path in left_out
            return row.path is not None and row.path in etags and etags[row.path] in (None, row.etag)

        self._table.rewrite_branch(branch, is_doomed)

    def collect(self, branch: str, pin: int) -> StagedFiles:
        self._stop("collect")
        head = snap = self._table.branch_head(branch)
        added: set[int] = set()
        removed: set[int] = set()
        while snap.snapshot_id != pin:
            added |= snap.added - removed
            removed = (removed - snap.added) | snap.removed
            parent = self._table.snaps.get(snap.parent or 0)
            if parent is None:
                raise CommitRefused(self.name, f"{branch} does not lead back to {pin}")
            snap = parent
        return StagedFiles(head.snapshot_id, tuple(sorted(added)), tuple(sorted(removed)))

    def commit(
        self,
        branch: str,
        pin: int,
        files: StagedFiles,
        *,
        batch_id: str,
        record_uri: str,
        paths: Iterable[str],
        published_paths: Callable[[str], frozenset[str]],
    ) -> Snapshot:
        try:
            return self._commit(branch, files, batch_id, record_uri, NobodyPublished(pin, paths, published_paths))
        except (CommitRefused, CommitUnknown) as error:
            self._table.sights.add(type(error).__name__)
            raise

    def _commit(
        self, branch: str, files: StagedFiles, batch_id: str, record_uri: str, validator: NobodyPublished
    ) -> Snapshot:
        table = self._table
        fault = self._stop("commit", batch_id, faults=(LANDED, NOT_LANDED))
        if fault == NOT_LANDED:
            raise CommitUnknown(self.name, "injected")
        if table.branches.get(branch) != files.head:
            raise CommitRefused(self.name, f"{branch} has moved")
        added, removed = frozenset(files.added), frozenset(files.removed)
        for _ in range(_COMMIT_ATTEMPTS):
            version, base = table.version, table.snaps[table.head]
            refusal = validator.judge(
                [
                    (snap.snapshot_id, {RECORD_KEY: snap.summary[RECORD_KEY]} if RECORD_KEY in snap.summary else {})
                    for snap in table.ancestry(base.snapshot_id)
                ]
            )
            if refusal is None and not removed <= base.files:
                refusal = "missing required files to delete"
            if refusal is not None:
                raise CommitRefused(self.name, refusal)
            self._stop("swap main's head")
            if table.version == version:
                break
        else:
            raise CommitRefused(self.name, "others were faster every time")
        table.land(added, removed, {BATCH_KEY: batch_id, RECORD_KEY: record_uri})
        if fault == LANDED:
            raise CommitUnknown(self.name, "injected")
        for commit in self.history():
            if commit.record_uri == record_uri:
                return commit.snapshot
        raise CommitUnknown(self.name, "it is not in main's history")

    def _stop(self, what: str, *detail: object, faults: tuple[str, ...] = ()) -> str | None:
        fault = self._table.scheduler.pause(what, *detail, faults=faults)
        if not self._engine.is_alive:
            raise EngineFailed("the JVM is gone")
        return fault


class MemoryReader:
    """`FileReader` of what the objects hold at the moment at which each is read, whatever was claimed.

    Args:
        table: whither.
        bucket: whence.
        columns: the contract's.
        engine: which a poison file kills.
    """

    def __init__(self, table: MemoryIceberg, bucket: MemoryBucket, columns: tuple[str, ...], engine: Engine) -> None:
        self._table = table
        self._bucket = bucket
        self._columns = columns
        self._engine = engine

    def append(
        self, branch: str, sources: Sequence[Source], *, whole_folders: set[str], batch_id: str, now: datetime
    ) -> None:
        by_uri = {source.uri: source for source in sources}
        rows: list[Row] = []
        for uri in self._planned(sources, whole_folders):
            read = self._read(uri)
            source = by_uri.get(uri)
            if source is not None:
                own = (source.version.path, source.version.etag, batch_id)
                rows += [Row(*own, origin, is_bad) for origin, is_bad in read]
        self._table.scheduler.pause("append to the branch")
        self._table.add_to_branch(branch, rows)

    def _planned(self, sources: Sequence[Source], whole_folders: set[str]) -> list[str]:
        self._table.scheduler.pause("plan the read", sorted(whole_folders))
        named: dict[str, None] = {}
        for source in sources:
            folder = folder_of(source.uri)
            if folder not in whole_folders:
                named[source.uri] = None
                continue
            bucket, prefix = split_path(folder)
            for of, key in sorted(self._bucket.things):
                name = key[len(prefix) :]
                if of == bucket and key.startswith(prefix) and "/" not in name and name[0] not in "_.":
                    named[f"s3://{bucket}/{key}"] = None
        return list(named)

    def _read(self, uri: str) -> list[tuple[tuple[str, int], bool]]:
        """Read an object in two requests: between them it may become another one."""
        halves: list[list[tuple[tuple[str, int], bool]]] = []
        for number in (1, 2):
            if self._table.scheduler.pause("read the object", number, uri, faults=("S3 fault",)):
                raise ReadFailed("S3 fault", bytes_at_fault=False)
            thing = self._bucket.things.get(split_path(uri))
            if thing is None:
                raise ReadFailed(f"no such file: {uri}", bytes_at_fault=False)
            halves.append(self._parse(thing.body))
        cut = len(halves[0]) // 2
        return halves[0][:cut] + halves[1][cut:]

    def _parse(self, body: bytes) -> list[tuple[tuple[str, int], bool]]:
        problem = problem_of(body, self._columns)
        if problem == "poison":
            self._engine.is_alive = False
            raise EngineFailed("the JVM died")
        if problem in ("header", "broken"):
            raise ReadFailed(f"CSV {problem}", bytes_at_fault=True)
        lines = body.decode().split()
        etag = etag_of(body)
        return [((etag, number), _is_bad(line, self._columns)) for number, line in enumerate(lines[1:])]


def problem_of(body: bytes, columns: tuple[str, ...]) -> str | None:
    """What is wrong with a file for good: `empty`, `header`, `poison`, `broken`, `records`; None: nothing."""
    lines = body.decode().split()
    if not lines:
        return "empty"
    if lines[0] != ",".join(columns):
        return "header"
    if POISON in lines:
        return "poison"
    if BROKEN in lines:
        return "broken"
    return "records" if any(_is_bad(line, columns) for line in lines[1:]) else None


def rows_in(body: bytes) -> int:
    """How many rows a good file has."""
    return max(0, len(body.decode().split()) - 1)


def _is_bad(line: str, columns: tuple[str, ...]) -> bool:
    return len(line.split(",")) != len(columns)


def _shown(snap: Snap) -> Snapshot:
    return Snapshot(snap.snapshot_id, snap.committed_at)
