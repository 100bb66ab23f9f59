"""The port to a key-value table: one conditional change of one item, as data.

A `Change` says what must hold and what changes; nothing here does I/O. `dynamo` renders it as a conditional write,
`memory` evaluates it, and one behaviour suite runs over both.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

Attributes = Mapping[str, Any]
"""An item's attributes as plain Python values: str, int, bool, list, dict, frozenset[str]."""


@dataclass(frozen=True, slots=True)
class Absent:
    """No item has this key."""


@dataclass(frozen=True, slots=True)
class Equals:
    """The attribute has exactly this value."""

    name: str
    value: Any


@dataclass(frozen=True, slots=True)
class OneOf:
    """The attribute has one of these values."""

    name: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Missing:
    """The item lacks the attribute."""

    name: str


@dataclass(frozen=True, slots=True)
class MissingOrAtMost:
    """The item lacks the attribute, or its value is not greater than this."""

    name: str
    value: str


Condition = Absent | Equals | OneOf | Missing | MissingOrAtMost


def equals_or_missing(name: str, value: Any) -> Condition:
    """Say that an attribute is as it was read: `None` stands for one that was not there."""
    return Missing(name) if value is None else Equals(name, value)


@dataclass(frozen=True, slots=True)
class Change:
    """One conditional change of one item: all of it happens, or nothing.

    Attributes:
        key: the item's key attributes, both of them.
        requires: what must hold at that moment, beside that the item exists; `Absent` makes a new one instead.
        sets: attributes that get these values; a change that removes and adds nothing sets something.
        removes: attributes that go.
        adds: attributes that are sets of strings, and what joins them.
        creates: where there is no item, the change makes one, if its conditions hold for nothing.
        deletes: the whole item goes; such a change sets, removes and adds nothing.
    """

    key: Mapping[str, str]
    requires: tuple[Condition, ...]
    sets: Attributes
    removes: tuple[str, ...] = ()
    adds: Mapping[str, frozenset[str]] = field(default_factory=dict)
    creates: bool = False
    deletes: bool = False

    @property
    def inserts(self) -> bool:
        """Whether this change makes a new item, and is refused where there is one."""
        return any(isinstance(condition, Absent) for condition in self.requires)

    @property
    def identity(self) -> tuple[str, ...]:
        """The key's values in the order of their names: equal for changes of the same item."""
        return tuple(self.key[name] for name in sorted(self.key))

    def is_fulfilled_by(self, item: Attributes | None) -> bool:
        """Whether the item is already what this change makes of it.

        A write whose answer was lost is repeated by the SDK and then refused by its own success: who is refused
        looks, and has won if this says so.
        """
        if item is None or self.deletes:
            return item is None and self.deletes
        return (
            all(item.get(name) == value for name, value in self.sets.items())
            and not any(name in item for name in self.removes)
            and all(members <= frozenset(item.get(name, ())) for name, members in self.adds.items())
        )


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a change.

    Attributes:
        applied: the item is now what the change wanted.
        item: the item after the change, or, where it was refused, the one that refused it (None: there is none).
    """

    applied: bool
    item: Attributes | None


class ItemTable(Protocol):
    """A table of items with a key of two strings and a sparse index of the open ones.

    Every method raises `LedgerUnavailable` or `LedgerRefused` when the table cannot be asked: an error is never an
    answer.
    """

    def read(self, keys: Sequence[Mapping[str, str]], names: Sequence[str] | None = None) -> list[Attributes]:
        """Return the items that exist among these keys, strongly consistent, in no particular order.

        Args:
            keys: which.
            names: only these attributes of them; None: all.
        """
        ...

    def apply(self, change: Change) -> Outcome:
        """Do one change; one that deletes goes through `apply_all`."""
        ...

    def apply_all(self, changes: Sequence[Change]) -> list[Outcome]:
        """Do many changes, each on its own: an outcome for each, in order.

        Raises:
            ValueError: two of the changes are for the same item, or one of them `adds` or `creates`.
        """
        ...

    def apply_together(self, changes: Sequence[Change]) -> frozenset[int]:
        """Do up to 100 changes of different items, all or none.

        Returns:
            The numbers of the changes whose conditions refused it; empty: all were done.
        """
        ...

    def pages(self, ingestion_key: str, after: str | None = None) -> Iterator[Sequence[Attributes]]:
        """Yield the items of one partition in the order of their sort keys, a page at a time, strongly consistent.

        Args:
            ingestion_key: the partition.
            after: only sort keys after this one.
        """
        ...

    def open_items(self, ingestion_key: str | None = None) -> Iterable[Attributes]:
        """Yield what the sparse index `open` holds, eventually consistent, by time; of one table, or of all."""
        ...


def check_single(changes: Sequence[Change]) -> None:
    """Refuse changes that PartiQL's statements cannot say.

    Raises:
        ValueError: a change adds members to a set, or creates an item that may be there.
    """
    for change in changes:
        if change.adds or change.creates:
            raise ValueError(f"apply the change of {change.identity} by itself: it adds or creates")


def check_distinct(changes: Sequence[Change]) -> None:
    """Refuse two changes of one item in one call, which DynamoDB refuses whole.

    Raises:
        ValueError: two changes have the same key.
    """
    seen: set[tuple[str, ...]] = set()
    for change in changes:
        if change.identity in seen:
            raise ValueError(f"two changes of the item {change.identity} in one call")
        seen.add(change.identity)
