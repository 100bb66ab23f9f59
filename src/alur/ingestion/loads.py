"""Loads: what `load_to_bronze` returned in this process, by the id that its rows carry in their plan."""

from __future__ import annotations

import atexit
import contextlib
import logging
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from pyspark.sql import DataFrame

from alur.contracts.contract import Contract
from alur.delimited.counted import Counted
from alur.errors import AlurError, UntrackedDataFrame
from alur.ingestion.careful import CarefulRows
from alur.ingestion.claiming import SessionClaims, Survey
from alur.ingestion.leases import keeper
from alur.ingestion.naming import Source
from alur.ingestion.reading import Reading
from alur.ingestion.workplace import Workplace
from alur.ledger.batches import Batch
from alur.ledger.model import FileVersion, LedgerItem

logger = logging.getLogger(__name__)

UNMANAGED_PREFIX = "unmanaged-"
"""How the `_batch_id` of rows begins that were loaded with the ledger switched off."""


class LoadState(StrEnum):
    """Where a load is in its life."""

    OPEN = "open"
    """Its files are claimed, and nothing of it is written."""

    WRITING = "writing"
    """A call is writing it, perhaps in another thread: nobody else may, and nobody else lets its files go."""

    WRITTEN = "written"
    """It was written: a second time it is not."""

    RELEASED = "released"
    """It ended unwritten: its files are free."""


_WHY_NOT = {
    LoadState.WRITING: "another call is writing the load just now: wait for it",
    LoadState.WRITTEN: "the load was written already, and a second time would double its rows: load again",
    LoadState.RELEASED: "the load ended unwritten, and its files may be another's by now: load again",
}

_writing = threading.Lock()


@dataclass(slots=True, eq=False)
class Load:
    """One call of `load_to_bronze`.

    Attributes:
        load_id: what its rows carry in their plan.
        contract: of the table that it is for.
        batch_id: the `_batch_id` of its rows.
        rows: the DataFrame that was returned.
        survey: what became of the files that it left alone.
        strict: a file that breaks the contract breaks the load.
        batch: the batch that owns its files; None: it has none, or is not tracked.
        items: its claims, by path.
        sources: its files, each with the URI under which Spark reads it.
        counted: what each of them came to, by path.
        careful: where the rejects are of those that were read carefully.
        failed: files that were failed by it, and why, by path.
        message: why there is nothing to read; None: there is.
        state: where it is in its life.
    """

    load_id: str
    contract: Contract
    batch_id: str
    rows: DataFrame
    survey: Survey
    strict: bool
    claims: SessionClaims | None = None
    batch: Batch | None = None
    items: Mapping[str, LedgerItem] = field(default_factory=dict)
    sources: tuple[Source, ...] = ()
    counted: Mapping[str, Counted] = field(default_factory=dict)
    careful: CarefulRows | None = None
    failed: dict[str, AlurError] = field(default_factory=dict)
    message: str | None = None
    state: LoadState = LoadState.OPEN

    @property
    def is_managed(self) -> bool:
        """Whether it is tracked in the ledger."""
        return not self.batch_id.startswith(UNMANAGED_PREFIX)

    @property
    def seen(self) -> dict[str, FileVersion]:
        """Its files as they were seen before anything of them was read, by path."""
        return {source.version.path: source.version for source in self.sources}

    def forget(self) -> None:
        """Free what the engine keeps of its files: it is not needed any more."""
        if self.careful is not None:
            self.careful.close()

    def release(self, reason: str) -> None:
        """Free its files, if it was not written; where the ledger cannot be written they are free with the lease.

        Args:
            reason: why it was not written.
        """
        if self.state not in (LoadState.OPEN, LoadState.WRITING):
            return
        self.state = LoadState.RELEASED
        self.forget()
        if self.batch is None or self.claims is None:
            return
        keeper.let_go(self.batch)
        try:
            self.claims.release(self.items.values(), reason)
            self.claims.end(self.batch)
        except AlurError as error:
            logger.warning("the load %s could not be released; its lease will pass: %s", self.load_id, error)


_loads: dict[str, Load] = {}


def register(load: Load) -> None:
    """Remember a load, so that what is derived from it can be traced to it."""
    _loads[load.load_id] = load
    run = _current_run.get()
    if run is not None:
        run.append(load)


def find_load(load_id: str) -> Load:
    """Return a load of this process.

    Args:
        load_id: what its rows carry.

    Raises:
        UntrackedDataFrame: this process has made no such load.
    """
    if load_id not in _loads:
        raise UntrackedDataFrame("load_to_bronze", f"this process did not make the load {load_id}: load the files here")
    return _loads[load_id]


def begin_writing(loads: Sequence[Load]) -> None:
    """Take loads for a write: all of them, or none.

    Args:
        loads: what is to be written.

    Raises:
        UntrackedDataFrame: one of them was written, let go, or is being written.
    """
    with _writing:
        for load in loads:
            if load.state is not LoadState.OPEN:
                raise UntrackedDataFrame("write_table", _WHY_NOT[load.state])
        for load in loads:
            load.state = LoadState.WRITING


_current_run: ContextVar[list[Load] | None] = ContextVar("alur_current_run", default=None)


@contextlib.contextmanager
def gathering_loads() -> Iterator[list[Load]]:
    """Gather the loads that are made until the block ends."""
    loads: list[Load] = []
    token = _current_run.set(loads)
    try:
        yield loads
    finally:
        _current_run.reset(token)


class HandOut(Protocol):
    """What stands in place of listing and claiming while a pipeline runs for a batch: it has the batch's files."""

    def load(self, reading: Reading, globs: Sequence[str]) -> DataFrame:
        """Return the rows of those files of the batch that the globs mean and that no load has had yet."""
        ...


current_hand_out: ContextVar[HandOut | None] = ContextVar("alur_current_hand_out", default=None)
"""The hand-out of the batch that a pipeline runs for; None: files are listed and claimed."""

current_since: ContextVar[datetime | None] = ContextVar("alur_current_since", default=None)
"""The moment before which the loads of the pipeline that runs pass files over; None: the table's watermark."""

current_workplace: ContextVar[Workplace | None] = ContextVar("alur_current_workplace", default=None)
"""Where the pipeline that runs has its things; None: wherever the environment says."""


@atexit.register
def _release_all() -> None:
    for load in _loads.values():
        load.release("its session ended without writing it")
