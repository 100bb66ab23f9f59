"""Tables that differ from their contract, or from what publishing needs."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from workbench import Workbench, contract_of, once_before, rows_of

from alur.contracts import DecimalField, LongField, StringField, TimestampField
from alur.contracts.contract import Contract
from alur.engine.iceberg import IcebergTable
from alur.engine.tables import PROPERTIES

pytestmark = [pytest.mark.spark, pytest.mark.stack]

MERGE_ON_READ = "ALTER TABLE {table} SET TBLPROPERTIES ('write.delete.mode'='merge-on-read')"


def test_a_partitioned_table_takes_and_replaces_files_over_its_partitions(
    bench_for: Callable[[Contract], Workbench],
):
    fields = {"id": LongField(nullable=False), "at": TimestampField(), "code": DecimalField(4, 0)}
    bench = bench_for(contract_of(fields, partition_by=["days(at)", "bucket(4, id)"], description="it's partitioned"))
    days = [f"2024-01-{day:02d}T10:00:00Z" for day in range(1, 11)]
    body = "id,at,code\n" + "".join(f"{number},{at},{number}\n" for number, at in enumerate(days)) + "99,,\n"
    bench.put("a.csv", body.encode())
    bench.put("b.csv", b"id,at,code\n50,2024-01-01T00:00:00Z,7\n")
    bench.ingest("a.csv", "b.csv")
    assert bench.rows() == {"a.csv": 11, "b.csv": 1}
    spec = bench.spark.sql(f"SELECT DISTINCT partition.at_day FROM {bench.table_name}.partitions").collect()
    assert len(spec) == 11
    bench.put("a.csv", b"id,at,code\n1,2024-01-02T10:00:00Z,8\n")
    bench.ingest("a.csv")
    assert bench.values("id") == [1, 50]


def test_a_table_is_made_with_the_properties_that_publishing_needs(bench: Workbench):
    bench.put("a.csv", rows_of(1))
    bench.ingest("a.csv")
    properties = {row[0]: row[1] for row in bench.spark.sql(f"SHOW TBLPROPERTIES {bench.table_name}").collect()}
    assert {name: properties.get(name) for name in PROPERTIES} == PROPERTIES


def test_a_merge_on_read_table_is_refused_before_and_while_staging(bench: Workbench, monkeypatch: pytest.MonkeyPatch):
    bench.put("a.csv", rows_of(1, 2))
    bench.put("b.csv", rows_of(8))
    bench.ingest("a.csv", "b.csv")
    bench.put("a.csv", rows_of(3))
    batch = bench.claim("a.csv")
    switch = MERGE_ON_READ.format(table=bench.table_name)
    with monkeypatch.context() as patch:
        once_before(patch, IcebergTable, "remove_rows", lambda: bench.spark.sql(switch))
        assert bench.run(batch)
    assert bench.state("a.csv") == ("failed", "TableRefused")
    assert "delete files" in bench.attributes("a.csv")["error_message"]
    again = bench.claim("a.csv")
    assert bench.run(again)
    assert bench.state("a.csv") == ("failed", "TableRefused")
    assert "write.delete.mode is merge-on-read" in bench.attributes("a.csv")["error_message"]
    assert bench.values("id") == [1, 2, 8]
    assert bench.branches() == ["main"]

    bench.spark.sql(f"ALTER TABLE {bench.table_name} SET TBLPROPERTIES ('write.delete.mode'='copy-on-write')")
    bench.ingest("a.csv")
    assert bench.values("id") == [3, 8]


def test_a_table_whose_name_and_texts_hold_quotes_and_reserved_words_is_made(
    bench_for: Callable[[Contract], Workbench],
):
    fields = {
        "select": LongField(),
        "order": StringField(description='it\'s a \\ "word"\nof two lines'),
        "1st": LongField(),
    }
    bench = bench_for(contract_of(fields, description="what's \\ here"))
    bench.put("a.csv", b"select,order,1st\n1,x,2\n")
    bench.ingest("a.csv")
    assert bench.rows() == {"a.csv": 1}
