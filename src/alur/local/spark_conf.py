"""Spark's configuration directory of a running stack: with it a plain session reads S3 and the catalog of the stack.

`SPARK_CONF_DIR` names it to whoever runs pyspark, so that a script of the user's need not know that it is local.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from alur.dispatch.sizing import Capacity, size, spark_configuration
from alur.local.class_archive import find_class_archive
from alur.local.emr.configuration import plan_submission
from alur.local.emr.driver import QUIET_LOG_SETTINGS
from alur.local.environment import Endpoints
from alur.local.jars import jar_paths
from alur.local.paths import Paths

_CORES = 2

# Spark announces every interactive session's level, unless it is the root's already.
_LOG_SETTINGS = (
    QUIET_LOG_SETTINGS
    + """\
logger.gateway.name = org.apache.spark.api.python.PythonGatewayServer
logger.gateway.level = error
"""
)


def write_spark_conf(
    paths: Paths, endpoints: Endpoints, outputs: Mapping[str, str], directory: Path, scratch: Path
) -> None:
    """Write `spark-defaults.conf` and `log4j2.properties`, with what a job run of the stack is configured with.

    Args:
        paths: where the jars are.
        endpoints: where the stack listens.
        outputs: the deployment's outputs.
        directory: the directory to write.
        scratch: where sessions write what they do not keep.

    Raises:
        LocalStackError: there are no jars.
    """
    directory.mkdir(parents=True, exist_ok=True)
    log_settings = directory / "log4j2.properties"
    log_settings.write_text(_LOG_SETTINGS)
    asked = spark_configuration(
        # The sizes do not matter, for one process is driver and executors.
        size(0, 1, Capacity(8, 32)),
        archive_uri=outputs["ArchiveUri"],
        warehouse_uri=f"s3://{outputs['LakeBucket']}/warehouse",
    )
    jars = [str(jar) for jar in jar_paths(paths, "spark")]
    plan = plan_submission(asked, endpoints.aws, jars, _CORES, str(log_settings), find_class_archive(paths))
    settings = {
        **plan.settings,
        "spark.master": f"local[{_CORES}]",
        "spark.driver.memory": "2g",
        "spark.ui.showConsoleProgress": "false",
        "spark.local.dir": str(scratch / "tmp"),
        "spark.sql.warehouse.dir": str(scratch / "warehouse"),
    }
    (directory / "spark-defaults.conf").write_text(render_properties(settings), encoding="utf-8")


def render_properties(settings: Mapping[str, str]) -> str:
    """Render settings as a Java properties file, as Spark reads it: UTF-8, sorted by name.

    Args:
        settings: names without blanks, colons and equals signs, and values of one line.
    """
    # A backslash begins an escape sequence wherever it stands.
    lines = [f"{name} {value}".replace("\\", "\\\\") for name, value in sorted(settings.items())]
    return "\n".join(lines) + "\n"
