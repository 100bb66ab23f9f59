"""What the ledger's store asks of DynamoDB: the few calls it makes, with plain Python values.

`alur.aws.dynamodb` implements it; nothing here knows boto3.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from alur.ledger.table import Attributes


@dataclass(frozen=True, slots=True)
class Statement:
    """A PartiQL statement and its parameters, in the order of its question marks."""

    text: str
    parameters: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class StatementResult:
    """What one statement of a batch answered.

    Attributes:
        error_code: None where it succeeded; else the code of `BatchStatementError`.
        error_message: its text.
        item: what the statement returned, or the item that refused it.
    """

    error_code: str | None
    error_message: str
    item: Attributes | None


@dataclass(frozen=True, slots=True)
class Update:
    """One UpdateItem: expressions, the names and the values they use (`#0`, `:0`)."""

    table: str
    key: Mapping[str, str]
    update_expression: str
    condition_expression: str | None
    names: Mapping[str, str]
    values: Mapping[str, Any]


class DynamoGateway(Protocol):
    """DynamoDB's calls. Each raises `LedgerUnavailable` or `LedgerRefused` when the call itself fails."""

    def execute_statements(self, statements: Sequence[Statement]) -> list[StatementResult]:
        """BatchExecuteStatement: up to 25 statements, each with its own outcome, in order."""
        ...

    def get_items(
        self, table: str, keys: Sequence[Mapping[str, str]], names: Sequence[str] | None = None
    ) -> list[Attributes]:
        """BatchGetItem: up to 100 keys, strongly consistent, unprocessed keys asked for again; these attributes."""
        ...

    def update_item(self, update: Update) -> tuple[bool, Attributes | None]:
        """UpdateItem: whether the condition held, and the item after it (held) or at it (refused)."""
        ...

    def transact(self, updates: Sequence[Update]) -> frozenset[int]:
        """TransactWriteItems: the numbers of the updates whose conditions refused it; empty: all were done."""
        ...

    def partition_pages(
        self, table: str, partition: tuple[str, str], after: tuple[str, str] | None
    ) -> Iterator[Sequence[Attributes]]:
        """Query one partition (name, value) of a table, strongly consistent, page by page.

        Args:
            table: the table's name.
            partition: name and value of the partition key.
            after: name of the sort key, and the value after which to begin.
        """
        ...

    def index_items(self, table: str, index: str, partition: tuple[str, str] | None) -> Iterable[Attributes]:
        """Query one partition (name, value) of an index, or Scan it whole; all pages."""
        ...
