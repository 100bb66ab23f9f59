"""What the rig does in a round, planned beforehand from one `random.Random`: data, nothing is done here.

The plan knows what it has put before (`World`), so that it can overwrite, delete and repeat. The same seed makes the
same operations; when each of them meets Alur's threads and processes is not part of the seed, and no two runs are the
same there.
"""

from __future__ import annotations

import csv
import hashlib
import io
import random
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

from recount import COLUMNS, REQUIRED, Row

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

_NOTES = (
    None,
    "Gift: please wrap",
    'Engrave "For Ada", twice',
    "Two lines:\nthe second",
    "Grüße an Zoë — 注文番号 №7",
    " blanks around ",
    "NULL",
    "\\N",
    "a\\b, 'c'",
)
_JOB_POINTS = tuple(point for point in POINTS if point.startswith("job."))
_FUNCTION_ROOMS = ("dispatcher", "submit", "reconciler")
_FUNCTION_ACTIONS = ("kill", "raise", "hang")
_JOB_ACTIONS = ("kill", "kill", "kill-parent", "raise", "hang")


@dataclass(frozen=True)
class Put:
    """Bytes under a key, a new one or one that is there. `what` says what they are."""

    key: str
    body: bytes
    what: str

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
    """Somebody rewrites all data files of the table."""


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
                operations.append(self._put(key, *self._body()))
        return operations

    def _overwrite(self) -> list[Operation]:
        key = self._some_key()
        if key is None:
            return []
        rng, former = self._rng, self.world.puts[key][-1]
        if rng.random() < 0.3 and former.what.startswith("good"):
            # What exports do that write the whole of a day again and again: the same rows, and more.
            more = self._rows(rng.randint(1, 5))
            # As the rows before end: mixed, they are another matter.
            line_end = "\r\n" if b"\r\n" in former.body.split(b"\n", 1)[0] + b"\n" else "\n"
            body = former.body if former.body.endswith(b"\n") else former.body + line_end.encode()
            body += _render(more, line_end, header=False)
            return [self._put(key, body, f"good, {len(more)} rows more")]
        return [self._put(key, *self._body())]

    def _back(self) -> list[Operation]:
        """Bytes that were under the key before, perhaps after others have been there for a moment."""
        key = self._some_key()
        if key is None:
            return []
        earlier = self._rng.choice(self.world.puts[key])
        between = [self._put(key, *self._body())] if self._rng.random() < 0.5 else []
        return [*between, self._put(key, earlier.body, earlier.what)]

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
        return [Append(path, f"foreign-{self.world.appends}", tuple(self._rows(rng.randint(1, 4))))]

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

    def _put(self, key: str, body: bytes, what: str) -> Put:
        put = Put(key, body, what)
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

    def _body(self) -> tuple[bytes, str]:
        rng = self._rng
        choice = rng.random()
        if choice < 0.70:
            rows = self._rows(rng.choice((1, 2, 5, 20, 60)))
            body = _render(rows, rng.choice(("\n", "\n", "\r\n")))
            if rng.random() < 0.1:
                body = b"\xef\xbb\xbf" + body
            return body, f"good, {len(rows)} rows"
        if choice < 0.80:
            return _render([], rng.choice(("\n", ""))), "good, a header alone"
        spoil = rng.choice(_SPOILS)
        return spoil(_render(self._rows(rng.randint(1, 5)), "\n")), f"bad: {spoil.__name__}"

    def _rows(self, count: int) -> list[Row]:
        rng = self._rng
        rows: list[Row] = []
        for number in self.world.ids(count):
            day = f"2026-{rng.randint(1, 12):02d}-{rng.randint(1, 28):02d}"
            moment = f"{rng.randint(0, 23):02d}:{rng.randint(0, 59):02d}:{rng.randint(0, 59):02d}"
            rows.append(
                (
                    str(number),
                    str(rng.randint(1, 999)),
                    day,
                    rng.choice(("pending", "paid", "shipped")),
                    rng.choice((None, str(rng.randint(1, 12)))),
                    rng.choice((None, f"{rng.randint(0, 99999)}.{rng.randint(0, 99):02d}")),
                    rng.choice((None, "EUR", "USD")),
                    rng.choice(_NOTES),
                    f"{day} {moment}",
                )
            )
        return rows


def _render(rows: Sequence[Row], line_end: str, header: bool = True) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator=line_end)
    if header:
        text.write(",".join(COLUMNS) + line_end)
    for row in rows:
        *cells, created_at = row
        writer.writerow([*("" if cell is None else cell for cell in cells), str(created_at).replace(" ", "T") + "Z"])
    return text.getvalue().encode()


def other_header(body: bytes) -> bytes:
    """The header of another table."""
    return body.replace(b"order_id,customer_id", b"id,customer", 1)


def no_header(body: bytes) -> bytes:
    """Records alone."""
    return body.split(b"\n", 1)[1]


def no_bytes(body: bytes) -> bytes:
    """Nothing at all."""
    return b""


def one_cell_too_few(body: bytes) -> bytes:
    """A last record that breaks off."""
    return body + b"1,2,2026-01-01\n"


def no_number(body: bytes) -> bytes:
    """A last record whose number is a word."""
    return body + b"one,2,2026-01-01,paid,,,,,2026-01-01T00:00:00Z\n"


def nothing_where_something_must_be(body: bytes) -> bytes:
    """A last record without what is required."""
    empty = ",".join("" if name in REQUIRED else "1" for name in COLUMNS)
    return body + empty.encode() + b"\n"


def another_encoding(body: bytes) -> bytes:
    """A last record in Latin-1."""
    return body + "1,2,2026-01-01,paid,,,,Grüße,2026-01-01T00:00:00Z\n".encode("latin-1")


_SPOILS: tuple[Callable[[bytes], bytes], ...] = (
    other_header,
    no_header,
    no_bytes,
    one_cell_too_few,
    no_number,
    nothing_where_something_must_be,
    another_encoding,
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
