"""One job run: entry point and archives from S3, `spark-submit` in a fresh directory, the driver's logs to S3.

The job sees the code of its archive and pyspark, nothing of this checkout or its virtual environment: the interpreter
is the one that the environment was made from.
"""

from __future__ import annotations

import contextlib
import gzip
import importlib.util
import os
import subprocess
import sys
import tarfile
import threading
import time
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from alur.local.children import Children
from alur.local.emr.configuration import (
    RefusedConfiguration,
    Submission,
    parse_submit_parameters,
    plan_submission,
    spark_defaults,
)
from alur.local.emr.model import Outcome, Run
from alur.local.environment import Endpoints, isolated_environment

_POLL_SECONDS = 0.1
_CANCEL_GRACE_SECONDS = 5.0

# What a driver says on every start, and means nothing: left out of its log.
_NOISE = (b"WARNING: Using incubator modules: jdk.incubator.vector",)

LOG_SETTINGS = """\
# Warnings of Spark and of what it stands on; what the job itself logs comes through Python's logging.
status = error
rootLogger.level = warn
rootLogger.appenderRef.stderr.ref = stderr
appender.console.type = Console
appender.console.name = stderr
appender.console.target = SYSTEM_ERR
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d{yyyy-MM-dd'T'HH:mm:ss.SSSX}{UTC} %p %c{1}: %m%n%ex
# There is no native Hadoop library on most machines, and none is needed.
logger.native.name = org.apache.hadoop.util.NativeCodeLoader
logger.native.level = error
# 127.0.0.1 is what is wanted.
logger.utils.name = org.apache.spark.util.Utils
logger.utils.level = error
# A plan of 20 columns is too long for it to print whole.
logger.plans.name = org.apache.spark.util.SparkStringUtils
logger.plans.level = error
# It looks for a metrics file that nobody needs.
logger.metrics.name = org.apache.hadoop.metrics2
logger.metrics.level = error
"""

QUIET_LOG_SETTINGS = LOG_SETTINGS.replace("rootLogger.level = warn", "rootLogger.level = error")
"""The same for who looks at what is printed: errors only."""


class SparkDriver:
    """Drives runs by `spark-submit`; one instance serves every slot.

    Args:
        endpoints: where the local stack listens.
        s3: a boto3 client of its S3.
        children: starts and ends processes.
        directory: each run works in a directory of its own below this one.
        jars: paths of the jars that EMR's image would hold.
        environment: the environment to derive the driver's from.
        log_uri: the application's log URI, for requests that name none; given an application id.
        class_archive: the JVM's loaded classes, if they are kept.
    """

    def __init__(
        self,
        endpoints: Endpoints,
        s3: Any,
        children: Children,
        directory: Path,
        jars: list[Path],
        environment: Mapping[str, str],
        log_uri: Callable[[str], str | None],
        class_archive: Path | None = None,
    ) -> None:
        self._endpoints = endpoints
        self._s3 = s3
        self._children = children
        self._directory = directory
        self._jars = jars
        self._environment = dict(environment)
        self._log_uri = log_uri
        self._class_archive = class_archive

    def __call__(self, run: Run, started: Callable[[], None], cancelled: threading.Event) -> Outcome:
        """Run a job to its end; see `alur.local.emr.runs.Drive`."""
        directory = self._directory / run.run_id
        directory.mkdir(parents=True)
        try:
            command, environment = self._prepare(run, directory)
        except RefusedConfiguration as refused:
            return Outcome(False, str(refused))
        except self._s3.exceptions.ClientError as error:
            return Outcome(False, f"Job failed: {run.request.entry_point} or an archive cannot be fetched: {error}")
        stdout, stderr = directory / "stdout", directory / "stderr"
        try:
            return self._run(run, command, environment, directory, started, cancelled)
        finally:
            self._keep_logs(run, {"stdout": stdout, "stderr": stderr})

    def _prepare(self, run: Run, directory: Path) -> tuple[list[str], dict[str, str]]:
        request = run.request
        settings = {**spark_defaults(request.overrides), **parse_submit_parameters(request.submit_parameters)}
        log_settings = directory / "log4j2.properties"
        log_settings.write_text(LOG_SETTINGS)
        plan = plan_submission(
            settings,
            self._endpoints.aws,
            [str(jar) for jar in self._jars],
            os.cpu_count() or 1,
            str(log_settings),
            self._class_archive,
        )
        script = self._fetch(request.entry_point, directory)
        for archive in plan.archives:
            _unpack(self._fetch(archive.uri, directory), directory / archive.alias)
        home = spark_home()
        command = [str(home / "bin" / "spark-submit")]
        settings_here = {
            **plan.settings,
            "spark.sql.warehouse.dir": str(directory / "warehouse"),
            # On EMR Serverless the Spark application's id is the job run's; local mode takes one by this name only.
            "spark.test.appId": run.run_id,
        }
        for name, value in sorted(settings_here.items()):
            command += ["--conf", f"{name}={value}"]
        environment = self._driver_environment(run, plan, home)
        return [*command, str(script), *request.arguments], {**environment, "SPARK_LOCAL_DIRS": str(directory / "tmp")}

    def _driver_environment(self, run: Run, plan: Submission, home: Path) -> dict[str, str]:
        base = isolated_environment(self._endpoints, self._environment)
        for name in ("PYTHONPATH", "VIRTUAL_ENV", "PYTHONHOME", "SPARK_CONF_DIR", "SPARK_SUBMIT_OPTS"):
            base.pop(name, None)
        python = getattr(sys, "_base_executable", None) or sys.executable
        return {
            **base,
            "SPARK_HOME": str(home),
            "SPARK_LOCAL_IP": "127.0.0.1",
            "PYSPARK_PYTHON": python,
            "PYSPARK_DRIVER_PYTHON": python,
            "PYTHONNOUSERSITE": "1",
            "PYTHONUNBUFFERED": "1",
            # EMR Serverless tells a job who it is by these two.
            "EMR_SERVERLESS_APPLICATION_ID": run.request.application_id,
            "EMR_SERVERLESS_JOB_RUN_ID": run.run_id,
            **plan.environment,
        }

    def _run(
        self,
        run: Run,
        command: list[str],
        environment: dict[str, str],
        directory: Path,
        started: Callable[[], None],
        cancelled: threading.Event,
    ) -> Outcome:
        if cancelled.is_set():
            return Outcome(False, "")
        with (directory / "stdout").open("wb") as stdout:
            process = self._children.start(
                command, str(directory), environment, directory, stdout=stdout, stderr=subprocess.PIPE
            )
        started()
        pump = threading.Thread(target=_pump, args=(process.stderr, directory / "stderr"), daemon=True)
        pump.start()
        deadline = time.monotonic() + 60 * run.request.timeout_minutes
        ended_by = ""
        while process.poll() is None:
            if cancelled.wait(_POLL_SECONDS):
                ended_by = "cancelled"
            elif time.monotonic() > deadline:
                ended_by = f"Job execution timed out: it ran for {run.request.timeout_minutes} minutes."
            if ended_by:
                self._children.stop(process, _CANCEL_GRACE_SECONDS)
        self._children.stop(process, 0.0)
        pump.join(_CANCEL_GRACE_SECONDS)
        if ended_by:
            return Outcome(False, ended_by)
        if process.returncode == 0:
            return Outcome(True, "")
        last = _last_words(directory)
        problem = "Job failed, please check complete logs in configured logging destination."
        return Outcome(False, f"{problem} ExitCode: {process.returncode}. Last few exceptions: {last}")

    def _fetch(self, uri: str, directory: Path) -> Path:
        bucket, key = split_uri(uri)
        target = directory / key.rsplit("/", 1)[-1]
        self._s3.download_file(bucket, key, str(target))
        return target

    def _keep_logs(self, run: Run, files: Mapping[str, Path]) -> None:
        monitoring = run.request.overrides.get("monitoringConfiguration") or {}
        configured = (monitoring.get("s3MonitoringConfiguration") or {}).get("logUri")
        uri = configured or self._log_uri(run.request.application_id)
        if not uri:
            return
        bucket, prefix = split_uri(uri.rstrip("/") + "/")
        where = f"{prefix}applications/{run.request.application_id}/jobs/{run.run_id}/SPARK_DRIVER"
        for name, file in files.items():
            content = file.read_bytes() if file.is_file() else b""
            # A stack that is stopping, or a bucket that somebody removed, is no reason to call the run failed.
            with contextlib.suppress(self._s3.exceptions.ClientError):
                self._s3.put_object(Bucket=bucket, Key=f"{where}/{name}.gz", Body=gzip.compress(content, mtime=0))


def spark_home() -> Path:
    """Return the directory of the pyspark of this environment, without importing it.

    Raises:
        RefusedConfiguration: it is not installed.
    """
    spec = importlib.util.find_spec("pyspark")
    if spec is None or spec.origin is None:
        raise RefusedConfiguration("pyspark is not installed: run `make setup`")
    return Path(spec.origin).parent


def split_uri(uri: str) -> tuple[str, str]:
    """Split `s3://bucket/key` into bucket and key.

    Raises:
        RefusedConfiguration: it is no S3 URI.
    """
    parts = urlsplit(uri, allow_fragments=False)
    if parts.scheme not in ("s3", "s3a") or not parts.netloc:
        raise RefusedConfiguration(f"{uri!r} is no s3:// URI; the local stack takes code from S3 only, as EMR does")
    return parts.netloc, uri.split("/", 3)[3] if uri.count("/") >= 3 else ""


def _unpack(archive: Path, target: Path) -> None:
    if archive.suffix == ".zip":
        with zipfile.ZipFile(archive) as zipped:
            zipped.extractall(target)
        return
    with tarfile.open(archive) as tar:
        tar.extractall(target, filter="data")


def _pump(source: IO[bytes] | None, target: Path) -> None:
    if source is None:
        return
    with source, target.open("wb") as output:
        for line in source:
            if not line.startswith(_NOISE):
                output.write(line)
                output.flush()


def _last_words(directory: Path, limit: int = 2000) -> str:
    # spark-submit sends what Python writes to stderr, a traceback too, to its own stdout.
    said, complained = (_text(directory / name).rstrip() for name in ("stdout", "stderr"))
    _, traceback, rest = said.rpartition("Traceback (most recent call last)")
    return (traceback + rest if traceback else complained)[-limit:]


def _text(file: Path) -> str:
    return file.read_text(errors="replace") if file.is_file() else ""
