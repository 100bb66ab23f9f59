"""Memory and DynamoDB agree, change by change, on whatever sequence of changes comes."""

from __future__ import annotations

import itertools
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alur.aws.dynamodb import BotoDynamo
from alur.ledger.dynamo import DynamoTable
from alur.ledger.memory import MemoryTable
from alur.ledger.table import Absent, Change, Condition, Equals, Missing, MissingOrAtMost, OneOf
from ledger_support import create_batches_table

NAMES = ("status", "owner", "waiting")
TEXTS = ("", "a", "b")

_values = st.one_of(st.sampled_from(TEXTS), st.integers(-1, 1), st.fixed_dictionaries({"etag": st.sampled_from(TEXTS)}))
_names = st.sampled_from(NAMES)
_conditions: st.SearchStrategy[Condition] = st.one_of(
    st.builds(Equals, _names, _values),
    st.builds(OneOf, _names, st.lists(st.sampled_from(TEXTS), min_size=1, max_size=2, unique=True).map(tuple)),
    st.builds(Missing, _names),
    # The code compares one attribute of one type only; across types DynamoDB answers no and Python raises.
    st.builds(MissingOrAtMost, st.just("at"), st.sampled_from(TEXTS)),
)


@st.composite
def changes(draw: st.DrawFn) -> Change:
    key = {"ingestion_key": "p", "batch_id": draw(st.sampled_from("xyz"))}
    sets: dict[str, Any] = draw(st.dictionaries(_names, _values, max_size=3))
    sets |= draw(st.dictionaries(st.just("at"), st.sampled_from(TEXTS), max_size=1))
    sets = sets or {"at": "a"}
    if draw(st.booleans()) and draw(st.booleans()):
        return Change(key, (Absent(),), sets)
    removes = tuple(name for name in draw(st.sets(_names, max_size=2)) if name not in sets)
    requires = tuple(draw(st.lists(_conditions, max_size=2)))
    kind = draw(st.sampled_from(("plain", "adds", "creates")))
    adds = {"runs": frozenset(draw(st.sets(st.sampled_from("rst"), min_size=1)))} if kind == "adds" else {}
    return Change(key, requires, sets, removes, adds, kind == "creates")


@st.composite
def steps(draw: st.DrawFn) -> tuple[str, list[Change]]:
    """What is called, and with which changes, of different items."""
    found = draw(st.lists(changes(), min_size=1, max_size=3, unique_by=lambda change: change.identity))
    call = draw(st.sampled_from(("apply", "apply_all", "apply_together")))
    if call == "apply_all":
        found = [change for change in found if not change.adds and not change.creates]
    return call, found


_serial = itertools.count()


@settings(
    max_examples=30,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(program=st.lists(steps(), min_size=1, max_size=8))
def test_memory_and_dynamodb_agree_on_whatever_comes(dynamodb: Any, program: list[tuple[str, list[Change]]]) -> None:
    memory = MemoryTable("batch_id")
    real = DynamoTable(BotoDynamo(dynamodb), _shared_table(dynamodb), "batch_id")
    partition = f"p{next(_serial)}"
    for call, found in program:
        here = [
            Change(
                {**change.key, "ingestion_key": partition},
                change.requires,
                change.sets,
                change.removes,
                change.adds,
                change.creates,
            )
            for change in found
        ]
        if call == "apply":
            assert [memory.apply(change) for change in here] == [real.apply(change) for change in here]
        elif call == "apply_all":
            assert memory.apply_all(here) == real.apply_all(here)
        else:
            assert memory.apply_together(here) == real.apply_together(here)
    keys = [{"ingestion_key": partition, "batch_id": sort} for sort in "xyz"]

    def in_order(table: MemoryTable | DynamoTable) -> list[Any]:
        return sorted(table.read(keys), key=lambda item: str(item["batch_id"]))

    assert in_order(memory) == in_order(real)


_tables: dict[str, str] = {}


def _shared_table(dynamodb: Any) -> str:
    endpoint = dynamodb.meta.endpoint_url
    if endpoint not in _tables:
        _tables[endpoint] = create_batches_table(dynamodb)
    return _tables[endpoint]
