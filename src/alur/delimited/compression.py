"""A file's bytes, decompressed, a piece at a time: no archive, however small, can fill the memory."""

from __future__ import annotations

import bz2
import zlib
from collections.abc import Iterable, Iterator
from itertools import chain

from alur.contracts.contract import Contract
from alur.contracts.dialect import Dialect
from alur.errors import UnreadableFile

PIECE_BYTES = 1024 * 1024
"""The most bytes that are decompressed, or decoded, at a time."""

HEAD_BYTES = 4096
"""How many bytes are looked at to tell what a file is."""

ENOUGH_HEAD_BYTES = 1024 * 1024
"""So many first bytes say what a file is, however it is compressed: one block of bzip2 is smaller."""

MEGABYTE = 1024 * 1024
"""What the limits of a dialect are counted in."""

_ZSTD_NAMES = (".zst", ".zstd")
_GZIP_WINDOW = 31  # zlib's number for the gzip format with the largest window
_BZIP2_BLOCKS = (b"\x31\x41\x59\x26\x53\x59", b"\x17\x72\x45\x38\x50\x90")


def is_zstd(contract: Contract, key: str) -> bool:
    """Whether a file is to be unpacked before it is read: its name or its contract says so.

    Args:
        contract: of its table.
        key: the object's key.
    """
    said = contract.dialect.compression
    return said == "zstd" or (said == "auto" and key.lower().endswith(_ZSTD_NAMES))


def plain_bytes(path: str, chunks: Iterable[bytes], dialect: Dialect, *, cut: bool = False) -> Iterator[bytes]:
    """Yield the bytes of the text, in pieces of at most `PIECE_BYTES`.

    Args:
        path: of the file, for messages.
        chunks: the file's bytes, in pieces of any size.
        dialect: says how it is compressed, and how much may be in it.
        cut: whether the bytes are the first of a file only.

    Raises:
        UnreadableFile: it is no text, or compressed otherwise than the dialect says, or broken, or too large.
    """
    head, pieces = with_head(_pieces(chunks))
    kind = kind_of(head)
    declared = dialect.compression
    wanted = declared if declared != "auto" else kind if kind in ("gzip", "bzip2", "zstd") else "none"
    if wanted == "none" or not head:
        _refuse(path, kind, declared)
        yield from pieces
        return
    if wanted == "zstd":
        raise UnreadableFile(path, 'it is zstd under another name: name it .zst, or write Meta.compression = "zstd"')
    if kind != wanted:
        raise UnreadableFile(path, f"it is not {wanted}, as Meta.compression says; write auto, or compress the file so")
    unpacked = _gunzip(path, pieces, cut=cut) if wanted == "gzip" else _bunzip2(path, pieces, cut=cut)
    head, pieces = with_head(_within(path, unpacked, dialect.max_uncompressed_mb))
    _refuse(path, kind_of(head), f"{wanted} once")
    yield from pieces


def with_head(pieces: Iterable[bytes], enough_bytes: int = HEAD_BYTES) -> tuple[bytes, Iterator[bytes]]:
    """Return the first bytes, at most so many, and all pieces including them.

    Args:
        pieces: of a file.
        enough_bytes: how many.
    """
    rest = iter(pieces)
    taken: list[bytes] = []
    length = 0
    while length < enough_bytes:
        piece = next(rest, None)
        if piece is None:
            break
        taken.append(piece)
        length += len(piece)
    head = b"".join(taken)
    return head[:enough_bytes], chain((head,) if head else (), rest)


def kind_of(head: bytes) -> str | None:
    """Return what a file is by its first bytes: `gzip`, `bzip2`, `zstd` or a name for people; None: perhaps a text.

    Args:
        head: the first bytes, 512 or more if there are so many.
    """
    if head.startswith(b"\x1f\x8b"):
        return "gzip"
    # A text may begin with these letters, so that the block's mark has to be there too.
    if head.startswith(b"BZh") and head[4:10] in _BZIP2_BLOCKS:
        return "bzip2"
    if head.startswith(b"\x28\xb5\x2f\xfd"):
        return "zstd"
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return "an Excel workbook" if b"[Content_Types].xml" in head or b"xl/" in head else "a zip archive"
    if head.startswith(b"PAR1") and _holds_control(head[4:20]):
        return "a Parquet file"
    if head.startswith(b"ORC") and _holds_control(head[3:20]):
        return "an ORC file"
    if head.startswith(b"Obj\x01"):
        return "an Avro file"
    if head.startswith(b"%PDF-"):
        return "a PDF document"
    if head.startswith(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"):
        return "an old Office document"
    if head.startswith(b"\xfd7zXZ\x00"):
        return "an xz archive"
    if head.startswith(b"7z\xbc\xaf\x27\x1c"):
        return "a 7z archive"
    if head[257:262] == b"ustar":
        return "a tar archive"
    return None


def _holds_control(data: bytes) -> bool:
    return any(byte < 32 and byte not in b"\t\r\n" for byte in data)


def _refuse(path: str, kind: str | None, declared: str) -> None:
    if kind in ("gzip", "bzip2", "zstd"):
        remedy = "write auto" if declared == "none" else "compress the file once only"
        raise UnreadableFile(path, f"it is {kind}, and Meta.compression says {declared}; {remedy}")
    if kind is not None:
        raise UnreadableFile(path, f"it is {kind}, not delimited text; export it as text, or narrow Meta.source_path")


def _pieces(chunks: Iterable[bytes]) -> Iterator[bytes]:
    for chunk in chunks:
        if len(chunk) <= PIECE_BYTES:
            if chunk:
                yield chunk
            continue
        for start in range(0, len(chunk), PIECE_BYTES):
            yield bytes(chunk[start : start + PIECE_BYTES])


def _within(path: str, pieces: Iterable[bytes], limit_mb: int) -> Iterator[bytes]:
    total = 0
    for piece in pieces:
        total += len(piece)
        if total > limit_mb * MEGABYTE:
            raise UnreadableFile(
                path, f"it holds more than {limit_mb} MB, decompressed; set Meta.max_uncompressed_mb, or split the file"
            )
        yield piece


def _gunzip(path: str, pieces: Iterable[bytes], *, cut: bool) -> Iterator[bytes]:
    member = zlib.decompressobj(_GZIP_WINDOW)
    try:
        for piece in pieces:
            rest = piece
            while rest:
                if member.eof:
                    # Some tools fill the last block with zeros.
                    rest = rest.lstrip(b"\0")
                    if not rest:
                        break
                    member = zlib.decompressobj(_GZIP_WINDOW)
                if unpacked := member.decompress(rest, PIECE_BYTES):
                    yield unpacked
                rest = member.unused_data if member.eof else member.unconsumed_tail
        while not member.eof and (unpacked := member.decompress(b"", PIECE_BYTES)):
            yield unpacked
    except zlib.error as error:
        raise UnreadableFile(path, f"its gzip data is corrupt ({error}); upload it again") from None
    if not member.eof and not cut:
        raise UnreadableFile(path, "its gzip data ends too early; upload it whole")


def _bunzip2(path: str, pieces: Iterable[bytes], *, cut: bool) -> Iterator[bytes]:
    stream = bz2.BZ2Decompressor()
    holds_text = False
    try:
        for piece in pieces:
            rest = piece
            while rest or not (stream.eof or stream.needs_input):
                if stream.eof:
                    rest = rest.lstrip(b"\0")
                    if not rest:
                        break
                    stream = bz2.BZ2Decompressor()
                if unpacked := stream.decompress(rest, PIECE_BYTES):
                    holds_text = True
                    yield unpacked
                rest = stream.unused_data if stream.eof else b""
    except (OSError, ValueError) as error:
        raise UnreadableFile(path, f"its bzip2 data is corrupt ({error}); upload it again") from None
    if not stream.eof and not cut:
        raise UnreadableFile(path, "its bzip2 data ends too early; upload it whole")
    if not stream.eof and not holds_text:
        raise UnreadableFile(
            path, f"its first bytes hold no whole block of bzip2; upload it whole, or look at {ENOUGH_HEAD_BYTES} bytes"
        )
