"""A file's bytes as text: which encoding it is in, and where exactly a byte is not of it."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator

from alur.delimited.compression import with_head
from alur.errors import UnreadableFile

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_FEWEST_BYTES_TO_JUDGE = 8
# A piece may end before a surrogate's third byte.
_SURROGATE_OR_NUL = re.compile(rb"\xED[\xA0-\xBF](?:[\x80-\xBF]|\Z)|\xC0\x80")


class Undecodable(Exception):
    """A byte is not of the file's encoding.

    Args:
        before: the text of the piece up to there.
        offset: where the byte stands in the (decompressed) file, from 0.
        problem: what is wrong, and the remedy.
    """

    def __init__(self, before: str, offset: int, problem: str) -> None:
        super().__init__(problem)
        self.before = before
        self.offset = offset
        self.problem = problem


class Text:
    """The text of a file, in pieces; can be gone through once.

    Args:
        path: of the file, for messages.
        pieces: its bytes, decompressed.
        declared: the encoding that the contract says; a byte order mark counts more.
        cut: whether the bytes are the first of a file only.

    Attributes:
        encoding: the one that it is in.

    Raises:
        UnreadableFile: it is in UTF-32, or in UTF-16 without anything that says so.
    """

    def __init__(self, path: str, pieces: Iterator[bytes], declared: str, *, cut: bool = False) -> None:
        head, self._pieces = with_head(pieces)
        self._cut = cut
        self._mark_bytes = 0
        if head.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
            raise UnreadableFile(path, "it is in UTF-32, which is not read; convert it to UTF-8")
        for mark, encoding in _MARKS:
            if head.startswith(mark):
                self.encoding = encoding
                self._mark_bytes = len(mark)
                return
        likely = _unmarked_utf16(head)
        if declared == "utf-16":
            # Without a mark the standard says big-endian, and nearly all files are little-endian.
            self.encoding = likely or "utf-16-le"
            return
        if likely is not None and declared not in ("utf-16-le", "utf-16-be"):
            raise UnreadableFile(
                path,
                f"every other byte is NUL: it is not {declared} but UTF-16 without a byte order mark; "
                f'write Meta.encoding = "{likely}", or convert it',
            )
        self.encoding = declared

    def __iter__(self) -> Iterator[str]:
        """Yield the text, without its mark.

        Raises:
            Undecodable: at the first byte that is not of the encoding.
        """
        decoder = codecs.getincrementaldecoder(self.encoding)("strict")
        consumed = 0
        is_ascii = True
        skipped = self._mark_bytes
        for whole in self._pieces:
            piece = whole[skipped:] if skipped else whole
            consumed += skipped
            skipped = 0
            try:
                text = decoder.decode(piece)
            except UnicodeDecodeError as error:
                raise self._undecodable(error, consumed + len(piece), is_ascii) from None
            consumed += len(piece)
            is_ascii = is_ascii and text.isascii()
            if text:
                yield text
        if self._cut:
            return
        try:
            decoder.decode(b"", final=True)
        except UnicodeDecodeError as error:
            raise self._undecodable(error, consumed, is_ascii, is_end=True) from None

    def _undecodable(self, error: UnicodeDecodeError, end: int, is_ascii: bool, *, is_end: bool = False) -> Undecodable:
        # The decoder puts the bytes that it has kept from the piece before in front.
        data = error.object
        offset = end - len(data) + error.start
        before = data[: error.start].decode(self.encoding)
        found = f"0x{data[error.start]:02X} is not {self.encoding} ({error.reason})"
        remedy = self._remedy(data, error.start, is_ascii and before.isascii())
        if is_end:
            remedy = f"if the file is cut here, inside a character, upload it whole; else {remedy}"
        return Undecodable(before, offset, f"{found}; {remedy}")

    def _remedy(self, data: bytes, position: int, is_ascii: bool) -> str:
        if self.encoding != "utf-8":
            return "write the right Meta.encoding, or convert the file to UTF-8"
        if _SURROGATE_OR_NUL.match(data, position):
            return "what wrote it encodes UTF-8 in a way of its own (CESU-8, Java's modified UTF-8): convert the file"
        if not is_ascii:
            # Another encoding would read this letter, and spoil all that have been read.
            return "the letters before it are UTF-8: write this one so too"
        for encoding in ("windows-1252", "latin-1"):
            try:
                data.decode(encoding)
            except UnicodeDecodeError:
                continue
            letter = data[position : position + 1].decode(encoding)
            shown = f", where it is {letter}" if letter.isprintable() else ""
            return f'write Meta.encoding = "{encoding}"{shown}, or convert the file to UTF-8'
        raise AssertionError("latin-1 decodes every byte")


def _unmarked_utf16(head: bytes) -> str | None:
    """Return which UTF-16 the first bytes look like; None: like none."""
    if len(head) < _FEWEST_BYTES_TO_JUDGE:
        return None
    half = len(head) // 2
    first = head[0 : half * 2 : 2].count(0)
    second = head[1 : half * 2 : 2].count(0)
    if second > 0.4 * half and first < 0.1 * half:
        return "utf-16-le"
    if first > 0.4 * half and second < 0.1 * half:
        return "utf-16-be"
    return None
