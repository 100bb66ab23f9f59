"""The size of a run, and the configuration that it is started with."""

from __future__ import annotations

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alur.dispatch.sizing import (
    MAX_SUBMIT_PARAMETERS_CHARACTERS,
    Capacity,
    Worker,
    Workers,
    render_spark_submit_parameters,
    size,
    spark_configuration,
)
from alur.errors import SettingsError

KIB, MIB, GIB = 1024, 1024**2, 1024**3
DEFAULT = Capacity(vcpu=16, memory_gb=64)
HUGE = Capacity(vcpu=4_000, memory_gb=16_000)
SMALLEST = Workers(Worker(1, 3, 1), Worker(1, 3, 1), 1)


@pytest.mark.parametrize(("total_bytes", "file_count"), [(0, 0), (0, 1), (40 * KIB, 2), (MIB, 50), (200 * MIB, 1)])
def test_a_batch_of_kilobytes_asks_for_the_smallest_driver_and_executor(total_bytes, file_count):
    workers = size(total_bytes, file_count, DEFAULT)
    assert workers == SMALLEST
    assert (workers.vcpu, workers.memory_gb) == (2, 8)


@pytest.mark.parametrize(
    ("total_bytes", "file_count", "executor_cores", "executor_count", "driver_cores"),
    [
        (31 * MIB, 365, 2, 1, 1),
        (GIB - MIB, 1, 4, 1, 1),
        (4 * GIB - MIB, 1, 4, 4, 1),
        (100 * GIB, 100, 4, 101, 1),
        (100 * MIB, 10_001, 4, 10, 2),
        (100 * MIB, 100_001, 4, 98, 4),
    ],
)
def test_executors_follow_the_bytes_and_the_driver_the_files(
    total_bytes, file_count, executor_cores, executor_count, driver_cores
):
    workers = size(total_bytes, file_count, HUGE)
    assert workers.executor.cores == executor_cores
    assert workers.executor_count == executor_count
    assert workers.driver.cores == driver_cores


@pytest.mark.parametrize(
    ("limits", "executor_cores", "executor_count", "driver_cores"),
    [
        (Capacity(16, 64), 4, 3, 1),
        (Capacity(8, 32), 2, 3, 1),  # one of 4 vCPU would leave three of the seven unused
        (Capacity(17, 68), 4, 4, 1),
        (Capacity(2, 8), 1, 1, 1),
        (Capacity(3, 64), 2, 1, 1),
        (Capacity(100, 20), 4, 1, 1),
        (Capacity(5, 1000), 4, 1, 1),
    ],
)
def test_what_does_not_fit_is_made_smaller(limits, executor_cores, executor_count, driver_cores):
    workers = size(100 * GIB, 10, limits)
    assert (workers.executor.cores, workers.executor_count) == (executor_cores, executor_count)
    assert workers.driver.cores == driver_cores


def test_a_large_driver_gives_way_to_the_executors():
    assert size(GIB, 1_000_000, Capacity(4, 16)).driver.cores == 2
    assert size(GIB, 1_000_000, Capacity(2, 8)) == SMALLEST


@pytest.mark.parametrize(
    ("limits", "name"),
    [
        (Capacity(1, 100), "ALUR_MAX_VCPU"),
        (Capacity(0, 0), "ALUR_MAX_VCPU"),
        (Capacity(16, 7), "ALUR_MAX_MEMORY_GB"),
    ],
)
def test_a_capacity_that_holds_no_run_is_refused_by_the_setting_s_name(limits, name):
    with pytest.raises(SettingsError) as caught:
        size(1, 1, limits)
    assert caught.value.name == name


@given(st.integers(0, 10 * 1024 * GIB), st.integers(0, 10_000_000), st.integers(2, 4_000), st.integers(8, 16_000))
def test_every_run_fits_its_limits_in_workers_that_emr_has(total_bytes, file_count, vcpu, memory_gb):
    workers = size(total_bytes, file_count, Capacity(vcpu, memory_gb))
    assert workers.executor_count >= 1
    assert workers.vcpu <= vcpu
    assert workers.memory_gb <= memory_gb
    for worker in (workers.driver, workers.executor):
        assert worker.is_legal
        # EMR adds to what is below 384 MB or a tenth of the heap: then the sum would not be whole GB.
        assert worker.overhead_gb * 10 >= worker.memory_gb


@given(st.integers(0, 100 * GIB), st.integers(0, 100 * GIB), st.integers(0, 5_000))
def test_more_bytes_never_make_a_smaller_run(some, more, file_count):
    fewer, bigger = sorted((some, more))
    small, large = size(fewer, file_count, HUGE), size(bigger, file_count, HUGE)
    assert small.executor.cores * small.executor_count <= large.executor.cores * large.executor_count


@pytest.mark.parametrize(
    ("worker", "legal"),
    [
        (Worker(1, 3, 1), True),
        (Worker(1, 1, 1), True),
        (Worker(1, 1, 0), False),
        (Worker(1, 8, 1), False),
        (Worker(2, 14, 2), True),
        (Worker(3, 8, 1), False),
        (Worker(4, 28, 3), False),
        (Worker(8, 16, 1), False),
        (Worker(8, 18, 2), True),
        (Worker(16, 100, 12), True),
        (Worker(16, 100, 16), False),
    ],
)
def test_the_sizes_that_emr_has_are_known(worker, legal):
    assert worker.is_legal is legal


def configuration(**changes) -> dict[str, str]:
    arguments = {
        "archive_uri": "s3://artifacts/code/0f/alur.tar.gz",
        "warehouse_uri": "s3://lake/warehouse",
        **changes,
    }
    return spark_configuration(SMALLEST, **arguments)


def test_the_configuration_of_a_run_is_complete():
    assert configuration() == {
        "spark.driver.cores": "1",
        "spark.driver.memory": "3g",
        "spark.driver.memoryOverhead": "1g",
        "spark.executor.cores": "1",
        "spark.executor.memory": "3g",
        "spark.executor.memoryOverhead": "1g",
        "spark.executor.instances": "1",
        "spark.dynamicAllocation.enabled": "false",
        "spark.scheduler.minRegisteredResourcesRatio": "0",
        "spark.archives": "s3://artifacts/code/0f/alur.tar.gz#code",
        "spark.emr-serverless.driverEnv.PYTHONPATH": "./code",
        "spark.executorEnv.PYTHONPATH": "./code",
        "spark.sql.extensions": "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions",
        "spark.sql.catalog.alur": "org.apache.iceberg.spark.SparkCatalog",
        "spark.sql.catalog.alur.catalog-impl": "org.apache.iceberg.aws.glue.GlueCatalog",
        "spark.sql.catalog.alur.io-impl": "org.apache.iceberg.aws.s3.S3FileIO",
        "spark.sql.catalog.alur.warehouse": "s3://lake/warehouse",
        "spark.sql.catalog.alur.cache-enabled": "false",
        "spark.sql.catalogImplementation": "in-memory",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.ansi.enabled": "true",
    }


def test_environment_variables_reach_driver_and_executors_and_never_replace_the_code_s_path():
    made = configuration(environment={"AWS_REGION": "eu-west-1", "PYTHONPATH": "/elsewhere"})
    for prefix in ("spark.emr-serverless.driverEnv.", "spark.executorEnv."):
        assert made[f"{prefix}AWS_REGION"] == "eu-west-1"
        assert made[f"{prefix}PYTHONPATH"] == "./code"


def test_the_rendered_parameters_say_the_whole_configuration_and_need_no_quotes():
    rendered = render_spark_submit_parameters(configuration())
    words = shlex.split(rendered)
    assert words == rendered.split(" ")
    assert words[0::2] == ["--conf"] * len(configuration())
    assert dict(word.split("=", 1) for word in words[1::2]) == configuration()


def test_the_same_configuration_is_always_rendered_the_same():
    reverse = dict(reversed(configuration().items()))
    assert render_spark_submit_parameters(reverse) == render_spark_submit_parameters(configuration())


@pytest.mark.parametrize("value", ["a b", "a'b", 'a"b', "a\\b", "a\nb", "$HOME", "a;b", "`x`", "", "a*"])
def test_a_value_that_would_need_quotes_is_refused_by_name(value):
    with pytest.raises(SettingsError, match=r"spark\.x"):
        render_spark_submit_parameters({"spark.x": value})


@pytest.mark.parametrize("name", ["a=b", "a b", ""])
def test_a_name_that_would_be_taken_apart_is_refused(name):
    with pytest.raises(SettingsError):
        render_spark_submit_parameters({name: "x"})


def test_parameters_that_start_job_run_would_refuse_are_refused_first():
    room = MAX_SUBMIT_PARAMETERS_CHARACTERS - len("--conf k=")
    assert len(render_spark_submit_parameters({"k": "x" * room})) == MAX_SUBMIT_PARAMETERS_CHARACTERS
    with pytest.raises(SettingsError, match="102401 characters"):
        render_spark_submit_parameters({"k": "x" * (room + 1)})
