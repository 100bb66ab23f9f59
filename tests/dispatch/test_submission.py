"""Submitting: which batches a run carries, what it is told, and that the request is complete."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import timedelta

import pytest

from alur.dispatch.job_arguments import JobArguments
from alur.dispatch.submission import BATCHES_PER_RUN, choose_ready
from alur.ledger.batches import Batch, BatchState, Open, Slot
from alur.local.environment import Endpoints
from deployment_support import World, make_world
from ledger_support import KEY, NOW


@pytest.fixture
def world(aws_servers: Endpoints) -> World:
    return make_world()


def batch(name: str, state: BatchState = BatchState.READY, size_bytes: int = 10) -> Batch:
    return Batch(KEY, name, state, f"s3://lake/{name}", 1, size_bytes, NOW, NOW)


def slot(*batch_ids: str) -> Slot:
    return Slot(KEY, 0, "run-0", "00app", "{}", batch_ids, NOW)


def chosen(open_now: Open, known: Batch | None = None) -> list[str]:
    return [one.batch_id for one in choose_ready(open_now, known)]


def test_the_oldest_ready_batches_are_chosen() -> None:
    states = {"3": BatchState.READY, "1": BatchState.READY, "2": BatchState.CLAIMING, "4": BatchState.SUBMITTED}
    assert chosen(Open(tuple(batch(name, state) for name, state in states.items()), ())) == ["1", "3"]


def test_what_a_slot_holds_is_not_chosen_again() -> None:
    assert chosen(Open((batch("1"), batch("2")), (slot("1"),))) == ["2"]
    assert chosen(Open((), (slot("1"),)), batch("1")) == []


def test_a_batch_that_the_index_does_not_show_yet_is_chosen() -> None:
    assert chosen(Open((batch("2"),), ()), batch("1")) == ["1", "2"]
    behind = Open((batch("1", BatchState.CLAIMING),), ())
    assert chosen(behind, batch("1")) == ["1"]


def test_a_run_carries_a_limited_number_of_batches() -> None:
    everything = Open(tuple(batch(f"{number:03d}") for number in range(200)), ())
    assert chosen(everything) == [f"{number:03d}" for number in range(BATCHES_PER_RUN)]


def test_orders_are_read_back_as_they_were_rendered() -> None:
    orders = JobArguments(
        token="run-1",
        ingestion_key="orders",
        batch_ids=tuple(f"b{number}" for number in range(BATCHES_PER_RUN)),
        state_table="state",
        batches_table="batches",
        database="bronze",
        landing_bucket="landing",
        lake_bucket="lake",
        region="eu-central-1",
    )
    assert JobArguments.parse(orders.render()) == orders
    assert len(orders.render()) <= 1024


@pytest.mark.parametrize("arguments", [[], ["--token", "x"], ["--unknown", "x"]])
def test_orders_that_lack_something_are_refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        JobArguments.parse(arguments)
    assert "required" in capsys.readouterr().err


def test_a_request_is_complete(world: World) -> None:
    (submission,) = world.send(world.event("orders/a.csv")).submissions
    request = world.recorded.requests[submission.run_id]
    settings = world.settings
    assert request["executionRoleArn"] == settings.job_role_arn
    assert request["executionTimeoutMinutes"] < 720
    submit = request["jobDriver"]["sparkSubmit"]
    assert submit["entryPoint"] == settings.entry_point_uri
    for needed in (
        "spark.driver.cores",
        "spark.driver.memory",
        "spark.executor.cores",
        "spark.executor.memory",
        f"{settings.archive_uri}#code",
        "spark.emr-serverless.driverEnv.PYTHONPATH=./code",
        "spark.executorEnv.PYTHONPATH=./code",
        "spark.sql.catalog.alur",
        f"s3://{settings.lake_bucket}/warehouse",
    ):
        assert needed in submit["sparkSubmitParameters"]
    logs = request["configurationOverrides"]["monitoringConfiguration"]["s3MonitoringConfiguration"]["logUri"]
    assert logs == "s3://artifacts/logs/"
    assert json.loads(json.dumps(request)) == request


def test_a_token_is_one_that_emr_takes_and_names_the_run_in_its_orders(world: World) -> None:
    (submission,) = world.send(world.event("orders/a.csv")).submissions
    (token,) = world.recorded.run_ids
    assert re.fullmatch(r"[A-Za-z0-9._-]{1,64}", token)
    assert world.recorded.arguments(submission.run_id).token == token


def test_a_runs_size_follows_the_bytes_of_all_its_batches(world: World) -> None:
    def parameters(run_id: str) -> str:
        request = world.recorded.requests[run_id]
        return str(request["jobDriver"]["sparkSubmit"]["sparkSubmitParameters"])

    (small,) = world.send(world.event("orders/a.csv")).submissions
    for number in range(2):
        world.send(world.event(f"orders/{number}.csv", size_bytes=4 * 1024**3))
    world.run_ends(small.run_id)
    (large,) = world.reconciler.sweep().submissions
    assert len(large.batch_ids) == 2
    assert parameters(small.run_id) != parameters(large.run_id)


def test_nothing_ready_starts_nothing(world: World) -> None:
    assert world.submitter.submit_ready("orders") is None
    assert world.recorded.calls == 0


def test_a_slot_that_rests_is_taken_to_the_minute(world: World) -> None:
    taken = replace(slot("b1"), taken_at=NOW)
    assert world.batches.take_slot(taken, not_started_since=NOW)
    world.batches.record_run(taken, "r0", NOW)
    assert world.batches.free_slot(taken)
    again = replace(taken, token="run-1")
    assert not world.batches.take_slot(again, not_started_since=NOW - timedelta(milliseconds=1))
    assert world.batches.take_slot(again, not_started_since=NOW)
