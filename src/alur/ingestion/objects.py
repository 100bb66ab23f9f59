"""What the objects of a batch are now: by listings where those can tell, else by HEAD.

A listing tells 1,000 objects a call. S3 dates objects to the second, and neither a listing nor, where the bucket keeps
no versions, a HEAD can tell an object from one that was overwritten and overwritten back within the second of its
date. So what was seen says whether anything in it was as young as that; two seconds later it is not.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from alur.aws.storage import Storage
from alur.ingestion.naming import by_folder
from alur.ledger.model import FileVersion

_HEADS_AT_ONCE = 16
_OBJECTS_PER_HEAD = 50
"""Listing so many objects costs about as much as one HEAD: a folder is listed as far as that pays."""

YOUNG = timedelta(seconds=2)
"""An object that was seen so soon after its date may be overwritten without its date telling."""


@dataclass(slots=True)
class Sight:
    """What was seen.

    Attributes:
        found: the objects that are there, by path.
        whole_folders: URIs of folders of which the batch has at least half.
        young: those of them that were seen within two seconds of their date, and have no version id.
    """

    found: dict[str, FileVersion] = field(default_factory=dict)
    whole_folders: set[str] = field(default_factory=set)
    young: set[str] = field(default_factory=set)

    def add(self, version: FileVersion, seen_at: datetime) -> None:
        """Note an object that is there."""
        self.found[version.path] = version
        if version.version_id is None and (version.last_modified is None or seen_at - version.last_modified < YOUNG):
            self.young.add(version.path)


def look_at_objects(storage: Storage, wanted: Iterable[FileVersion]) -> Sight:
    """See what each of these objects is now; one that is not there is not in the answer.

    Args:
        storage: S3.
        wanted: which objects; their keys count, not their versions.

    Raises:
        StorageError: S3 cannot be asked.
    """
    sight = Sight()
    rest: list[FileVersion] = []
    for (bucket, folder), group in by_folder(wanted).items():
        rest.extend(group if len(group) == 1 else _list(storage, bucket, folder, group, sight))
    if rest:
        with ThreadPoolExecutor(min(_HEADS_AT_ONCE, len(rest))) as pool:
            for seen in pool.map(lambda version: storage.see(version.bucket, version.key), rest):
                if seen is not None:
                    sight.add(*seen)
    return sight


def is_unchanged(before: FileVersion, after: FileVersion | None) -> bool:
    """Whether an object is still the version that was seen before, if that was not young.

    Args:
        before: what was seen first.
        after: what was seen last; None: it is gone.
    """
    if after is None or after.etag != before.etag or after.last_modified != before.last_modified:
        return False
    return before.version_id is None or after.version_id is None or before.version_id == after.version_id


def _list(storage: Storage, bucket: str, folder: str, group: Sequence[FileVersion], sight: Sight) -> list[FileVersion]:
    """List a folder as far as that pays; return what it did not come to."""
    wanted = {version.key for version in group}
    pages_that_pay = max(1, len(group) * _OBJECTS_PER_HEAD // 1000)
    listed, has_folders, last_key = 0, False, b""
    for number, page in enumerate(storage.pages(bucket, folder, delimiter="/"), start=1):
        listed += len(page.objects)
        has_folders = has_folders or page.has_folders
        for version in page.objects:
            if version.key in wanted:
                sight.add(version, page.listed_at)
        if page.is_last:
            if not has_folders and listed <= 2 * len(group):
                sight.whole_folders.add(f"s3://{bucket}/{folder}")
            return []
        if page.objects:
            last_key = page.objects[-1].key.encode()
        if number >= pages_that_pay:
            break
    return [version for version in group if version.key.encode() > last_key]
