"""A session in memory: the production code's claims, looks, verdicts and publishing, without Spark in between."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from alur.aws.storage import Storage
from alur.contracts.contract import Contract
from alur.engine.ports import FileReader, PublishingTable
from alur.engine.staging import Staging, judge_file
from alur.errors import AlurError, FileError, ReadFailed, UnreadableFile
from alur.ingestion.claiming import SessionClaims
from alur.ingestion.naming import Source
from alur.ingestion.preparing import check_headers, confirm, look_after, look_before, name_sources
from alur.ledger.batches import Batch
from alur.ledger.model import LedgerItem
from exploration.table import problem_of


@dataclass
class MemoryLoad:
    """What `load_to_bronze` has claimed, and how it looked before it was read.

    Args:
        contract: of the table.
        storage: S3.
        claims: the session's.
        batch: the batch that owns the files.
        items: its claims.
        sources: the files that are to be read.
    """

    contract: Contract
    storage: Storage
    claims: SessionClaims
    batch: Batch
    items: Mapping[str, LedgerItem]
    sources: tuple[Source, ...] = ()

    def prepare(self, lake_bucket: str, sleep: Callable[[float], None]) -> None:
        """Do what `load_to_bronze` does after the claims: look, compare headers, fail what is bad by name."""
        sight, failed = look_before(self.storage, self.items, sleep)
        there = [sight.found[path] for path in self.items if path not in failed]
        failed |= confirm(self.storage, check_headers(self.storage, self.contract, there), sight.found)
        named = [version for version in there if version.path not in failed]
        sources, unnamed = name_sources(self.storage, named, lake_bucket=lake_bucket, batch_id=self.batch.batch_id)
        failed |= unnamed
        self.claims.fail([(self.items[path], error) for path, error in failed.items()])
        self.items = {path: item for path, item in self.items.items() if path not in failed}
        self.sources = tuple(sources)

    def release(self, error: AlurError) -> None:
        """Free what is left, as a load does whose write failed."""
        try:
            if isinstance(error, ReadFailed):
                failed = self._at_fault()
                self.claims.fail([(self.items[path], why) for path, why in failed.items()])
                self.items = {path: item for path, item in self.items.items() if path not in failed}
            self.claims.release(self.items.values(), "the write failed")
            self.claims.end(self.batch)
        except AlurError:
            # The lease passes.
            return

    def _at_fault(self) -> dict[str, FileError]:
        moved = look_after(self.storage, [source.version for source in self.sources])
        if moved:
            return moved
        bucket: Any = self.storage
        unreadable: dict[str, FileError] = {
            source.version.path: UnreadableFile(source.version.path, "broken")
            for source in self.sources
            if problem_of(bucket.bodies[source.version.etag], self.contract.column_names) == "broken"
        }
        return confirm(self.storage, unreadable, {source.version.path: source.version for source in self.sources})


class MemoryFrameStager:
    """`FrameStager` without Spark: the rows are those that the objects hold when they are read.

    Args:
        load: the load.
        table: the table.
        reader: reads objects.
    """

    def __init__(self, load: MemoryLoad, table: PublishingTable, reader: FileReader) -> None:
        self._load = load
        self._table = table
        self._reader = reader

    def stage(self, branch: str, items: Mapping[str, LedgerItem], now: datetime) -> Staging:
        """See `FrameStager.stage`."""
        load = self._load
        sources: Sequence[Source] = [source for source in load.sources if source.version.path in items]
        read = [source.version for source in sources]
        self._reader.append(branch, sources, whole_folders=set(), batch_id=load.batch.batch_id, now=now)
        staged = self._table.staged(branch, load.batch.batch_id)
        failed: dict[str, FileError] = {}
        for version in read:
            if error := judge_file(load.storage, load.contract, version, staged.get(version.path)):
                failed[version.path] = error
        failed.update(look_after(load.storage, read))
        return Staging({path: count.rows for path, count in staged.items()}, failed)
