"""The table in DynamoDB: changes rendered as conditional writes.

One change is an UpdateItem with a ConditionExpression; many are PartiQL statements, 25 a call, each of which succeeds
or fails by itself (BatchExecuteStatement). A statement's own error comes inside an HTTP 200: refused by its condition
is an outcome, throttled is tried again, and everything else raises.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from alur.errors import LedgerRefused, LedgerUnavailable
from alur.ledger.gateway import DynamoGateway, Statement, Update
from alur.ledger.table import (
    Absent,
    Attributes,
    Change,
    Condition,
    Equals,
    Missing,
    MissingOrAtMost,
    OneOf,
    Outcome,
    check_distinct,
    check_single,
)

STATEMENTS_PER_CALL = 25
KEYS_PER_CALL = 100
OPEN_INDEX = "open"

_REFUSED_BY_CONDITION = frozenset({"ConditionalCheckFailed", "DuplicateItem"})
_TRY_AGAIN = frozenset(
    {
        "ThrottlingError",
        "ProvisionedThroughputExceeded",
        "RequestLimitExceeded",
        "TransactionConflict",
        "InternalServerError",
    }
)
_ROUNDS = 8


class DynamoTable:
    """An `ItemTable` over DynamoDB.

    Args:
        gateway: DynamoDB's calls.
        name: the table's name.
        sort_key: the name of the key's second attribute (`file_path`, `batch_id`).
        sleep: waits that many seconds before throttled statements are sent again.
    """

    def __init__(
        self, gateway: DynamoGateway, name: str, sort_key: str, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._gateway = gateway
        self._name = name
        self._sort_key = sort_key
        self._sleep = sleep

    def read(self, keys: Sequence[Mapping[str, str]], names: Sequence[str] | None = None) -> list[Attributes]:
        """See `ItemTable.read`: BatchGetItem, 100 keys a call."""
        return [
            item for some in _chunks(keys, KEYS_PER_CALL) for item in self._gateway.get_items(self._name, some, names)
        ]

    def apply(self, change: Change) -> Outcome:
        """See `ItemTable.apply`: one UpdateItem."""
        held, item = self._gateway.update_item(render_update(self._name, change))
        # The SDK repeats a call whose answer was lost, and is then refused by its own success.
        return Outcome(held or change.is_fulfilled_by(item), item)

    def apply_all(self, changes: Sequence[Change]) -> list[Outcome]:
        """See `ItemTable.apply_all`: BatchExecuteStatement, 25 statements a call; the refused are read afterwards."""
        check_distinct(changes)
        check_single(changes)
        outcomes: dict[int, Outcome] = {}
        refused: list[int] = []
        for numbers in _chunks(range(len(changes)), STATEMENTS_PER_CALL):
            self._apply_chunk(changes, list(numbers), outcomes, refused)
        if refused:
            found = {self._id(item): item for item in self.read([changes[number].key for number in refused])}
            for number in refused:
                item = found.get(self._id(changes[number].key))
                outcomes[number] = Outcome(changes[number].is_fulfilled_by(item), item)
        return [outcomes[number] for number in range(len(changes))]

    def apply_together(self, changes: Sequence[Change]) -> frozenset[int]:
        """See `ItemTable.apply_together`: TransactWriteItems."""
        check_distinct(changes)
        return self._gateway.transact([render_update(self._name, change) for change in changes])

    def pages(self, ingestion_key: str, after: str | None = None) -> Iterator[Sequence[Attributes]]:
        """See `ItemTable.pages`: Query, 1 MB a page."""
        return self._gateway.partition_pages(
            self._name, ("ingestion_key", ingestion_key), None if after is None else (self._sort_key, after)
        )

    def open_items(self, ingestion_key: str | None = None) -> Iterable[Attributes]:
        """See `ItemTable.open_items`: Query, or Scan, of the sparse index."""
        partition = None if ingestion_key is None else ("open_key", ingestion_key)
        items = self._gateway.index_items(self._name, OPEN_INDEX, partition)
        # A Scan's order is that of the partitions' hashes.
        return sorted(items, key=lambda item: str(item[self._sort_key])) if partition is None else items

    def _apply_chunk(
        self, changes: Sequence[Change], numbers: list[int], outcomes: dict[int, Outcome], refused: list[int]
    ) -> None:
        for round_number in range(_ROUNDS):
            results = self._gateway.execute_statements(
                [render_statement(self._name, changes[number]) for number in numbers]
            )
            again: list[int] = []
            for number, result in zip(numbers, results, strict=True):
                if result.error_code is None:
                    change = changes[number]
                    # A DELETE that returns nothing has left nothing.
                    made = {**change.key, **change.sets} if change.inserts else result.item
                    outcomes[number] = Outcome(True, None if change.deletes else made)
                elif result.error_code in _REFUSED_BY_CONDITION:
                    refused.append(number)
                elif result.error_code in _TRY_AGAIN:
                    again.append(number)
                else:
                    raise LedgerRefused("BatchExecuteStatement", result.error_code, result.error_message)
            if not again:
                return
            numbers = again
            self._sleep(random.uniform(0, min(5.0, 0.05 * 2**round_number)))
        raise LedgerUnavailable("BatchExecuteStatement", "throttled", f"{len(numbers)} statements, {_ROUNDS} times")

    def _id(self, item: Attributes) -> tuple[str, str]:
        return item["ingestion_key"], item[self._sort_key]


def render_statement(table: str, change: Change) -> Statement:
    """Render a change as PartiQL: an INSERT where it makes an item, a DELETE, or an UPDATE that returns the new item.

    Args:
        table: the table's name.
        change: what must hold and what changes.
    """
    if change.inserts:
        item = {**change.key, **change.sets}
        members = ", ".join(f"'{name}': ?" for name in item)
        return Statement(f'INSERT INTO "{table}" VALUE {{{members}}}', tuple(item.values()))
    text: list[str] = [f'DELETE FROM "{table}"' if change.deletes else f'UPDATE "{table}"']
    parameters: list[Any] = []
    for name, value in change.sets.items():
        text.append(f'SET "{name}"=?')
        parameters.append(value)
    text.extend(f'REMOVE "{name}"' for name in change.removes)
    clauses = [f'"{name}"=?' for name in change.key]
    parameters.extend(change.key.values())
    for condition in change.requires:
        clause, values = _partiql(condition)
        clauses.append(clause)
        parameters.extend(values)
    text.append("WHERE " + " AND ".join(clauses))
    if not change.deletes:
        text.append("RETURNING ALL NEW *")
    return Statement(" ".join(text), tuple(parameters))


def render_update(table: str, change: Change) -> Update:
    """Render a change as an UpdateItem with a ConditionExpression.

    Args:
        table: the table's name.
        change: what must hold and what changes.
    """
    if change.deletes:
        raise ValueError(f"delete {change.identity} through apply_all: an UpdateItem cannot")
    names: dict[str, str] = {}
    values: dict[str, Any] = {}

    def name_of(attribute: str) -> str:
        for placeholder, known in names.items():
            if known == attribute:
                return placeholder
        names[f"#{len(names)}"] = attribute
        return f"#{len(names) - 1}"

    def value_of(value: Any) -> str:
        values[f":{len(values)}"] = value
        return f":{len(values) - 1}"

    actions = []
    if change.sets:
        actions.append("SET " + ", ".join(f"{name_of(name)}={value_of(value)}" for name, value in change.sets.items()))
    if change.removes:
        actions.append("REMOVE " + ", ".join(name_of(name) for name in change.removes))
    if change.adds:
        actions.append("ADD " + ", ".join(f"{name_of(name)} {value_of(v)}" for name, v in change.adds.items()))
    conditions = [_expression(condition, change, name_of, value_of) for condition in change.requires]
    if not change.inserts and not change.creates:
        conditions.append(f"attribute_exists({name_of(next(iter(change.key)))})")
    return Update(table, change.key, " ".join(actions), " AND ".join(conditions) or None, names, values)


def _partiql(condition: Condition) -> tuple[str, tuple[Any, ...]]:
    if isinstance(condition, Equals):
        return f'"{condition.name}"=?', (condition.value,)
    if isinstance(condition, OneOf):
        return f'"{condition.name}" IN [{", ".join("?" for _ in condition.values)}]', condition.values
    if isinstance(condition, Missing):
        return f'"{condition.name}" IS MISSING', ()
    if isinstance(condition, MissingOrAtMost):
        return f'("{condition.name}" IS MISSING OR "{condition.name}"<=?)', (condition.value,)
    raise ValueError("an UPDATE cannot require that the item is absent")


def _expression(
    condition: Condition, change: Change, name_of: Callable[[str], str], value_of: Callable[[Any], str]
) -> str:
    if isinstance(condition, Equals):
        return f"{name_of(condition.name)}={value_of(condition.value)}"
    if isinstance(condition, OneOf):
        return f"{name_of(condition.name)} IN ({', '.join(value_of(value) for value in condition.values)})"
    if isinstance(condition, Missing):
        return f"attribute_not_exists({name_of(condition.name)})"
    if isinstance(condition, Absent):
        return f"attribute_not_exists({name_of(next(iter(change.key)))})"
    name = name_of(condition.name)
    return f"(attribute_not_exists({name}) OR {name}<={value_of(condition.value)})"


def _chunks(things: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    for start in range(0, len(things), size):
        yield things[start : start + size]
