"""A file as a contract means it: its rows and its rejects, or the reason why it has none."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from alur.contracts.contract import Contract
from alur.contracts.dialect import Dialect
from alur.delimited.compression import plain_bytes
from alur.delimited.decoding import Text
from alur.delimited.layouts import Layout, match_header, positional
from alur.delimited.lines import LINE_ENDS, physical_lines, without_line_end
from alur.delimited.records import MAX_CELLS, Record, records
from alur.delimited.rows import Reject, Row, row_maker
from alur.errors import EmptyFile, UnreadableFile

__all__ = ["Head", "Reject", "Row", "read_file", "read_head"]


@dataclass(frozen=True, slots=True)
class Head:
    """What the first bytes of a file say.

    Args:
        header: the cells of the header; None: the file has none, as the contract says.
        raw_header: its physical line, without a byte order mark and the line end; None: there is no header, or it
            goes over several lines.
        layout: which cell is which column's.
        dialect: the contract's, with the encoding that the file is in.
    """

    header: tuple[str, ...] | None
    raw_header: str | None
    layout: Layout
    dialect: Dialect


def read_file(
    path: str, chunks: Iterable[bytes], contract: Contract, *, checks_header: bool = True
) -> Iterator[Row | Reject]:
    """Yield what the records of a file become, in their order; the memory for it does not grow with the file.

    Args:
        path: of the file, for messages.
        chunks: its bytes, in pieces of any size.
        contract: what the file must be.
        checks_header: False: the header is skipped, and the cells are taken to be the fields in their order.

    Raises:
        HeaderMismatch: the header is not the contract's.
        EmptyFile: the file has no record, not even a header.
        UnreadableFile: the bytes are not text as the contract says; perhaps after some rows.
    """
    dialect = contract.dialect
    text = Text(path, plain_bytes(path, chunks, dialect), dialect.encoding)
    found = records(path, physical_lines(path, text, dialect.max_record_mb), dialect)
    first = _first(path, found)
    layout = positional(contract)
    if dialect.header:
        header = _header(path, first)
        if checks_header:
            layout = match_header(path, contract, header)
    make = row_maker(contract, layout)
    if not dialect.header:
        yield make(first)
    yield from map(make, found)


def read_head(path: str, head: bytes, contract: Contract) -> Head:
    """Return what the first bytes of a file say, with the errors that reading it whole would raise.

    Args:
        path: of the file, for messages.
        head: its first bytes; they may be cut anywhere behind the header. `ENOUGH_HEAD_BYTES` are enough.
        contract: what the file must be.

    Raises:
        HeaderMismatch: the header is not the contract's.
        EmptyFile: there is no record, not even a header.
        UnreadableFile: the bytes are not text as the contract says.
    """
    dialect = contract.dialect
    text = Text(path, plain_bytes(path, [head], dialect, cut=True), dialect.encoding, cut=True)
    first = _first(path, records(path, physical_lines(path, text, dialect.max_record_mb), dialect))
    found = replace(dialect, encoding=text.encoding)
    if not dialect.header:
        return Head(None, None, positional(contract), found)
    header = _header(path, first)
    line = without_line_end(first.raw)
    is_one_line = not any(end in line for end in LINE_ENDS)
    return Head(tuple(header), line if is_one_line else None, match_header(path, contract, header), found)


def _first(path: str, found: Iterator[Record]) -> Record:
    first = next(found, None)
    if first is None:
        raise EmptyFile(path)
    return first


def _header(path: str, record: Record) -> list[str]:
    """Return the header's cells; where they cannot be read, no line behind them can be taken for the header."""
    if record.cells is None:
        raise UnreadableFile(path, f"line {record.line}: the header cannot be read: {record.problem}")
    if len(record.cells) > MAX_CELLS:
        raise UnreadableFile(
            path, f"line {record.line}: the header has more than {MAX_CELLS:,} names; set Meta.delimiter, if it is text"
        )
    return record.cells
