"""A session in memory: the production code's claims, looks, verdicts and publishing, without Spark in between."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from alur.aws.storage import Storage
from alur.contracts.contract import Contract
from alur.delimited.verdicts import verdict_on
from alur.engine.ports import CarefulReading, FileReader, Tables
from alur.engine.staging import Staging
from alur.errors import AlurError, FileError, ReadFailed
from alur.ingestion.claiming import SessionClaims
from alur.ingestion.headings import find_headings
from alur.ingestion.naming import Source
from alur.ingestion.preparing import confirm, look_after, look_before, name_sources
from alur.ledger.batches import Batch
from alur.ledger.model import LedgerItem


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
    found: CarefulReading | None = None

    def prepare(self, reader: FileReader, lake_bucket: str, sleep: Callable[[float], None], now: datetime) -> None:
        """Do what `load_to_bronze` does after the claims: look, compare headers, look through, fail what is bad."""
        sight, failed = look_before(self.storage, self.items, sleep)
        there = [sight.found[path] for path in self.items if path not in failed]
        _, faults = find_headings(self.storage, self.contract, there) if there else ({}, {})
        failed |= confirm(self.storage, faults, sight.found)
        named = [version for version in there if version.path not in failed]
        sources, unnamed = name_sources(self.storage, named, lake_bucket=lake_bucket, batch_id=self.batch.batch_id)
        failed |= unnamed
        found = reader.read_carefully(sources, batch_id=self.batch.batch_id, now=now)
        verdicts = {path: verdict_on(path, self.contract, count) for path, count in found.counted.items()}
        bad = {path: error for path, error in verdicts.items() if error is not None}
        failed |= confirm(self.storage, bad, sight.found)
        self.claims.fail([(self.items[path], error) for path, error in failed.items()])
        self.items = {path: item for path, item in self.items.items() if path not in failed}
        self.sources = tuple(source for source in sources if source.version.path not in failed)
        self.found = found

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
        return look_after(self.storage, [source.version for source in self.sources])


class MemoryFrameStager:
    """`FrameStager` without Spark: the rows are those that the objects hold when they are read.

    Args:
        load: the load.
        tables: the tables, and what reads objects.
    """

    def __init__(self, load: MemoryLoad, tables: Tables) -> None:
        self._load = load
        self._tables = tables

    def stage(self, branch: str, items: Mapping[str, LedgerItem], now: datetime) -> Staging:
        """See `FrameStager.stage`."""
        load, found = self._load, self._load.found
        assert found is not None
        sources: Sequence[Source] = [source for source in load.sources if source.version.path in items]
        # A DataFrame is made anew whenever it is written.
        anew = self._tables.reader.read_carefully(sources, batch_id=load.batch.batch_id, now=now)
        anew.append_rows(branch, [source.version.path for source in sources])
        staged = self._tables.bronze.staged(branch, load.batch.batch_id)
        failed = look_after(load.storage, [source.version for source in sources])
        rejects = {
            path: found.counted[path].rejects for path in items if path not in failed and found.counted[path].rejects
        }
        return Staging({path: count.rows for path, count in staged.items()}, failed, rejects, found)
