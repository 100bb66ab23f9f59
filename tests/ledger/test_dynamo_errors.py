"""What DynamoDB's errors become: an outcome, another try, or an exception; never an answer about a file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError

from alur.aws.dynamodb import BotoDynamo
from alur.errors import EmptyFile, LedgerRefused, LedgerUnavailable
from alur.ledger.batches import Batch, BatchResult, BatchState, BatchStore, Move, Slot, SlotHistory
from alur.ledger.dynamo import DynamoTable, render_statement
from alur.ledger.files import FileLedger
from alur.ledger.gateway import DynamoGateway, Statement, StatementResult, Update
from alur.ledger.model import Status
from alur.ledger.table import Absent, Attributes, Change, Equals
from alur.ledger.transitions import claim, complete, fail
from ledger_support import KEY, NOW, claimant, create_batches_table, version


class Passing:
    """A gateway that hands every call on; what a test wants otherwise it overrides."""

    def __init__(self, inner: DynamoGateway) -> None:
        self.inner = inner
        self.statement_calls: list[int] = []

    def execute_statements(self, statements: Sequence[Statement]) -> list[StatementResult]:
        self.statement_calls.append(len(statements))
        return self.inner.execute_statements(statements)

    def get_items(
        self, table: str, keys: Sequence[Mapping[str, str]], names: Sequence[str] | None = None
    ) -> list[Attributes]:
        return self.inner.get_items(table, keys, names)

    def update_item(self, update: Update) -> tuple[bool, Attributes | None]:
        return self.inner.update_item(update)

    def transact(self, updates: Sequence[Update]) -> frozenset[int]:
        return self.inner.transact(updates)

    def partition_pages(
        self, table: str, partition: tuple[str, str], after: tuple[str, str] | None
    ) -> Iterator[Sequence[Attributes]]:
        return self.inner.partition_pages(table, partition, after)

    def index_items(self, table: str, index: str, partition: tuple[str, str] | None) -> Iterable[Attributes]:
        return self.inner.index_items(table, index, partition)


class LosingAnswers(Passing):
    """Every write happens, its answer is lost, and the SDK sends it again."""

    def execute_statements(self, statements: Sequence[Statement]) -> list[StatementResult]:
        super().execute_statements(statements)
        return super().execute_statements(statements)

    def update_item(self, update: Update) -> tuple[bool, Attributes | None]:
        super().update_item(update)
        return super().update_item(update)


class Answering(Passing):
    """Statements get the codes that a test prepared, the first call the first of them; then the table answers."""

    def __init__(self, inner: DynamoGateway, *answers: Mapping[int, str]) -> None:
        super().__init__(inner)
        self.answers = list(answers)

    def execute_statements(self, statements: Sequence[Statement]) -> list[StatementResult]:
        codes = self.answers.pop(0) if self.answers else {}
        kept = [statement for number, statement in enumerate(statements) if number not in codes]
        self.statement_calls.append(len(statements))
        done = iter(self.inner.execute_statements(kept) if kept else ())
        return [
            StatementResult(codes[number], "for this test", None) if number in codes else next(done)
            for number in range(len(statements))
        ]


@pytest.fixture
def inner(dynamodb: Any) -> BotoDynamo:
    return BotoDynamo(dynamodb)


@pytest.fixture
def name(dynamodb: Any) -> str:
    return create_batches_table(dynamodb)


def insert(sort: str, **sets: Any) -> Change:
    return Change({"ingestion_key": "orders", "batch_id": sort}, (Absent(),), {"owner": "me", **sets})


def test_inserts_whose_answer_was_lost_have_won(inner: BotoDynamo, name: str) -> None:
    table = DynamoTable(LosingAnswers(inner), name, "batch_id")
    outcomes = table.apply_all([insert(f"{number:02d}", owner="me") for number in range(30)])
    assert all(outcome.applied for outcome in outcomes)
    assert [outcome.item["batch_id"] for outcome in outcomes if outcome.item] == [f"{n:02d}" for n in range(30)]


def test_updates_whose_answer_was_lost_have_won(inner: BotoDynamo, name: str) -> None:
    table = DynamoTable(LosingAnswers(inner), name, "batch_id")
    table.apply_all([insert("a", state="old"), insert("b", state="other")])
    changes = [
        Change({"ingestion_key": "orders", "batch_id": sort}, (Equals("state", "old"),), {"state": "new"}, ("owner",))
        for sort in "ab"
    ]
    assert [outcome.applied for outcome in table.apply_all(changes)] == [True, False]
    (alone,) = [table.apply(change) for change in changes[:1]]
    assert alone.applied


def test_a_change_alone_whose_answer_was_lost_has_won(inner: BotoDynamo, name: str) -> None:
    table = DynamoTable(LosingAnswers(inner), name, "batch_id")
    assert table.apply(insert("a")).applied
    theirs = DynamoTable(inner, name, "batch_id")
    assert not theirs.apply(insert("a", owner="you")).applied


def test_a_loser_whose_answer_was_lost_is_no_winner(inner: BotoDynamo, name: str) -> None:
    DynamoTable(inner, name, "batch_id").apply(insert("a", owner="you"))
    table = DynamoTable(LosingAnswers(inner), name, "batch_id")
    (outcome,) = table.apply_all([insert("a", owner="me")])
    assert not outcome.applied
    assert outcome.item is not None
    assert outcome.item["owner"] == "you"


def test_a_files_whole_life_goes_on_when_every_answer_is_lost(dynamodb: Any, state_table: str) -> None:
    ledger = FileLedger(DynamoTable(LosingAnswers(BotoDynamo(dynamodb)), state_table, "file_path"))
    (claimed,) = ledger.apply([claim(None, version(), claimant("b1"), event_at=NOW, now=NOW)])
    assert claimed.applied
    assert claimed.item is not None
    (failed,) = ledger.apply([fail(claimed.item, batch_id="b1", error=EmptyFile("s3://b/k"), now=NOW)])
    assert failed.applied
    (again,) = ledger.apply([claim(failed.item, version(etag="e2"), claimant("b2"), event_at=NOW, now=NOW)])
    assert again.applied
    assert again.item is not None
    flip = complete(again.item, batch_id="b2", rows=3, snapshot_id="s", queryable_at=NOW, now=NOW)
    (completed,) = ledger.apply([flip])
    assert completed.applied
    assert completed.item is not None
    assert completed.item.status is Status.COMPLETED


def test_a_batchs_whole_life_goes_on_when_every_answer_is_lost(inner: BotoDynamo, name: str) -> None:
    batches = BatchStore(DynamoTable(LosingAnswers(inner), name, "batch_id"))
    batch = Batch(KEY, "b1", BatchState.CLAIMING, "s3://lake/m", 3, 30, NOW, NOW)
    slot = Slot(KEY, 0, "run-1", "app", "{}", ("b1",), NOW)
    batches.create(batch)
    assert batches.make_ready(batch, files=2, size_bytes=20)
    assert batches.take_slot(slot, now=NOW, not_started_since=NOW) == frozenset()
    assert batches.record_run(slot, "r1", NOW)
    begun = batches.begin(KEY, "b1", "run-1")
    assert begun is not None
    assert begun.begun_by == {"run-1"}
    assert batches.settle_slot(slot, SlotHistory(failed_in_a_row=1), [Move(begun, BatchState.WAITING)])
    waiting = batches.read(KEY, "b1")
    assert waiting is not None
    again = {"not_before": NOW, "alone": True, "last_look": False, "files": 2, "size_bytes": 20}
    assert batches.repeat(waiting, **again)
    assert batches.take_slot(replace(slot, token="run-2"), now=NOW, not_started_since=NOW) == frozenset()
    begun = batches.begin(KEY, "b1", "run-2")
    assert begun is not None
    assert batches.close(begun, NOW, BatchResult("run-2", 2, 0, 0, 2, 20, 30))
    assert batches.settle_slot(replace(slot, token="run-2"), SlotHistory(), [])
    assert batches.open() == batches.open(KEY)
    assert not batches.open().batches
    assert not batches.open().slots


THROTTLED = [
    "ThrottlingError",
    "ProvisionedThroughputExceeded",
    "RequestLimitExceeded",
    "TransactionConflict",
    "InternalServerError",
]


@pytest.mark.parametrize("code", THROTTLED)
def test_only_the_statements_that_were_throttled_are_sent_again(inner: BotoDynamo, name: str, code: str) -> None:
    slept: list[float] = []
    gateway = Answering(inner, {1: code, 3: code}, {0: code})
    table = DynamoTable(gateway, name, "batch_id", slept.append)
    outcomes = table.apply_all([insert(str(number), n=number) for number in range(5)])
    assert [outcome.applied for outcome in outcomes] == [True] * 5
    assert [outcome.item["n"] for outcome in outcomes if outcome.item] == [0, 1, 2, 3, 4]
    assert gateway.statement_calls == [5, 2, 1]
    assert len(slept) == 2


def test_statements_that_stay_throttled_raise_and_say_so(inner: BotoDynamo, name: str) -> None:
    slept: list[float] = []
    table = DynamoTable(Answering(inner, *[{0: "ThrottlingError"}] * 20), name, "batch_id", slept.append)
    with pytest.raises(LedgerUnavailable, match="throttled"):
        table.apply_all([insert("a")])
    assert 1 < len(slept) < 20
    assert table.read([insert("a").key]) == []


@pytest.mark.parametrize("code", ["AccessDenied", "ValidationError", "ResourceNotFound", "SomethingNew"])
def test_an_error_of_one_statement_inside_a_success_raises(inner: BotoDynamo, name: str, code: str) -> None:
    table = DynamoTable(Answering(inner, {1: code}), name, "batch_id")
    with pytest.raises(LedgerRefused) as raised:
        table.apply_all([insert("a"), insert("b")])
    assert (raised.value.code, raised.value.operation) == (code, "BatchExecuteStatement")


def test_every_error_that_a_statement_can_have_is_an_outcome_or_tried_again_or_raises(
    dynamodb: Any, inner: BotoDynamo, name: str
) -> None:
    codes = set(dynamodb.meta.service_model.shape_for("BatchStatementErrorCodeEnum").enum)
    refused = {"ConditionalCheckFailed", "DuplicateItem"}
    raised = {"AccessDenied", "ValidationError", "ResourceNotFound", "ItemCollectionSizeLimitExceeded"}
    assert refused | set(THROTTLED) | raised == codes
    for number, code in enumerate(sorted(codes)):
        slept: list[float] = []
        table = DynamoTable(Answering(inner, {0: code}), name, "batch_id", slept.append)
        change = insert(f"every-{number}")
        if code in raised:
            with pytest.raises(LedgerRefused):
                table.apply_all([change])
        else:
            (outcome,) = table.apply_all([change])
            # Refused without an item that says why: it has not happened.
            assert (outcome.applied, len(slept)) == (code in THROTTLED, int(code in THROTTLED))
        assert len(inner.get_items(name, [change.key])) == (code in THROTTLED)


def test_statements_after_one_that_raises_are_not_said_to_have_happened(inner: BotoDynamo, name: str) -> None:
    table = DynamoTable(Answering(inner, {}, {3: "AccessDenied"}), name, "batch_id")
    changes = [insert(f"{number:02d}") for number in range(60)]
    with pytest.raises(LedgerRefused):
        table.apply_all(changes)
    # The first call's 25 and the second's others have happened: whoever comes back finds them his own.
    again = DynamoTable(inner, name, "batch_id").apply_all(changes)
    assert all(outcome.applied for outcome in again)


def test_a_transaction_whose_answer_was_lost_is_repeated_under_its_token_and_has_won(
    dynamodb: Any, inner: BotoDynamo, name: str
) -> None:
    lost: list[int] = []

    def lose(request: Any, **_: Any) -> None:
        if not lost:
            lost.append(1)
            answer = dynamodb._endpoint.http_session.send(request)
            assert answer.status_code == 200
            raise ReadTimeoutError(endpoint_url="http://127.0.0.1")

    event = "before-send.dynamodb.TransactWriteItems"
    dynamodb.meta.events.register(event, lose)
    try:
        batches = BatchStore(DynamoTable(inner, name, "batch_id"))
        slot = Slot(KEY, 0, "run-1", "app", "{}", (), NOW)
        assert batches.take_slot(slot, now=NOW, not_started_since=NOW) == frozenset()
    finally:
        dynamodb.meta.events.unregister(event, lose)
    assert lost
    assert batches.read_slot(KEY, 0) == slot


class Cancelling(Passing):
    """Transactions are refused by the conditions of the updates that a test names."""

    def __init__(self, inner: DynamoGateway, *refused: frozenset[int]) -> None:
        super().__init__(inner)
        self.refused = list(refused)

    def transact(self, updates: Sequence[Update]) -> frozenset[int]:
        return self.refused.pop(0) if self.refused else self.inner.transact(updates)


def test_what_a_refused_transaction_means_for_a_slot_is_what_its_numbers_say(inner: BotoDynamo, name: str) -> None:
    def taken(*refused: int) -> frozenset[str] | None:
        gateway = Cancelling(inner, frozenset(refused))
        slot = Slot(KEY, 0, "run-1", "app", "{}", ("b1", "b2", "b3"), NOW)
        batches = BatchStore(DynamoTable(gateway, name, "batch_id"))
        return batches.take_slot(slot, now=NOW, not_started_since=NOW)

    # The slot is not to be had: whatever else was refused, nobody is said to be gone.
    assert taken(0) is None
    assert taken(0, 1, 3) is None
    # These are not ready; of the others nothing was said.
    assert taken(2) == {"b2"}
    assert taken(1, 3) == {"b1", "b3"}


def test_a_run_is_noted_where_it_can_be_though_one_of_its_batches_has_gone_on(inner: BotoDynamo, name: str) -> None:
    batches = BatchStore(DynamoTable(inner, name, "batch_id"))
    for batch_id in ("b1", "b2"):
        batch = Batch(KEY, batch_id, BatchState.CLAIMING, "s3://lake/m", 1, 1, NOW, NOW)
        batches.create(batch)
        assert batches.make_ready(batch, files=1, size_bytes=1)
    slot = Slot(KEY, 0, "run-1", "app", "{}", ("b1", "b2"), NOW)
    assert batches.take_slot(slot, now=NOW, not_started_since=NOW) == frozenset()
    gone_on = Change({"ingestion_key": KEY, "batch_id": "b1"}, (), {"token": "run-2"})
    DynamoTable(inner, name, "batch_id").apply(gone_on)
    assert not batches.record_run(slot, "r1", NOW)
    found = batches.read_all(KEY, ["b1", "b2"])
    assert (found["b1"].run_ids, found["b2"].run_ids) == (frozenset(), {"r1"})
    held = batches.read_slot(KEY, 0)
    assert held is not None
    assert held.run_id == "r1"


def test_a_real_error_inside_a_success_raises(inner: BotoDynamo, name: str) -> None:
    table = DynamoTable(inner, name, "batch_id")
    with pytest.raises(LedgerRefused, match="1024"):
        table.apply_all([insert("a"), insert("x" * 1025)])


def test_a_conflict_that_is_refused_and_one_that_is_not_are_told_apart_by_the_item(
    inner: BotoDynamo, name: str
) -> None:
    DynamoTable(inner, name, "batch_id").apply(insert("theirs", owner="you"))
    gateway = Answering(inner, {0: "InternalServerError"})
    table = DynamoTable(gateway, name, "batch_id", lambda _: None)
    outcomes = table.apply_all([insert("mine"), insert("theirs")])
    assert [outcome.applied for outcome in outcomes] == [True, False]


def test_names_and_values_travel_as_parameters_and_never_as_text() -> None:
    hostile = "x' OR 'a'='a"
    statement = render_statement("t", Change({"ingestion_key": hostile, "file_path": hostile}, (), {"etag": hostile}))
    assert hostile not in statement.text
    assert statement.parameters == (hostile, hostile, hostile)
    assert hostile not in render_statement("t", insert(hostile, etag=hostile)).text
