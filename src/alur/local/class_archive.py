"""An archive of Spark's loaded classes (Java's class data sharing), from which each run here starts in half the time.

`python -m alur.local.class_archive` makes it for `make`. Nothing needs it: without it, or with one of another Java or
other jars, the JVM loads its classes from the jars.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from alur.local.emr.configuration import CLASS_ARCHIVE_LOGS, plan_submission
from alur.local.emr.driver import QUIET_LOG_SETTINGS
from alur.local.jars import jar_paths
from alur.local.java import find_java
from alur.local.paths import Paths, find_paths

_CORES = 2
_NO_S3 = "http://127.0.0.1:1"


def find_class_archive(paths: Paths) -> Path | None:
    """Return the archive, if there is one.

    Args:
        paths: the checkout.
    """
    return paths.class_archive if paths.class_archive.is_file() else None


def make_class_archive(paths: Paths, say: Callable[[str], None]) -> None:
    """Have Spark do once what a run does, and keep the classes that it loaded.

    Args:
        paths: the checkout.
        say: told of the progress.

    Raises:
        LocalStackError: there is no Java that will do, or there are no jars.
    """
    find_java()
    jars = [str(jar) for jar in jar_paths(paths, "spark")]
    say("classes: Spark runs once, so that each later run starts in half the time (about 40 s)")
    directory = Path(tempfile.mkdtemp(prefix="alur-classes-"))
    try:
        log_settings = directory / "log4j2.properties"
        log_settings.write_text(QUIET_LOG_SETTINGS)
        made = directory / "spark.jsa"
        asked = {
            "spark.sql.extensions": "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions",
            "spark.driver.extraJavaOptions": f"-XX:ArchiveClassesAtExit={made} {CLASS_ARCHIVE_LOGS}",
        }
        plan = plan_submission(asked, _NO_S3, jars, _CORES, str(log_settings))
        settings = {
            **plan.settings,
            "spark.ui.showConsoleProgress": "false",
            "spark.local.dir": str(directory / "tmp"),
        }
        arguments = " ".join(f"--conf '{name}={value}'" for name, value in settings.items())
        environment = {**os.environ, "SPARK_LOCAL_IP": "127.0.0.1", "PYSPARK_PYTHON": sys.executable}
        environment["PYSPARK_SUBMIT_ARGS"] = f"{arguments} pyspark-shell"
        done = subprocess.run(
            [sys.executable, "-m", "alur.engine.warm_up", str(directory)],
            cwd=directory,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0 or not made.is_file():
            said = "\n".join((done.stdout + done.stderr).splitlines()[-5:])
            say(f"classes: this Java made no archive of them; runs start slower, and nothing else changes:\n{said}")
            return
        shutil.move(made, paths.class_archive)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    make_class_archive(find_paths(), lambda line: print(line, flush=True))  # noqa: T201 - progress of `make`
