"""The entry point: its exit code is all that EMR hears of a run."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any
from uuid import uuid4

import boto3
import pytest

from alur.dispatch.job_arguments import JobArguments
from alur.errors import ContractError
from alur.local.emr.driver import spark_home
from alur.local.environment import REGION, Endpoints, isolated_environment
from alur.local.jars import jar_paths
from alur.local.paths import Paths


def _arguments(ingestion_key: str = "orders", batches_table: str = "batches") -> list[str]:
    return JobArguments(
        "token", ingestion_key, ("batch",), "state", batches_table, "bronze", "landing", "lake", REGION, 3, 60.0
    ).render()


@pytest.fixture
def entry_point(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module, with a session that only notes that it was stopped, and a log that stays as it is."""
    spec = importlib.util.spec_from_file_location("spark_app_main", paths.spark_app / "main.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    stopped: list[str] = []
    session = SimpleNamespace(
        sparkContext=SimpleNamespace(applicationId="app-1"), stop=lambda: stopped.append("stopped"), stopped=stopped
    )
    builder = SimpleNamespace(getOrCreate=lambda: session)
    monkeypatch.setattr(module, "SparkSession", SimpleNamespace(builder=builder, session=session))
    monkeypatch.setattr(module, "client", lambda service: None)
    monkeypatch.setattr(module, "log_as_json", lambda **always: None)
    return module


@pytest.mark.parametrize(("finished", "code"), [(True, 0), (False, 1)])
def test_the_exit_code_says_whether_every_batch_was_finished(
    entry_point: Any, monkeypatch: pytest.MonkeyPatch, finished: bool, code: int
):
    orders: list[Any] = []

    def run_job(spark: Any, arguments: Any, contract: Any, **parts: Any) -> bool:
        orders.append((arguments.batch_ids, contract.ingestion_key, contract.source_paths))
        return finished

    monkeypatch.setattr(entry_point, "run_job", run_job)
    monkeypatch.setattr(sys, "argv", ["main.py", *_arguments()])
    assert entry_point.main() == code
    assert orders == [(("batch",), "orders", ("s3://landing/orders/**/*.csv",))]
    assert entry_point.SparkSession.session.stopped == ["stopped"]


def test_a_table_that_this_code_does_not_know_is_named(entry_point: Any, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "argv", ["main.py", *_arguments("nobody")])
    with pytest.raises(ContractError, match="nobody"):
        entry_point.main()


@pytest.mark.spark
@pytest.mark.stack
def test_spark_submit_ends_with_the_entry_points_own_code(aws_endpoints: Endpoints, paths: Paths, tmp_path: Path):
    table = f"main-suite-{uuid4().hex}"
    dynamodb = boto3.client(
        "dynamodb",
        endpoint_url=aws_endpoints.dynamodb,
        aws_access_key_id="local",
        aws_secret_access_key="local",
        region_name=REGION,
    )
    keys = {"ingestion_key": "HASH", "batch_id": "RANGE"}
    dynamodb.create_table(
        TableName=table,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": name, "KeyType": kind} for name, kind in keys.items()],
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in keys],
    )
    environment = {
        **isolated_environment(aws_endpoints, os.environ),
        "SPARK_HOME": str(spark_home()),
        "SPARK_LOCAL_IP": "127.0.0.1",
        "PYSPARK_PYTHON": sys.executable,
        "PYSPARK_DRIVER_PYTHON": sys.executable,
        "PYTHONPATH": str(paths.source),
    }
    command = [str(spark_home() / "bin" / "spark-submit"), "--master", "local[1]"]
    # Iceberg is on the class path, as on EMR.
    command += ["--jars", ",".join(str(jar) for jar in jar_paths(paths, "spark"))]
    command += ["--conf", "spark.ui.enabled=false", str(paths.spark_app / "main.py")]

    def submit(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*command, *arguments], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300
        )

    # A batch that does not exist is nothing to do.
    done = submit(*_arguments(batches_table=table))
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    (told,) = (line for line in lines if line.get("batch_id") == "batch")
    assert (told["level"], told["ingestion_key"], told["token"]) == ("INFO", "orders", "token")

    # A ledger that cannot be asked is no answer.
    refused = submit(*_arguments(batches_table="no-such-table"))
    assert refused.returncode != 0
    assert "ResourceNotFoundException" in refused.stdout + refused.stderr
