"""What a preview says, in plain words and for JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from math import isfinite
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from alur.cli.words import say_number
from alur.contracts.contract import Contract, OnOverwrite, Trigger
from alur.delimited.compression import is_zstd
from alur.delimited.preview import Preview, Rescued
from alur.delimited.rows import Reject, Row, quoted
from alur.ingestion.headings import reads_plainly

_RESCUED = "_rescued_data"
_NULL = "null"
_SHOWN_CHARACTERS = 40
_LEAST_WIDTH = 10


@dataclass(frozen=True, slots=True)
class Previewed:
    """A file under one contract.

    Args:
        contract: the table's.
        is_claimed: a glob of it means the file; None: the file is on this machine, and has no key.
        key: the file's key, or its name on this machine.
        preview: what it would come to.
    """

    contract: Contract
    is_claimed: bool | None
    key: str
    preview: Preview

    @property
    def is_unknown(self) -> bool:
        """Whether nothing can be said: the job unpacks the file as zstd first, which is not done here."""
        return is_zstd(self.contract, self.key)

    @property
    def would_complete(self) -> bool:
        """Whether the file would be completed."""
        return self.preview.error is None and not self.is_unknown

    @property
    def verdict(self) -> str:
        """What the file would come to, in a line."""
        preview = self.preview
        if self.is_unknown:
            return "unknown: a zstd file cannot be previewed here; decompress it (zstd -d), and preview that"
        if preview.error is not None:
            return f"would fail: {type(preview.error).__name__}: {preview.error}"
        rows, rejects = say_number(preview.row_count, "row"), say_number(preview.reject_count, "reject")
        return f"completed with {rows} and {rejects}"

    @property
    def carefully_because(self) -> str | None:
        """Why the file would not be read by many at once; None: nothing speaks against it that is known here."""
        preview = self.preview
        if not reads_plainly(self.contract, self.key):
            return "its name or the contract wants it (encoding, quotes, comments, formats of dates or numbers)"
        if preview.compression is not None:
            return f"it is {preview.compression}"
        if preview.encoding not in (None, self.contract.dialect.encoding):
            return f"it is {preview.encoding}, by its byte order mark"
        if preview.layout is not None and preview.layout.extras and self.contract.dialect.extra_columns == "rescue":
            return "it has columns that the contract does not have"
        if preview.reject_count or preview.rescued_count:
            return "not every cell fits its column"
        return None


def previewed_document(one: Previewed) -> dict[str, Any]:
    """Render a preview for JSON.

    Args:
        one: a file under a contract.
    """
    contract, preview = one.contract, one.preview
    names = contract.column_names
    error = None if one.is_unknown else preview.error
    return {
        "table": contract.ingestion_key,
        "class": contract.class_name,
        "is_claimed_by_contract": one.is_claimed,
        "trigger": contract.trigger.value,
        "encoding": preview.encoding,
        "compression": preview.compression,
        "delimiter": contract.dialect.delimiter,
        "quote": contract.dialect.quote,
        "escape": contract.dialect.escape,
        "header": None if preview.header is None else list(preview.header),
        "columns": [
            {"name": name, "type": kind, "source_name": source, "position": position}
            for name, kind, source, position in _columns(one)
        ],
        "extra_columns": [{"position": index, "name": name} for index, name in _extras(preview)],
        "extra_columns_are": contract.dialect.extra_columns,
        "records": preview.record_count,
        "rows": preview.row_count,
        "rejects": preview.reject_count,
        "rescued_cells": preview.rescued_count,
        "rescued_cells_of_extra_columns": preview.extra_count,
        "rows_with_rescued_cells": preview.rescued_rows,
        "first_rows": [
            {
                "line": row.line,
                "values": dict(zip(names, map(_json_value, row.values), strict=True)),
                _RESCUED: row.rescued,
            }
            for row in preview.shown
        ],
        "first_rejects": [
            {"line": one.line, "column": one.column, "reason": one.reason, "record": one.record}
            for one in preview.rejects
        ],
        "first_rescued": [
            {"line": one.line, "column": one.column, "text": one.text, "reason": one.reason} for one in preview.rescued
        ],
        "read_carefully_because": one.carefully_because,
        "would_complete": None if one.is_unknown else one.would_complete,
        "error_type": type(error).__name__ if error else None,
        "error_message": str(error) if error else None,
    }


def print_previewed(one: Previewed, out: Console) -> None:
    """Print a preview for people.

    Args:
        one: a file under a contract.
        out: whither.
    """
    preview = one.preview
    for line in _heading(one):
        _line(out, line)
    if one.is_unknown:
        _line(out, f"verdict: {one.verdict}")
        return
    if preview.layout is not None:
        out.print(_columns_table(one))
        for line in _extra_lines(one):
            _line(out, line)
    if preview.shown:
        _print_rows(one, out)
    for line in _counts(one):
        _line(out, line)
    _line(out, f"verdict: {one.verdict}")


def _line(out: Console, text: str) -> None:
    # Long lines are not broken: they are copied, and searched.
    out.print(Text(text), soft_wrap=True)


def _heading(one: Previewed) -> Iterator[str]:
    contract, preview, dialect = one.contract, one.preview, one.contract.dialect
    yield f"table {contract.ingestion_key} ({contract.class_name})"
    if one.is_claimed is False:
        yield f"  no glob of it means this file: it would not be ingested ({', '.join(contract.source_paths)})"
    elif contract.trigger is Trigger.RUN:
        yield "  trigger     run: nothing takes it in when it lands, the next `alur run` does"
    if contract.on_overwrite is OnOverwrite.SKIP:
        yield "  overwrites  skip: if this path is completed already, another version of it is not read"
    header = "no header" if not dialect.header else "a header"
    if dialect.header and preview.header is not None:
        header = f"a header of {say_number(len(preview.header), 'name')}"
    quote = "nothing is quoted" if dialect.quote is None else f"quote {_character(dialect.quote)}"
    escape = "" if dialect.escape is None else f", escape {_character(dialect.escape)}"
    encoding = preview.encoding or "in an encoding that cannot be told"
    compression = preview.compression or "not compressed"
    delimiter = _character(dialect.delimiter)
    yield f"  written     {encoding}, {compression}; delimiter {delimiter}, {quote}{escape}; {header}"
    if one.is_unknown or preview.layout is None:
        return
    because = one.carefully_because
    if because is not None:
        yield f"  read        carefully, because {because}: by one worker, which takes longer for a large file"
    else:
        yield "  read        plainly, many workers at once, unless a quoted cell goes over lines"


def _character(text: str) -> str:
    return {"\t": "tab", " ": "space"}.get(text, f"'{text}'" if text != "'" else f'"{text}"')


def _columns(one: Previewed) -> list[tuple[str, str, str, int | None]]:
    layout = one.preview.layout
    return [
        (field.name, field.spark_type, field.source_name, None if layout is None else layout.positions[number])
        for number, field in enumerate(one.contract.fields)
    ]


def _extras(preview: Preview) -> tuple[tuple[int, str], ...]:
    return () if preview.layout is None else preview.layout.extras


def _columns_table(one: Previewed) -> Table:
    header = one.preview.header
    table = Table(title="columns", title_justify="left")
    for name in ("column", "type", "from"):
        table.add_column(name, overflow="fold")
    for name, kind, _, position in _columns(one):
        if position is None:
            found = "not in the file: null in every row"
        elif header is None:
            found = f"cell {position + 1}"
        else:
            found = f"cell {position + 1}, {header[position].strip()}"
        table.add_row(Text(name), kind, Text(found))
    return table


def _extra_lines(one: Previewed) -> Iterator[str]:
    extras = _extras(one.preview)
    if not extras:
        return
    what = {
        "rescue": f"kept in {_RESCUED}; declare a field for what is wanted",
        "ignore": 'left out, as Meta.extra_columns = "ignore" says',
        "refuse": "refused",
    }[one.contract.dialect.extra_columns]
    names = ", ".join(name for _, name in extras[:_SHOWN_CHARACTERS])
    rest = f" and {len(extras) - _SHOWN_CHARACTERS:,} more" if len(extras) > _SHOWN_CHARACTERS else ""
    yield f"not in the contract: {names}{rest}: {what}"


def _print_rows(one: Previewed, out: Console) -> None:
    preview = one.preview
    has_rescued = any(row.rescued is not None for row in preview.shown)
    names = [*one.contract.column_names, *([_RESCUED] if has_rescued else [])]
    stored = "would be stored" if preview.error is None else "were read"
    title = f"the first {say_number(len(preview.shown), 'row')}, as they {stored}"
    # A table would break its own title at its width.
    _line(out, title)
    if len(names) * _LEAST_WIDTH > out.width:
        for row in preview.shown:
            _print_row(row, names, out)
        return
    table = Table()
    table.add_column("line", justify="right", style="dim")
    for name in names:
        table.add_column(Text(name), overflow="fold")
    for row in preview.shown:
        table.add_row(str(row.line), *(_shown(value) for value in _stored(row, has_rescued)))
    out.print(table)


def _print_row(row: Row, names: list[str], out: Console) -> None:
    """Print a row of many columns, one below the other."""
    out.print(Text(f"line {row.line:,}"))
    width = max(map(len, names))
    for name, value in zip(names, _stored(row, _RESCUED in names), strict=True):
        out.print(Text.assemble(f"  {name:<{width}}  ", _shown(value)), soft_wrap=True)


def _stored(row: Row, has_rescued: bool) -> tuple[Any, ...]:
    return (*row.values, row.rescued) if has_rescued else row.values


def _shown(value: Any) -> Text:
    if value is None:
        return Text(_NULL, style="dim italic")
    if isinstance(value, str):
        cut = value if len(value) <= _SHOWN_CHARACTERS else f"{value[:_SHOWN_CHARACTERS]}…"
        # Quotes tell what cannot be seen else: that it is empty, is no null, ends in blanks, goes over lines.
        is_plain = cut and cut != _NULL and cut == cut.strip() and cut.isprintable()
        return Text(cut if is_plain else json.dumps(cut, ensure_ascii=False))
    if isinstance(value, datetime):
        return Text(value.strftime("%Y-%m-%d %H:%M:%S.%f").removesuffix(".000000") + " UTC")
    return Text(str(value).lower() if isinstance(value, bool) else str(value))


def _counts(one: Previewed) -> Iterator[str]:
    preview = one.preview
    read = "" if preview.error is None or preview.record_count == 0 else " were read"
    line = (
        f"{say_number(preview.record_count, 'record')}{read}: {say_number(preview.row_count, 'row')}, "
        f"{say_number(preview.reject_count, 'reject')}"
    )
    if preview.rescued_count:
        extra = f", {preview.extra_count:,} of them of columns not in the contract" if preview.extra_count else ""
        cells, rows = say_number(preview.rescued_count, "cell"), say_number(preview.rescued_rows, "row")
        line += f"; {cells} of {rows} kept in {_RESCUED}{extra}"
    yield line
    if preview.rejects:
        yield f"rejects{_of_how_many(len(preview.rejects), preview.reject_count)}:"
        yield from map(_reject, preview.rejects)
    if preview.rescued:
        others = preview.rescued_count - preview.extra_count
        yield f"rescued cells{_of_how_many(len(preview.rescued), others)}:"
        yield from map(_rescued, preview.rescued)


def _of_how_many(listed: int, count: int) -> str:
    return "" if listed == count else f", the first {listed} of {count:,}"


def _reject(reject: Reject) -> str:
    column = "" if reject.column is None else f"column {reject.column}: "
    # A reason about a column shows the cell itself.
    record = f": {quoted(reject.record)}" if reject.column is None else ""
    return f"  line {reject.line:,}: {column}{reject.reason}{record}"


def _rescued(cell: Rescued) -> str:
    column = "" if cell.column is None else f"column {cell.column}: "
    text = "" if cell.text is None else f": {quoted(cell.text)}"
    return f"  line {cell.line:,}: {column}{cell.reason}{text}"


def _json_value(value: Any) -> Any:
    if isinstance(value, Decimal | date) or (isinstance(value, float) and not isfinite(value)):
        return str(value)
    return value
