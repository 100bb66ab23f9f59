"""Whatever is made of a load is traced to it, or refused by the name of the call that hides it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from session_bench import MakeBench, SessionBench
from workbench import is_bronze, once_before, rows_of

from alur.engine.iceberg import IcebergTable
from alur.errors import UntrackedDataFrame

pytestmark = [pytest.mark.spark, pytest.mark.stack]


def _by_sql(rows: DataFrame) -> DataFrame:
    rows.createOrReplaceTempView("alur_suite_rows")
    return rows.sparkSession.sql(
        "WITH some AS (SELECT * FROM alur_suite_rows WHERE id > 0)"
        " SELECT upper(name) AS name, id, amount, _ingested_at, _source_system, _source_file, _source_etag, _batch_id,"
        " _rescued_data FROM some"
    )


def _looked_up(rows: DataFrame) -> DataFrame:
    names = rows.sparkSession.createDataFrame([(1, "one")], "id long, called string")
    return rows.join(names, "id", "left").withColumn("name", F.coalesce("called", "name")).drop("called")


def _exploded(rows: DataFrame) -> DataFrame:
    return rows.withColumn("name", F.explode(F.array(F.lit("x"), F.lit("y"))))


KEPT: dict[str, tuple[Callable[[DataFrame], DataFrame], int]] = {
    "as it is": (lambda rows: rows, 3),
    "withColumn": (lambda rows: rows.withColumn("name", F.upper("name")), 3),
    "filter": (lambda rows: rows.filter("id < 3"), 2),
    "select": (lambda rows: rows.select("_source_file", "_source_etag", "_batch_id", "id", "name"), 3),
    "cache": (lambda rows: rows.cache(), 3),
    "SQL over a view": (_by_sql, 3),
    "dropDuplicates": (lambda rows: rows.dropDuplicates(["id"]), 3),
    "orderBy and limit": (lambda rows: rows.orderBy("id").limit(1), 1),
    "repartition": (lambda rows: rows.repartition(2), 3),
    "fillna": (lambda rows: rows.fillna("none"), 3),
    "a join with a lookup": (_looked_up, 3),
    "a window": (
        lambda rows: (
            rows.withColumn("n", F.expr("row_number() OVER (PARTITION BY name ORDER BY id)")).where("n = 1").drop("n")
        ),
        1,
    ),
    "explode": (_exploded, 6),
    "rename and back": (lambda rows: rows.withColumnRenamed("_batch_id", "b").withColumnRenamed("b", "_batch_id"), 3),
    "a union of parts": (lambda rows: rows.where("id = 1").union(rows.where("id <> 1")), 3),
    "a semi-join with itself": (lambda rows: rows.join(rows.select("id").distinct(), "id", "left_semi"), 3),
}


@pytest.mark.parametrize("name", KEPT)
def test_tracking_survives(session: SessionBench, name: str) -> None:
    transform, rows = KEPT[name]
    session.put("a.csv", rows_of(1, 2, 3))
    result = session.write(transform(session.load()))
    assert (result.files, result.rows) == (1, rows)
    assert session.state("a.csv") == ("completed", rows)
    assert session.rows() == {"a.csv": rows}


HIDDEN: dict[str, tuple[Callable[[DataFrame], DataFrame], str]] = {
    "an aggregate": (
        lambda rows: rows.groupBy("_source_file", "_source_etag", "_batch_id").agg(F.max("id").alias("id")),
        "groupBy or agg",
    ),
    "collected rows": (
        lambda rows: rows.sparkSession.createDataFrame(rows.collect(), rows.schema),
        "createDataFrame",
    ),
    "a checkpoint": (lambda rows: rows.localCheckpoint(), "checkpoint"),
    "a key column gone": (lambda rows: rows.drop("_source_etag"), "has no _source_etag"),
    "a key column changed": (lambda rows: rows.withColumn("_source_file", F.lit("s3://b/x")), "computed anew"),
    "key columns exchanged": (
        lambda rows: rows.withColumn("_source_file", F.col("_source_etag")),
        "under a new name",
    ),
    "the wrong side of an outer join": (
        lambda rows: rows.join(rows.sparkSession.createDataFrame([(1,)], "id long"), "id", "right"),
        "join",
    ),
    "the same rows twice": (lambda rows: rows.union(rows), "twice"),
}


@pytest.mark.parametrize("name", HIDDEN)
def test_what_cannot_be_traced_is_refused_and_its_files_are_free(session: SessionBench, name: str) -> None:
    transform, said = HIDDEN[name]
    session.put("a.csv", rows_of(1, 2))
    rows = session.load()
    with pytest.raises(UntrackedDataFrame, match=said):
        session.write(transform(rows))
    assert session.run_once().files == (1 if name == "the same rows twice" else 0)
    if name != "the same rows twice":
        session.write(rows)
    assert session.rows() == {"a.csv": 2}


def test_of_two_loads_the_one_that_is_written_is_completed(session: SessionBench) -> None:
    session.put("x/a.csv", rows_of(1))
    session.put("y/b.csv", rows_of(2))
    written, left = session.load(session.glob("x/*")), session.load(session.glob("y/*"))
    assert session.write(written).paths == (session.path("x/a.csv"),)
    assert session.state("y/b.csv")[0] == "processing"
    assert session.write(left).files == 1


def test_a_union_of_two_loads_completes_both_each_by_its_own_commit(session: SessionBench) -> None:
    session.put("x/a.csv", rows_of(1))
    session.put("y/b.csv", rows_of(2, 3))
    both = session.load(session.glob("x/*")).unionByName(session.load(session.glob("y/*")))
    result = session.write(both)
    assert (result.files, result.rows) == (2, 3)
    assert session.rows() == {"x/a.csv": 1, "y/b.csv": 2}
    assert len(session.published()) == 2


def test_a_load_is_written_into_its_own_table_only(session: SessionBench, session_for: MakeBench) -> None:
    other = session_for()
    session.put("a.csv", rows_of(1))
    rows = session.load()
    with pytest.raises(UntrackedDataFrame, match="is written into"):
        other.write(rows)
    assert session.write(rows).files == 1


def test_a_load_is_written_once(session: SessionBench) -> None:
    session.put("a.csv", rows_of(1))
    rows = session.load()
    session.write(rows)
    with pytest.raises(UntrackedDataFrame, match="written already"):
        session.write(rows.withColumn("name", F.lit("again")))
    assert session.rows() == {"a.csv": 1}


def test_a_call_that_fails_beside_the_one_that_writes_lets_nothing_of_the_load_go(
    session: SessionBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    session.put("a.csv", rows_of(1))
    rows = session.load()

    def another_call() -> None:
        with pytest.raises(UntrackedDataFrame, match="another call is writing the load"):
            session.write(rows.withColumn("no_column", F.lit(1)))
        assert session.state("a.csv")[0] == "processing"

    once_before(monkeypatch, IcebergTable, "commit", another_call, is_bronze)
    assert session.write(rows).rows == 1
    assert session.state("a.csv") == ("completed", 1)


def test_of_two_loads_of_which_one_was_written_the_other_stays_as_it_was(session: SessionBench) -> None:
    session.put("x/a.csv", rows_of(1))
    session.put("y/b.csv", rows_of(2))
    written, left = session.load(session.glob("x/*")), session.load(session.glob("y/*"))
    session.write(written)
    with pytest.raises(UntrackedDataFrame, match="written already"):
        session.write(left.unionByName(written))
    assert session.write(left).files == 1


def test_a_frame_of_no_load_is_refused(session: SessionBench) -> None:
    session.put("a.csv", rows_of(1))
    session.run_once()
    with pytest.raises(UntrackedDataFrame, match=r"spark\.table"):
        session.write(session.adapter.read_table(session.target))


def test_a_join_of_two_loads_is_refused(session: SessionBench, session_for: MakeBench) -> None:
    other = session_for()
    session.put("a.csv", rows_of(1))
    other.put("b.csv", rows_of(1))
    theirs = other.load().select("id", F.col("name").alias("called"))
    with pytest.raises(UntrackedDataFrame, match="both sides are loads"):
        session.write(session.load().join(theirs, "id").drop("called"))
