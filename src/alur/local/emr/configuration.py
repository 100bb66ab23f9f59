"""What EMR Serverless does with a request's Spark settings, done for Spark on one machine. Pure: no I/O.

EMR interprets some settings itself (archives, the driver's environment, worker sizes) and provides others (S3, where
its Iceberg is). Everything else reaches Spark as the request says.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DRIVER_MEMORY_LIMIT_MB = 2048
"""What a driver gets at most here, whatever the request says: executors run inside of it."""

# A run here lasts a minute, most of which the optimising compiler would take for itself.
COMPILER = "-XX:TieredStopAtLevel=1"
"""The JVM's option for how it compiles."""

# It would say on the job's stdout that an archive is of another Java, or of other jars: then it does without.
CLASS_ARCHIVE_LOGS = "-Xlog:cds*=off,class+path*=off"
"""The JVM's option that keeps it quiet about an archive of classes."""

# Options of spark-submit that are settings under another name (`spark-submit --help`).
_OPTIONS = {
    "--name": "spark.app.name",
    "--jars": "spark.jars",
    "--packages": "spark.jars.packages",
    "--py-files": "spark.submit.pyFiles",
    "--files": "spark.files",
    "--archives": "spark.archives",
    "--driver-memory": "spark.driver.memory",
    "--driver-cores": "spark.driver.cores",
    "--executor-memory": "spark.executor.memory",
    "--executor-cores": "spark.executor.cores",
    "--num-executors": "spark.executor.instances",
}
_DRIVER_ENVIRONMENT = "spark.emr-serverless.driverEnv."
_EXECUTOR_ENVIRONMENT = "spark.executorEnv."
_SIZES = (
    "spark.driver.cores",
    "spark.driver.memoryOverhead",
    "spark.executor.memory",
    "spark.executor.memoryOverhead",
    "spark.executor.cores",
    "spark.executor.instances",
    "spark.master",
    "spark.submit.deployMode",
)
_DYNAMIC_ALLOCATION = "spark.dynamicAllocation."
_ICEBERG_CATALOGS = ("org.apache.iceberg.spark.SparkCatalog", "org.apache.iceberg.spark.SparkSessionCatalog")
_UNITS_MB = {"": 1 / 1024**2, "b": 1 / 1024**2, "k": 1 / 1024, "m": 1, "g": 1024, "t": 1024**2}


class RefusedConfiguration(ValueError):
    """The request's Spark settings mean nothing; its text becomes the run's `stateDetails`."""


@dataclass(frozen=True, slots=True)
class Archive:
    """An archive that is unpacked into the driver's working directory.

    Args:
        uri: where it is.
        alias: the directory's name.
    """

    uri: str
    alias: str


@dataclass(frozen=True, slots=True)
class Submission:
    """What to run on this machine.

    Args:
        settings: every `--conf` of spark-submit.
        environment: what the request adds to the driver's environment.
        archives: what to unpack before.
    """

    settings: Mapping[str, str]
    environment: Mapping[str, str]
    archives: tuple[Archive, ...]


def parse_submit_parameters(text: str) -> dict[str, str]:
    """Parse `sparkSubmitParameters` into settings.

    Raises:
        RefusedConfiguration: an option that is not known here, or one without its value.
    """
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise RefusedConfiguration(f"sparkSubmitParameters: {error}") from error
    settings: dict[str, str] = {}
    position = 0
    while position < len(words):
        option, attached, value = words[position].partition("=")
        if not option.startswith("--"):
            raise RefusedConfiguration(f"sparkSubmitParameters: {words[position]!r} is no option")
        position += 1
        if not attached:
            if position >= len(words):
                raise RefusedConfiguration(f"sparkSubmitParameters: {option} has no value")
            value = words[position]
            position += 1
        if option == "--conf":
            name, equals, setting = value.partition("=")
            if not equals:
                raise RefusedConfiguration(f"sparkSubmitParameters: --conf {value!r} is no name=value")
            settings[name] = setting
        elif option in _OPTIONS:
            settings[_OPTIONS[option]] = value
        else:
            raise RefusedConfiguration(f"sparkSubmitParameters: the local stack does not know {option}")
    return settings


def spark_defaults(overrides: Mapping[str, Any]) -> dict[str, str]:
    """Return the settings of `configurationOverrides`, classification `spark-defaults`."""
    settings: dict[str, str] = {}
    for configuration in overrides.get("applicationConfiguration") or []:
        if configuration.get("classification") == "spark-defaults":
            settings.update(configuration.get("properties") or {})
    return settings


def megabytes(size: str) -> int:
    """Return a Spark memory size (`4g`, `512m`) in MB, rounded up.

    Raises:
        RefusedConfiguration: it is no size.
    """
    found = re.fullmatch(r"(\d+)\s*([bkmgt]?)b?", size.strip().lower())
    if not found:
        raise RefusedConfiguration(f"{size!r} is no memory size")
    return max(1, round(int(found.group(1)) * _UNITS_MB[found.group(2)] + 0.499))


def plan_submission(
    settings: Mapping[str, str],
    endpoint: str,
    jars: Sequence[str],
    cores: int,
    log_settings: str,
    class_archive: Path | None = None,
) -> Submission:
    """Turn the settings of a request into those of Spark on this machine.

    Args:
        settings: what the request asks for.
        endpoint: URL of S3.
        jars: paths of the jars that EMR's image would hold.
        cores: how many this machine has.
        log_settings: path of the log4j2 configuration.
        class_archive: the JVM's loaded classes, if they are kept.

    Raises:
        RefusedConfiguration: a value means nothing.
    """
    environment: dict[str, str] = {}
    passed: dict[str, str] = {}
    for name, value in settings.items():
        if name.startswith(_EXECUTOR_ENVIRONMENT):
            # The executors live in the driver's process, whose own environment comes below and wins.
            environment.setdefault(name.removeprefix(_EXECUTOR_ENVIRONMENT), value)
        elif not _interpreted_by_emr(name):
            passed[name] = value
    for name, value in settings.items():
        if name.startswith(_DRIVER_ENVIRONMENT):
            environment[name.removeprefix(_DRIVER_ENVIRONMENT)] = value

    wanted_cores = _number(settings, "spark.executor.cores", 4) * _number(settings, "spark.executor.instances", 3)
    driver_mb = min(megabytes(settings.get("spark.driver.memory", "14g")), DRIVER_MEMORY_LIMIT_MB)
    own_jars = [jar for jar in settings.get("spark.jars", "").split(",") if jar]
    provided = {
        "spark.master": f"local[{max(1, min(wanted_cores, cores))}]",
        "spark.driver.memory": f"{driver_mb}m",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.ui.enabled": "false",
        "spark.jars": ",".join([*own_jars, *jars]),
        "spark.driver.extraJavaOptions": " ".join(
            [
                f"-Dlog4j2.configurationFile={log_settings}",
                COMPILER,
                *([] if class_archive is None else [f"-XX:SharedArchiveFile={class_archive} {CLASS_ARCHIVE_LOGS}"]),
                passed.get("spark.driver.extraJavaOptions", ""),
            ]
        ).strip(),
        "spark.hadoop.fs.s3.impl": "org.apache.hadoop.fs.s3a.S3AFileSystem",
        "spark.hadoop.fs.s3a.endpoint": endpoint,
        "spark.hadoop.fs.s3a.path.style.access": "true",
        "spark.hadoop.fs.s3a.connection.ssl.enabled": "false",
    }
    for name, value in settings.items():
        if value in _ICEBERG_CATALOGS and name.startswith("spark.sql.catalog."):
            # The servers here are known by an address, not by a name that a bucket's could be put in front of.
            provided[f"{name}.s3.path-style-access"] = "true"
    return Submission({**passed, **provided}, environment, _archives(settings.get("spark.archives", "")))


def _interpreted_by_emr(name: str) -> bool:
    return name in _SIZES or name == "spark.archives" or name.startswith(("spark.emr-serverless.", _DYNAMIC_ALLOCATION))


def _number(settings: Mapping[str, str], name: str, default: int) -> int:
    value = settings.get(name, str(default))
    if not value.isdigit():
        raise RefusedConfiguration(f"{name}={value!r} is no number")
    return int(value)


def _archives(value: str) -> tuple[Archive, ...]:
    archives = []
    for entry in filter(None, value.split(",")):
        uri, _, alias = entry.partition("#")
        archives.append(Archive(uri, alias or uri.rsplit("/", 1)[-1]))
    return tuple(archives)
