"""DynamoDB for the ledger: the gateway, and what its errors mean."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError

from alur.errors import LedgerRefused, LedgerUnavailable
from alur.ledger.gateway import Statement, StatementResult, Update
from alur.ledger.table import Attributes

_SERIALIZER = TypeSerializer()
_DESERIALIZER = TypeDeserializer()
_ROUNDS = 8

_REFUSED = frozenset({"ConditionalCheckFailedException"})
_CONFLICT = "TransactionConflictException"

_PERMANENT = frozenset(
    {
        "AccessDeniedException",
        "ResourceNotFoundException",
        "SerializationException",
        "UnrecognizedClientException",
        "ValidationException",
    }
)
"""What no repetition mends; everything else that is not a condition may pass."""


class BotoDynamo:
    """`DynamoGateway` over a boto3 client.

    Args:
        client: a boto3 `dynamodb` client; its own retries apply first.
        sleep: waits that many seconds before unprocessed keys or conflicting transactions are sent again.
    """

    def __init__(self, client: Any, sleep: Callable[[float], None] = time.sleep) -> None:
        self._client = client
        self._sleep = sleep

    def execute_statements(self, statements: Sequence[Statement]) -> list[StatementResult]:
        """See `DynamoGateway.execute_statements`."""
        request = [
            {
                "Statement": statement.text,
                "Parameters": [_SERIALIZER.serialize(_plain(value)) for value in statement.parameters],
            }
            for statement in statements
        ]
        with _translated("BatchExecuteStatement"):
            response = self._client.batch_execute_statement(Statements=request)
        return [
            StatementResult(
                answer["Error"].get("Code") if "Error" in answer else None,
                answer.get("Error", {}).get("Message", ""),
                _item(answer.get("Item")),
            )
            for answer in response["Responses"]
        ]

    def get_items(
        self, table: str, keys: Sequence[Mapping[str, str]], names: Sequence[str] | None = None
    ) -> list[Attributes]:
        """See `DynamoGateway.get_items`."""
        request: dict[str, Any] = {"Keys": [_serialized(key) for key in keys], "ConsistentRead": True}
        if names is not None:
            # By placeholders: `status` and others are words of DynamoDB's own.
            request["ExpressionAttributeNames"] = {f"#{number}": name for number, name in enumerate(names)}
            request["ProjectionExpression"] = ",".join(request["ExpressionAttributeNames"])
        wanted = {table: request}
        found: list[Attributes] = []
        for round_number in range(_ROUNDS):
            with _translated("BatchGetItem"):
                response = self._client.batch_get_item(RequestItems=wanted)
            found.extend(_deserialized(item) for item in response["Responses"].get(table, ()))
            wanted = response.get("UnprocessedKeys") or {}
            if not wanted:
                return found
            self._pause(round_number)
        raise LedgerUnavailable("BatchGetItem", "UnprocessedKeys", f"{_ROUNDS} times")

    def update_item(self, update: Update) -> tuple[bool, Attributes | None]:
        """See `DynamoGateway.update_item`."""
        for round_number in range(_ROUNDS):
            try:
                with _translated("UpdateItem", passing=_REFUSED | {_CONFLICT}):
                    answer = self._client.update_item(
                        **_request(update), ReturnValues="ALL_NEW", ReturnValuesOnConditionCheckFailure="ALL_OLD"
                    )
                return True, _item(answer.get("Attributes"))
            except ClientError as refusal:
                response: Any = refusal.response
                if response["Error"]["Code"] in _REFUSED:
                    return False, _item(response.get("Item"))
            # A transaction was at the item; the SDK does not repeat this by itself.
            self._pause(round_number)
        raise LedgerUnavailable("UpdateItem", _CONFLICT, f"{_ROUNDS} times")

    def transact(self, updates: Sequence[Update]) -> frozenset[int]:
        """See `DynamoGateway.transact`."""
        items = [{"Update": _request(update)} for update in updates]
        for round_number in range(_ROUNDS):
            try:
                with _translated("TransactWriteItems", passing=frozenset({"TransactionCanceledException"})):
                    self._client.transact_write_items(TransactItems=items)
                    return frozenset()
            except ClientError as cancelled:
                response: Any = cancelled.response
                codes = [reason.get("Code") for reason in response.get("CancellationReasons", ())]
                refused = frozenset(number for number, code in enumerate(codes) if code == "ConditionalCheckFailed")
                if refused:
                    return refused
                if {"ValidationError", "AccessDenied"} & set(codes):
                    raise LedgerRefused("TransactWriteItems", "cancelled", str(cancelled)) from cancelled
            self._pause(round_number)
        raise LedgerUnavailable("TransactWriteItems", "TransactionCanceledException", f"{_ROUNDS} times")

    def index_items(self, table: str, index: str, partition: tuple[str, str] | None) -> Iterable[Attributes]:
        """See `DynamoGateway.index_items`."""
        if partition is None:
            operation, arguments = "Scan", {}
        else:
            operation = "Query"
            arguments = {
                "KeyConditionExpression": "#p = :p",
                "ExpressionAttributeNames": {"#p": partition[0]},
                "ExpressionAttributeValues": {":p": _SERIALIZER.serialize(partition[1])},
            }
        call = self._client.scan if partition is None else self._client.query
        while True:
            with _translated(operation):
                page = call(TableName=table, IndexName=index, **arguments)
            for item in page["Items"]:
                yield _deserialized(item)
            if "LastEvaluatedKey" not in page:
                return
            arguments["ExclusiveStartKey"] = page["LastEvaluatedKey"]

    def partition_pages(
        self, table: str, partition: tuple[str, str], after: tuple[str, str] | None
    ) -> Iterator[Sequence[Attributes]]:
        """See `DynamoGateway.partition_pages`."""
        names, values = {"#p": partition[0]}, {":p": _SERIALIZER.serialize(partition[1])}
        condition = "#p = :p"
        if after is not None:
            names["#s"], values[":s"] = after[0], _SERIALIZER.serialize(after[1])
            condition += " AND #s > :s"
        arguments: dict[str, Any] = {
            "KeyConditionExpression": condition,
            "ExpressionAttributeNames": names,
            "ExpressionAttributeValues": values,
            "ConsistentRead": True,
        }
        while True:
            with _translated("Query"):
                page = self._client.query(TableName=table, **arguments)
            if page["Items"]:
                yield [_deserialized(item) for item in page["Items"]]
            if "LastEvaluatedKey" not in page:
                return
            arguments["ExclusiveStartKey"] = page["LastEvaluatedKey"]

    def _pause(self, round_number: int) -> None:
        self._sleep(random.uniform(0, min(5.0, 0.05 * 2**round_number)))


@contextmanager
def _translated(operation: str, passing: frozenset[str] = frozenset()) -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "unknown")
        if code in passing:
            raise
        kind = LedgerRefused if code in _PERMANENT else LedgerUnavailable
        raise kind(operation, code, error.response.get("Error", {}).get("Message", "")) from error
    except ParamValidationError as error:
        raise LedgerRefused(operation, type(error).__name__, str(error)) from error
    except BotoCoreError as error:
        raise LedgerUnavailable(operation, type(error).__name__, str(error)) from error


def _request(update: Update) -> dict[str, Any]:
    request: dict[str, Any] = {
        "TableName": update.table,
        "Key": _serialized(update.key),
        "UpdateExpression": update.update_expression,
        "ExpressionAttributeNames": dict(update.names),
    }
    if update.values:
        request["ExpressionAttributeValues"] = _serialized(update.values)
    if update.condition_expression:
        request["ConditionExpression"] = update.condition_expression
    return request


def _serialized(attributes: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _SERIALIZER.serialize(_plain(value)) for name, value in attributes.items()}


def _plain(value: Any) -> Any:
    # boto3's serializer knows set, not frozenset.
    return set(value) if isinstance(value, frozenset) else value


def _item(attributes: Mapping[str, Any] | None) -> Attributes | None:
    return _deserialized(attributes) if attributes else None


def _deserialized(attributes: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _native(_DESERIALIZER.deserialize(value)) for name, value in attributes.items()}


def _native(value: Any) -> Any:
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, set):
        return frozenset(_native(member) for member in value)
    if isinstance(value, list):
        return [_native(member) for member in value]
    if isinstance(value, dict):
        return {name: _native(member) for name, member in value.items()}
    return value
