"""What a job asks of Spark, with nothing but a folder: for who wants the engine's classes loaded, not its result.

`python -m alur.engine.warm_up DIRECTORY`
"""

from __future__ import annotations

import sys
from pathlib import Path

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from alur.ingestion.jvm import few_rows

_TABLE = "warm_up.db.rows"


def warm_up(spark: SparkSession, directory: Path) -> int:
    """Read a file, and write, replace and count its rows in an Iceberg table; return how many there are at the end.

    Args:
        spark: a session with Iceberg.
        directory: an empty one.
    """
    spark.conf.set("spark.sql.catalog.warm_up", "org.apache.iceberg.spark.SparkCatalog")
    spark.conf.set("spark.sql.catalog.warm_up.type", "hadoop")
    spark.conf.set("spark.sql.catalog.warm_up.warehouse", str(directory / "warehouse"))
    file = directory / "rows.csv"
    file.write_text("id,text\n1,a\n2,b\n3,\n")
    spark.sql(f"CREATE TABLE {_TABLE} (id BIGINT, text STRING, at TIMESTAMP) USING iceberg")
    lines = spark.read.schema("id string, text string").option("header", "true").csv(str(file))
    known = few_rows(spark, [("id", "string"), ("at", "timestamp")], [("1", "2024-01-01"), ("3", "2024-01-02")])
    rows = lines.join(F.broadcast(known), "id", "left").select(F.col("id").try_cast("bigint"), "text", "at")
    rows.writeTo(_TABLE).append()
    _python_rows(spark).writeTo(_TABLE).append()
    few_rows(spark, [("key", "bigint")], [(2,)]).createOrReplaceTempView("gone")
    spark.sql(f"DELETE FROM {_TABLE} WHERE id >= 1 AND id IN (SELECT key FROM gone)")
    counted = spark.table(_TABLE).groupBy("text").agg(F.count("*").alias("rows"), F.count_if(F.col("id") > 1))
    return sum(row["rows"] for row in counted.collect())


def _python_rows(spark: SparkSession) -> DataFrame:
    found = spark.sparkContext.parallelize([4], 1).map(lambda number: (number, "d", None))
    return spark.createDataFrame(found, "id bigint, text string, at timestamp")


if __name__ == "__main__":
    session = SparkSession.builder.getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    warm_up(session, Path(sys.argv[1]))
    session.stop()
