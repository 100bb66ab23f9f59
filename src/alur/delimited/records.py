"""The records of a file: which lines make one, and its cells. What is malformed costs one line, not the rest."""

from __future__ import annotations

import csv
import re
from collections import deque
from collections.abc import Callable, Iterator
from itertools import islice
from typing import NamedTuple

from alur.contracts.dialect import Dialect
from alur.delimited.compression import MEGABYTE
from alur.delimited.lines import without_line_end
from alur.errors import UnreadableFile

MAX_CELLS = 10_000
"""How many cells a record may have: beyond, the delimiter is wrong, or the bytes are no table."""

TOO_MANY_CELLS = f"more than {MAX_CELLS:,} cells; set Meta.delimiter, if it is not right"
"""What is wrong with a record of more cells."""

BLANKS = " \t\n\x0b\f\r"
"""What counts as blank around a cell."""

_NOTHING = "".join(map(chr, range(0x21)))
"""A line of nothing but these is blank: what Spark passes over, too."""

_NEVER_CLOSED = "a quote is opened and never closed"
# Lines that are read again after a quote that was left open: beyond, the file would cost hours.
_MOST_READ_AGAIN = 512 * MEGABYTE


class Record(NamedTuple):
    """A record.

    Attributes:
        line: the physical line that it begins on, from 1.
        raw: its text, with the line end.
        cells: its cells; None: it is malformed, and only its first line is meant.
        problem: why it is malformed.
    """

    line: int
    raw: str
    cells: list[str] | None
    problem: str


class _Abandoned(Exception):
    """The record that is being read cannot be one."""


def records(path: str, lines: Iterator[str], dialect: Dialect) -> Iterator[Record]:
    """Yield the records of a file, the header among them; blank lines and comments are none.

    Args:
        path: of the file, for messages.
        lines: its physical lines.
        dialect: how it is written.

    Raises:
        UnreadableFile: quotes are left open again and again, or what the lines raise.
    """
    number = sum(1 for _ in islice(lines, dialect.skip_lines))
    start = size = read_again = 0
    pending: list[str] = []
    queued: deque[str] = deque()
    limit = dialect.max_record_mb * MEGABYTE
    one_line = dialect.multiline is False
    delimiter, comment = dialect.delimiter, dialect.comment
    never_closed = _NEVER_CLOSED if dialect.escape is None else f"{_NEVER_CLOSED}, or the file ends in an escape"
    special = tuple(character for character in (dialect.quote, dialect.escape) if character is not None)

    def feed() -> Iterator[str]:
        nonlocal number, start, size
        while True:
            line = queued.popleft() if queued else next(lines, "")
            if not line:
                return
            if pending:
                size += len(line)
                if one_line or size > limit:
                    queued.appendleft(line)
                    raise _Abandoned(
                        "a quote is not closed on its line, as Meta.multiline = False wants it"
                        if one_line
                        else f"a quote is not closed within {dialect.max_record_mb} MB (Meta.max_record_mb)"
                    )
                number += 1
            else:
                number += 1
                if (line[0] <= " " and delimiter not in line and not line.strip(_NOTHING)) or line[0] == comment:
                    continue
                start, size = number, len(line)
                if (
                    size > MAX_CELLS
                    and line.count(delimiter) >= MAX_CELLS
                    and not any(character in line for character in special)
                ):
                    # A list of so many cells would take many times the memory of the line.
                    pending.append(line)
                    raise _Abandoned(TOO_MANY_CELLS)
            pending.append(line)
            yield line

    csv.field_size_limit(max(csv.field_size_limit(), limit + 1))
    while True:
        try:
            for cells in _reader(feed(), dialect):
                raw = pending[0] if len(pending) == 1 else "".join(pending)
                pending.clear()
                yield Record(start, raw, cells, "")
            if not pending:
                return
            problem = never_closed
        except csv.Error as error:
            problem = _explained(str(error), never_closed)
        except _Abandoned as error:
            problem = str(error)
        first, *others = pending
        pending.clear()
        queued.extendleft(reversed(others))
        number -= len(others)
        read_again += sum(map(len, others))
        if read_again > _MOST_READ_AGAIN:
            raise UnreadableFile(
                path,
                f"line {start}: quotes are left open again and again; write Meta.multiline = False, if no cell holds "
                "a line end, or Meta.quote = None, if nothing is quoted",
            )
        yield Record(start, first, None, problem)


def quoted_cells(dialect: Dialect) -> Callable[[str], list[bool]]:
    """Return a function that says of a record's text which of its cells are quoted, in order.

    It takes only what the reader of the records has taken; it may say something of one cell too many.

    Args:
        dialect: how the file is written.
    """
    delimiter = re.escape(dialect.delimiter)
    if dialect.quote is None:
        bare = rf"[^{delimiter}]*+"
        quoted = r"(?!)"
    elif dialect.escape is None:
        quote = re.escape(dialect.quote)
        quoted = rf"{quote}(?:[^{quote}]++|{quote}{quote})*+{quote}"
        bare = rf"[^{delimiter}]*+"
    else:
        quote, escape = re.escape(dialect.quote), re.escape(dialect.escape)
        quoted = rf"{quote}(?:[^{quote}{escape}]++|{escape}[\s\S]|{quote}{quote})*+{quote}"
        bare = rf"(?:[^{delimiter}{escape}]++|{escape}[\s\S])*+"
    pattern = re.compile(rf"(?:({quoted})|{bare})(?:{delimiter}|\Z)")

    def flags(raw: str) -> list[bool]:
        return [bool(group) for group in pattern.findall(without_line_end(raw))]

    return flags


def _reader(lines: Iterator[str], dialect: Dialect) -> Iterator[list[str]]:
    if dialect.quote is None:
        return csv.reader(
            lines, delimiter=dialect.delimiter, quoting=csv.QUOTE_NONE, escapechar=dialect.escape, strict=True
        )
    return csv.reader(
        lines,
        delimiter=dialect.delimiter,
        quotechar=dialect.quote,
        escapechar=dialect.escape,
        doublequote=True,
        strict=True,
    )


def _explained(error: str, never_closed: str) -> str:
    if "expected after" in error:
        return "text behind a closing quote; a quote inside quotes is doubled"
    if "unexpected end" in error:
        return never_closed
    return error
