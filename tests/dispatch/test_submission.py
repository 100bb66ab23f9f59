"""Submitting: which batches a run carries, what it is told, and that the request is complete."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from alur.dispatch.job_arguments import JobArguments
from alur.dispatch.submission import BATCHES_PER_RUN, choose_ready
from alur.ledger.batches import Batch, BatchState, Open, Slot, SlotHistory
from alur.ledger.memory import MemoryTable
from alur.ledger.table import Attributes
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


def chosen(open_now: Open, known: Batch | None = None, gone: Collection[str] = ()) -> list[str]:
    return [one.batch_id for one in choose_ready(open_now, known, NOW, gone)]


def test_the_oldest_ready_batches_are_chosen() -> None:
    names = {state: f"{number}" for number, state in enumerate(BatchState)}
    others = [batch(name, state) for state, name in names.items() if state is not BatchState.READY]
    assert chosen(Open((batch("9"), *others, batch("3")), ())) == ["3", "9"]


def test_what_the_index_shows_and_is_gone_is_not_chosen_again() -> None:
    assert chosen(Open((batch("1"), batch("2")), ()), gone={"1"}) == ["2"]
    assert chosen(Open((), ()), batch("1"), gone={"1"}) == []


@pytest.mark.parametrize(
    ("not_before", "is_chosen"),
    [(None, True), (NOW - timedelta(days=1), True), (NOW, True), (NOW + timedelta(milliseconds=1), False)],
)
def test_what_is_ready_later_is_not_chosen_before_its_time(not_before: datetime | None, is_chosen: bool) -> None:
    later = replace(batch("1"), not_before=not_before)
    assert chosen(Open((later, batch("2")), ())) == (["1", "2"] if is_chosen else ["2"])


def test_a_batch_that_is_to_run_alone_runs_alone_and_when_it_is_its_turn() -> None:
    def alone(name: str) -> Batch:
        return replace(batch(name), alone=True)

    assert chosen(Open((alone("1"), batch("2"), batch("3")), ())) == ["1"]
    assert chosen(Open((alone("1"), alone("2")), ())) == ["1"]
    assert chosen(Open((batch("1"), alone("2"), batch("3")), ())) == ["1", "3"]
    assert chosen(Open((alone("1"), batch("2")), ()), gone={"1"}) == ["2"]
    # One whose time has not come holds nobody up.
    later = replace(alone("1"), not_before=NOW + timedelta(minutes=1))
    assert chosen(Open((later, batch("2")), ())) == ["2"]
    assert chosen(Open((batch("2"),), ()), alone("1")) == ["1"]


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
        max_attempts=5,
        backoff_seconds=0.5,
    )
    assert JobArguments.parse(orders.render()) == orders
    assert (orders.retries.max_attempts, orders.retries.backoff_seconds) == (5, 0.5)
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
    taken = slot()
    assert world.batches.take_slot(taken, now=NOW, not_started_since=NOW) == frozenset()
    world.batches.record_run(taken, "r0", NOW)
    assert world.batches.settle_slot(taken, SlotHistory(), [])
    again = replace(taken, token="run-1")
    assert world.batches.take_slot(again, now=NOW, not_started_since=NOW - timedelta(milliseconds=1)) is None
    assert world.batches.take_slot(again, now=NOW, not_started_since=NOW) == frozenset()


def test_a_run_is_asked_for_without_the_batches_that_only_the_index_shows_as_ready(world: World) -> None:
    class Behind(MemoryTable):
        """Its index still shows as ready what somebody else's run has taken."""

        def open_items(self, ingestion_key: str | None = None) -> Iterable[Attributes]:
            found = super().open_items(ingestion_key)
            return [{**item, "state": "ready"} if item["batch_id"] == first else item for item in found]

    wide = world.configured(max_runs_per_table=2)
    wide.send(wide.event("orders/a.csv"))
    first = wide.there("orders/a.csv").batch_id
    assert isinstance(world.batch_table, MemoryTable)
    world.batch_table.__class__ = Behind
    (submission,) = wide.send(wide.event("orders/b.csv")).submissions
    assert submission.batch_ids == (wide.there("orders/b.csv").batch_id,)
    assert wide.submitter.submit_ready("orders") is None
    assert len(wide.recorded.requests) == 2


def test_a_run_is_told_by_which_rule_what_fails_is_tried_again(world: World) -> None:
    (submission,) = world.configured(max_attempts=7, backoff_seconds=2.5).send(world.event("orders/a.csv")).submissions
    retries = world.recorded.arguments(submission.run_id).retries
    assert (retries.max_attempts, retries.backoff_seconds) == (7, 2.5)
