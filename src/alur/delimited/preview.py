"""What a file would come to if it landed: counted in one pass, its first rows and first problems kept."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from alur.contracts.contract import Contract
from alur.delimited.compression import ENOUGH_HEAD_BYTES, kind_of, with_head
from alur.delimited.files import Head, read_file, read_head
from alur.delimited.layouts import Layout
from alur.delimited.rows import Reject, Row
from alur.delimited.verdicts import LISTED_REJECTS, judge
from alur.errors import FileError, HeaderMismatch

EXTRA = "no column of the contract"
"""The reason of cells that stand in a column that the contract does not have; `docs/csv.md` has it so."""

LISTED_RESCUED = 10
"""How many of the cells are listed that a column could not keep."""

_KEPT_CHARACTERS = 64 * 1024
_COMPRESSIONS = ("gzip", "bzip2", "zstd")


@dataclass(frozen=True, slots=True)
class Rescued:
    """What a column could not keep of a record, and is kept beside it.

    Args:
        line: the physical line on which the record begins, from 1.
        column: the column; None: the record has more cells than the header, or fewer.
        text: the cell; None: there is none.
        reason: why it is not in its column.
    """

    line: int
    column: str | None
    text: str | None
    reason: str


@dataclass(frozen=True, slots=True)
class Preview:
    """What a file would come to.

    Args:
        path: of the file.
        shown: the first of its rows.
        row_count: how many of its records would be rows; where `error` ended the reading, up to there.
        reject_count: how many could not be stored.
        rejects: the first ten of those; of a very long record its beginning.
        rescued_count: how many cells would be kept beside their rows: bad ones, surplus ones, missing ones, and those
            of columns that the contract does not have.
        rescued_rows: how many rows have such.
        extra_count: how many of them stand in columns that the contract does not have.
        rescued: the first ten of the others.
        error: why the file would fail, as its entry in the ledger would say; None: it would be completed.
        header: the names as they stand in the file; None: it has none, or none that can be read.
        layout: which cell is which column's; None: the header does not fit.
        encoding: the one that the file is in; None: it cannot be told.
        compression: `gzip`, `bzip2` or `zstd`; None: it is not compressed.
    """

    path: str
    shown: tuple[Row, ...]
    row_count: int
    reject_count: int
    rejects: tuple[Reject, ...]
    rescued_count: int
    rescued_rows: int
    extra_count: int
    rescued: tuple[Rescued, ...]
    error: FileError | None
    header: tuple[str, ...] | None
    layout: Layout | None
    encoding: str | None
    compression: str | None

    @property
    def rows(self) -> tuple[tuple[object, ...], ...]:
        """The values of the first rows, as they would be stored."""
        return tuple(row.values for row in self.shown)

    @property
    def record_count(self) -> int:
        """How many records the file has, the header not counted."""
        return self.row_count + self.reject_count


def preview_file(path: str, chunks: Iterable[bytes], contract: Contract, *, rows: int = 10) -> Preview:
    """Return what a file would come to; the memory for it does not grow with the file.

    Args:
        path: of the file, for messages.
        chunks: its bytes, in pieces of any size.
        contract: what the file must be.
        rows: how many of its first rows are kept.

    Raises:
        StorageError: what the chunks raise, unless it is the file's own error.
    """
    tally = _Tally(rows)
    head = b""
    error: FileError | None = None
    try:
        head, whole = with_head(chunks, ENOUGH_HEAD_BYTES)
        for found in read_file(path, whole, contract):
            tally.add(found)
    except FileError as problem:
        error = problem
    else:
        error = judge(path, contract, tally.row_count, tally.reject_count, tally.rejects)
    seen = _seen(path, head, contract)
    kind = kind_of(head)
    return Preview(
        path=path,
        shown=tuple(tally.shown),
        row_count=tally.row_count,
        reject_count=tally.reject_count,
        rejects=tuple(tally.rejects),
        rescued_count=tally.rescued_count,
        rescued_rows=tally.rescued_rows,
        extra_count=tally.extra_count,
        rescued=tuple(tally.rescued),
        error=error,
        header=_header(seen, error),
        layout=None if seen is None or isinstance(error, HeaderMismatch) else seen.layout,
        encoding=None if seen is None else seen.dialect.encoding,
        compression=kind if kind in _COMPRESSIONS else None,
    )


class _Tally:
    """What a file has come to so far."""

    __slots__ = (
        "_wanted",
        "extra_count",
        "reject_count",
        "rejects",
        "rescued",
        "rescued_count",
        "rescued_rows",
        "row_count",
        "shown",
    )

    def __init__(self, wanted: int) -> None:
        self._wanted = wanted
        self.shown: list[Row] = []
        self.rejects: list[Reject] = []
        self.rescued: list[Rescued] = []
        self.row_count = self.reject_count = self.rescued_count = self.rescued_rows = self.extra_count = 0

    def add(self, found: Row | Reject) -> None:
        """Count what a record has become."""
        if isinstance(found, Reject):
            self.reject_count += 1
            if len(self.rejects) < LISTED_REJECTS:
                self.rejects.append(replace(found, record=found.record[:_KEPT_CHARACTERS]))
            return
        self.row_count += 1
        if len(self.shown) < self._wanted:
            self.shown.append(found)
        if found.rescued is None:
            return
        self.rescued_rows += 1
        for cell in rescued_cells(found.line, found.rescued):
            self.rescued_count += 1
            if cell.reason == EXTRA:
                self.extra_count += 1
            elif len(self.rescued) < LISTED_RESCUED:
                self.rescued.append(cell)


def rescued_cells(line: int, rescued: str) -> Iterator[Rescued]:
    """Yield what a row's `_rescued_data` tells, cell by cell.

    Args:
        line: of the record.
        rescued: the JSON text.
    """
    told = json.loads(rescued)
    for column, cell in told.get("columns", {}).items():
        yield Rescued(line, column, cell["text"], cell["reason"])
    for text in told.get("surplus", ()):
        yield Rescued(line, None, text, "more cells than the header")
    for _ in range(told.get("missing_cells", 0)):
        yield Rescued(line, None, None, "fewer cells than the header")


def _seen(path: str, head: bytes, contract: Contract) -> Head | None:
    """Return what the first bytes say; None: nothing, and the reading of the whole says why."""
    try:
        return read_head(path, head, contract)
    except FileError as problem:
        if not isinstance(problem, HeaderMismatch):
            return None
    # Where no header is looked for, they say at least in which encoding it stands.
    loose = replace(contract, dialect=replace(contract.dialect, header=False))
    try:
        return read_head(path, head, loose)
    except FileError:
        return None


def _header(seen: Head | None, error: FileError | None) -> tuple[str, ...] | None:
    if isinstance(error, HeaderMismatch):
        return error.found
    return None if seen is None else seen.header
