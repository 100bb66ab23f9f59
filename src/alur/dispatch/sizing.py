"""How large a run is, and the Spark configuration that it is started with: complete, nothing left to a default.

The worker sizes that exist: https://docs.aws.amazon.com/emr/latest/EMR-Serverless-UserGuide/app-behavior.html.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from alur.errors import SettingsError

MAX_SUBMIT_PARAMETERS_CHARACTERS = 102_400
"""The most that StartJobRun takes as `sparkSubmitParameters`."""

CATALOG = "alur"
"""The name of the Iceberg catalog in Spark."""

ARCHIVE_FOLDER = "code"
"""The folder that the archive is unpacked to, in the working directory of the driver and of the executors."""

_MIB = 1024 * 1024
_BYTES_PER_CORE = 256 * _MIB
# Opening a file costs about as much as reading this much of one; Spark's own estimate, 4 MiB, is for a cluster's disks.
_BYTES_PER_FILE = _MIB
# What the driver keeps for each file (manifest, claims, record, rows by file) is some kilobytes.
_FILES_PER_DRIVER = ((10_000, 1), (100_000, 2))
# GB for each vCPU. 1 vCPU with 4 GB is the smallest worker that others were seen to run Iceberg in; 2 GB is legal.
_GB_PER_CORE = 4
_LARGEST_WORKER_CORES = 4

# vCPU: least GB, most GB, step in GB
_LEGAL_MEMORY_GB: Mapping[int, tuple[int, int, int]] = {
    1: (2, 8, 1),
    2: (4, 16, 1),
    4: (8, 30, 1),
    8: (16, 60, 4),
    16: (32, 120, 8),
}

_PLAIN = re.compile(r"[A-Za-z0-9._:/#@%+=,-]+")


@dataclass(frozen=True, slots=True)
class Capacity:
    """What one run may take.

    Args:
        vcpu: the most vCPU of driver and executors together.
        memory_gb: the most memory of them together, in GB.
    """

    vcpu: int
    memory_gb: int


@dataclass(frozen=True, slots=True)
class Worker:
    """The size of a driver or an executor.

    Args:
        cores: vCPU.
        memory_gb: the JVM's heap, in GB.
        overhead_gb: what the worker has beside the heap (Python, buffers), in GB.
    """

    cores: int
    memory_gb: int
    overhead_gb: int

    @property
    def total_memory_gb(self) -> int:
        """What EMR bills and checks: heap and overhead, in GB."""
        return self.memory_gb + self.overhead_gb

    @property
    def is_legal(self) -> bool:
        """Whether EMR Serverless has workers of this size."""
        if self.cores not in _LEGAL_MEMORY_GB:
            return False
        least, most, step = _LEGAL_MEMORY_GB[self.cores]
        return least <= self.total_memory_gb <= most and self.total_memory_gb % step == 0


@dataclass(frozen=True, slots=True)
class Workers:
    """What a run asks for.

    Args:
        driver: the driver's size.
        executor: each executor's size.
        executor_count: how many executors.
    """

    driver: Worker
    executor: Worker
    executor_count: int

    @property
    def vcpu(self) -> int:
        """The vCPU of driver and executors together."""
        return self.driver.cores + self.executor.cores * self.executor_count

    @property
    def memory_gb(self) -> int:
        """The memory of driver and executors together, in GB."""
        return self.driver.total_memory_gb + self.executor.total_memory_gb * self.executor_count


def size(total_bytes: int, file_count: int, limits: Capacity) -> Workers:
    """Choose the workers for what a run is to read.

    The executors follow the bytes, the driver follows the number of files. What does not fit is made smaller, the
    executors first: a request above an application's capacity makes EMR call a run failed that has committed.

    Args:
        total_bytes: the size of all files of all batches of the run.
        file_count: how many files.
        limits: what the run may take.

    Raises:
        SettingsError: the limits do not hold the smallest driver and executor.
    """
    smallest = _worker(1)
    if limits.vcpu < 2 * smallest.cores:
        raise SettingsError("ALUR_MAX_VCPU", f"{limits.vcpu} vCPU hold no run; set it to {2 * smallest.cores} or more")
    if limits.memory_gb < 2 * smallest.total_memory_gb:
        raise SettingsError(
            "ALUR_MAX_MEMORY_GB",
            f"{limits.memory_gb} GB hold no run; set it to {2 * smallest.total_memory_gb} or more",
        )
    work_bytes = max(total_bytes, 0) + max(file_count, 0) * _BYTES_PER_FILE
    wanted_cores = max(1, -(-work_bytes // _BYTES_PER_CORE))
    driver_cores = next((cores for files, cores in _FILES_PER_DRIVER if file_count <= files), _LARGEST_WORKER_CORES)
    while driver_cores > 1 and not _executors(_worker(driver_cores), wanted_cores, limits):
        driver_cores //= 2
    driver = _worker(driver_cores)
    candidates = _executors(driver, wanted_cores, limits)
    most_useful = max(_useful_cores(workers, wanted_cores) for workers in candidates)
    # Large executors waste less on overhead than small ones fill of what is left of the capacity, up to a quarter.
    return max(
        (workers for workers in candidates if 4 * _useful_cores(workers, wanted_cores) >= 3 * most_useful),
        key=lambda workers: workers.executor.cores,
    )


def _useful_cores(workers: Workers, wanted_cores: int) -> int:
    return min(workers.executor.cores * workers.executor_count, wanted_cores)


def _worker(cores: int) -> Worker:
    total_gb = cores * _GB_PER_CORE
    overhead_gb = max(1, -(-total_gb // 10))
    return Worker(cores, total_gb - overhead_gb, overhead_gb)


def _executors(driver: Worker, wanted_cores: int, limits: Capacity) -> list[Workers]:
    """Return what fits beside a driver: for each size of an executor the most of them that are of use."""
    fitting: list[Workers] = []
    cores = 1
    while cores <= _LARGEST_WORKER_CORES and cores < 2 * wanted_cores:
        executor = _worker(cores)
        count = min(
            -(-wanted_cores // cores),
            (limits.vcpu - driver.cores) // cores,
            (limits.memory_gb - driver.total_memory_gb) // executor.total_memory_gb,
        )
        if count >= 1:
            fitting.append(Workers(driver, executor, count))
        cores *= 2
    return fitting


def spark_configuration(
    workers: Workers, *, archive_uri: str, warehouse_uri: str, environment: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Return the whole Spark configuration of a run.

    Args:
        workers: the sizes.
        archive_uri: `s3://…/alur.tar.gz`, our code and its libraries.
        warehouse_uri: where the tables are, `s3://…/warehouse`.
        environment: further environment variables for the driver and the executors.
    """
    catalog = f"spark.sql.catalog.{CATALOG}"
    configuration = {
        "spark.driver.cores": str(workers.driver.cores),
        "spark.driver.memory": f"{workers.driver.memory_gb}g",
        "spark.driver.memoryOverhead": f"{workers.driver.overhead_gb}g",
        "spark.executor.cores": str(workers.executor.cores),
        "spark.executor.memory": f"{workers.executor.memory_gb}g",
        "spark.executor.memoryOverhead": f"{workers.executor.overhead_gb}g",
        "spark.executor.instances": str(workers.executor_count),
        # EMR asks for the largest of instances, initialExecutors (3 by default) and minExecutors while this is on.
        "spark.dynamicAllocation.enabled": "false",
        # Manifest, ledger and look need no executor: they run while the executors boot.
        "spark.scheduler.minRegisteredResourcesRatio": "0",
        "spark.archives": f"{archive_uri}#{ARCHIVE_FOLDER}",
        "spark.sql.extensions": "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions",
        catalog: "org.apache.iceberg.spark.SparkCatalog",
        f"{catalog}.catalog-impl": "org.apache.iceberg.aws.glue.GlueCatalog",
        f"{catalog}.io-impl": "org.apache.iceberg.aws.s3.S3FileIO",
        f"{catalog}.warehouse": warehouse_uri,
        # The look must see what others commit: a cached table would hide it.
        f"{catalog}.cache-enabled": "false",
        # Spark's own catalog is not used; EMR's default one would ask Glue for a database `default`.
        "spark.sql.catalogImplementation": "in-memory",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.ansi.enabled": "true",
    }
    for name, value in {**(environment or {}), "PYTHONPATH": f"./{ARCHIVE_FOLDER}"}.items():
        configuration[f"spark.emr-serverless.driverEnv.{name}"] = value
        configuration[f"spark.executorEnv.{name}"] = value
    return configuration


def render_spark_submit_parameters(configuration: Mapping[str, str]) -> str:
    """Render a configuration as StartJobRun's `sparkSubmitParameters`, the names sorted.

    How EMR takes quotes apart is documented nowhere, so that nothing is quoted, and what would need it is refused.

    Args:
        configuration: Spark's settings.

    Raises:
        SettingsError: a name or value holds blanks, quotes or other characters that a shell would read, or all
            together are too long for StartJobRun.
    """
    parts: list[str] = []
    for name, value in sorted(configuration.items()):
        if not _PLAIN.fullmatch(name) or "=" in name or not _PLAIN.fullmatch(value):
            raise SettingsError(name, f"{value!r} would need quotes in sparkSubmitParameters; use another value")
        parts.append(f"--conf {name}={value}")
    parameters = " ".join(parts)
    if len(parameters) > MAX_SUBMIT_PARAMETERS_CHARACTERS:
        raise SettingsError(
            "sparkSubmitParameters",
            f"{len(parameters)} characters, and StartJobRun takes {MAX_SUBMIT_PARAMETERS_CHARACTERS}; set fewer",
        )
    return parameters
