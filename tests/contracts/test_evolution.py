from __future__ import annotations

import pytest

from alur.contracts import BronzeTable, DecimalField, IntegerField, LongField, StringField
from alur.contracts.evolution import Column, columns_of, is_widening, plan_evolution
from alur.errors import ColumnChange

ID = Column("id", "bigint")
NAME = Column("name", "string", "who it is")
EVERY_TYPE = (
    *("string", "int", "bigint", "float", "double", "boolean", "timestamp", "timestamp_ntz", "date", "binary"),
    *("decimal(9,2)", "decimal(12,2)", "decimal(12,4)", "decimal(38,2)"),
)
WIDENINGS = {
    ("int", "bigint"),
    ("float", "double"),
    ("decimal(9,2)", "decimal(12,2)"),
    ("decimal(9,2)", "decimal(38,2)"),
    ("decimal(12,2)", "decimal(38,2)"),
}


@pytest.mark.parametrize("old", EVERY_TYPE)
@pytest.mark.parametrize("new", EVERY_TYPE)
def test_a_type_is_widened_to_those_that_iceberg_promotes_it_to_and_to_no_other(old, new):
    assert is_widening(old, new) == ((old, new) in WIDENINGS)


@pytest.mark.parametrize(
    ("have", "wanted", "added", "widened", "refused"),
    [
        pytest.param({"id": "bigint"}, [ID], [], [], [], id="the same"),
        pytest.param({"name": "string", "id": "bigint"}, [ID, NAME], [], [], [], id="the same in another order"),
        pytest.param({"id": "bigint"}, [ID, NAME], [NAME], [], [], id="one more"),
        pytest.param({}, [ID, NAME], [ID, NAME], [], [], id="none yet"),
        pytest.param({"id": "int"}, [ID], [], [("id", "int", "bigint")], [], id="wider"),
        pytest.param(
            {"id": "bigint"}, [Column("id", "int")], [], [], [("id", "bigint", "int")], id="narrower in the contract"
        ),
        pytest.param({"id": "string"}, [ID], [], [], [("id", "string", "bigint")], id="of another kind"),
        pytest.param(
            {"m": "decimal(12,2)"},
            [Column("m", "decimal(14,4)")],
            [],
            [],
            [("m", "decimal(12,2)", "decimal(14,4)")],
            id="another scale",
        ),
        pytest.param({"id": "bigint", "name": "string"}, [ID], [], [], [("name", "string", None)], id="dropped"),
        pytest.param(
            {"id": "bigint", "title": "string"}, [ID, NAME], [NAME], [], [("title", "string", None)], id="renamed"
        ),
        pytest.param({"id": "bigint", "_batch_id": "string"}, [ID], [], [], [], id="Alur's own column"),
        pytest.param(
            {"id": "int", "gone": "date", "name": "int"},
            [ID, NAME, Column("x", "date")],
            [Column("x", "date")],
            [("id", "int", "bigint")],
            [("name", "int", "string"), ("gone", "date", None)],
            id="all at once",
        ),
    ],
)
def test_a_table_gains_columns_and_wider_types_and_loses_nothing(have, wanted, added, widened, refused):
    plan = plan_evolution(have, wanted)
    assert list(plan.added) == added
    assert list(plan.widened) == [ColumnChange(*change) for change in widened]
    assert list(plan.refused) == [ColumnChange(*change) for change in refused]
    assert plan.is_empty == (not added and not widened and not refused)


def test_what_is_refused_says_both_types_and_what_to_do():
    said = ColumnChange("id", "bigint", "int").refusal
    assert "column id is bigint in the table and int in the contract" in said
    assert "declare it bigint again" in said


def test_what_is_dropped_says_the_tables_type_and_what_to_do():
    said = ColumnChange("name", "string", None).refusal
    assert "column name is string in the table" in said
    assert "declare it again, nullable" in said


def test_a_contracts_columns_are_its_fields_in_order_the_required_ones_too():
    class EvolvingBronze(BronzeTable):
        id = LongField(nullable=False, description="its number")
        price = DecimalField(12, 2)

        class Meta:
            source_path = "s3://b/*.csv"
            source_system = "shop"

    columns = columns_of(EvolvingBronze.contract())
    assert columns == (Column("id", "bigint", "its number"), Column("price", "decimal(12,2)"))
    assert plan_evolution({"price": "decimal(12,2)"}, columns).added == columns[:1]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"a": IntegerField()}, {"a": LongField()}),
        ({"a": DecimalField(9, 2)}, {"a": DecimalField(12, 2)}),
        ({"a": IntegerField()}, {"a": IntegerField(), "b": StringField()}),
    ],
)
def test_every_change_that_ends_a_refusal_changes_the_fingerprint_by_which_files_become_due(before, after):
    def fingerprint(fields):
        meta = type("Meta", (), {"source_path": "s3://b/*.csv", "source_system": "shop"})
        return type("EvolvingBronze", (BronzeTable,), {**fields, "Meta": meta}).contract().fingerprint

    assert fingerprint(before) != fingerprint(after)
