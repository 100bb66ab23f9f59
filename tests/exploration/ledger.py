"""DynamoDB at its worst, over the ledger's table in memory: items one by one, answers lost, an index that is behind."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from alur.errors import LedgerUnavailable
from alur.ledger.memory import MemoryTable
from alur.ledger.table import Attributes, Change, Outcome, check_distinct, check_single
from exploration.scheduler import Scheduler

UNAVAILABLE, LANDED, LOST = "unavailable", "unavailable, and it landed", "repeated"
"""Nothing happened; it happened, and the caller hears of an error; the SDK repeated it after a lost answer."""

BEHIND = ("behind by 1", "behind by 3", "behind by 6")
"""By how many writes the index is behind the table."""

Written = Callable[[Attributes | None, Attributes | None], None]
"""Told of each write: the item before, and after."""


class SteppedTable:
    """An `ItemTable` that stops before each item that it touches.

    Args:
        sort_key: the name of the key's second attribute.
        scheduler: where to stop.
        written: told of each write.
    """

    def __init__(self, sort_key: str, scheduler: Scheduler, written: Written) -> None:
        self.items: dict[tuple[str, str], Attributes] = {}
        self._table = MemoryTable(sort_key)
        self._sort_key = sort_key
        self._scheduler = scheduler
        self._written = written
        self._indexes: deque[dict[tuple[str, str], Attributes]] = deque([{}], maxlen=7)

    def read(self, keys: Sequence[Mapping[str, str]], names: Sequence[str] | None = None) -> list[Attributes]:
        """See `ItemTable.read`: BatchGetItem reads each item at a moment of its own."""
        found: list[Attributes] = []
        for key in keys:
            if self._pause("read", key, UNAVAILABLE):
                raise LedgerUnavailable("BatchGetItem", "injected", "")
            found += self._table.read([key], names)
        return found

    def apply(self, change: Change) -> Outcome:
        """See `ItemTable.apply`."""
        return self._apply(change, "UpdateItem")

    def apply_all(self, changes: Sequence[Change]) -> list[Outcome]:
        """See `ItemTable.apply_all`: statements succeed one by one, and who is refused looks afterwards."""
        check_distinct(changes)
        check_single(changes)
        outcomes = [self._apply(change, "BatchExecuteStatement") for change in changes]
        for number, (change, outcome) in enumerate(zip(changes, outcomes, strict=True)):
            if not outcome.applied:
                there = self.read([change.key])
                item = there[0] if there else None
                outcomes[number] = Outcome(change.is_fulfilled_by(item), item)
        return outcomes

    def apply_together(self, changes: Sequence[Change]) -> frozenset[int]:
        """See `ItemTable.apply_together`: a repetition has the same request token, and the same answer."""
        check_distinct(changes)
        fault = self._scheduler.pause("TransactWriteItems", *map(_Shown, changes), faults=(UNAVAILABLE, LANDED))
        if fault == UNAVAILABLE:
            raise LedgerUnavailable("TransactWriteItems", "injected", "")
        before = [self.items.get(self._id(change.key)) for change in changes]
        refused = self._table.apply_together(changes)
        if not refused:
            for change, old in zip(changes, before, strict=True):
                self._note(change.key, old, self._table.read([change.key])[0])
        if fault == LANDED:
            raise LedgerUnavailable("TransactWriteItems", "injected", "")
        return refused

    def pages(self, ingestion_key: str, after: str | None = None) -> Iterator[Sequence[Attributes]]:
        """See `ItemTable.pages`."""
        pages = self._table.pages(ingestion_key, after)
        while True:
            if self._scheduler.pause("Query", faults=(UNAVAILABLE,)):
                raise LedgerUnavailable("Query", "injected", "")
            page = next(pages, None)
            if page is None:
                return
            yield page

    def open_items(self, ingestion_key: str | None = None) -> Iterable[Attributes]:
        """See `ItemTable.open_items`: what it says was true once."""
        fault = self._scheduler.pause("Query the index", faults=BEHIND)
        lag = int(fault.split()[-1]) if fault else 0
        index = self._indexes[max(0, len(self._indexes) - 1 - lag)]
        found = [item for _, item in sorted(index.items(), key=lambda entry: entry[0][1])]
        return iter([item for item in found if ingestion_key in (None, item["open_key"])])

    def delete(self, key: Mapping[str, str]) -> None:
        """Take an item out, as a user does by hand."""
        self._table.delete(key)
        self._note(key, self.items.get(self._id(key)), None)

    def _apply(self, change: Change, call: str) -> Outcome:
        fault = self._scheduler.pause(call, _Shown(change), faults=(UNAVAILABLE, LANDED, LOST))
        if fault == UNAVAILABLE:
            raise LedgerUnavailable(call, "injected", "")
        outcome = self._do(change)
        if fault == LANDED:
            raise LedgerUnavailable(call, "injected", "")
        if fault == LOST:
            self._scheduler.pause("the SDK repeats", _Shown(change))
            outcome = self._do(change)
        return outcome

    def _do(self, change: Change) -> Outcome:
        before = self.items.get(self._id(change.key))
        outcome = self._table.apply(change)
        if outcome.item is not None and outcome.item != before:
            self._note(change.key, before, outcome.item)
        return outcome

    def _note(self, key: Mapping[str, str], before: Attributes | None, after: Attributes | None) -> None:
        at = self._id(key)
        index = dict(self._indexes[-1])
        index.pop(at, None)
        if after is None:
            self.items.pop(at, None)
        else:
            self.items[at] = after
            if "open_key" in after:
                index[at] = after
        if "open_key" in (before or {}) or "open_key" in (after or {}):
            self._indexes.append(index)
        self._written(before, after)

    def _pause(self, what: str, key: Mapping[str, str], *faults: str) -> str | None:
        return self._scheduler.pause(what, key[self._sort_key], faults=faults)

    def _id(self, key: Mapping[str, str]) -> tuple[str, str]:
        return key["ingestion_key"], key[self._sort_key]


class _Shown:
    """A change, rendered only where a trace is printed."""

    def __init__(self, change: Change) -> None:
        self._change = change

    def __str__(self) -> str:
        change = self._change
        name = next(value for name, value in change.key.items() if name != "ingestion_key")
        wanted = [
            name for name in ("status", "state", "batch_id", "file_etag", "waiting", "holder") if name in change.sets
        ]
        shown = ", ".join(f"{name}={change.sets[name]}" for name in wanted) or ", ".join((*change.sets, *change.adds))
        gone = f" without {', '.join(change.removes)}" if "waiting" in change.removes and not change.sets else ""
        return f"{name} [{shown}{gone}]"
