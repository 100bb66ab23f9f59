"""Files onto a scratch branch, and what became of each.

The common case is one pass over the bytes: every file is read plainly and staged whole, and what is on the branch then
says of each whether that was exact. A file with a line that is not plain leaves the branch again and is read carefully,
record by record; so is one whose header differs, or that the engine cannot read. A file that fails is left out by its
name; the others go on.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import TracebackType
from typing import Protocol, Self

from alur.aws.storage import Storage
from alur.contracts.contract import Contract
from alur.delimited.counted import Counted
from alur.delimited.verdicts import verdict_on
from alur.engine.ports import CarefulReading, Doomed, Tables
from alur.errors import FileError, ReadFailed
from alur.ingestion.headings import Heading, expected_heading, find_headings, reads_plainly
from alur.ingestion.naming import Source
from alur.ingestion.objects import Sight
from alur.ingestion.preparing import look_after, look_before, name_sources
from alur.ledger.model import FileVersion, LedgerItem

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Staging:
    """What a batch has on its branch. To be closed: it may hold rows that are not staged yet.

    Attributes:
        rows: of each file that has rows there.
        failed: why a file is to be left out, by path.
        rejects: of each file that is not left out and has records that cannot be stored, how many.
        careful: where those are.
    """

    rows: Mapping[str, int]
    failed: Mapping[str, FileError]
    rejects: Mapping[str, int] = field(default_factory=dict)
    careful: CarefulReading | None = None

    def append_rejects(self, branch: str, attempt: str) -> None:
        """Append the rejects to a branch of their table.

        Args:
            branch: the scratch branch.
            attempt: which attempt to publish them this is.
        """
        if self.careful is not None and self.rejects:
            self.careful.append_rejects(branch, tuple(self.rejects), attempt)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.careful is not None:
            self.careful.close()


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
        contract: what the files must be.
        tables: the tables, and what reads files into them.
        storage: S3.
        lake_bucket: where copies go.
        batch_id: the batch's.
        sleep: waits that many seconds.
    """

    def __init__(
        self,
        *,
        contract: Contract,
        tables: Tables,
        storage: Storage,
        lake_bucket: str,
        batch_id: str,
        sleep: Callable[[float], None],
    ) -> None:
        self._contract = contract
        self._tables = tables
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
        rows = self._read_plainly(branch, sources, before.whole_folders, now)
        left = [source for source in sources if source.version.path not in {*rows, *self._failed}]
        careful = self._tables.reader.read_carefully(left, batch_id=self._batch_id, now=now) if left else None
        rejects: dict[str, int] = {}
        if careful is not None:
            counted = {path: count for path, count in careful.counted.items() if not self._fails(path, count)}
            careful.append_rows(branch, [path for path, count in counted.items() if count.rows])
            rows |= {path: count.rows for path, count in counted.items() if count.rows}
            rejects = {path: count.rejects for path, count in counted.items() if count.rejects}
        # Last, and it outranks whatever was found in the bytes: they may have been another version's.
        self._failed.update(look_after(self._storage, [source.version for source in sources]))
        for error in self._failed.values():
            logger.warning("%s", error, extra={"batch_id": self._batch_id, "error_type": type(error).__name__})
        kept = {path: count for path, count in rejects.items() if path not in self._failed}
        return Staging(rows, self._failed, kept, careful)

    def _look_before(self, items: Mapping[str, LedgerItem]) -> Sight:
        sight, failed = look_before(self._storage, items, self._sleep)
        self._failed.update(failed)
        return sight

    def _name(self, versions: Sequence[FileVersion]) -> list[Source]:
        sources, failed = name_sources(self._storage, versions, lake_bucket=self._lake_bucket, batch_id=self._batch_id)
        self._failed.update(failed)
        return sources

    def _read_plainly(
        self, branch: str, sources: Sequence[Source], whole_folders: set[str], now: datetime
    ) -> dict[str, int]:
        """Read what can be read so, and return the rows of those files for which it was exact."""
        plain = [source for source in sources if reads_plainly(self._contract, source.version.key)]
        if not plain:
            return {}
        if not self._append(branch, plain, whole_folders, now, expected_heading(self._contract)):
            # Which file is at fault nobody says. Most often headers differ: those that are alike are read together.
            headings, failed = find_headings(self._storage, self._contract, [source.version for source in plain])
            self._failed.update(failed)
            for heading, paths in headings.items():
                group = [source for source in plain if source.version.path in paths]
                self._append(branch, group, set(), now, heading)
        staged = self._tables.bronze.staged(branch, self._batch_id)
        unclear = {path for path, count in staged.items() if count.unclear}
        if unclear:
            etags = {source.version.path: source.version.etag for source in plain}
            self._tables.bronze.remove_rows(
                branch, [Doomed(path, etags[path], self._batch_id) for path in sorted(unclear)]
            )
        return {path: count.rows for path, count in staged.items() if path not in unclear}

    def _append(
        self, branch: str, sources: Sequence[Source], whole_folders: set[str], now: datetime, heading: Heading
    ) -> bool:
        try:
            self._tables.reader.append(
                branch, sources, heading=heading, whole_folders=whole_folders, batch_id=self._batch_id, now=now
            )
        except ReadFailed as error:
            if not error.bytes_at_fault and not whole_folders:
                raise
            logger.info("the plain reading does not go: %s", error.problem, extra={"batch_id": self._batch_id})
            return False
        return True

    def _fails(self, path: str, count: Counted) -> bool:
        error = verdict_on(path, self._contract, count)
        if error is not None:
            self._failed[path] = error
        return error is not None
