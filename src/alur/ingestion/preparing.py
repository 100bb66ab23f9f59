"""Files before and after they are read: what each is now, and under which name Spark reads it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from alur.aws.storage import Storage
from alur.errors import FileChanged, FileError, FileVanished, StorageRefused, UnreadableFile
from alur.ingestion.naming import Source, copy_key, needs_copy
from alur.ingestion.objects import YOUNG, Sight, is_unchanged, look_at_objects
from alur.ledger.model import FileVersion, LedgerItem
from alur.ledger.paths import split_path

_LOOKS = 3


def look_before(
    storage: Storage, items: Mapping[str, LedgerItem], sleep: Callable[[float], None]
) -> tuple[Sight, dict[str, FileError]]:
    """See what claimed objects are before anything of them is read, at an age at which their dates can be trusted.

    Args:
        storage: S3.
        items: the claims, by path.
        sleep: waits that many seconds.

    Returns:
        What was seen, and why files cannot be read: gone, or another version than was claimed.

    Raises:
        StorageError: S3 cannot be asked.
    """
    wanted = [FileVersion(*split_path(path), item.etag, item.size_bytes) for path, item in items.items()]
    sight = look_at_objects(storage, wanted)
    unsteady = sight.young
    for _ in range(_LOOKS):
        if not unsteady:
            break
        sleep(YOUNG.total_seconds())
        before, sight = sight, look_at_objects(storage, wanted)
        # Two seconds later an object is only young if it was written again.
        unsteady = {path for path in sight.young if sight.found[path] != before.found.get(path)}
    failed: dict[str, FileError] = {}
    for path, item in items.items():
        current = sight.found.get(path)
        if current is None:
            failed[path] = FileVanished(path)
        elif current.etag != item.etag or path in unsteady:
            # One that is written again at every look cannot be read as what it was seen to be.
            failed[path] = FileChanged(path, item.etag, current.etag)
    return sight, failed


def name_sources(
    storage: Storage, versions: Sequence[FileVersion], *, lake_bucket: str, batch_id: str
) -> tuple[list[Source], dict[str, FileError]]:
    """Say under which URI Spark reads each file; what it could not name is copied to a plain name first.

    Args:
        storage: S3.
        versions: the files.
        lake_bucket: where copies go.
        batch_id: of the batch that reads them.

    Returns:
        The sources, and why files have none.

    Raises:
        StorageUnavailable: S3 cannot be asked.
    """
    sources: list[Source] = []
    failed: dict[str, FileError] = {}
    for number, version in enumerate(versions):
        if not needs_copy(version.key):
            sources.append(Source(version, version.path))
            continue
        key = copy_key(batch_id, number)
        try:
            copied = storage.copy(version, lake_bucket, key)
        except StorageRefused as error:
            failed[version.path] = UnreadableFile(
                version.path, f"Spark cannot read an object of this name, and it cannot be copied: {error}"
            )
            continue
        if copied:
            sources.append(Source(version, f"s3://{lake_bucket}/{key}"))
        else:
            failed[version.path] = FileChanged(version.path, version.etag, "another")
    return sources, failed


def look_after(storage: Storage, read: Sequence[FileVersion]) -> dict[str, FileError]:
    """Return which files are not, or not any more, what was seen before they were read.

    Args:
        storage: S3.
        read: the files, as they were seen before.

    Raises:
        StorageError: S3 cannot be asked.
    """
    failed: dict[str, FileError] = {}
    after = look_at_objects(storage, read).found
    for version in read:
        current = after.get(version.path)
        if current is None:
            failed[version.path] = FileVanished(version.path)
        elif not is_unchanged(version, current):
            failed[version.path] = FileChanged(version.path, version.etag, current.etag)
    return failed


def confirm(storage: Storage, failed: Mapping[str, FileError], seen: Mapping[str, FileVersion]) -> dict[str, FileError]:
    """Look again at files that are at fault by their bytes: these may have been another version's.

    Args:
        storage: S3.
        failed: why files are at fault, by path.
        seen: the files as they were seen before their bytes were, by path.

    Returns:
        The same, where a file is still what was seen; else that it changed, or is gone.

    Raises:
        StorageError: S3 cannot be asked.
    """
    return {**failed, **look_after(storage, [seen[path] for path in failed])} if failed else {}
