"""The gateway to DynamoDB: what its calls ask for, and what its errors mean."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectTimeoutError, EndpointConnectionError, ReadTimeoutError
from botocore.stub import ANY, Stubber

from alur.aws.dynamodb import BotoDynamo
from alur.errors import LedgerError, LedgerRefused, LedgerUnavailable
from alur.ledger.gateway import Statement, Update

UPDATE = Update(
    "t", {"ingestion_key": "orders", "file_path": "p"}, "SET #0=:0", "#0=:1", {"#0": "s"}, {":0": 1, ":1": 2}
)
KEYS = [{"ingestion_key": "orders", "file_path": str(number)} for number in range(3)]


@pytest.fixture
def client() -> Any:
    keys = {"aws_access_key_id": "none", "aws_secret_access_key": "none"}
    once = Config(retries={"mode": "standard", "total_max_attempts": 1})
    return boto3.client("dynamodb", region_name="us-east-1", config=once, **keys)


@pytest.fixture
def stubbed(client: Any) -> Iterator[Stubber]:
    with Stubber(client) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


@pytest.fixture
def slept() -> list[float]:
    return []


@pytest.fixture
def gateway(client: Any, slept: list[float]) -> BotoDynamo:
    return BotoDynamo(client, slept.append)


CALLS: dict[str, tuple[str, Callable[[BotoDynamo], Any]]] = {
    "batch_execute_statement": (
        "BatchExecuteStatement",
        lambda gateway: gateway.execute_statements([Statement("SELECT", (1,))]),
    ),
    "batch_get_item": ("BatchGetItem", lambda gateway: gateway.get_items("t", KEYS)),
    "update_item": ("UpdateItem", lambda gateway: gateway.update_item(UPDATE)),
    "transact_write_items": ("TransactWriteItems", lambda gateway: gateway.transact([UPDATE])),
    "query": ("Query", lambda gateway: list(gateway.index_items("t", "open", ("open_key", "orders")))),
    "scan": ("Scan", lambda gateway: list(gateway.index_items("t", "open", None))),
}

# The same operation by another way; and every call with what botocore itself refuses to send: a table without a name.
PAGES = ("Query", lambda gateway: list(gateway.partition_pages("t", ("ingestion_key", "orders"), None)))
NAMELESS = replace(UPDATE, table="")
UNSENDABLE: dict[str, tuple[str, Callable[[BotoDynamo], Any]]] = {
    "batch_execute_statement": ("BatchExecuteStatement", lambda gateway: gateway.execute_statements([])),
    "batch_get_item": ("BatchGetItem", lambda gateway: gateway.get_items("t", [])),
    "update_item": ("UpdateItem", lambda gateway: gateway.update_item(NAMELESS)),
    "transact_write_items": ("TransactWriteItems", lambda gateway: gateway.transact([NAMELESS])),
    "query": ("Query", lambda gateway: list(gateway.index_items("", "open", ("open_key", "orders")))),
    "scan": ("Scan", lambda gateway: list(gateway.index_items("", "open", None))),
}

CODES = {
    "AccessDeniedException": LedgerRefused,
    "ResourceNotFoundException": LedgerRefused,
    "ValidationException": LedgerRefused,
    "SerializationException": LedgerRefused,
    "UnrecognizedClientException": LedgerRefused,
    "ThrottlingException": LedgerUnavailable,
    "ProvisionedThroughputExceededException": LedgerUnavailable,
    "RequestLimitExceeded": LedgerUnavailable,
    "InternalServerError": LedgerUnavailable,
    "ServiceUnavailable": LedgerUnavailable,
    "ExpiredTokenException": LedgerUnavailable,
    "SomethingNew": LedgerUnavailable,
}


@pytest.mark.parametrize("method", CALLS)
@pytest.mark.parametrize(("code", "kind"), CODES.items())
def test_every_call_translates_every_error(
    gateway: BotoDynamo, stubbed: Stubber, method: str, code: str, kind: type[LedgerError]
) -> None:
    operation, call = CALLS[method]
    stubbed.add_client_error(method, code, "for this test")
    with pytest.raises(LedgerError) as raised:
        call(gateway)
    assert type(raised.value) is kind
    assert (raised.value.operation, raised.value.code, raised.value.detail) == (operation, code, "for this test")
    assert isinstance(raised.value.__cause__, ClientError)


@pytest.mark.parametrize("method", UNSENDABLE)
def test_a_request_that_cannot_even_be_sent_is_refused_and_never_an_answer(gateway: BotoDynamo, method: str) -> None:
    assert set(UNSENDABLE) == set(CALLS)
    operation, call = UNSENDABLE[method]
    with pytest.raises(LedgerRefused) as raised:
        call(gateway)
    assert (raised.value.operation, raised.value.code) == (operation, "ParamValidationError")


@pytest.mark.parametrize(("code", "kind"), CODES.items())
def test_pages_translate_every_error(gateway: BotoDynamo, stubbed: Stubber, code: str, kind: type[LedgerError]) -> None:
    operation, call = PAGES
    stubbed.add_client_error("query", code, "for this test")
    with pytest.raises(LedgerError) as raised:
        call(gateway)
    assert (type(raised.value), raised.value.operation) == (kind, operation)


def test_pages_come_one_by_one_and_begin_after_what_was_seen(gateway: BotoDynamo, stubbed: Stubber) -> None:
    last = {"ingestion_key": {"S": "orders"}, "file_path": {"S": "b"}}
    asked = {
        "TableName": "t",
        "KeyConditionExpression": "#p = :p AND #s > :s",
        "ExpressionAttributeNames": {"#p": "ingestion_key", "#s": "file_path"},
        "ExpressionAttributeValues": {":p": {"S": "orders"}, ":s": {"S": "a"}},
        "ConsistentRead": True,
    }
    stubbed.add_response("query", {"Items": [{"n": {"N": "1"}}], "LastEvaluatedKey": last}, asked)
    stubbed.add_response("query", {"Items": [], "LastEvaluatedKey": last}, {**asked, "ExclusiveStartKey": last})
    stubbed.add_response("query", {"Items": [{"n": {"N": "2"}}]}, {**asked, "ExclusiveStartKey": last})
    pages = gateway.partition_pages("t", ("ingestion_key", "orders"), ("file_path", "a"))
    assert list(pages) == [[{"n": 1}], [{"n": 2}]]


def test_an_error_on_a_later_page_is_no_end_of_a_walk(gateway: BotoDynamo, stubbed: Stubber) -> None:
    last = {"ingestion_key": {"S": "orders"}, "file_path": {"S": "b"}}
    stubbed.add_response("query", {"Items": [{"n": {"N": "1"}}], "LastEvaluatedKey": last})
    stubbed.add_client_error("query", "ThrottlingException")
    pages = iter(gateway.partition_pages("t", ("ingestion_key", "orders"), None))
    assert next(pages) == [{"n": 1}]
    with pytest.raises(LedgerUnavailable):
        next(pages)


@pytest.mark.parametrize("method", CALLS)
@pytest.mark.parametrize(
    "error",
    [
        ReadTimeoutError(endpoint_url="http://127.0.0.1"),
        ConnectTimeoutError(endpoint_url="http://127.0.0.1"),
        EndpointConnectionError(endpoint_url="http://127.0.0.1"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_answer_that_does_not_come_is_unavailable(
    gateway: BotoDynamo, client: Any, method: str, error: Exception
) -> None:
    def fail(**_: Any) -> None:
        raise error

    client.meta.events.register("before-send.dynamodb", fail)
    operation, call = CALLS[method]
    with pytest.raises(LedgerUnavailable) as raised:
        call(gateway)
    assert (raised.value.operation, raised.value.code) == (operation, type(error).__name__)


def test_statements_errors_are_handed_on_one_by_one(gateway: BotoDynamo, stubbed: Stubber) -> None:
    answers = [
        {"TableName": "table", "Item": {"n": {"N": "3"}, "members": {"SS": ["a", "b"]}}},
        {"TableName": "table", "Error": {"Code": "ConditionalCheckFailed", "Message": "refused"}},
        {"TableName": "table", "Error": {"Code": "AccessDenied", "Message": "no"}},
        {"TableName": "table"},
    ]
    stubbed.add_response("batch_execute_statement", {"Responses": answers})
    results = gateway.execute_statements([Statement("U", ("a", 1))] * 4)
    assert [result.error_code for result in results] == [None, "ConditionalCheckFailed", "AccessDenied", None]
    assert results[0].item == {"n": 3, "members": frozenset({"a", "b"})}
    assert (results[2].error_message, results[3].item) == ("no", None)


def test_statements_carry_typed_parameters(gateway: BotoDynamo, stubbed: Stubber) -> None:
    expected = {
        "Statements": [
            {
                "Statement": "U",
                "Parameters": [{"S": "a"}, {"N": "1"}, {"BOOL": True}, {"M": {"e": {"S": "x"}}}, {"SS": ["m"]}],
            }
        ]
    }
    stubbed.add_response("batch_execute_statement", {"Responses": [{}]}, expected)
    gateway.execute_statements([Statement("U", ("a", 1, True, {"e": "x"}, frozenset({"m"})))])


def test_unprocessed_keys_are_asked_for_again(gateway: BotoDynamo, stubbed: Stubber, slept: list[float]) -> None:
    wire = [{name: {"S": value} for name, value in key.items()} for key in KEYS]
    left = {"t": {"Keys": wire[1:], "ConsistentRead": True}}
    stubbed.add_response(
        "batch_get_item",
        {"Responses": {"t": wire[:1]}, "UnprocessedKeys": left},
        {"RequestItems": {"t": {"Keys": wire, "ConsistentRead": True}}},
    )
    stubbed.add_response(
        "batch_get_item", {"Responses": {"t": wire[1:]}, "UnprocessedKeys": {}}, {"RequestItems": left}
    )
    assert gateway.get_items("t", KEYS) == KEYS
    assert len(slept) == 1


def test_keys_that_stay_unprocessed_are_not_taken_for_absent(gateway: BotoDynamo, stubbed: Stubber) -> None:
    wire = [{name: {"S": value} for name, value in key.items()} for key in KEYS]
    for _ in range(8):
        stubbed.add_response(
            "batch_get_item", {"Responses": {"t": []}, "UnprocessedKeys": {"t": {"Keys": wire}}}, {"RequestItems": ANY}
        )
    with pytest.raises(LedgerUnavailable, match="UnprocessedKeys"):
        gateway.get_items("t", KEYS)


def test_a_condition_that_did_not_hold_hands_back_the_item(gateway: BotoDynamo, stubbed: Stubber) -> None:
    stubbed.add_client_error(
        "update_item",
        "ConditionalCheckFailedException",
        modeled_fields={"Item": {"s": {"N": "9"}}},
        expected_params={
            "TableName": "t",
            "Key": {"ingestion_key": {"S": "orders"}, "file_path": {"S": "p"}},
            "UpdateExpression": "SET #0=:0",
            "ConditionExpression": "#0=:1",
            "ExpressionAttributeNames": {"#0": "s"},
            "ExpressionAttributeValues": {":0": {"N": "1"}, ":1": {"N": "2"}},
            "ReturnValues": "ALL_NEW",
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        },
    )
    assert gateway.update_item(UPDATE) == (False, {"s": 9})


def test_an_update_that_met_a_transaction_is_tried_again(
    gateway: BotoDynamo, stubbed: Stubber, slept: list[float]
) -> None:
    stubbed.add_client_error("update_item", "TransactionConflictException")
    stubbed.add_response("update_item", {"Attributes": {"s": {"N": "1"}}})
    assert gateway.update_item(UPDATE) == (True, {"s": 1})
    assert len(slept) == 1


def test_an_update_that_only_meets_transactions_is_unavailable(gateway: BotoDynamo, stubbed: Stubber) -> None:
    for _ in range(8):
        stubbed.add_client_error("update_item", "TransactionConflictException")
    with pytest.raises(LedgerUnavailable, match="TransactionConflict"):
        gateway.update_item(UPDATE)


def cancelled(stubbed: Stubber, *codes: str) -> None:
    stubbed.add_client_error(
        "transact_write_items",
        "TransactionCanceledException",
        modeled_fields={"CancellationReasons": [{"Code": code} for code in codes]},
    )


REASONS = {
    # What each reason alone makes of a transaction: refused by its condition, tried again, or raised at once.
    "ConditionalCheckFailed": "refused",
    "TransactionConflict": "again",
    "ProvisionedThroughputExceeded": "again",
    "ThrottlingError": "again",
    "ItemCollectionSizeLimitExceeded": "again",
    "SomethingNew": "again",
    "ValidationError": "raised",
    "AccessDenied": "raised",
}


@pytest.mark.parametrize(("code", "what"), REASONS.items())
def test_a_transaction_becomes_what_its_reason_says(
    gateway: BotoDynamo, stubbed: Stubber, slept: list[float], code: str, what: str
) -> None:
    cancelled(stubbed, "None", code, "None")
    if what == "refused":
        assert gateway.transact([UPDATE] * 3) == {1}
    elif what == "raised":
        with pytest.raises(LedgerRefused):
            gateway.transact([UPDATE] * 3)
    else:
        stubbed.add_response("transact_write_items", {})
        assert gateway.transact([UPDATE] * 3) == frozenset()
    assert len(slept) == (what == "again")


@pytest.mark.parametrize("other", [code for code, what in REASONS.items() if what != "refused"])
@pytest.mark.parametrize("is_first", [True, False])
def test_the_numbers_of_the_refused_are_those_whose_condition_did_not_hold_and_no_others(
    gateway: BotoDynamo, stubbed: Stubber, other: str, is_first: bool
) -> None:
    """Whether another one's condition held is not known then: he is not said to be refused."""
    codes = [other, "ConditionalCheckFailed"] if is_first else ["ConditionalCheckFailed", other]
    cancelled(stubbed, *codes, "None", "ConditionalCheckFailed")
    assert gateway.transact([UPDATE] * 4) == {codes.index("ConditionalCheckFailed"), 3}


def test_a_transaction_that_was_cancelled_for_no_reason_given_is_never_taken_for_done(
    gateway: BotoDynamo, stubbed: Stubber
) -> None:
    for _ in range(8):
        stubbed.add_client_error("transact_write_items", "TransactionCanceledException")
    with pytest.raises(LedgerUnavailable):
        gateway.transact([UPDATE])


@pytest.mark.parametrize("code", ["TransactionInProgressException", "IdempotentParameterMismatchException"])
def test_a_transaction_whose_earlier_sending_is_not_known_to_be_done_raises(
    gateway: BotoDynamo, stubbed: Stubber, code: str
) -> None:
    stubbed.add_client_error("transact_write_items", code)
    with pytest.raises(LedgerError):
        gateway.transact([UPDATE])


def test_unprocessed_keys_are_gathered_over_as_many_calls_as_it_takes(
    gateway: BotoDynamo, stubbed: Stubber, slept: list[float]
) -> None:
    wire = [{name: {"S": value} for name, value in key.items()} for key in KEYS]
    for number in range(3):
        left = {"t": {"Keys": wire[number + 1 :], "ConsistentRead": True}} if number < 2 else {}
        stubbed.add_response(
            "batch_get_item",
            {"Responses": {"t": wire[number : number + 1]}, "UnprocessedKeys": left},
            {"RequestItems": {"t": {"Keys": wire[number:], "ConsistentRead": True}}},
        )
    assert gateway.get_items("t", KEYS) == KEYS
    assert len(slept) == 2


def test_an_error_among_unprocessed_keys_is_no_shorter_answer(gateway: BotoDynamo, stubbed: Stubber) -> None:
    wire = [{name: {"S": value} for name, value in key.items()} for key in KEYS]
    left = {"t": {"Keys": wire[1:], "ConsistentRead": True}}
    stubbed.add_response("batch_get_item", {"Responses": {"t": wire[:1]}, "UnprocessedKeys": left})
    stubbed.add_client_error("batch_get_item", "ProvisionedThroughputExceededException")
    with pytest.raises(LedgerUnavailable):
        gateway.get_items("t", KEYS)


def test_a_transaction_that_a_condition_refused_is_refused(gateway: BotoDynamo, stubbed: Stubber) -> None:
    cancelled(stubbed, "None", "ConditionalCheckFailed")
    assert gateway.transact([UPDATE, UPDATE]) == {1}


@pytest.mark.parametrize("code", ["TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"])
def test_a_transaction_that_met_another_is_tried_again(
    gateway: BotoDynamo, stubbed: Stubber, slept: list[float], code: str
) -> None:
    cancelled(stubbed, "None", code)
    stubbed.add_response("transact_write_items", {})
    assert gateway.transact([UPDATE]) == frozenset()
    assert len(slept) == 1


def test_a_transaction_that_only_meets_others_is_unavailable(gateway: BotoDynamo, stubbed: Stubber) -> None:
    for _ in range(8):
        cancelled(stubbed, "TransactionConflict")
    with pytest.raises(LedgerUnavailable):
        gateway.transact([UPDATE])


@pytest.mark.parametrize("code", ["ValidationError", "AccessDenied"])
def test_a_transaction_that_is_invalid_is_not_tried_again(gateway: BotoDynamo, stubbed: Stubber, code: str) -> None:
    cancelled(stubbed, code, "None")
    with pytest.raises(LedgerRefused):
        gateway.transact([UPDATE])


def test_an_index_is_read_page_by_page(gateway: BotoDynamo, stubbed: Stubber) -> None:
    last = {"open_key": {"S": "orders"}}
    partition = {
        "TableName": "t",
        "IndexName": "open",
        "KeyConditionExpression": "#p = :p",
        "ExpressionAttributeNames": {"#p": "open_key"},
        "ExpressionAttributeValues": {":p": {"S": "orders"}},
    }
    stubbed.add_response("query", {"Items": [{"n": {"N": "1"}}], "LastEvaluatedKey": last}, partition)
    stubbed.add_response("query", {"Items": [], "LastEvaluatedKey": last}, {**partition, "ExclusiveStartKey": last})
    stubbed.add_response("query", {"Items": [{"n": {"N": "2"}}]}, {**partition, "ExclusiveStartKey": last})
    assert list(gateway.index_items("t", "open", ("open_key", "orders"))) == [{"n": 1}, {"n": 2}]


def test_an_error_on_a_later_page_is_no_end_of_the_list(gateway: BotoDynamo, stubbed: Stubber) -> None:
    last = {"open_key": {"S": "orders"}}
    stubbed.add_response("scan", {"Items": [{"n": {"N": "1"}}], "LastEvaluatedKey": last})
    stubbed.add_client_error("scan", "InternalServerError")
    with pytest.raises(LedgerUnavailable):
        list(gateway.index_items("t", "open", None))
