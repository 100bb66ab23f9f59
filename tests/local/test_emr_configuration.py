from __future__ import annotations

from pathlib import Path

import pytest

from alur.local.emr.configuration import (
    CLASS_ARCHIVE_LOGS,
    Archive,
    RefusedConfiguration,
    megabytes,
    parse_submit_parameters,
    plan_submission,
    spark_defaults,
)

ASKED = {
    "spark.archives": "s3://b/alur.tar.gz#code",
    "spark.emr-serverless.driverEnv.PYTHONPATH": "./code",
    "spark.executorEnv.PYTHONPATH": "./other",
    "spark.executor.cores": "1",
    "spark.executor.instances": "1",
    "spark.driver.memory": "3g",
    "spark.dynamicAllocation.enabled": "false",
    "spark.sql.catalog.alur": "org.apache.iceberg.spark.SparkCatalog",
    "spark.sql.catalog.alur.warehouse": "s3://lake/warehouse",
}


def plan(settings):
    return plan_submission(settings, "http://127.0.0.1:1", ["/jars/a.jar"], 8, "/log4j2.properties")


def test_submit_parameters_are_split_as_a_shell_would():
    text = "--conf spark.a=1 --conf 'spark.b=two words' --conf=spark.c=x=y --py-files s3://b/x.zip"
    assert parse_submit_parameters(text) == {
        "spark.a": "1",
        "spark.b": "two words",
        "spark.c": "x=y",
        "spark.submit.pyFiles": "s3://b/x.zip",
    }


@pytest.mark.parametrize("text", ["--unknown x", "--conf", "--conf nothing", "stray", "--conf 'open"])
def test_submit_parameters_that_mean_nothing_are_refused(text):
    with pytest.raises(RefusedConfiguration):
        parse_submit_parameters(text)


def test_what_emr_interprets_itself_does_not_reach_spark():
    settings = plan(ASKED).settings
    assert not [name for name in settings if "emr-serverless" in name or "dynamicAllocation" in name]
    assert "spark.archives" not in settings
    assert "spark.executor.instances" not in settings
    assert settings["spark.sql.catalog.alur.warehouse"] == "s3://lake/warehouse"


def test_archives_keep_their_alias_and_the_drivers_environment_wins():
    made = plan(ASKED)
    assert made.archives == (Archive("s3://b/alur.tar.gz", "code"),)
    assert made.environment == {"PYTHONPATH": "./code"}


def test_workers_become_threads_and_the_drivers_memory_is_capped():
    assert plan(ASKED).settings["spark.master"] == "local[1]"
    assert plan(ASKED).settings["spark.driver.memory"] == "2048m"
    assert plan({"spark.executor.cores": "16", "spark.driver.memory": "1g"}).settings["spark.master"] == "local[8]"


def test_every_iceberg_catalog_of_the_request_addresses_buckets_by_path():
    assert plan(ASKED).settings["spark.sql.catalog.alur.s3.path-style-access"] == "true"
    assert "spark.sql.catalog.other.s3.path-style-access" not in plan(ASKED).settings


def test_the_jvm_starts_from_its_loaded_classes_where_they_are_kept_and_says_nothing_of_them():
    made = plan_submission(ASKED, "http://127.0.0.1:1", [], 8, "/log4j2.properties", Path("/x/spark.jsa"))
    assert f"-XX:SharedArchiveFile=/x/spark.jsa {CLASS_ARCHIVE_LOGS}" in made.settings["spark.driver.extraJavaOptions"]
    assert "SharedArchiveFile" not in plan(ASKED).settings["spark.driver.extraJavaOptions"]


def test_spark_defaults_come_from_the_overrides():
    classification = {"classification": "spark-defaults", "properties": {"spark.a": "1"}}
    assert spark_defaults({"applicationConfiguration": [classification]}) == {"spark.a": "1"}
    assert spark_defaults({}) == {}


@pytest.mark.parametrize(
    ("size", "expected"), [("4g", 4096), ("512m", 512), ("3000m", 3000), ("1024k", 1), ("2GB", 2048)]
)
def test_memory_sizes_are_read_as_spark_reads_them(size, expected):
    assert megabytes(size) == expected


def test_a_size_that_is_none_is_refused():
    with pytest.raises(RefusedConfiguration):
        plan({"spark.driver.memory": "much"})
