"""One Spark session for every suite that needs one, configured as the local EMR Serverless configures a run's."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from alur.dispatch.sizing import Capacity, size, spark_configuration
from alur.local.class_archive import find_class_archive
from alur.local.emr.configuration import COMPILER, plan_submission
from alur.local.emr.driver import QUIET_LOG_SETTINGS
from alur.local.environment import Endpoints, isolated_environment
from alur.local.jars import jar_paths
from alur.local.paths import Paths

LAKE = "spark-suite-lake"
"""The bucket of the catalog's warehouse, of records and of copies."""


def start_session(endpoints: Endpoints, paths: Paths, directory: Path) -> SparkSession:
    """Return the session, started by the first who asks.

    Args:
        endpoints: the servers; the JVM finds them by its environment, as a job does.
        paths: where the jars are.
        directory: for what Spark writes on this machine.
    """
    active = SparkSession.getActiveSession()
    if active is not None:
        return active
    log_settings = directory / "log4j2.properties"
    log_settings.write_text(QUIET_LOG_SETTINGS)
    configuration = spark_configuration(
        size(1_000, 1, Capacity(8, 32)), archive_uri="s3://none/none.tar.gz", warehouse_uri=f"s3://{LAKE}/warehouse"
    )
    jars = [str(jar) for jar in jar_paths(paths, "spark")]
    plan = plan_submission(configuration, endpoints.aws, jars, 2, str(log_settings), find_class_archive(paths))
    builder = SparkSession.builder
    for name, value in plan.settings.items():
        builder = builder.config(name, value)
    builder = builder.config("spark.master", "local[2]").config("spark.driver.memory", "2g")
    # It lives as long as all suites do: the optimising compiler pays, as on EMR.
    options = plan.settings["spark.driver.extraJavaOptions"].replace(COMPILER, "")
    builder = builder.config("spark.driver.extraJavaOptions", options)
    builder = builder.config("spark.local.dir", str(directory / "tmp"))
    builder = builder.config("spark.sql.warehouse.dir", str(directory / "warehouse"))
    builder = builder.config("spark.ui.showConsoleProgress", "false")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in isolated_environment(endpoints, os.environ).items():
            patch.setenv(name, value)
        patch.setenv("SPARK_LOCAL_IP", "127.0.0.1")
        session = builder.getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    return session


def stop_session() -> None:
    """Stop the session and its JVM, if there is one."""
    active = SparkSession.getActiveSession()
    if active is None:
        return
    gateway = active.sparkContext._gateway
    active.stop()
    if gateway is not None:
        gateway.shutdown()
        process = getattr(gateway, "proc", None)
        if process is not None:
            process.stdin.close()
            process.wait(timeout=30)
