"""A table in memory that behaves as DynamoDB does: for tests and explorations, never in production."""

from __future__ import annotations

import copy
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from alur.ledger.table import (
    Absent,
    Attributes,
    Change,
    Condition,
    Equals,
    Missing,
    OneOf,
    Outcome,
    check_distinct,
    check_single,
)

PAGE_ITEMS = 100
"""How many items a page of `MemoryTable.pages` holds."""


class MemoryTable:
    """An `ItemTable` in a dictionary, with one lock for everything.

    Args:
        sort_key: the name of the key's second attribute (`file_path`, `batch_id`).
    """

    def __init__(self, sort_key: str) -> None:
        self._sort_key = sort_key
        self._items: dict[tuple[str, str], dict[str, Any]] = {}
        self._lock = threading.RLock()

    def read(self, keys: Sequence[Mapping[str, str]], names: Sequence[str] | None = None) -> list[Attributes]:
        """See `ItemTable.read`."""
        with self._lock:
            found = [self._items.get(self._id(key)) for key in keys]
            items = [copy.deepcopy(item) for item in found if item is not None]
        if names is None:
            return list(items)
        return [{name: item[name] for name in names if name in item} for item in items]

    def apply(self, change: Change) -> Outcome:
        """See `ItemTable.apply`."""
        with self._lock:
            item = self._items.get(self._id(change.key))
            if not _allowed(change, item):
                return Outcome(change.is_fulfilled_by(item), copy.deepcopy(item))
            if change.deletes:
                del self._items[self._id(change.key)]
                return Outcome(True, None)
            changed = dict(item or change.key)
            changed.update(copy.deepcopy(dict(change.sets)))
            for name in change.removes:
                changed.pop(name, None)
            for name, members in change.adds.items():
                changed[name] = frozenset(changed.get(name, ())) | members
            self._items[self._id(change.key)] = changed
            return Outcome(True, copy.deepcopy(changed))

    def apply_all(self, changes: Sequence[Change]) -> list[Outcome]:
        """See `ItemTable.apply_all`."""
        check_distinct(changes)
        check_single(changes)
        return [self.apply(change) for change in changes]

    def apply_together(self, changes: Sequence[Change]) -> frozenset[int]:
        """See `ItemTable.apply_together`."""
        check_distinct(changes)
        with self._lock:
            refused = frozenset(
                number
                for number, change in enumerate(changes)
                if not _allowed(change, self._items.get(self._id(change.key)))
            )
            if not refused:
                for change in changes:
                    self.apply(change)
            return refused

    def pages(self, ingestion_key: str, after: str | None = None) -> Iterator[Sequence[Attributes]]:
        """See `ItemTable.pages`; a page holds `PAGE_ITEMS` items."""
        while True:
            with self._lock:
                found = sorted(
                    (
                        (key[1].encode(), item)
                        for key, item in self._items.items()
                        if key[0] == ingestion_key and (after is None or key[1].encode() > after.encode())
                    ),
                    key=lambda entry: entry[0],
                )[:PAGE_ITEMS]
                page = [copy.deepcopy(item) for _, item in found]
            if not page:
                return
            yield page
            after = page[-1][self._sort_key]

    def open_items(self, ingestion_key: str | None = None) -> Iterable[Attributes]:
        """See `ItemTable.open_items`."""
        with self._lock:
            found = [
                copy.deepcopy(item)
                for _, item in sorted(self._items.items(), key=lambda entry: entry[0][1])
                if "open_key" in item and ingestion_key in (None, item["open_key"])
            ]
        return iter(found)

    def delete(self, key: Mapping[str, str]) -> None:
        """Take an item out, as a user does by hand."""
        with self._lock:
            self._items.pop(self._id(key), None)

    def _id(self, key: Mapping[str, str]) -> tuple[str, str]:
        return key["ingestion_key"], key[self._sort_key]


def _allowed(change: Change, item: Attributes | None) -> bool:
    exists_as_needed = change.inserts or change.creates or item is not None
    return exists_as_needed and all(_holds(condition, item) for condition in change.requires)


def _holds(condition: Condition, item: Attributes | None) -> bool:
    if isinstance(condition, Absent):
        return item is None
    attributes = item or {}
    if isinstance(condition, Equals):
        return condition.name in attributes and attributes[condition.name] == condition.value
    if isinstance(condition, OneOf):
        return attributes.get(condition.name) in condition.values
    if isinstance(condition, Missing):
        return condition.name not in attributes
    return condition.name not in attributes or attributes[condition.name] <= condition.value
