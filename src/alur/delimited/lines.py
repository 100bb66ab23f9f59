"""The physical lines of a text: `\\n`, `\\r\\n` and a lone `\\r` each end one, in any mixture."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from itertools import chain

from alur.delimited.compression import MEGABYTE
from alur.delimited.decoding import Undecodable
from alur.errors import UnreadableFile

LINE_ENDS = "\r\n"
"""The characters that end a line."""


def physical_lines(path: str, texts: Iterable[str], max_line_mb: int) -> Iterator[str]:
    """Return the lines, each with its end; the last gets one, if it has none.

    Args:
        path: of the file, for messages.
        texts: the file's text, in pieces of any size.
        max_line_mb: how long a line may be, in millions of characters.

    Raises:
        UnreadableFile: a line is longer, or a byte is not of the file's encoding; as the lines are asked for.
    """
    return chain.from_iterable(_blocks(path, texts, max_line_mb))


def without_line_end(line: str) -> str:
    """Return a line, or the lines of a record, without the last line's end.

    Args:
        line: with its end, or without one.
    """
    if line.endswith("\r\n"):
        return line[:-2]
    return line[:-1] if line.endswith(("\n", "\r")) else line


def _blocks(path: str, texts: Iterable[str], max_line_mb: int) -> Iterator[list[str]]:
    limit = max_line_mb * MEGABYTE
    done = 0
    carried: list[str] = []
    length = 0
    try:
        for text in texts:
            carried.append(text)
            length += len(text)
            # A line that goes over many pieces is put together once, not with each of them.
            if "\n" not in text and "\r" not in text and not carried[0].endswith("\r"):
                if length > limit:
                    raise _too_long(path, done + 1, max_line_mb)
                continue
            lines = _split("".join(carried))
            # What ends in \r may go on with the \n that belongs to it.
            rest = "" if lines[-1].endswith("\n") else lines.pop()
            carried = [rest] if rest else []
            length = len(rest)
            if lines and len(lines[0]) > limit:
                raise _too_long(path, done + 1, max_line_mb)
            done += len(lines)
            if length > limit:
                raise _too_long(path, done + 1, max_line_mb)
            yield lines
    except Undecodable as error:
        lines = _split("".join([*carried, error.before]))
        line = done + len(lines) + (0 if lines and lines[-1][-1] not in LINE_ENDS else 1)
        raise UnreadableFile(path, f"line {line}, byte {error.offset}: {error.problem}") from None
    if carried:
        lines = _split("".join(carried))
        if lines[-1][-1] not in LINE_ENDS:
            # The csv module takes a last record without an end for cut, where it holds an escaped line end.
            lines[-1] += "\n"
        yield lines


def _split(text: str) -> list[str]:
    # str.splitlines would take vertical tabs and other characters of cells for line ends.
    return list(io.StringIO(text, newline=""))


def _too_long(path: str, line: int, max_line_mb: int) -> UnreadableFile:
    return UnreadableFile(
        path,
        f"line {line} is longer than {max_line_mb} MB: set Meta.max_record_mb, or Meta.delimiter and Meta.encoding, "
        "if the file is text at all",
    )
