"""Which files the engine can read plainly, and under which heading: the physical line above their records.

The common case costs no look at a file: the expected heading is the contract's, and the engine compares it while it
reads. Only where that fails are the files' first bytes fetched.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from alur.aws.storage import Storage
from alur.contracts.contract import Contract
from alur.contracts.dialect import Dialect
from alur.contracts.fields import Field
from alur.delimited.compression import kind_of
from alur.delimited.files import read_head
from alur.delimited.layouts import Layout, positional
from alur.errors import FileDenied, FileError, FileUnavailable, FileVanished, StorageRefused, StorageUnavailable
from alur.ledger.model import FileVersion

HEAD_BYTES = 256 * 1024
"""How much of a file is fetched to find its header."""

_CHECKS_AT_ONCE = 16
_PLAIN_GROUPS = 8
"""Each heading costs a read of its own: so many of a batch are worth it, those of most files."""

# The engine would decompress what has such a name, whatever it is.
_COMPRESSED = (".gz", ".bz2", ".zst", ".zstd", ".deflate", ".snappy", ".lz4", ".lzo", ".xz")


@dataclass(frozen=True, slots=True)
class Heading:
    """What stands above the records of some files.

    Attributes:
        line: the header's physical line, without its end; None: the files have none.
        layout: which cell of a record is which column's.
    """

    line: str | None
    layout: Layout


def expected_heading(contract: Contract) -> Heading:
    """Return the heading that files are taken to have until it shows that they have not.

    Args:
        contract: of their table.
    """
    names = [field.source_name for field in contract.fields]
    line = contract.dialect.delimiter.join(names) if contract.dialect.header else None
    return Heading(line, positional(contract))


def reads_plainly(contract: Contract, key: str) -> bool:
    """Whether the engine's reading can be exact for a file of this name, as far as its contract tells.

    Args:
        contract: of its table.
        key: the object's key.
    """
    dialect, usual = contract.dialect, Dialect()
    return (
        not key.lower().endswith(_COMPRESSED)
        and dialect.encoding == usual.encoding
        and dialect.compression in ("auto", "none")
        and dialect.quote is not None
        and dialect.escape is None
        and dialect.multiline is not True
        and dialect.comment is None
        and not dialect.skip_lines
        and not dialect.trim
        and dialect.decimal == usual.decimal
        and dialect.thousands is None
        # A line of nothing but tabs would be skipped as an empty one.
        and not dialect.delimiter.isspace()
        and all(_is_plain(field) for field in contract.fields)
    )


def find_headings(
    storage: Storage, contract: Contract, versions: Sequence[FileVersion]
) -> tuple[dict[Heading, set[str]], dict[str, FileError]]:
    """Look at files' first bytes, some at once.

    Args:
        storage: S3.
        contract: of their table.
        versions: the files.

    Returns:
        The paths of the files that can be read plainly, by their heading, and why others are at fault.
    """

    def look(version: FileVersion) -> Heading | FileError | None:
        try:
            return heading_of(storage, contract, version)
        except FileError as error:
            return error
        except StorageRefused as error:
            return FileDenied(version.path, error.code)
        except StorageUnavailable as error:
            return FileUnavailable(version.path, error.code)

    with ThreadPoolExecutor(min(_CHECKS_AT_ONCE, len(versions))) as pool:
        found = list(pool.map(look, versions))
    groups: dict[Heading, set[str]] = {}
    failed: dict[str, FileError] = {}
    for version, seen in zip(versions, found, strict=True):
        if isinstance(seen, FileError):
            failed[version.path] = seen
        elif seen is not None:
            groups.setdefault(seen, set()).add(version.path)
    most = sorted(groups, key=lambda heading: len(groups[heading]), reverse=True)[:_PLAIN_GROUPS]
    return {heading: groups[heading] for heading in most}, failed


def heading_of(storage: Storage, contract: Contract, version: FileVersion) -> Heading | None:
    """Return a file's heading, by its first bytes; None: it is not one for the plain reading.

    Args:
        storage: S3.
        contract: of its table.
        version: the file.

    Raises:
        FileError: the file is at fault, whoever reads it.
        StorageError: S3 cannot be asked.
    """
    first = storage.read(version.bucket, version.key, first_bytes=HEAD_BYTES)
    if first is None:
        raise FileVanished(version.path)
    if kind_of(first) is not None or (len(first) == HEAD_BYTES and not any(end in first for end in (b"\n", b"\r"))):
        return None
    head = read_head(version.path, first, contract)
    if head.dialect != contract.dialect or (contract.dialect.header and head.raw_header is None):
        return None
    # What is to be kept of a column that the contract has not, the plain reading does not keep.
    if head.layout.named < head.layout.width or (head.layout.extras and contract.dialect.extra_columns != "ignore"):
        return None
    return Heading(head.raw_header, head.layout)


def _is_plain(field: Field) -> bool:
    return not field.formats and field.timezone == "UTC"
