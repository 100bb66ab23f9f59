from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from project_support import call, forget_project, make_project, table

PIPELINE = """
    from alur import pipeline
    from contracts.orders import OrdersBronze
    from contracts.flights import FlightsBronze


    @pipeline(sources={"flights": FlightsBronze}, target=OrdersBronze, on_event=True)
    def ingest_orders(flights):
        raise AssertionError("nothing is run")
"""


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.delenv("ALUR_LANDING_BUCKET", raising=False)
    files = {
        "contracts/orders.py": table("Orders", "s3://${LandingBucket}/orders/**/*.csv"),
        "contracts/flights.py": table(
            "Flights", "s3://archive/flights/*.csv", more='on_overwrite = "skip"\n            trigger = "run"'
        ),
        "pipelines/orders.py": PIPELINE,
    }
    yield make_project(tmp_path, monkeypatch, files)
    forget_project()


def test_tables_and_pipelines_are_listed_with_the_variables_that_are_unknown(project):
    answer = call("list")
    assert answer.exit_code == 0
    assert answer.stdout.splitlines() == [
        "table flights: contracts.flights.FlightsBronze",
        "  files         s3://archive/flights/*.csv",
        "  trigger       run",
        "  on_overwrite  skip",
        "  columns       id bigint, price decimal(12,2)",
        "table orders: contracts.orders.OrdersBronze",
        "  files         s3://${LandingBucket}/orders/**/*.csv",
        "  trigger       event",
        "  on_overwrite  replace",
        "  columns       id bigint, price decimal(12,2)",
        "pipeline ingest_orders: pipelines.orders.ingest_orders",
        "  target        orders",
        "  sources       flights: flights",
        "  on_event      true",
    ]


def test_json_has_everything_that_is_declared(project):
    listed = json.loads(call("list", "--json").stdout)
    flights, orders = listed["contracts"]
    assert (orders["table"], orders["class"], orders["module"]) == ("orders", "OrdersBronze", "contracts.orders")
    assert orders["source_paths"] == ["s3://${LandingBucket}/orders/**/*.csv"]
    assert (orders["trigger"], orders["on_overwrite"]) == ("event", "replace")
    assert (flights["trigger"], flights["on_overwrite"]) == ("run", "skip")
    assert orders["columns"] == [
        {"name": "id", "type": "bigint", "nullable": False, "description": "its number"},
        {"name": "price", "type": "decimal(12,2)", "nullable": True, "description": ""},
    ]
    assert listed["pipelines"] == [
        {
            "name": "ingest_orders",
            "module": "pipelines.orders",
            "target": "orders",
            "target_class": "OrdersBronze",
            "sources": {"flights": "flights"},
            "on_event": True,
        }
    ]


def test_the_landing_bucket_has_its_name_where_the_environment_says_it(project, monkeypatch):
    monkeypatch.setenv("ALUR_LANDING_BUCKET", "landing-1")
    assert json.loads(call("list", "--json").stdout)["contracts"][1]["source_paths"] == [
        "s3://landing-1/orders/**/*.csv"
    ]


def test_a_module_that_is_broken_hides_no_other(project):
    (project / "src" / "contracts" / "broken.py").write_text("1/0\n")
    answer = call("list", "--json")
    assert answer.exit_code == 1
    assert len(json.loads(answer.stdout)["contracts"]) == 2
    assert "contracts.broken" in answer.stderr
    assert "ZeroDivisionError" in answer.stderr


def test_neither_spark_nor_boto3_is_imported_for_it(project):
    (project / "src" / "pipelines" / "orders.py").write_text("")
    script = (
        "import sys; from click.testing import CliRunner; from alur.cli import main; "
        "answer = CliRunner().invoke(main, ['list']); "
        "print(answer.exit_code, 'OrdersBronze' in answer.output, sorted({'pyspark', 'boto3'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(project / "src")},
    )
    assert done.stdout == "0 True []\n"
