"""What a record becomes: a row, with what could not be kept beside it, or a reject."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from alur.contracts.contract import Contract
from alur.delimited.cells import Converter, converter, empty_text, required, without_nul
from alur.delimited.layouts import Layout
from alur.delimited.lines import without_line_end
from alur.delimited.problems import BadCell
from alur.delimited.records import MAX_CELLS, TOO_MANY_CELLS, Record, quoted_cells
from alur.errors import visible

SHOWN_CHARACTERS = 100
"""How much of a cell a reason shows."""

_NO_COLUMN = "no column of the contract"
_NO_CELL = "the record has no such cell, and the column is required"


@dataclass(frozen=True, slots=True)
class Row:
    """A record as it is stored.

    Args:
        line: the physical line that it begins on, from 1.
        values: int, float, Decimal, str, bool, date, datetime in UTC, or None, in the order of the contract's fields.
        rescued: a JSON text of what the columns could not keep; None: they keep everything.
    """

    line: int
    values: tuple[Any, ...]
    rescued: str | None


@dataclass(frozen=True, slots=True)
class Reject:
    """A record that cannot be stored.

    Args:
        line: the physical line that it begins on, from 1.
        record: its text, without the line end.
        column: the first column that is at fault; None: the record as a whole is.
        reason: what is wrong.
    """

    line: int
    record: str
    column: str | None
    reason: str


def row_maker(contract: Contract, layout: Layout) -> Callable[[Record], Row | Reject]:
    """Return what makes a row of each record of a file.

    Args:
        contract: of the file.
        layout: which cell is which column's.
    """
    return _RowMaker(contract, layout).make


def quoted(cell: str) -> str:
    """Return a cell as a reason shows it: in quotes, cut, on one line.

    Args:
        cell: its text.
    """
    shown = cell if len(cell) <= SHOWN_CHARACTERS else f"{cell[:SHOWN_CHARACTERS]}…"
    return visible(json.dumps(shown, ensure_ascii=False))


class _RowMaker:
    __slots__ = (
        "_converters",
        "_doubled",
        "_extras",
        "_fields",
        "_flags",
        "_named",
        "_positions",
        "_rescues",
        "_select",
        "_texts",
    )

    def __init__(self, contract: Contract, layout: Layout) -> None:
        self._fields = contract.fields
        self._positions = layout.positions
        self._named = layout.named
        self._rescues = contract.dialect.extra_columns == "rescue"
        self._extras = layout.extras if self._rescues else ()
        self._converters: list[Converter] = []
        for field in contract.fields:
            convert = converter(field, contract.null_values, contract.dialect)
            self._converters.append(convert if field.nullable else required(convert))
        self._texts = tuple(
            (column, position)
            for column, (field, position) in enumerate(zip(contract.fields, layout.positions, strict=True))
            if field.spark_type == "string" and position is not None
        )
        # A quoted empty cell shows itself: its quotes stand side by side.
        self._doubled = None if contract.dialect.quote is None else contract.dialect.quote * 2
        self._flags = quoted_cells(contract.dialect)
        self._select = self._selection()

    def _selection(self) -> Callable[[list[str]], Sequence[str]] | None:
        """Return what takes the columns' cells out of a whole record; None: they are its first, in order."""
        wanted = list(self._positions)
        if wanted == list(range(len(wanted))):
            return None
        named = self._named
        indexes = [named if position is None else position for position in wanted]
        if len(indexes) == 1:
            (only,) = indexes
            return lambda cells: ([*cells[:named], ""][only],)
        take: Callable[[list[str]], Sequence[str]] = itemgetter(*indexes)
        if named not in indexes:
            return take
        # An empty cell at the end stands for every column that the file lacks: it is null under every type.
        return lambda cells: take([*cells[:named], ""])

    def make(self, record: Record) -> Row | Reject:
        """Return what a record becomes."""
        line, raw, cells, problem = record
        if cells is None:
            return Reject(line, without_line_end(raw), None, problem)
        count = len(cells)
        named = self._named
        converters = self._converters
        if self._doubled is not None and self._doubled in raw:
            converters = self._with_empty_texts(raw, cells)
        if "\0" in raw or (count != named and (count < named or any(cells[named:]))):
            return self._make_with_care(line, raw, cells, converters)
        select = self._select
        try:
            values = tuple(
                [
                    convert(cell)
                    for convert, cell in zip(converters, cells if select is None else select(cells), strict=False)
                ]
            )
        except BadCell:
            return self._make_with_care(line, raw, cells, converters)
        if self._extras:
            columns = self._extra_cells(cells, {})
            return Row(line, values, _as_json({"columns": columns}) if columns else None)
        return Row(line, values, None)

    def _with_empty_texts(self, raw: str, cells: list[str]) -> list[Converter]:
        """Return the converters for a record in which some cells may be quoted and empty."""
        empty = [
            (column, position) for column, position in self._texts if position < len(cells) and not cells[position]
        ]
        if not empty:
            return self._converters
        flags = self._flags(raw)
        converters = list(self._converters)
        for column, position in empty:
            if flags[position]:
                converters[column] = empty_text
        return converters

    def _make_with_care(self, line: int, raw: str, cells: list[str], converters: list[Converter]) -> Row | Reject:
        """Return what a record becomes of which something is wrong, or may be."""
        count = len(cells)
        record = without_line_end(raw)
        if count > MAX_CELLS:
            return Reject(line, record, None, TOO_MANY_CELLS)
        values: list[Any] = []
        columns: dict[str, dict[str, str]] = {}
        for field, position, convert in zip(self._fields, self._positions, converters, strict=True):
            value = None
            if position is None:
                pass
            elif position >= count:
                if not field.nullable:
                    return Reject(line, record, field.name, _NO_CELL)
            else:
                cell = cells[position]
                try:
                    value = without_nul(convert)(cell) if field.spark_type == "string" else convert(cell)
                except BadCell as bad:
                    if not field.nullable:
                        shown = f": {quoted(cell)}" if cell else ""
                        return Reject(line, record, field.name, f"{bad.reason}{shown}")
                    columns[field.name] = {"text": cell, "reason": bad.reason}
            values.append(value)
        self._extra_cells(cells, columns)
        rescued: dict[str, Any] = {}
        if columns:
            rescued["columns"] = columns
        if any(cells[self._named :]):
            rescued["surplus"] = cells[self._named :]
        if count < self._named:
            rescued["missing_cells"] = self._named - count
        return Row(line, tuple(values), _as_json(rescued) if rescued else None)

    def _extra_cells(self, cells: list[str], columns: dict[str, dict[str, str]]) -> dict[str, dict[str, str]]:
        """Add the cells of columns that the contract does not have."""
        for index, name in self._extras:
            if index < len(cells) and cells[index]:
                # A column of the contract may be called as the header calls another.
                key = name if name not in columns else f"{name}_c{index}"
                columns[key] = {"text": cells[index], "reason": _NO_COLUMN}
        return columns


def _as_json(rescued: dict[str, Any]) -> str:
    return json.dumps(rescued, ensure_ascii=False, separators=(",", ":"))
