"""What any `ItemTable` does: one suite, run over the table in memory and over DynamoDB Local."""

from __future__ import annotations

from typing import Any

import pytest

from alur.ledger.table import (
    Absent,
    Attributes,
    Change,
    Condition,
    Equals,
    ItemTable,
    Missing,
    MissingOrAtMost,
    OneOf,
    Outcome,
    equals_or_missing,
)


def key(sort: str, partition: str = "orders") -> dict[str, str]:
    return {"ingestion_key": partition, "batch_id": sort}


def insert(sort: str, partition: str = "orders", **sets: Any) -> Change:
    return Change(key(sort, partition), (Absent(),), sets)


def update(
    sort: str, *requires: Condition, removes: tuple[str, ...] = (), partition: str = "orders", **sets: Any
) -> Change:
    return Change(key(sort, partition), requires, sets, removes)


def both_ways(table: ItemTable, change: Change) -> Outcome:
    """Apply a change as one of many, if it can be said so, and else by itself."""
    if change.adds or change.creates:
        return table.apply(change)
    (outcome,) = table.apply_all([change])
    return outcome


@pytest.fixture(params=["alone", "among many"])
def do(request: pytest.FixtureRequest, table: ItemTable) -> Any:
    """Apply a change, as an UpdateItem and as a statement of a batch."""
    return table.apply if request.param == "alone" else lambda change: both_ways(table, change)


def read(table: ItemTable, sort: str) -> Attributes | None:
    found = table.read([key(sort)])
    return found[0] if found else None


def test_an_insert_makes_an_item_of_every_type(table: ItemTable, do: Any) -> None:
    values = {
        "text": "ä \"quoted\" 'single' ?",
        "empty": "",
        "number": 10**15,
        "truth": True,
        "list": ["b1", "b2"],
        "no_list": [],
        "map": {"file_etag": "e", "nested": {"n": 1}},
        "status": "a reserved word",
    }
    outcome = do(insert("a", **values))
    assert outcome == Outcome(True, {**key("a"), **values})
    assert read(table, "a") == {**key("a"), **values}


def test_an_insert_where_there_is_an_item_is_refused_and_shows_it(table: ItemTable, do: Any) -> None:
    do(insert("a", owner="me"))
    assert do(insert("a", owner="you")) == Outcome(False, {**key("a"), "owner": "me"})


def test_an_update_of_an_item_that_is_not_there_is_refused(table: ItemTable, do: Any) -> None:
    assert do(update("a", owner="me")) == Outcome(False, None)
    assert do(update("b", Missing("owner"), owner="me")) == Outcome(False, None)
    assert table.read([key("a"), key("b")]) == []


def test_an_update_sets_and_removes_and_returns_the_whole_item(table: ItemTable, do: Any) -> None:
    do(insert("a", owner="me", old=1, kept="k"))
    outcome = do(update("a", Equals("owner", "me"), removes=("old", "never_there"), owner="you"))
    assert outcome == Outcome(True, {**key("a"), "owner": "you", "kept": "k"})
    assert read(table, "a") == outcome.item


def test_an_update_that_only_removes_is_possible(table: ItemTable, do: Any) -> None:
    do(insert("a", old=1))
    assert do(update("a", removes=("old",))) == Outcome(True, key("a"))


NESTED = {"file_etag": "e2", "event_at": "2026-11-23T10:00:00.000Z"}


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        (Equals("owner", "me"), True),
        (Equals("owner", "you"), False),
        (Equals("number", 3), True),
        (Equals("number", 4), False),
        (Equals("nested", NESTED), True),
        (Equals("nested", {**NESTED, "file_etag": "e3"}), False),
        (Equals("nowhere", "me"), False),
        (OneOf("owner", ("you", "me")), True),
        (OneOf("owner", ("you", "they")), False),
        (OneOf("owner", ("me",)), True),
        (OneOf("nowhere", ("me",)), False),
        (Missing("nowhere"), True),
        (Missing("owner"), False),
        (MissingOrAtMost("nowhere", ""), True),
        (MissingOrAtMost("blank", ""), True),
        (MissingOrAtMost("owner", ""), False),
        (MissingOrAtMost("at", "2026-11-23T10:00:00.000Z"), True),
        (MissingOrAtMost("at", "2026-11-23T10:00:00.001Z"), True),
        (MissingOrAtMost("at", "2026-11-23T09:59:59.999Z"), False),
        (equals_or_missing("nowhere", None), True),
        (equals_or_missing("owner", None), False),
        (equals_or_missing("owner", "me"), True),
    ],
)
def test_a_change_happens_if_its_condition_holds_and_only_then(
    table: ItemTable, do: Any, condition: Condition, holds: bool
) -> None:
    item = {"owner": "me", "number": 3, "nested": NESTED, "blank": "", "at": "2026-11-23T10:00:00.000Z"}
    do(insert("a", **item))
    outcome = do(update("a", condition, touched="yes"))
    assert outcome.applied is holds
    assert outcome.item == {**key("a"), **item, **({"touched": "yes"} if holds else {})}


def test_all_conditions_must_hold(table: ItemTable, do: Any) -> None:
    do(insert("a", owner="me", state="x"))
    assert not do(update("a", Equals("owner", "me"), Equals("state", "y"), touched=1)).applied
    assert do(update("a", Equals("owner", "me"), Equals("state", "x"), touched=1)).applied


def test_who_is_refused_by_what_the_item_already_is_has_won(table: ItemTable, do: Any) -> None:
    do(insert("a", state="old"))
    change = update("a", Equals("state", "old"), removes=("waiting",), state="new")
    assert do(change).applied
    assert do(change) == Outcome(True, {**key("a"), "state": "new"})
    assert not do(update("a", Equals("state", "old"), state="new", by="other")).applied


def test_sets_grow_and_never_lose_a_member(table: ItemTable) -> None:
    table.apply(insert("a", state="r"))
    for run in ("r1", "r2", "r1"):
        outcome = table.apply(Change(key("a"), (), {"state": "s"}, adds={"run_ids": frozenset({run})}))
        assert outcome.applied
    assert read(table, "a") == {**key("a"), "state": "s", "run_ids": frozenset({"r1", "r2"})}


def test_adding_to_an_item_that_is_not_there_makes_none(table: ItemTable) -> None:
    assert table.apply(Change(key("a"), (), {}, adds={"begun_by": frozenset({"t"})})) == Outcome(False, None)
    assert read(table, "a") is None


def test_a_change_that_creates_makes_an_item_or_changes_the_one_there(table: ItemTable) -> None:
    def take(holder: str) -> Outcome:
        free = MissingOrAtMost("holder", "")
        return table.apply(Change(key("slot#0"), (free,), {"holder": holder}, ("run_id",), creates=True))

    assert take("me").applied
    assert take("you") == Outcome(False, {**key("slot#0"), "holder": "me"})
    assert table.apply(update("slot#0", Equals("holder", "me"), holder="")).applied
    assert take("you").applied


def test_a_change_that_creates_makes_none_where_its_condition_holds_for_nothing(table: ItemTable) -> None:
    change = Change(key("a"), (Equals("holder", "me"),), {"x": 1}, creates=True)
    assert table.apply(change) == Outcome(False, None)


@pytest.mark.parametrize("count", [0, 1, 24, 25, 26, 60])
def test_many_changes_each_have_their_own_outcome_in_order(table: ItemTable, count: int) -> None:
    for number in range(0, count, 3):
        table.apply(insert(f"{number:03d}", owner="before"))
    outcomes = table.apply_all([insert(f"{number:03d}", owner="me") for number in range(count)])
    assert [outcome.applied for outcome in outcomes] == [number % 3 != 0 for number in range(count)]
    for number, outcome in enumerate(outcomes):
        assert outcome.item == {**key(f"{number:03d}"), "owner": "me" if number % 3 else "before"}


def test_inserts_and_updates_may_be_mixed_in_one_call(table: ItemTable) -> None:
    table.apply_all([insert(f"{number:02d}", n=number) for number in range(0, 40, 2)])
    changes = [
        update(f"{number:02d}", Equals("n", number), n=-1) if number % 4 else insert(f"{number:02d}", n=-2)
        for number in range(40)
    ]
    applied = [outcome.applied for outcome in table.apply_all(changes)]
    assert applied == [number % 4 == 2 for number in range(40)]


def test_two_changes_of_one_item_in_a_call_are_refused_before_anything_happens(table: ItemTable) -> None:
    with pytest.raises(ValueError, match="'a'"):
        table.apply_all([insert("b"), insert("a"), insert("a")])
    with pytest.raises(ValueError, match="'a'"):
        table.apply_together([insert("a"), update("a", x=1)])
    assert table.read([key("a"), key("b")]) == []


def test_items_of_two_partitions_with_one_sort_key_are_two_items(table: ItemTable) -> None:
    outcomes = table.apply_all([insert("a", "orders", n=1), insert("a", "flights", n=2)])
    assert [outcome.applied for outcome in outcomes] == [True, True]
    outcomes = table.apply_all([insert("a", "orders", n=3), insert("a", "flights", n=4)])
    assert [outcome.item["n"] for outcome in outcomes if outcome.item] == [1, 2]


def test_what_statements_cannot_say_is_refused_among_many(table: ItemTable) -> None:
    for change in (
        Change(key("a"), (), {}, adds={"s": frozenset({"x"})}),
        Change(key("a"), (), {"x": 1}, creates=True),
    ):
        with pytest.raises(ValueError, match="by itself"):
            table.apply_all([change])


def test_changes_together_happen_all_or_none(table: ItemTable) -> None:
    table.apply_all([insert("a", state="ready"), insert("b", state="ready"), insert("c", state="closed")])

    def submit(*names: str) -> frozenset[int]:
        return table.apply_together(
            [
                Change(key(name), (Equals("state", "ready"),), {"touched": True}, adds={"runs": frozenset({"r"})})
                for name in names
            ]
        )

    assert submit("a", "c") == {1}
    assert submit("a", "nowhere") == {1}
    assert submit("c", "a", "nowhere") == {0, 2}
    assert read(table, "a") == {**key("a"), "state": "ready"}
    assert submit("a", "b") == frozenset()
    assert read(table, "b") == {**key("b"), "state": "ready", "touched": True, "runs": frozenset({"r"})}


def test_a_hundred_changes_happen_together(table: ItemTable) -> None:
    assert table.apply_together([insert(f"{number:03d}", n=number) for number in range(100)]) == frozenset()
    assert len(table.read([key(f"{number:03d}") for number in range(100)])) == 100


def test_the_index_holds_what_is_open_of_one_table_or_of_all_by_time(table: ItemTable) -> None:
    for name in ("3", "1", "2"):
        table.apply(insert(name, "orders", open_key="orders"))
        table.apply(insert(name, "flights", open_key="flights"))
    table.apply(insert("0", "orders", state="closed"))
    assert [found["batch_id"] for found in table.open_items("orders")] == ["1", "2", "3"]
    everything = [(found["batch_id"], found["ingestion_key"]) for found in table.open_items()]
    assert sorted(everything) == sorted((sort, key) for sort in "123" for key in ("orders", "flights"))
    assert [sort for sort, _ in everything] == ["1", "1", "2", "2", "3", "3"]
    assert list(table.open_items("nothing")) == []


def test_an_item_leaves_the_index_with_its_attribute_and_comes_back_with_it(table: ItemTable) -> None:
    table.apply(insert("a", open_key="orders", state="ready"))
    table.apply(update("a", removes=("open_key",), state="closed"))
    assert list(table.open_items("orders")) == []
    table.apply(update("a", open_key="orders"))
    assert [found["state"] for found in table.open_items()] == ["closed"]


def test_the_index_is_read_to_its_last_page(table: ItemTable) -> None:
    # DynamoDB's page is 1 MB: this is more than two of them.
    filler = "x" * 60_000
    table.apply_all([insert(f"{number:03d}", open_key="orders", filler=filler) for number in range(40)])
    expected = [f"{number:03d}" for number in range(40)]
    assert [found["batch_id"] for found in table.open_items("orders")] == expected
    assert [found["batch_id"] for found in table.open_items()] == expected


def test_more_keys_are_read_than_one_call_takes(table: ItemTable) -> None:
    table.apply_all([insert(f"{number:03d}") for number in range(0, 250, 2)])
    found = table.read([key(f"{number:03d}") for number in range(250)])
    assert sorted(item["batch_id"] for item in found) == [f"{number:03d}" for number in range(0, 250, 2)]
    assert table.read([]) == []


def test_what_is_handed_out_is_not_the_tables_own(table: ItemTable) -> None:
    given = {"list": ["b1"]}
    table.apply(insert("a", **given))
    given["list"].append("b2")
    found = read(table, "a")
    assert found is not None
    found["list"].append("b3")
    assert read(table, "a") == {**key("a"), "list": ["b1"]}


def test_a_read_of_some_attributes_gives_those_that_are_there(table: ItemTable) -> None:
    table.apply_all([insert("a", status="completed", file_etag="e1", other=1), insert("b", other=2)])
    found = table.read([key("a"), key("b"), key("c")], ("file_etag", "status"))
    assert sorted(map(str, found)) == sorted(map(str, [{"file_etag": "e1", "status": "completed"}, {}]))


def test_a_deletion_takes_the_item_away_if_its_conditions_hold(table: ItemTable) -> None:
    table.apply_all([insert("a", owner="me"), insert("b", owner="you")])
    deletions = [Change(key(name), (Equals("owner", "me"),), {}, deletes=True) for name in ("a", "b", "c")]
    outcomes = table.apply_all(deletions)
    assert [outcome.applied for outcome in outcomes] == [True, False, True]
    assert outcomes[1].item == {**key("b"), "owner": "you"}
    assert (read(table, "a"), read(table, "b")) == (None, {**key("b"), "owner": "you"})


def test_a_deletion_without_conditions_is_done_where_nothing_is_there(table: ItemTable) -> None:
    assert table.apply_all([Change(key("gone"), (), {}, deletes=True)])[0].applied
