"""What DynamoDB's errors become: an outcome, another try, or an exception; never an answer about a file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pytest

from alur.aws.dynamodb import BotoDynamo
from alur.errors import EmptyFile, LedgerRefused, LedgerUnavailable
from alur.ledger.batches import Batch, BatchState, BatchStore, Slot
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

    def get_items(self, table: str, keys: Sequence[Mapping[str, str]]) -> list[Attributes]:
        return self.inner.get_items(table, keys)

    def update_item(self, update: Update) -> tuple[bool, Attributes | None]:
        return self.inner.update_item(update)

    def transact(self, updates: Sequence[Update]) -> bool:
        return self.inner.transact(updates)

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
    assert batches.take_slot(slot, not_started_since=NOW)
    assert batches.record_run(slot, "r1", NOW)
    begun = batches.begin(KEY, "b1", "run-1")
    assert begun is not None
    assert begun.begun_by == {"run-1"}
    batches.close(begun, NOW)
    assert batches.free_slot(slot)
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
