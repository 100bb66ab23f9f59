"""What PySpark itself does at a price, got from the JVM directly."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F


def java_class(spark: SparkSession, name: str) -> Any:
    """Return a class of the JVM, to make objects of or to call its static methods.

    `spark._jvm.org.apache…` asks for each package on the way whether it is a class, and each time every jar is looked
    through, some 300 of them, before the answer is no. Asked for by its whole name, it is found at once.

    Args:
        spark: the session.
        name: the class's, with its package.
    """
    return getattr(spark._jvm, name)


def few_rows(spark: SparkSession, columns: Sequence[tuple[str, str]], rows: Sequence[Sequence[Any]]) -> DataFrame:
    """Return some rows as a DataFrame that no Python worker is needed for.

    `createDataFrame` sends the rows of a list through Python workers, even where nothing else of a plan needs any, and
    their start takes longer than the plan. These are a LocalRelation.

    Args:
        spark: the session.
        columns: (name, Spark type).
        rows: in the order of the columns; None, or what becomes the type when its text is cast.
    """
    if rows:
        # A row each, and no line end in it: JSON escapes them.
        lines = "\n".join(json.dumps([None if value is None else str(value) for value in row]) for row in rows)
        texts = java_class(spark, "java.util.regex.Pattern").compile("\n").splitAsStream(lines).toList()
    else:
        texts = java_class(spark, "java.util.ArrayList")()
    session: Any = spark._jsparkSession
    encoder = java_class(spark, "org.apache.spark.sql.Encoders").STRING()
    frame = DataFrame(session.createDataset(texts, encoder).toDF(), spark)
    cells = frame.select(F.from_json("value", "array<string>").alias("cells"))
    return cells.select(*[F.col("cells")[index].cast(kind).alias(name) for index, (name, kind) in enumerate(columns)])
