"""The Spark session that pipelines run in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def get_spark_session(app_name: str = "alur", config: Mapping[str, str] | None = None) -> SparkSession:
    """Return the session of this process, or make one as Spark's own configuration says.

    In a job it is the job's. Elsewhere it is made of `spark-defaults.conf` (`SPARK_CONF_DIR`): it must know the Iceberg
    catalog `alur` and read `s3://`. `eval "$(alur local env)"` sets that up for the local stack.

    Args:
        app_name: what a new session is called.
        config: further settings of a new session.
    """
    # Here: a pipeline's module is imported where there is no Spark, to be listed and checked.
    from pyspark.sql import SparkSession

    active = SparkSession.getActiveSession()
    if active is not None:
        return active
    builder = SparkSession.builder.appName(app_name)
    for name, value in (config or {}).items():
        builder = builder.config(name, value)
    return builder.getOrCreate()
