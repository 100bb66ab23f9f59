"""Files of orders as somebody writes them, together with what has to become of each record: nothing is read here.

Only what is beyond doubt is written down: whoever puts a word where a number must be knows that the record is a
reject, of which line, and how its text stands in the file. A quote that is never closed comes last of all quotes, so
that no other one can close it.
"""

from __future__ import annotations

import gzip
import json
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from recount import COLUMNS, Reject, Row

LINE_ENDS = ("\n", "\r\n", "\r")
"""What may end a line; in a file they may be mixed."""

EXTRA = "gift_wrap"
"""A column that the contract does not have."""

_NOTES = (
    None,
    "Gift: please wrap",
    'Engrave "For Ada", twice',
    "Two lines:\nthe second",
    "Three lines:\r\nthe second\rthe third",
    "Grüße an Zoë — 注文番号 №7",
    " blanks around ",
    "NULL",
    "\\N",
    "a\\b, 'c'",
)
_UNQUOTED_NOTES = tuple(note for note in _NOTES if note is None or not set(note) & set(',"\r\n'))
_LINE_END = re.compile("\r\n|\r|\n")
_REQUIRED_NUMBERS = ("order_id", "customer_id", "order_date", "created_at")


@dataclass(frozen=True)
class Piece:
    """A record of a file, or a blank line.

    Args:
        text: as it stands in the file.
        end: of its last line; empty: the file ends here.
        row: what it becomes; None: no row.
        is_reject: it is a reject.
    """

    text: str
    end: str
    row: Row | None = None
    is_reject: bool = False


@dataclass(frozen=True)
class Sheet:
    """A good file.

    Args:
        header: its columns, in its order.
        header_end: what ends its first line.
        pieces: what stands below.
        is_gzip: it is compressed.
        has_mark: it begins with a byte order mark.
        is_malformed: it holds what no reader of CSV takes; of it there is nobody else's count.
        has_open_quote: no quote may come behind what it holds.
    """

    header: tuple[str, ...]
    header_end: str
    pieces: tuple[Piece, ...]
    is_gzip: bool = False
    has_mark: bool = False
    is_malformed: bool = False
    has_open_quote: bool = False

    @cached_property
    def body(self) -> bytes:
        """The file's bytes: always the same ones."""
        text = ",".join(self.header) + self.header_end + "".join(piece.text + piece.end for piece in self.pieces)
        body = text.encode("utf-8-sig" if self.has_mark else "utf-8")
        return gzip.compress(body, mtime=0) if self.is_gzip else body

    @property
    def rows(self) -> tuple[Row, ...]:
        """What has to be in the bronze table."""
        return tuple(piece.row for piece in self.pieces if piece.row is not None)

    @property
    def rejects(self) -> tuple[Reject, ...]:
        """What has to be in the table of the rejects."""
        return tuple((line, piece.text) for line, piece in self._lines() if piece.is_reject)

    @property
    def what(self) -> str:
        """Say what it is, in a few words."""
        kinds = [
            f"{len(self.rows)} rows",
            *([f"{len(self.rejects)} rejects"] if self.rejects else []),
            *(["gzip"] if self.is_gzip else []),
            *(["malformed"] if self.is_malformed else []),
            *(["reordered"] if self.header != COLUMNS else []),
        ]
        return f"good, {', '.join(kinds)}"

    def _lines(self) -> Iterator[tuple[int, Piece]]:
        line = 2
        for piece in self.pieces:
            yield line, piece
            line += 1 + len(_LINE_END.findall(piece.text))


class Writer:
    """Writes files.

    Args:
        rng: where every decision comes from.
    """

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng

    def row(self, number: int, notes: Sequence[str | None] = _NOTES) -> Row:
        """Return a row of which nothing is wrong.

        Args:
            number: its own.
            notes: what may stand in it as a text.
        """
        rng = self._rng
        day = f"2026-{rng.randint(1, 12):02d}-{rng.randint(1, 28):02d}"
        moment = f"{rng.randint(0, 23):02d}:{rng.randint(0, 59):02d}:{rng.randint(0, 59):02d}"
        return (
            str(number),
            str(rng.randint(1, 999)),
            day,
            rng.choice(("pending", "paid", "shipped")),
            rng.choice((None, str(rng.randint(1, 12)))),
            rng.choice((None, f"{rng.randint(0, 99999)}.{rng.randint(0, 99):02d}")),
            rng.choice((None, "EUR", "USD")),
            rng.choice(notes),
            f"{day} {moment}",
            None,
        )

    def clean(self, numbers: Sequence[int]) -> Sheet:
        """Write a file of which every record is a row.

        Args:
            numbers: of the rows.
        """
        rng = self._rng
        end = rng.choice(("\n", "\n", "\r\n"))
        pieces = tuple(_piece(self.row(number), COLUMNS, end) for number in numbers)
        return Sheet(COLUMNS, end, pieces, has_mark=rng.random() < 0.1)

    def bare(self) -> Sheet:
        """Write a header alone."""
        return Sheet(COLUMNS, self._rng.choice(("\n", "\r\n", "")), ())

    def dirty(self, numbers: Sequence[int]) -> Sheet:
        """Write a file as somebody's export has it who does not care; at least one record is a row.

        Args:
            numbers: of its records.
        """
        rng = self._rng
        header = list(COLUMNS)
        if rng.random() < 0.4:
            header += [EXTRA] if rng.random() < 0.5 else []
            rng.shuffle(header)
        ends = LINE_ENDS if rng.random() < 0.6 else (rng.choice(LINE_ENDS),)
        # Behind these many records no quote is written any more: the next one is never closed.
        open_from = rng.randrange(len(numbers)) if rng.random() < 0.25 else None
        sheet = Sheet(tuple(header), rng.choice(ends), (), is_gzip=rng.random() < 0.25, has_mark=rng.random() < 0.1)
        for place, number in enumerate(numbers):
            if place == open_from:
                sheet = self._with(sheet, self._never_closed(sheet, number), is_malformed=True, has_open_quote=True)
            elif place == len(numbers) - 1:
                sheet = self._with(sheet, self._as_row(sheet, number))
            else:
                sheet = self._with(sheet, *self._some(sheet, number))
            last = sheet.pieces[-1]
            sheet = replace(sheet, pieces=(*sheet.pieces[:-1], replace(last, end=rng.choice(ends))))
            if rng.random() < 0.1:
                sheet = replace(sheet, pieces=(*sheet.pieces, Piece("", "\r\n")))
        if not sheet.rows:
            sheet = self.grown(sheet, [numbers[-1]])
        last = sheet.pieces[-1]
        if last.text and rng.random() < 0.3:
            sheet = replace(sheet, pieces=(*sheet.pieces[:-1], replace(last, end="")))
        return sheet

    def grown(self, sheet: Sheet, numbers: Sequence[int]) -> Sheet:
        """Write the same records and more, as exports do that write the whole of a day again and again.

        Args:
            sheet: what was written before.
            numbers: of the new rows.
        """
        pieces = list(sheet.pieces)
        if pieces and not pieces[-1].end:
            pieces[-1] = replace(pieces[-1], end="\n")
        header_end = sheet.header_end or "\n"
        more = [replace(self._as_row(sheet, number), end=header_end) for number in numbers]
        return replace(sheet, header_end=header_end, pieces=(*pieces, *more))

    def hopeless(self, numbers: Sequence[int]) -> Sheet:
        """Write a file of nothing but rejects, which is no good one.

        Args:
            numbers: of its records.
        """
        sheet = Sheet(COLUMNS, "\n", ())
        return replace(sheet, pieces=tuple(self._reject(sheet, number) for number in numbers))

    # --------------------------------------------------------------------------------------------- records

    def _with(self, sheet: Sheet, *pieces: Piece, is_malformed: bool = False, has_open_quote: bool = False) -> Sheet:
        return replace(
            sheet,
            pieces=(*sheet.pieces, *pieces),
            is_malformed=sheet.is_malformed or is_malformed or any(_is_malformed(piece) for piece in pieces),
            has_open_quote=sheet.has_open_quote or has_open_quote,
        )

    def _some(self, sheet: Sheet, number: int) -> list[Piece]:
        rng = self._rng
        kinds = [self._as_row, self._as_row, self._as_row, self._rescued, self._surplus, self._reject, self._short]
        if not sheet.has_open_quote:
            kinds.append(self._text_behind_a_quote)
        return [rng.choice(kinds)(sheet, number)]

    def _fresh(self, sheet: Sheet, number: int) -> Row:
        return self.row(number, _UNQUOTED_NOTES if sheet.has_open_quote else _NOTES)

    def _as_row(self, sheet: Sheet, number: int) -> Piece:
        row, extra = self._fresh(sheet, number), self._extra(sheet)
        lost = {EXTRA: (extra, "no column of the contract")} if extra else {}
        return _piece(_with_lost(row, lost), sheet.header, "\n", extra=extra)

    def _rescued(self, sheet: Sheet, number: int) -> Piece:
        """A cell that its column cannot hold, and need not."""
        rng = self._rng
        row, extra = self._fresh(sheet, number), self._extra(sheet)
        name, text, reason = rng.choice(
            (
                ("quantity", "many", "not a whole number"),
                ("quantity", "1.5", "not a whole number"),
                ("amount", "12x", "not a decimal number"),
            )
        )
        lost = {name: (text, reason)}
        if extra:
            lost[EXTRA] = (extra, "no column of the contract")
        return _piece(_with_lost(row, lost), sheet.header, "\n", {name: text}, extra=extra)

    def _surplus(self, sheet: Sheet, number: int) -> Piece:
        """More cells than the header."""
        row = self._fresh(sheet, number)
        piece = _piece(row, sheet.header, "\n")
        rescued = json.dumps({"surplus": ["more", "cells"]}, separators=(",", ":"))
        return replace(piece, text=f"{piece.text},more,cells", row=(*row[:-1], rescued))

    def _reject(self, sheet: Sheet, number: int) -> Piece:
        """A required cell that is none, or empty."""
        rng = self._rng
        name = rng.choice(_REQUIRED_NUMBERS)
        piece = _piece(self._fresh(sheet, number), sheet.header, "\n", {name: rng.choice(("", "word"))})
        return replace(piece, row=None, is_reject=True)

    def _short(self, sheet: Sheet, number: int) -> Piece:
        """A record that breaks off before what is required."""
        return Piece(f"{number},2", "\n", is_reject=True)

    def _text_behind_a_quote(self, sheet: Sheet, number: int) -> Piece:
        """Quotes inside quotes that are not doubled."""
        row = self.row(number, ("NOTES",))
        piece = _piece(row, sheet.header, "\n")
        return Piece(piece.text.replace("NOTES", '"Engrave "Ada" twice"'), "\n", is_reject=True)

    def _never_closed(self, sheet: Sheet, number: int) -> Piece:
        row = self.row(number, ("NOTES",))
        piece = _piece(row, sheet.header, "\n")
        return Piece(piece.text.replace("NOTES", '"never closed'), "\n", is_reject=True)

    def _extra(self, sheet: Sheet) -> str:
        return self._rng.choice(("", "red", "gold")) if EXTRA in sheet.header else ""


def _piece(
    row: Row, header: Sequence[str], end: str, instead: Mapping[str, str] | None = None, extra: str = ""
) -> Piece:
    cells: dict[str, Any] = dict(zip(COLUMNS, row, strict=False))
    cells["created_at"] = f"{cells['created_at']}Z".replace(" ", "T")
    cells[EXTRA] = extra
    cells |= instead or {}
    return Piece(",".join(_cell(cells[name]) for name in header), end, row)


def _cell(text: str | None) -> str:
    if text is None:
        return ""
    return '"' + text.replace('"', '""') + '"' if set(text) & set(',"\r\n') else text


def _with_lost(row: Row, lost: Mapping[str, tuple[str, str]]) -> Row:
    if not lost:
        return row
    columns = {name: {"text": text, "reason": reason} for name, (text, reason) in lost.items()}
    values = [None if name in lost else value for name, value in zip(COLUMNS, row, strict=False)]
    return (*values, json.dumps({"columns": columns}, ensure_ascii=False, separators=(",", ":")))


def _is_malformed(piece: Piece) -> bool:
    return 'Engrave "Ada"' in piece.text
