"""Iceberg in memory, and a reader: snapshots that never change, branches, commits that are validated as Iceberg does.

Files are rewritten as copy-on-write does: a data file that holds a row which has to go leaves, and its other rows come
back in a new one. A commit is tried again while others change the table, and the real validator is asked each time.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from alur.clock import Clock
from alur.delimited.counted import Counted
from alur.delimited.rows import Reject
from alur.engine.ports import Commit, Doomed, Found, Snapshot, StagedFiles
from alur.engine.validator import BATCH_KEY, RECORD_KEY, NobodyPublished
from alur.errors import (
    CommitRefused,
    CommitUnknown,
    EmptyFile,
    FileChanged,
    FileError,
    FileVanished,
    HeaderMismatch,
    ReadFailed,
    UnreadableFile,
)
from alur.ingestion.headings import Heading
from alur.ingestion.naming import Source, folder_of
from alur.ingestion.plain import Lines
from alur.ledger.model import FileVersion
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
        is_unclear: it is no row, but what the plain reading leaves to the careful one.
        attempt: of a reject, which attempt has brought it.
    """

    path: str | None
    etag: str | None
    batch_id: str | None
    origin: tuple[str, int]
    is_unclear: bool = False
    attempt: str = ""


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
        prefix: of what is told of its operations.
    """

    def __init__(self, table: MemoryIceberg, engine: Engine, prefix: str = "") -> None:
        self._prefix = prefix
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
        counted: dict[tuple[str, str, str, str], int] = {}
        for row in self._table.rows(pin):
            if row.path in paths and row.path and row.etag and row.batch_id:
                key = (row.path, row.etag, row.batch_id, row.attempt)
                counted[key] = counted.get(key, 0) + 1
        found: dict[str, list[Found]] = {}
        for (path, etag, batch_id, attempt), rows in counted.items():
            found.setdefault(path, []).append(Found(etag, batch_id, rows, attempt))
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

    def staged(self, branch: str, batch_id: str) -> dict[str, Lines]:
        self._stop("count what is staged")
        counted: dict[str, Lines] = {}
        head = self._table.branch_head(branch).snapshot_id
        for row in self._table.rows(head):
            if row.batch_id == batch_id and row.path is not None:
                old = counted.get(row.path, Lines(0))
                counted[row.path] = Lines(old.rows + 1, old.unclear + row.is_unclear)
        return counted

    def remove_rows(self, branch: str, doomed: Sequence[Doomed]) -> None:
        self._stop("remove rows", doomed)
        keys = {(one.path, one.etag, one.batch_id, one.attempt) for one in doomed}
        self._table.rewrite_branch(branch, lambda row: (row.path, row.etag, row.batch_id, row.attempt) in keys)

    def refusal(self, pin: int, paths: Iterable[str], published_paths: Callable[[str], frozenset[str]]) -> str | None:
        self._stop("look for others' commits")
        return NobodyPublished(pin, paths, published_paths).judge(_summaries(self._table, self._table.head))

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
        branch: str | None,
        pin: int,
        files: StagedFiles,
        *,
        batch_id: str,
        record_uri: str,
        paths: Iterable[str],
        published_paths: Callable[[str], frozenset[str]],
        also: Callable[[], str | None] | None = None,
    ) -> Snapshot:
        try:
            return self._commit(branch, files, batch_id, record_uri, NobodyPublished(pin, paths, published_paths, also))
        except (CommitRefused, CommitUnknown) as error:
            self._table.sights.add(type(error).__name__)
            raise

    def _commit(
        self, branch: str | None, files: StagedFiles, batch_id: str, record_uri: str, validator: NobodyPublished
    ) -> Snapshot:
        table = self._table
        fault = self._stop("commit", batch_id, faults=(LANDED, NOT_LANDED))
        if fault == NOT_LANDED:
            raise CommitUnknown(self.name, "injected")
        if branch is not None and table.branches.get(branch) != files.head:
            raise CommitRefused(self.name, f"{branch} has moved")
        added, removed = frozenset(files.added), frozenset(files.removed)
        for _ in range(_COMMIT_ATTEMPTS):
            version, base = table.version, table.snaps[table.head]
            refusal = validator.judge(_summaries(table, base.snapshot_id))
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
        fault = self._table.scheduler.pause(self._prefix + what, *detail, faults=faults)
        if not self._engine.is_alive:
            raise EngineFailed("the JVM is gone")
        return fault


def _summaries(table: MemoryIceberg, head: int) -> list[tuple[int, dict[str, str]]]:
    return [
        (snap.snapshot_id, {RECORD_KEY: snap.summary[RECORD_KEY]} if RECORD_KEY in snap.summary else {})
        for snap in table.ancestry(head)
    ]


class MemoryReader:
    """`FileReader` of what the objects hold at the moment at which each is read.

    The plain reading takes whatever is there, whatever was claimed; the careful one asks for the version that was seen.

    Args:
        table: the bronze table.
        rejects: the table of the rejects.
        bucket: whence.
        columns: the contract's.
        engine: which a poison file kills.
    """

    def __init__(
        self,
        table: MemoryIceberg,
        rejects: MemoryIceberg,
        bucket: MemoryBucket,
        columns: tuple[str, ...],
        engine: Engine,
    ) -> None:
        self._table = table
        self._rejects = rejects
        self._bucket = bucket
        self._columns = columns
        self._engine = engine

    def append(
        self,
        branch: str,
        sources: Sequence[Source],
        *,
        heading: Heading,
        whole_folders: set[str],
        batch_id: str,
        now: datetime,
    ) -> None:
        by_uri = {source.uri: source for source in sources}
        rows: list[Row] = []
        for uri in self._planned(sources, whole_folders):
            read = self._read(uri, heading)
            source = by_uri.get(uri)
            if source is not None:
                own = (source.version.path, source.version.etag, batch_id)
                rows += [Row(*own, origin, is_bad) for origin, is_bad in read]
        self._table.scheduler.pause("append to the branch")
        self._table.add_to_branch(branch, rows)

    def read_carefully(self, sources: Sequence[Source], *, batch_id: str, now: datetime) -> MemoryCarefulReading:
        found = {}
        for source in sources:
            path = source.version.path
            if self._table.scheduler.pause("read the object carefully", path, faults=("S3 fault",)):
                raise ReadFailed("S3 fault", bytes_at_fault=False)
            found[path] = self._find(source.version)
        etags = {source.version.path: source.version.etag for source in sources}
        return MemoryCarefulReading(self._table, self._rejects, batch_id, etags, found)

    def _find(self, version: FileVersion) -> tuple[Counted, list[tuple[str, int]], list[tuple[str, int]]]:
        thing = self._bucket.things.get((version.bucket, version.key))
        if thing is None:
            return Counted(error=FileVanished(version.path)), [], []
        if thing.etag != version.etag:
            return Counted(error=FileChanged(version.path, version.etag, thing.etag)), [], []
        problem = problem_of(thing.body, self._columns)
        if problem == "poison":
            self._die()
        if problem in _ERRORS:
            return Counted(error=_ERRORS[problem](version.path)), [], []
        lines = [((thing.etag, number), is_bad) for number, is_bad in _lines(thing.body, self._columns)]
        rows = [origin for origin, is_bad in lines if not is_bad]
        rejects = [origin for origin, is_bad in lines if is_bad]
        first = tuple(Reject(number + 2, "", None, "bad") for _, number in rejects[:10])
        return Counted(len(rows), len(rejects), first), rows, rejects

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

    def _read(self, uri: str, heading: Heading) -> list[tuple[tuple[str, int], bool]]:
        """Read an object in two requests: between them it may become another one."""
        halves: list[list[tuple[tuple[str, int], bool]]] = []
        for number in (1, 2):
            if self._table.scheduler.pause("read the object", number, uri, faults=("S3 fault",)):
                raise ReadFailed("S3 fault", bytes_at_fault=False)
            thing = self._bucket.things.get(split_path(uri))
            if thing is None:
                raise ReadFailed(f"no such file: {uri}", bytes_at_fault=False)
            halves.append(self._parse(thing.body, heading))
        cut = len(halves[0]) // 2
        return halves[0][:cut] + halves[1][cut:]

    def _parse(self, body: bytes, heading: Heading) -> list[tuple[tuple[str, int], bool]]:
        lines = body.decode().split()
        if lines and lines[0] != heading.line:
            raise ReadFailed("CSV header", bytes_at_fault=True)
        if POISON in lines:
            self._die()
        if BROKEN in lines:
            raise ReadFailed("CSV", bytes_at_fault=True)
        etag = etag_of(body)
        return [((etag, number), is_bad) for number, is_bad in _lines(body, self._columns)]

    def _die(self) -> None:
        self._engine.is_alive = False
        raise EngineFailed("the JVM died")


class MemoryCarefulReading:
    """`CarefulReading` of what was found.

    Args:
        table: the bronze table.
        rejects: the table of the rejects.
        batch_id: of the batch.
        etags: of the files, by path.
        found: what each came to, its rows and its rejects, by path.
    """

    def __init__(
        self,
        table: MemoryIceberg,
        rejects: MemoryIceberg,
        batch_id: str,
        etags: Mapping[str, str],
        found: Mapping[str, tuple[Counted, list[tuple[str, int]], list[tuple[str, int]]]],
    ) -> None:
        self._table = table
        self._rejects = rejects
        self._batch_id = batch_id
        self._etags = etags
        self._found = found

    @property
    def counted(self) -> Mapping[str, Counted]:
        return {path: counted for path, (counted, _, _) in self._found.items()}

    def append_rows(self, branch: str, paths: Collection[str]) -> None:
        rows = [Row(*self._own(path), origin) for path in paths for origin in self._found[path][1]]
        self._table.scheduler.pause("append to the branch")
        self._table.add_to_branch(branch, rows)

    def append_rejects(self, branch: str, paths: Collection[str], attempt: str) -> None:
        rows = [Row(*self._own(path), origin, False, attempt) for path in paths for origin in self._found[path][2]]
        self._rejects.scheduler.pause("rejects append to the branch")
        self._rejects.add_to_branch(branch, rows)

    def close(self) -> None:
        pass

    def _own(self, path: str) -> tuple[str, str, str]:
        return path, self._etags[path], self._batch_id


_ERRORS: Mapping[str, Callable[[str], FileError]] = {
    "empty": EmptyFile,
    "header": lambda path: HeaderMismatch(path, (), ()),
    "broken": lambda path: UnreadableFile(path, "broken"),
}


def problem_of(body: bytes, columns: tuple[str, ...]) -> str | None:
    """What is wrong with a file for good: `empty`, `header`, `poison`, `broken`, `records`; None: nothing."""
    lines = body.decode().split()
    if not lines:
        return "empty"
    if not set(columns) <= set(lines[0].split(",")):
        return "header"
    if POISON in lines:
        return "poison"
    if BROKEN in lines:
        return "broken"
    return "records" if rejects_in(body, columns) and not rows_in(body, columns) else None


def rows_in(body: bytes, columns: tuple[str, ...]) -> list[int]:
    """Which records of a good file can be stored, by their number."""
    return [number for number, is_bad in _lines(body, columns) if not is_bad]


def rejects_in(body: bytes, columns: tuple[str, ...]) -> list[int]:
    """Which records of a good file cannot be stored, by their number."""
    return [number for number, is_bad in _lines(body, columns) if is_bad]


def _lines(body: bytes, columns: tuple[str, ...]) -> list[tuple[int, bool]]:
    return [(number, _is_bad(line, columns)) for number, line in enumerate(body.decode().split()[1:])]


def _is_bad(line: str, columns: tuple[str, ...]) -> bool:
    # A contract with more columns holds what the one before it could not.
    return "BAD" in line or ("OLD" in line and len(columns) == 1)


def _shown(snap: Snap) -> Snapshot:
    return Snapshot(snap.snapshot_id, snap.committed_at)
