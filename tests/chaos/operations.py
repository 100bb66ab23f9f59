"""What the rig does in a round, planned beforehand from one `random.Random`: data, nothing is done here.

The plan knows what it has put before (`World`), so that it can overwrite, delete and repeat. The same seed makes the
same operations; when each of them meets Alur's threads and processes is not part of the seed, and no two runs are the
same there.
"""

from __future__ import annotations

import gzip
import hashlib
import random
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

from recount import COLUMNS, Reject, Row
from sheets import Sheet, Writer

from alur.faults import POINTS

FOLDER = "orders/"
"""Where the files of `OrdersBronze` land."""

MAX_ATTEMPTS = 4
"""How often a file is tried where the rig runs: more often than a round kills, but for one kind of round."""

ODD_NAMES = (
    "a b+c.csv",
    "a%20b.csv",
    "100%.csv",
    "a[1].csv",
    "a1.csv",
    "{x,y}.csv",
    "q?.csv",
    "star*.csv",
    "_hidden.csv",
    ".dot.csv",
    "k//double.csv",
    "_folder/x.csv",
    "Grüße-注文-🛒.csv",
    "hash#tag.csv",
    "c:olon.csv",
    "year=2024/month=01/a.csv",
    "quo'te\".csv",
    "back\\slash.csv",
    "semi;and&tilde~,comma.csv",
)
"""Names that S3 takes, and that something on the way might not."""

_JOB_POINTS = tuple(point for point in POINTS if point.startswith("job."))
_FUNCTION_ROOMS = ("dispatcher", "submit", "reconciler")
_FUNCTION_ACTIONS = ("kill", "raise", "hang")
_JOB_ACTIONS = ("kill", "kill", "kill-parent", "raise", "hang")


@dataclass(frozen=True)
class Put:
    """Bytes under a key, a new one or one that is there.

    Args:
        key: the key.
        body: the bytes.
        what: what they are.
        sheet: what was written into them; None: they are no good file.
    """

    key: str
    body: bytes
    what: str
    sheet: Sheet | None = None

    @property
    def rows(self) -> tuple[Row, ...]:
        """What has to be in the bronze table."""
        return () if self.sheet is None else self.sheet.rows

    @property
    def rejects(self) -> tuple[Reject, ...]:
        """What has to be in the table of the rejects."""
        return () if self.sheet is None else self.sheet.rejects

    @property
    def etag(self) -> str:
        """S3's ETag of the bytes."""
        return hashlib.md5(self.body).hexdigest()


@dataclass(frozen=True)
class Delete:
    """The object goes."""

    key: str


@dataclass(frozen=True)
class Announce:
    """Events of versions that were put before, in this order: doubled, late, out of order."""

    puts: tuple[Put, ...]


@dataclass(frozen=True)
class Forget:
    """Somebody deletes the ledger's item."""

    key: str


@dataclass(frozen=True)
class Arm:
    """A fault waits at a point."""

    point: str
    action: str


@dataclass(frozen=True)
class Append:
    """Somebody else appends rows to the table."""

    path: str | None
    batch_id: str
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Compact:
    """Somebody rewrites all data files of both tables."""


@dataclass(frozen=True)
class Cancel:
    """Somebody cancels the oldest run that goes, if one goes."""


@dataclass(frozen=True)
class Twin:
    """A request that was sent to EMR is sent again under another token: two runs of the same batches.

    The ledger knows of one of them only; where the other one hangs, a zombie stays when the first has ended.
    """


@dataclass(frozen=True)
class Pause:
    """Nothing, for a while."""

    seconds: float


Operation = Put | Delete | Announce | Forget | Arm | Append | Compact | Cancel | Twin | Pause


@dataclass(frozen=True)
class Plan:
    """A round.

    Args:
        operations: what is done, in order.
        hang_seconds: how long what hangs does so, unless its function's time-out comes first.
    """

    operations: tuple[Operation, ...]
    hang_seconds: float


KINDS = (
    "new",
    "overwrite",
    "back",
    "delete",
    "announce",
    "forget",
    "append",
    "compact",
    "cancel",
    "twin",
    "faults",
    "exhaust",
)
"""What a plan may consist of."""


@dataclass
class World:
    """What has been put so far, by key in order of time; also by whom keys are taken and which ids are used."""

    puts: dict[str, list[Put]] = field(default_factory=dict)
    deleted: set[str] = field(default_factory=set)
    appends: int = 0
    next_id: int = 1

    def ids(self, count: int) -> range:
        """Return ids that no other row has."""
        first = self.next_id
        self.next_id += count
        return range(first, self.next_id)


class Planner:
    """Plans rounds.

    Args:
        rng: where every decision comes from.
        kinds: which of `KINDS` a plan may have.
        most: how many operations of one kind a round may have.
        job_faults: how many faults of the job one round may have; fewer than what uses up a batch's attempts.
        function_faults: how many of the functions; fewer than what sends a message to the dead-letter queue.
    """

    def __init__(
        self,
        rng: random.Random,
        kinds: Collection[str] = KINDS,
        most: int = 8,
        job_faults: int = 3,
        function_faults: int = 3,
    ) -> None:
        self._rng = rng
        self._writer = Writer(rng)
        self._kinds = frozenset(kinds)
        self._most = most
        self._job_faults = job_faults
        self._function_faults = function_faults
        self.world = World()

    def round(self) -> Plan:
        """Plan one round."""
        rng = self._rng
        steps: list[Callable[[], list[Operation]]] = [self._new] * min(rng.randint(2, 6), self._most)
        chances: Sequence[tuple[str, Callable[[], list[Operation]], int]] = (
            ("overwrite", self._overwrite, rng.randint(1, 4)),
            ("back", self._back, rng.randint(0, 2)),
            ("delete", self._delete, rng.choice((0, 0, 1))),
            ("announce", self._announce, rng.randint(0, 3)),
            ("forget", self._forget, rng.choice((0, 1))),
            ("append", self._append, rng.choice((0, 1, 2))),
            ("compact", self._compact, rng.choice((0, 0, 1))),
            ("cancel", self._cancel, rng.choice((0, 0, 0, 1))),
            ("twin", self._twin, rng.choice((0, 0, 1))),
        )
        for kind, step, count in chances:
            if kind in self._kinds:
                steps += [step] * min(count, self._most)
        faults = self._faults() if "faults" in self._kinds else []
        steps += faults
        rng.shuffle(steps)
        operations: list[Operation] = []
        for step in steps:
            operations += step()
            operations.append(Pause(rng.choice((0.0, 0.0, 0.1, 0.3, 1.0, 2.5, 6.0))))
        # Long enough for two to come to the same point.
        hang_seconds = 25.0 if self._race in faults else rng.choice((2.0, 2.0, 8.0, 20.0, 60.0))
        return Plan(tuple(operations), hang_seconds)

    # ------------------------------------------------------------------------------------------ operations

    def _new(self) -> list[Operation]:
        """A file, or a burst of them."""
        rng = self._rng
        operations: list[Operation] = []
        for _ in range(min(rng.choice((1, 1, 1, 2, 8)), self._most)):
            key = self._new_key()
            if key is not None:
                operations.append(self._put(key, *self._content()))
        return operations

    def _overwrite(self) -> list[Operation]:
        key = self._some_key()
        if key is None:
            return []
        rng, former = self._rng, self.world.puts[key][-1]
        if rng.random() < 0.3 and former.sheet is not None:
            sheet = self._writer.grown(former.sheet, self._numbers(rng.randint(1, 5)))
            return [self._put(key, sheet.body, f"{sheet.what}, grown", sheet)]
        return [self._put(key, *self._content())]

    def _back(self) -> list[Operation]:
        """Bytes that were under the key before, perhaps after others have been there for a moment."""
        key = self._some_key()
        if key is None:
            return []
        earlier = self._rng.choice(self.world.puts[key])
        between = [self._put(key, *self._content())] if self._rng.random() < 0.5 else []
        return [*between, self._put(key, earlier.body, earlier.what, earlier.sheet)]

    def _delete(self) -> list[Operation]:
        key = self._some_key()
        if key is None:
            return []
        self.world.deleted.add(key)
        return [Delete(key)]

    def _announce(self) -> list[Operation]:
        rng = self._rng
        puts = [put for versions in self.world.puts.values() for put in versions]
        chosen = [rng.choice(puts) for _ in range(rng.randint(1, 6))] if puts else []
        return [Announce(tuple(chosen))] if chosen else []

    def _forget(self) -> list[Operation]:
        """The item goes, and some event of the path comes later: without one, nobody would know of the file again."""
        key = self._some_key()
        if key is None:
            return []
        rng = self._rng
        again = Announce((rng.choice(self.world.puts[key]),))
        return [Forget(key), Pause(rng.choice((0.0, 0.5, 3.0))), again]

    def _append(self) -> list[Operation]:
        rng = self._rng
        self.world.appends += 1
        # A path amid the others, which pruning by a range of paths does not leave out; or none at all.
        path = rng.choice((None, "s3://somebody-else/x.csv", f"{FOLDER}m/nobody.csv"))
        rows = tuple(self._writer.row(number) for number in self._numbers(rng.randint(1, 4)))
        return [Append(path, f"foreign-{self.world.appends}", rows)]

    def _compact(self) -> list[Operation]:
        return [Compact()]

    def _cancel(self) -> list[Operation]:
        return [Cancel()]

    def _twin(self) -> list[Operation]:
        return [Twin()]

    def _faults(self) -> list[Callable[[], list[Operation]]]:
        rng = self._rng
        special = rng.random()
        if special < 0.2 and self._job_faults >= 3:
            return [self._poison]
        if special < 0.4 and "twin" in self._kinds:
            return [self._race]
        if special < 0.5 and "exhaust" in self._kinds:
            return [self._exhaust]
        faults = [self._job_fault] * rng.randint(0, self._job_faults)
        return faults + [self._function_fault] * rng.randint(0, self._function_faults)

    def _poison(self) -> list[Operation]:
        """A batch that dies twice at the same place, as one file can make it: then it is split.

        Two runs go at once, so that of three deaths one batch has two.
        """
        rng = self._rng
        point = rng.choice(_JOB_POINTS)
        splits = [point for point in POINTS if point.startswith("reconciler.split-")]
        return [
            *(Arm(point, rng.choice(("kill", "kill-parent"))) for _ in range(3)),
            *(Arm(point, rng.choice(_FUNCTION_ACTIONS)) for point in splits if rng.random() < 0.5),
        ]

    def _exhaust(self) -> list[Operation]:
        """More deaths than a file is tried, before anything is committed."""
        point = self._rng.choice(_JOB_POINTS[: _JOB_POINTS.index("job.committed")])
        action = self._rng.choice(("kill", "kill-parent", "raise"))
        return [Arm(point, action)] * (MAX_ATTEMPTS + 2)

    def _race(self) -> list[Operation]:
        """Two runs of the same batch come to the same point, and go on from there together."""
        point = self._rng.choice(_JOB_POINTS)
        return [Arm(point, "hang"), Arm(point, "hang"), *self._new(), Pause(1.0), Twin()]

    def _job_fault(self) -> list[Operation]:
        return [Arm(self._rng.choice(_JOB_POINTS), self._rng.choice(_JOB_ACTIONS))]

    def _function_fault(self) -> list[Operation]:
        room = self._rng.choice(_FUNCTION_ROOMS)
        points = [point for point in POINTS if point.startswith(f"{room}.")]
        return [Arm(self._rng.choice(points), self._rng.choice(_FUNCTION_ACTIONS))]

    # ------------------------------------------------------------------------------------------ keys, bytes

    def _put(self, key: str, body: bytes, what: str, sheet: Sheet | None) -> Put:
        put = Put(key, body, what, sheet)
        self.world.puts.setdefault(key, []).append(put)
        self.world.deleted.discard(key)
        return put

    def _new_key(self) -> str | None:
        rng = self._rng
        if rng.random() < 0.25:
            key = FOLDER + rng.choice(("", "odd/")) + rng.choice(ODD_NAMES)
            return None if key in self.world.puts else key
        folder = rng.choice(("", "2026/01/", "2026/02/", "m/", "deep/er/still/"))
        return f"{FOLDER}{folder}{rng.choice('abcxyz')}{len(self.world.puts):04d}.csv"

    def _some_key(self) -> str | None:
        keys = sorted(self.world.puts)
        if not keys:
            return None
        # The newest are those that something is going on with.
        return self._rng.choice(keys if self._rng.random() < 0.5 else list(self.world.puts)[-6:])

    def _content(self) -> tuple[bytes, str, Sheet | None]:
        """Return bytes, what they are, and what was written into them."""
        rng, writer = self._rng, self._writer
        choice = rng.random()
        if choice < 0.40:
            sheet = writer.clean(self._numbers(rng.choice((1, 2, 5, 20, 60))))
        elif choice < 0.78:
            sheet = writer.dirty(self._numbers(rng.choice((1, 2, 5, 12, 30))))
        elif choice < 0.86:
            sheet = writer.bare()
        elif choice < 0.88:
            return writer.hopeless(self._numbers(rng.randint(1, 5))).body, "bad: nothing but rejects", None
        else:
            spoil = rng.choice(_SPOILS)
            plain = Sheet(COLUMNS, "\n", writer.clean(self._numbers(rng.randint(1, 5))).pieces)
            return spoil(plain.body), f"bad: {spoil.__name__}", None
        return sheet.body, sheet.what, sheet

    def _numbers(self, count: int) -> range:
        return self.world.ids(count)


def other_header(body: bytes) -> bytes:
    """The header of another table."""
    return body.replace(b"order_id,customer_id", b"id,customer", 1)


def no_header(body: bytes) -> bytes:
    """Records alone."""
    return body.split(b"\n", 1)[1]


def no_bytes(body: bytes) -> bytes:
    """Nothing at all."""
    return b""


def another_encoding(body: bytes) -> bytes:
    """A last record in Latin-1."""
    return body + "1,2,2026-01-01,paid,,,,Grüße,2026-01-01T00:00:00Z\n".encode("latin-1")


def cut_gzip(body: bytes) -> bytes:
    """A compressed file that breaks off."""
    return gzip.compress(body, mtime=0)[:-5]


_SPOILS: tuple[Callable[[bytes], bytes], ...] = (
    other_header,
    no_header,
    no_bytes,
    another_encoding,
    cut_gzip,
)


def describe(operation: Operation) -> str:
    """Say what an operation is, in a line."""
    if isinstance(operation, Put):
        return f"put {operation.key} {operation.etag} ({operation.what}, {len(operation.body)} bytes)"
    if isinstance(operation, Announce):
        return "events of " + ", ".join(f"{put.key} {put.etag}" for put in operation.puts)
    if isinstance(operation, Append):
        return f"append {len(operation.rows)} rows of {operation.path} as {operation.batch_id}"
    if isinstance(operation, Delete | Forget):
        return f"{type(operation).__name__.lower()} {operation.key}"
    if isinstance(operation, Arm):
        return f"arm {operation.point}@{operation.action}"
    if isinstance(operation, Pause):
        return f"pause {operation.seconds} s"
    return type(operation).__name__.lower()


def keys_of(operation: Operation) -> frozenset[str]:
    """Return the keys that an operation is about."""
    if isinstance(operation, Put | Delete | Forget):
        return frozenset({operation.key})
    if isinstance(operation, Announce):
        return frozenset(put.key for put in operation.puts)
    return frozenset()
