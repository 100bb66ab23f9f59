"""Files onto a scratch branch, and what became of each.

One pass over the bytes: every file is staged whole, rows that cannot be stored included, and judged by what is on the
branch then. A file that fails is left out by its name; the others go on.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from alur.aws.storage import Storage
from alur.contracts.contract import Contract
from alur.engine.ports import FileReader, PublishingTable, Staged
from alur.engine.verdicts import judge_records
from alur.errors import FileError, ReadFailed, UnreadableFile
from alur.ingestion.headers import COMMA, Dialect, check_header, has_records
from alur.ingestion.naming import Source
from alur.ingestion.objects import Sight
from alur.ingestion.preparing import check_headers, look_after, look_before, name_sources
from alur.ledger.model import FileVersion, LedgerItem

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Staging:
    """What a batch has on its branch.

    Attributes:
        rows: of each file that has rows there.
        failed: why a file is to be left out, by path.
    """

    rows: Mapping[str, int]
    failed: Mapping[str, FileError]


class StagesFiles(Protocol):
    """Brings the rows of a batch's files onto a scratch branch, and says of each whether it can be published."""

    def stage(self, branch: str, items: Mapping[str, LedgerItem], now: datetime) -> Staging:
        """Append the rows of these files to the branch, and judge each file.

        Args:
            branch: the scratch branch.
            items: the claims, by path.
            now: becomes `_ingested_at`.
        """
        ...


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
        self._failed.update(look_after(self._storage, read))
        for error in self._failed.values():
            logger.warning("%s", error, extra={"batch_id": self._batch_id, "error_type": type(error).__name__})
        return Staging({path: count.rows for path, count in staged.items()}, self._failed)

    def _look_before(self, items: Mapping[str, LedgerItem]) -> Sight:
        sight, failed = look_before(self._storage, items, self._sleep)
        self._failed.update(failed)
        return sight

    def _name(self, versions: Sequence[FileVersion]) -> list[Source]:
        sources, failed = name_sources(self._storage, versions, lake_bucket=self._lake_bucket, batch_id=self._batch_id)
        self._failed.update(failed)
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
        failed = check_headers(self._storage, self._contract, [source.version for source in sources])
        self._failed.update(failed)
        return [source for source in sources if source.version.path not in failed]

    def _judge(self, version: FileVersion, staged: Staged | None) -> FileError | None:
        return judge_file(self._storage, self._contract, version, staged)


def judge_file(
    storage: Storage,
    contract: Contract,
    version: FileVersion,
    read: Staged | None,
    dialect: Dialect = COMMA,
    *,
    headers: bool = True,
) -> FileError | None:
    """Say why a file is to be left out, by what was read of it; None: it is not.

    Args:
        storage: S3.
        contract: of its table.
        version: the file.
        read: what was read of it; None: no row.
        dialect: how its cells are told apart.
        headers: its header must be the contract's.

    Raises:
        StorageError: S3 cannot be asked.
    """
    if read is not None:
        return judge_records(version.path, read)
    # No rows: Spark says that of a header alone, of an empty file, and of a file that it passed over.
    if headers and (error := check_header(storage, contract, version, dialect)):
        return error
    if has_records(storage, version, dialect):
        return UnreadableFile(version.path, "it holds records, and Spark read none of them")
    return None
