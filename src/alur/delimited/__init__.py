"""What a delimited text file means under a contract: bytes in, rows as they are stored out. Pure, and in one pass."""

from __future__ import annotations

from alur.delimited.compression import ENOUGH_HEAD_BYTES
from alur.delimited.files import Head, Reject, Row, read_file, read_head
from alur.delimited.layouts import Layout, match_header, positional
from alur.delimited.verdicts import judge

__all__ = [
    "ENOUGH_HEAD_BYTES",
    "Head",
    "Layout",
    "Reject",
    "Row",
    "judge",
    "match_header",
    "positional",
    "read_file",
    "read_head",
]
