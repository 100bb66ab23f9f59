"""Rows and classes of the JVM without Python workers and without a search through every jar."""

from __future__ import annotations

import pytest
from py4j.java_gateway import JavaClass, JavaPackage
from pyspark.sql import SparkSession

from alur.ingestion.jvm import few_rows, java_class

pytestmark = [pytest.mark.spark, pytest.mark.stack]

COLUMNS = [("path", "string"), ("number", "int")]


def test_few_rows_are_what_was_given(spark: SparkSession):
    rows = [
        ("s3://b/ü \n\r\u2028\\\"'.csv", 1),
        ("", None),
        (None, -2),
        ("\U0001f600\ufeff", 2**31 - 1),
        ("s3://b/%20+{x}[y].csv", 0),
    ]
    assert [tuple(row) for row in few_rows(spark, COLUMNS, rows).collect()] == rows


def test_no_rows_have_their_columns(spark: SparkSession):
    nothing = few_rows(spark, COLUMNS, [])
    assert (nothing.dtypes, nothing.collect()) == (COLUMNS, [])


@pytest.mark.parametrize("rows", [[], [("a", 1)], [(f"s3://b/{number}", number) for number in range(2_000)]])
def test_no_python_worker_brings_them(spark: SparkSession, rows):
    frame = few_rows(spark, COLUMNS, rows)
    assert frame._jdf.queryExecution().optimizedPlan().getClass().getSimpleName() == "LocalRelation"


def test_a_class_is_found_by_its_whole_name(spark: SparkSession):
    assert isinstance(java_class(spark, "java.util.ArrayList"), JavaClass)
    assert isinstance(java_class(spark, "org.apache.iceberg.SnapshotChanges"), JavaClass)
    assert isinstance(java_class(spark, "org.apache.iceberg.NoSuchClass"), JavaPackage)
