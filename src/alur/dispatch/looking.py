"""What objects are now: HEADs, some at once, each with an answer of its own."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from alur.aws.storage import Storage
from alur.errors import StorageError
from alur.ledger.model import FileVersion

_HEADS_AT_ONCE = 16


def look(storage: Storage, versions: Iterable[FileVersion]) -> dict[str, FileVersion | StorageError | None]:
    """Return what each of these objects is now, by path; None: it is gone. An error is its own object's only.

    Args:
        storage: S3.
        versions: which objects; their keys count, not their versions.
    """

    def head(version: FileVersion) -> FileVersion | StorageError | None:
        try:
            return storage.head(version.bucket, version.key)
        except StorageError as error:
            return error

    wanted = list(versions)
    if len(wanted) <= 1:
        return {version.path: head(version) for version in wanted}
    with ThreadPoolExecutor(min(_HEADS_AT_ONCE, len(wanted))) as pool:
        return {version.path: seen for version, seen in zip(wanted, pool.map(head, wanted), strict=True)}
