"""How a sample file is written, where nobody says: encoding, delimiter, quotes, header, what stands above it. Pure."""

from __future__ import annotations

import codecs
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from alur.contracts.dialect import AS_MOST_FILES, Dialect
from alur.delimited.compression import plain_bytes
from alur.delimited.decoding import Text
from alur.delimited.inference import NULL_TOKENS, STYLES, ColumnSamples
from alur.delimited.lines import physical_lines
from alur.delimited.records import BLANKS, Record, quoted_cells, records
from alur.errors import EmptyFile, UnreadableFile

HEAD_BYTES = 1024 * 1024
"""So much of a file's text says how it is written; its encoding the whole of it says."""

_DELIMITERS = "\t|;,"  # the rarer it is in a text, the sooner
_QUOTES: tuple[tuple[str | None, str | None], ...] = (('"', None), ('"', "\\"), (None, None))
_MOST_RECORDS = 1000
_LEAST_ALIKE = 0.6
_HASH = "#"
_LONGEST_NAME = 100
_FEWEST_COLUMNS = 3  # of a table whose title can be told from a record


@dataclass(frozen=True, slots=True)
class Sniffed:
    """How a file is written.

    Args:
        dialect: what a contract has to say of it.
        names: the cells of its header; None: it has none.
        notes: what was decided, and could be otherwise.
    """

    dialect: Dialect
    names: tuple[str, ...] | None
    notes: tuple[str, ...] = ()


def encoding_of(path: str, chunks: Iterable[bytes]) -> tuple[str, bytes]:
    """Return a file's encoding, as a contract has to say it, and the first bytes of its text.

    Args:
        path: of the file, for messages.
        chunks: its bytes, in pieces of any size.

    Raises:
        UnreadableFile: it is no text, is corrupt, or is in UTF-32.
        EmptyFile: it has no bytes.
    """
    decoder = codecs.getincrementaldecoder("utf-8")("strict")
    is_utf8 = is_windows = True
    head = bytearray()
    for piece in plain_bytes(path, chunks, AS_MOST_FILES):
        if len(head) < HEAD_BYTES:
            head += piece[: HEAD_BYTES - len(head)]
        if is_utf8:
            is_utf8 = _decodes(decoder, piece)
        if is_windows:
            is_windows = _decodes(codecs.getincrementaldecoder("windows-1252")("strict"), piece)
    if not head:
        raise EmptyFile(path)
    marked = _marked(path, bytes(head))
    if marked is not None:
        return marked, bytes(head)
    if is_utf8 and _decodes(decoder, b"", final=True):
        return "utf-8", bytes(head)
    return "windows-1252" if is_windows else "latin-1", bytes(head)


def sniff(path: str, head: bytes, encoding: str) -> Sniffed:
    """Return how a file is written, by its first bytes.

    Args:
        path: of the file, for messages.
        head: the first bytes of its text, decompressed.
        encoding: as `encoding_of` returns it.

    Raises:
        EmptyFile: it has no record.
        UnreadableFile: its lines are too long to be any.
    """
    text = "".join(Text(path, iter((head,)), encoding, cut=True))
    if len(head) >= HEAD_BYTES:
        # The last line is cut: what it lacks is no property of the file.
        text = text[: max(text.rfind("\n"), text.rfind("\r")) + 1] or text
    base = replace(AS_MOST_FILES, encoding=encoding)
    found = max((_Reading.of(path, text, dialect) for dialect in _candidates(base)), key=lambda reading: reading.merit)
    if not found.records:
        raise EmptyFile(path)
    found = _with_single_quotes(path, text, found)
    first = found.first_of_table()
    dialect = found.dialect
    if first:
        dialect = replace(dialect, skip_lines=found.records[first].line - 1)
    table = [record.cells for record in found.records[first:] if record.cells is not None]
    names = table[0] if table and _is_header(table[0], table[1:]) else None
    notes = (f"{dialect.skip_lines} lines above the table are skipped",) if dialect.skip_lines else ()
    return Sniffed(replace(dialect, header=names is not None), None if names is None else tuple(names), notes)


def table_records(path: str, chunks: Iterable[bytes], dialect: Dialect) -> Iterator[Record]:
    """Yield the records of a file, its header among them.

    Args:
        path: of the file, for messages.
        chunks: its bytes, in pieces of any size.
        dialect: how it is written.

    Raises:
        UnreadableFile: it is not written so.
    """
    text = Text(path, plain_bytes(path, chunks, dialect), dialect.encoding)
    yield from records(path, physical_lines(path, text, dialect.max_record_mb), dialect)


def _decodes(decoder: codecs.IncrementalDecoder, piece: bytes, *, final: bool = False) -> bool:
    try:
        decoder.decode(piece, final)
    except UnicodeDecodeError:
        return False
    return True


def _marked(path: str, head: bytes) -> str | None:
    """The encoding that a byte order mark or the NULs of UTF-16 give away; None: neither is there."""
    try:
        found = Text(path, iter((head,)), "latin-1", cut=True).encoding
    except UnreadableFile:
        # Raised for UTF-32 too, and then once more.
        return Text(path, iter((head,)), "utf-16", cut=True).encoding
    # With its mark it is read so under any contract.
    return None if found == "latin-1" else "utf-8"


def _candidates(base: Dialect) -> Iterator[Dialect]:
    for quote, escape in _QUOTES:
        for delimiter in _DELIMITERS:
            yield replace(base, delimiter=delimiter, quote=quote, escape=escape)


@dataclass(frozen=True, slots=True)
class _Reading:
    """The first records of a file, as they are under one dialect."""

    dialect: Dialect
    records: Sequence[Record]
    width: int
    merit: tuple[float, ...]

    @classmethod
    def of(cls, path: str, text: str, dialect: Dialect) -> _Reading:
        found = list(islice(records(path, physical_lines(path, (text,) if text else (), 16), dialect), _MOST_RECORDS))
        if found and found[-1].cells is None and len(found) > 1:
            # Its end may stand behind the head.
            found.pop()
        widths = Counter(len(record.cells) for record in found if record.cells is not None)
        width = max(widths, key=lambda number: (widths[number], number), default=0)
        at = _first_of_table(found, width)
        alike = widths[width] / max(1, len(found) - at)
        malformed = sum(record.cells is None for record in found) / max(1, len(found))
        splits = width > 1 and alike >= _LEAST_ALIKE
        # One column is told apart from many by a delimiter that does not stand in it.
        never = not splits and not any(width > 1 for width in widths)
        order = float(_DELIMITERS.index(dialect.delimiter))
        merit = (
            2.0 * splits + never,
            -float(at > 0),
            -round(malformed + max(0.0, 1 - alike), 3),
            float(dialect.quote is not None),
            float(dialect.escape is None),
            -order if splits else order,
        )
        return cls(dialect, found, width, merit)

    def first_of_table(self) -> int:
        """Which record is the first of the table: those before are a preamble."""
        return _first_of_table(self.records, self.width)


def _first_of_table(found: Sequence[Record], width: int) -> int:
    at = 0
    while at < len(found) - 1 and _is_preamble(found[at], found[at + 1], width):
        at += 1
    return at


def _is_preamble(record: Record, following: Record, width: int) -> bool:
    cells = record.cells or []
    if record.raw.lstrip(BLANKS).startswith(_HASH):
        # The last of them may be the header.
        return width == 1 or len(cells) != width or following.raw.startswith(_HASH)
    if width < _FEWEST_COLUMNS or record.cells is None:
        return width > 1 and len(cells) == 1
    # A spreadsheet fills a title up with empty cells.
    is_title = len(_trimmed(cells)) == 1 and not _is_typed(cells[:1])
    return len(cells) <= width // 2 or is_title


def _trimmed(cells: Sequence[str]) -> list[str]:
    kept = list(cells)
    while len(kept) > 1 and not kept[-1].strip(BLANKS):
        kept.pop()
    return kept


def _with_single_quotes(path: str, text: str, found: _Reading) -> _Reading:
    """Return the reading with the apostrophe as quote, where whole columns stand between such."""
    if "'" not in text:
        return found
    other = _Reading.of(path, text, replace(found.dialect, quote="'", escape=None))
    if other.merit[:3] < found.merit[:3]:
        return found
    cells: Counter[int] = Counter()
    between: Counter[int] = Counter()
    flags = quoted_cells(other.dialect)
    for record in other.records[other.first_of_table() + 1 :]:
        for number, (cell, is_quoted) in enumerate(zip(record.cells or (), flags(record.raw), strict=False)):
            if cell:
                cells[number] += 1
                between[number] += is_quoted
    return other if any(between[number] == count for number, count in cells.items()) else found


def _is_header(first: Sequence[str], rest: Sequence[Sequence[str]]) -> bool:
    """Whether the first record names the columns."""
    names = [name.strip(BLANKS) for name in _trimmed(first)]
    if not any(names) or any(name in NULL_TOKENS or _is_typed([name]) for name in names):
        return False
    columns = [[cells[number] for cells in rest if number < len(cells)] for number in range(len(names))]
    if any(name and _is_typed(column) for name, column in zip(names, columns, strict=True)):
        return True
    return (
        all(names[1:])
        and len({name.lower() for name in names}) == len(names)
        and all(len(name) <= _LONGEST_NAME and "\n" not in name and "\r" not in name for name in names)
        and all(not name or any(letter.isalpha() for letter in name) for name in names)
        and not any(name and name in map(str.strip, column) for name, column in zip(names, columns, strict=True))
    )


def _is_typed(cells: Sequence[str]) -> bool:
    samples = ColumnSamples()
    for cell in cells:
        samples.add(cell)
    return bool(samples.count) and (
        samples.guess().spark_type != "string" or any(style in samples.styles() for style in STYLES)
    )
