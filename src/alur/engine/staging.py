"""Files onto a scratch branch, and what became of each.

One pass over the bytes: every file is staged whole, rows that cannot be stored included, and judged by what is on the
branch then. A file that fails is left out by its name; the others go on.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime

from alur.aws.storage import Storage
from alur.contracts.contract import Contract
from alur.engine.ports import FileReader, PublishingTable, Staged
from alur.engine.verdicts import judge_records
from alur.errors import (
    FileChanged,
    FileDenied,
    FileError,
    FileUnavailable,
    FileVanished,
    ReadFailed,
    StorageRefused,
    StorageUnavailable,
    UnreadableFile,
)
from alur.ingestion.headers import check_header, has_records
from alur.ingestion.naming import Source, copy_key, needs_copy
from alur.ingestion.objects import YOUNG, Sight, is_unchanged, look_at_objects
from alur.ledger.model import FileVersion, LedgerItem
from alur.ledger.paths import split_path

logger = logging.getLogger(__name__)

_CHECKS_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class Staging:
    """What a batch has on its branch.

    Attributes:
        rows: of each file that has rows there.
        failed: why a file is to be left out, by path.
    """

    rows: Mapping[str, int]
    failed: Mapping[str, FileError]


class Stager:
    """Reads the files of one attempt.

    Args:
        contract: what the files' headers must be.
        table: the bronze table.
        reader: reads the files.
        storage: S3.
        lake_bucket: where copies go.
        batch_id: the batch's.
        sleep: waits that many seconds.
    """

    def __init__(
        self,
        *,
        contract: Contract,
        table: PublishingTable,
        reader: FileReader,
        storage: Storage,
        lake_bucket: str,
        batch_id: str,
        sleep: Callable[[float], None],
    ) -> None:
        self._contract = contract
        self._table = table
        self._reader = reader
        self._storage = storage
        self._lake_bucket = lake_bucket
        self._batch_id = batch_id
        self._sleep = sleep
        self._failed: dict[str, FileError] = {}

    def stage(self, branch: str, items: Mapping[str, LedgerItem], now: datetime) -> Staging:
        """Append the rows of these files to the branch, and judge each file.

        Args:
            branch: the scratch branch.
            items: the claims, by path.
            now: becomes `_ingested_at`.

        Raises:
            AlurError: not one file's fault: nothing can be said of any.
        """
        before = self._look_before(items)
        sources = self._name([before.found[path] for path in items if path not in self._failed])
        self._read(branch, sources, before.whole_folders, now)
        staged = self._table.staged(branch, self._batch_id) if sources else {}
        read = [source.version for source in sources]
        for version in read:
            if version.path not in self._failed and (error := self._judge(version, staged.get(version.path))):
                self._failed[version.path] = error
        # Last, and it outranks whatever was found in the bytes: they may have been another version's.
        after = look_at_objects(self._storage, read).found
        for version in read:
            current = after.get(version.path)
            if current is None:
                self._failed[version.path] = FileVanished(version.path)
            elif not is_unchanged(version, current):
                self._failed[version.path] = FileChanged(version.path, version.etag, current.etag)
        for error in self._failed.values():
            logger.warning("%s", error, extra={"batch_id": self._batch_id, "error_type": type(error).__name__})
        return Staging({path: count.rows for path, count in staged.items()}, self._failed)

    def _look_before(self, items: Mapping[str, LedgerItem]) -> Sight:
        wanted = [FileVersion(*split_path(path), item.etag, item.size_bytes) for path, item in items.items()]
        sight = look_at_objects(self._storage, wanted)
        if sight.has_young:
            self._sleep(YOUNG.total_seconds())
            sight = look_at_objects(self._storage, wanted)
        for path, item in items.items():
            current = sight.found.get(path)
            if current is None:
                self._failed[path] = FileVanished(path)
            elif current.etag != item.etag:
                self._failed[path] = FileChanged(path, item.etag, current.etag)
        return sight

    def _name(self, versions: Sequence[FileVersion]) -> list[Source]:
        sources: list[Source] = []
        for number, version in enumerate(versions):
            if not needs_copy(version.key):
                sources.append(Source(version, version.path))
                continue
            key = copy_key(self._batch_id, number)
            try:
                copied = self._storage.copy(version, self._lake_bucket, key)
            except StorageRefused as error:
                self._failed[version.path] = UnreadableFile(
                    version.path, f"Spark cannot read an object of this name, and it cannot be copied: {error}"
                )
                continue
            if copied:
                sources.append(Source(version, f"s3://{self._lake_bucket}/{key}"))
            else:
                self._failed[version.path] = FileChanged(version.path, version.etag, "another")
        return sources

    def _read(self, branch: str, sources: Sequence[Source], whole_folders: set[str], now: datetime) -> None:
        if not sources:
            return
        try:
            self._reader.append(branch, sources, whole_folders=whole_folders, batch_id=self._batch_id, now=now)
        except ReadFailed as error:
            readable = self._readable(sources)
            if len(readable) < len(sources):
                self._read(branch, readable, set(), now)
            elif whole_folders:
                # Something else in the folder may be at fault, by its header or its bytes: name the batch's files.
                self._read(branch, sources, set(), now)
            elif not error.bytes_at_fault:
                raise
            elif len(sources) == 1:
                path = sources[0].version.path
                self._failed[path] = UnreadableFile(path, f"Spark cannot read it: {error.problem}")
            else:
                middle = len(sources) // 2
                self._read(branch, sources[:middle], set(), now)
                self._read(branch, sources[middle:], set(), now)

    def _readable(self, sources: Sequence[Source]) -> list[Source]:
        """Look at each file's header, which the quick way does not, and fail those that are at fault."""

        def check(source: Source) -> FileError | None:
            try:
                return check_header(self._storage, self._contract, source.version)
            except StorageRefused as error:
                return FileDenied(source.version.path, error.code)
            except StorageUnavailable as error:
                return FileUnavailable(source.version.path, error.code)

        with ThreadPoolExecutor(_CHECKS_AT_ONCE) as pool:
            errors = list(pool.map(check, sources))
        self._failed.update(
            (source.version.path, error) for source, error in zip(sources, errors, strict=True) if error is not None
        )
        return [source for source, error in zip(sources, errors, strict=True) if error is None]

    def _judge(self, version: FileVersion, staged: Staged | None) -> FileError | None:
        if staged is not None:
            return judge_records(version.path, staged)
        # No rows: Spark says that of a header alone, of an empty file, and of a file that it passed over.
        if error := check_header(self._storage, self._contract, version):
            return error
        if has_records(self._storage, version):
            return UnreadableFile(version.path, "it holds records, and Spark read none of them")
        return None
