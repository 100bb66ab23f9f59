"""What a file of orders holds, counted anew from its bytes: by Python's csv module, with nothing of Alur's in it.

It is stricter than it has to be where nobody writes such files (blanks around numbers, offsets of time zones), and
the generator keeps away from there.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal

COLUMNS = (
    "order_id",
    "customer_id",
    "order_date",
    "status",
    "quantity",
    "amount",
    "currency",
    "notes",
    "created_at",
)
"""The columns of `OrdersBronze`, written out: what is compared must not come from what is tested."""

REQUIRED = frozenset({"order_id", "customer_id", "order_date", "status", "created_at"})
"""Those that must not be empty."""

Row = tuple[str | None, ...]
"""A row as text, in `COLUMNS`' order, spelled as `table_rows` spells what the table holds; None is null."""

_WHOLE = re.compile(r"[+-]?[0-9]+")
_AMOUNT = re.compile(r"[+-]?[0-9]{1,10}(\.[0-9]{1,2})?")


@dataclass(frozen=True)
class Recount:
    """What became of a count.

    Args:
        rows: the file's rows; none where it is no good file.
        problem: why it is none; None: it is one.
    """

    rows: tuple[Row, ...]
    problem: str | None

    @property
    def is_good(self) -> bool:
        """Whether the file's rows belong into the table."""
        return self.problem is None


def recount(body: bytes) -> Recount:
    """Count the rows of a file, or say why it cannot be stored; one bad record spoils the whole file.

    Args:
        body: the file's bytes.
    """
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        return Recount((), f"not UTF-8: {error}")
    if "\x00" in text:
        return Recount((), "it holds NUL characters")
    try:
        records = [record for record in csv.reader(io.StringIO(text, newline=""), strict=True) if record]
    except csv.Error as error:
        return Recount((), f"no CSV: {error}")
    if not records:
        return Recount((), "it is empty")
    header, *rest = records
    if tuple(name.lower() for name in header) != COLUMNS:
        return Recount((), f"its header is {','.join(header)}")
    rows: list[Row] = []
    for number, record in enumerate(rest, start=1):
        if len(record) != len(COLUMNS):
            return Recount((), f"record {number} has {len(record)} cells")
        try:
            rows.append(tuple(_canonical(name, cell) for name, cell in zip(COLUMNS, record, strict=True)))
        except ValueError as error:
            return Recount((), f"record {number}: {error}")
    return Recount(tuple(rows), None)


def _canonical(name: str, cell: str) -> str | None:
    if cell == "":
        if name in REQUIRED:
            raise ValueError(f"{name} is empty")
        return None
    return _SPELL.get(name, str)(cell)


def _whole(cell: str) -> str:
    if not _WHOLE.fullmatch(cell):
        raise ValueError(f"{cell!r} is no whole number")
    return str(int(cell))


def _amount(cell: str) -> str:
    if not _AMOUNT.fullmatch(cell):
        raise ValueError(f"{cell!r} is no amount")
    return str(Decimal(cell).quantize(Decimal("0.01")))


def _day(cell: str) -> str:
    return date.fromisoformat(cell).isoformat()


def _moment(cell: str) -> str:
    return datetime.fromisoformat(cell).astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")


_SPELL: dict[str, Callable[[str], str]] = {
    "order_id": _whole,
    "customer_id": _whole,
    "quantity": _whole,
    "amount": _amount,
    "order_date": _day,
    "created_at": _moment,
}
