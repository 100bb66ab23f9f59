"""A contract that changes over a table that is there: what the table becomes, and which files fail."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import pytest
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession
from workbench import DATABASE, Servers, Workbench, contract_of, next_name, rows_of

from alur.aws.catalog import find_table, read_partitions
from alur.clock import utc_now
from alur.contracts import DecimalField, IntegerField, LongField, StringField, TimestampField
from alur.contracts.contract import Contract
from alur.contracts.evolution import Column
from alur.engine import tables
from alur.engine.refusals import refusal_of
from alur.engine.tables import alter_statements, create_statement, ensure_iceberg, ensure_table
from alur.errors import ColumnChange, ContractNarrowed, TableRefused, TableUnsupported
from alur.ledger.batches import BatchState
from alur.ledger.transitions import is_due

pytestmark = [pytest.mark.spark, pytest.mark.stack]

MakeBench = Callable[[Contract], Workbench]

NARROW: dict[str, Any] = {"id": IntegerField(), "amount": DecimalField(9, 2)}
WIDE: dict[str, Any] = {"id": LongField(), "amount": DecimalField(14, 2)}
NOTE = StringField(description="it's new")
BEYOND_INT = 3_000_000_000


def make(bench: Workbench) -> None:
    """Make the table, or alter it, as a run does before it reads."""
    ensure_table(bench.spark, "alur", DATABASE, bench.contract)


def types_of(bench: Workbench) -> Mapping[str, str]:
    fields = bench.spark.table(bench.table_name).schema.fields
    return {field.name: field.dataType.simpleString() for field in fields if not field.name.startswith("_")}


def test_columns_that_a_contract_gains_are_added_and_rows_of_before_are_read_and_replaced(bench: Workbench):
    bench.put("a.csv", rows_of(1))
    bench.put("b.csv", rows_of(2))
    bench.ingest("a.csv", "b.csv")
    fields = {"id": LongField(nullable=False), "name": StringField(), "amount": DecimalField(12, 2)}
    grown = bench.with_contract(contract_of({**fields, "note": NOTE, "code": LongField(nullable=False)}))
    grown.put("a.csv", b"id,name,amount,note,code\n10,x,1,new,7\n")
    grown.ingest("a.csv")
    rows = bench.spark.sql(f"SELECT id, note, code FROM {bench.table_name} ORDER BY id").collect()
    assert [tuple(row) for row in rows] == [(2, None, None), (10, "new", 7)]
    (comment,) = [row[2] for row in bench.spark.sql(f"DESCRIBE {bench.table_name}").collect() if row[0] == "note"]
    assert comment == "it's new"


def test_a_wider_type_is_taken_over_and_rows_of_before_are_read_and_replaced(bench_for: MakeBench):
    bench = bench_for(contract_of(NARROW, partition_by=["bucket(4, id)"]))
    bench.put("a.csv", b"id,amount\n1,1.50\n2,2.50\n")
    bench.put("b.csv", b"id,amount\n3,3.50\n")
    bench.ingest("a.csv", "b.csv")
    assert types_of(bench) == {"id": "int", "amount": "decimal(9,2)"}
    wide = bench.with_contract(contract_of(WIDE, partition_by=["bucket(4, id)"]))
    wide.put("a.csv", f"id,amount\n{BEYOND_INT},123456789012.50\n".encode())
    wide.ingest("a.csv")
    assert types_of(bench) == {"id": "bigint", "amount": "decimal(14,2)"}
    assert bench.values("id") == [3, BEYOND_INT]
    assert bench.values("amount") == [Decimal("3.50"), Decimal("123456789012.50")]


def test_what_would_lose_something_fails_its_files_by_name_and_alters_nothing(bench_for: MakeBench):
    bench = bench_for(contract_of({**WIDE, "note": NOTE}))
    bench.put("a.csv", b"id,amount,note\n1,1,x\n")
    bench.ingest("a.csv")
    before = types_of(bench)
    narrowed = bench.with_contract(contract_of({"id": IntegerField(), "amount": DecimalField(18, 2), "new": NOTE}))
    narrowed.put("b.csv", b"id,amount,note\n2,2,y\n")
    narrowed.put("c.csv", b"id,amount,new\n3,3,z\n")
    batch = narrowed.claim("b.csv", "c.csv")
    assert narrowed.run(batch)
    for name in ("b.csv", "c.csv"):
        item = narrowed.attributes(name)
        assert (item["status"], item["error_type"], item["error_is_permanent"]) == ("failed", "ContractNarrowed", True)
        assert "column id is bigint in the table and int in the contract" in item["error_message"]
        assert "column note is string in the table, and the contract has none" in item["error_message"]
    assert narrowed.batch_state(batch) is BatchState.CLOSED
    assert types_of(bench) == before
    assert bench.values("id") == [1]

    mended = bench.with_contract(contract_of({"id": LongField(), "amount": DecimalField(18, 2), "note": NOTE}))
    failed, now = narrowed.item("b.csv"), utc_now()
    assert failed is not None
    assert not is_due(failed, now, narrowed.contract.fingerprint)
    assert is_due(failed, now, mended.contract.fingerprint)
    mended.ingest("b.csv")
    assert bench.values("id") == [1, 2]


def test_the_partitioning_of_a_table_that_is_there_stays_and_the_job_goes_on(bench_for: MakeBench, servers: Servers):
    fields = {"id": LongField(), "at": TimestampField(), "region": StringField()}
    texts = ["days(at)", "bucket(16, id)", "region"]
    bench = bench_for(contract_of(fields, partition_by=texts))
    bench.put("a.csv", b"id,at,region\n1,2024-01-01T00:00:00Z,eu\n")
    bench.ingest("a.csv")
    there = find_table(servers.glue, DATABASE, bench.key)
    assert there is not None
    assert read_partitions(bench.storage, there) == bench.contract.partition_by
    other = bench.with_contract(contract_of(fields, partition_by=["months(at)"]))
    other.put("b.csv", b"id,at,region\n2,2024-02-01T00:00:00Z,us\n")
    other.ingest("b.csv")
    there = find_table(servers.glue, DATABASE, bench.key)
    assert there is not None
    assert read_partitions(bench.storage, there) == bench.contract.partition_by
    assert bench.values("id") == [1, 2]


@pytest.mark.parametrize("texts", [["id", "hours(at)", "bucket(3, id)", "truncate(2, name)"], ["years(at)"]])
def test_the_catalog_says_of_every_partitioning_what_the_contract_said(
    bench_for: MakeBench, servers: Servers, texts: list[str]
):
    bench = bench_for(contract_of({"id": LongField(), "at": TimestampField(), "name": NOTE}, partition_by=texts))
    make(bench)
    there = find_table(servers.glue, DATABASE, bench.key)
    assert there is not None
    assert read_partitions(bench.storage, there) == bench.contract.partition_by


def test_the_catalog_says_the_columns_of_now_and_none_that_were_dropped(bench_for: MakeBench, servers: Servers):
    bench = bench_for(contract_of({**NARROW, "at": TimestampField(), "note": NOTE}))
    make(bench)
    bench.spark.sql(f"ALTER TABLE {bench.table_name} DROP COLUMN note")
    make(bench.with_contract(contract_of({**WIDE, "at": TimestampField()})))
    there = find_table(servers.glue, DATABASE, bench.key)
    assert there is not None
    assert {name: kind for name, kind in there.columns.items() if not name.startswith("_")} == types_of(bench)
    assert "note" not in there.columns


def test_jobs_that_alter_a_table_at_once_all_find_it_as_the_contract_says(bench_for: MakeBench):
    bench = bench_for(contract_of(NARROW))
    make(bench)
    grown = contract_of({**WIDE, **{f"more_{number}": NOTE for number in range(5)}})
    at_once = threading.Barrier(3)

    def job(_: int) -> None:
        other = bench.with_contract(grown)
        other.spark = bench.spark.newSession()
        at_once.wait(60)
        make(other)

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(job, range(3)))
    assert types_of(bench) == {field.name: field.spark_type for field in grown.fields}


def test_an_alteration_that_somebody_else_makes_first_is_not_made_again(
    bench_for: MakeBench, monkeypatch: pytest.MonkeyPatch
):
    bench = bench_for(contract_of(NARROW))
    make(bench)
    grown = contract_of({**WIDE, "note": NOTE, "late": NOTE})
    render = tables.alter_statements
    calls: list[list[str]] = []

    def outrun(name: str, have: Mapping[str, str], columns: Sequence[Column]) -> list[str]:
        statements = render(name, have, columns)
        calls.append(statements)
        if len(calls) == 1:
            for statement in render(name, have, [column for column in columns if column.name != "late"]):
                bench.spark.sql(statement)
        return statements

    monkeypatch.setattr(tables, "alter_statements", outrun)
    make(bench.with_contract(grown))
    assert [len(statements) for statements in calls] == [3, 1]
    assert types_of(bench) == {field.name: field.spark_type for field in grown.fields}


def test_a_table_that_can_never_be_altered_is_given_up_after_some_attempts(spark: SparkSession):
    name = f"alur.{DATABASE}.{next_name().lower()}"
    ensure_iceberg(spark, name, [Column("a", "int")])
    slept: list[float] = []
    with pytest.raises(PySparkException):
        ensure_iceberg(spark, name, [Column("a", "int"), Column("b", "no_such_type")], sleep=slept.append)
    assert len(slept) == tables._ALTER_ATTEMPTS - 1


def test_a_table_of_any_columns_is_made_partitioned_and_grows(spark: SparkSession):
    name = f"alur.{DATABASE}.{next_name().lower()}__rejects"
    columns = [Column("line", "int", "where it's"), Column("at", "timestamp")]
    ensure_iceberg(spark, name, columns, partition_sql="days(`at`)", comment="what's not stored")
    ensure_iceberg(spark, name, [Column("line", "bigint"), *columns[1:], Column("raw", "string")])
    fields = [(field.name, field.dataType.simpleString()) for field in spark.table(name).schema.fields]
    assert fields == [("line", "bigint"), ("at", "timestamp"), ("raw", "string")]
    with pytest.raises(TableUnsupported) as caught:
        ensure_iceberg(spark, name, columns)
    assert {change.column for change in caught.value.refused} == {"line", "raw"}


def test_statements_add_all_columns_in_one_commit_and_widen_each() -> None:
    wanted = [Column("a", "bigint"), Column("b", "string", "it's"), Column("c", "date")]
    assert alter_statements("x.y.z", {"a": "int"}, wanted) == [
        "ALTER TABLE x.y.z ADD COLUMNS (`b` string COMMENT 'it\\'s', `c` date)",
        "ALTER TABLE x.y.z ALTER COLUMN `a` TYPE bigint",
    ]
    assert alter_statements("x.y.z", {"a": "bigint", "b": "string", "c": "date"}, wanted) == []
    assert "PARTITIONED BY" not in create_statement("x.y.z", wanted)


def test_a_file_that_its_table_cannot_take_fails_by_the_name_of_what_is_wrong() -> None:
    change = ColumnChange("id", "bigint", "int")
    narrowed = refusal_of("s3://b/k", TableUnsupported("x.y.z", "no", [change]))
    assert isinstance(narrowed, ContractNarrowed)
    assert (narrowed.table, narrowed.refused) == ("x.y.z", (change,))
    assert "tried again when the contract changes" in str(narrowed)
    assert isinstance(refusal_of("s3://b/k", TableUnsupported("x.y.z", "merge-on-read")), TableRefused)
