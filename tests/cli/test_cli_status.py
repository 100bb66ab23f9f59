"""`alur status`."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from click.testing import CliRunner

from alur.aws.deployment import Deployment
from alur.cli import main
from alur.cli.deployed import Deployed
from alur.contracts.contract import Trigger
from alur.errors import EmptyFile, FileUnavailable
from cli_support import Place


def test_a_table_is_counted_by_status_with_rows_reasons_and_what_waits(place: Place):
    world = place.world
    place.completed("orders/a.csv", rows=7)
    world.send(world.put("orders/b.csv"))
    world.clock.advance(hours=2)
    for key in ("orders/c.csv", "orders/d.csv"):
        world.send(world.put(key))
        world.fail(key, EmptyFile(place.path(key)))
    world.send(world.put("orders/e.csv"))
    world.fail("orders/e.csv", FileUnavailable(place.path("orders/e.csv"), "SlowDown"))
    place.completed("orders/f.csv", rows=3)
    world.send(world.put("orders/f.csv", b"a\n9\n"))
    world.fail("orders/f.csv", EmptyFile(place.path("orders/f.csv")))
    (orders,) = place.json("status", "orders")
    assert orders["files"] == {"processing": 1, "completed": 1, "failed": 4}
    assert (orders["rows"], orders["rows_of_earlier_versions"], orders["failed_with_earlier_rows"]) == (7, 3, 1)
    assert orders["oldest_processing"]["file_path"] == place.path("orders/b.csv")
    assert 7200 <= orders["oldest_processing"]["age_seconds"] < 7300
    reasons = [(reason["error_type"], reason["files"]) for reason in orders["failure_reasons"]]
    assert reasons == [("EmptyFile", 3), ("FileUnavailable", 1)]
    assert orders["waiting"]["scheduled"] == 1
    assert orders["waiting"]["next_try_at"] is not None
    assert sum(orders["open_batches"].values()) == 7
    assert orders["watermark"] is None
    assert (orders["table"], orders["class"], orders["takes_events"]) == ("orders", "OrdersBronze", True)


def test_people_see_a_table_and_what_they_have_to_know(place: Place):
    world = place.world
    world.send(world.put("orders/c.csv"))
    world.fail("orders/c.csv", EmptyFile(place.path("orders/c.csv")))
    world.files.set_watermark("orders", world.clock() - timedelta(days=90))
    result = place.call("status")
    assert result.exit_code == 0
    assert "orders" in result.stdout
    assert "flights" in result.stdout
    assert "orders: failed most often with EmptyFile (1 file)" in result.stdout
    assert "passed over" in result.stdout


def test_a_table_is_named_by_its_class_too(place: Place):
    assert [one["table"] for one in place.json("status", "FlightsBronze")] == ["flights"]
    assert [one["table"] for one in place.json("status")] == ["orders", "flights"]


def test_what_is_due_waits_for_the_run_where_nobody_takes_events(place: Place):
    world = place.world
    world.send(world.put("orders/c.csv"))
    world.fail("orders/c.csv", EmptyFile(place.path("orders/c.csv")))
    place.set_contract("orders", trigger=Trigger.RUN)
    assert place.call("retry", "orders", "--all-failed").exit_code == 0
    world.clock.advance(seconds=1)
    (orders,) = place.json("status", "orders")
    assert (orders["waiting"]["due"], orders["takes_events"]) == (1, False)
    assert "the next `alur run` takes them" in place.call("status", "orders").stdout


def test_the_projects_own_tables_are_found(place: Place, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.undo()
    for name, value in {**place.variables}.items():
        monkeypatch.setenv(name, value)
    assert Deployed(Deployment(variables=place.variables)).contract("OrdersBronze").ingestion_key == "orders"


def test_json_is_all_that_is_on_stdout(place: Place):
    result = place.call("status", "--json")
    assert isinstance(json.loads(result.stdout), list)
    assert result.stderr == ""


def test_help_names_the_argument():
    assert "TABLE" in CliRunner().invoke(main, ["status", "--help"]).output
