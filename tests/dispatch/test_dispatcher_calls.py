"""The dispatcher over real clients: how many calls to AWS it costs, and two of it at the same moment."""

from __future__ import annotations

import math
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from alur.aws.clients import client
from alur.aws.settings import Settings
from alur.dispatch.dispatcher import Dispatcher
from alur.dispatch.parts import Parts
from alur.ledger.transitions import Decision
from alur.local.environment import Endpoints
from calls import Calls
from deployment_support import VARIABLES, created, messages
from ledger_support import create_batches_table, create_state_table, unique

SERVICES = ("s3", "dynamodb", "emr-serverless")


def counting() -> Calls:
    return Calls(client(service) for service in SERVICES)


@pytest.fixture
def parts(aws_servers: Endpoints) -> Parts:
    """A deployment's own parts, as the functions make them, over S3, DynamoDB Local and an API of EMR Serverless."""
    s3, dynamodb, emr = (client(service) for service in SERVICES)
    landing, lake = unique("landing"), unique("lake")
    for bucket in (landing, lake):
        s3.create_bucket(Bucket=bucket)
    application = emr.create_application(name=unique("app"), releaseLabel="emr-6.15.0", type="SPARK")
    settings = replace(
        Settings.from_env(VARIABLES),
        landing_bucket=landing,
        lake_bucket=lake,
        state_table=create_state_table(dynamodb),
        batches_table=create_batches_table(dynamodb),
        application_id=application["applicationId"],
    )
    return Parts.of(settings)


def send(dispatcher: Dispatcher, parts: Parts, keys: list[str]) -> Any:
    landing = parts.settings.landing_bucket
    return dispatcher.dispatch(messages(*([created(key, bucket=landing)] for key in keys)))


@pytest.mark.parametrize("count", [1, 25, 26, 100])
def test_new_files_cost_at_most_seven_calls_and_one_for_every_25(parts: Parts, count: int) -> None:
    dispatcher = parts.dispatcher()
    calls = counting()
    report = send(dispatcher, parts, [f"orders/{number}.csv" for number in range(count)])
    assert report.decisions == {"orders": {Decision.CLAIM: count}}
    assert len(report.submissions) == 1
    assert calls.counts["BatchExecuteStatement"] == math.ceil(count / 25)
    assert calls.counts.total() <= 7 + math.ceil(count / 25), calls.counts


def test_a_batch_that_finds_the_tables_run_going_costs_no_more(parts: Parts) -> None:
    dispatcher = parts.dispatcher()
    send(dispatcher, parts, ["orders/first.csv"])
    calls = counting()
    report = send(dispatcher, parts, [f"orders/{number}.csv" for number in range(50)])
    assert report.submissions == ()
    assert calls.counts.total() <= 7 + 2, calls.counts


def test_two_tables_cost_the_calls_of_two_batches(parts: Parts) -> None:
    dispatcher = parts.dispatcher()
    calls = counting()
    keys = [f"{table}/{number}.csv" for table in ("orders", "flights") for number in range(50)]
    assert len(send(dispatcher, parts, keys).submissions) == 2
    assert calls.counts.total() <= 2 * (7 + 2), calls.counts


def test_a_duplicate_costs_no_look_at_the_object(parts: Parts) -> None:
    dispatcher = parts.dispatcher()
    keys = [f"orders/{number}.csv" for number in range(50)]
    send(dispatcher, parts, keys)
    calls = counting()
    assert send(dispatcher, parts, keys).decisions == {"orders": {Decision.DUPLICATE: 50}}
    assert calls.counts["HeadObject"] == calls.counts["StartJobRun"] == 0


def test_two_dispatchers_with_the_same_events_at_the_same_moment_give_every_file_one_owner(parts: Parts) -> None:
    dispatchers = [Parts.of(parts.settings).dispatcher() for _ in range(2)]
    for number in range(6):
        keys = [f"orders/{number}/{file}.csv" for file in range(30)]
        barrier = threading.Barrier(2)

        def one(dispatcher: Dispatcher, keys: list[str] = keys, barrier: threading.Barrier = barrier) -> Any:
            barrier.wait(timeout=60)
            return send(dispatcher, parts, keys)

        with ThreadPoolExecutor(2) as pool:
            reports = [task.result(timeout=60) for task in [pool.submit(one, each) for each in dispatchers]]
        decided = [report.decisions["orders"] for report in reports]
        assert [report.failed_message_ids for report in reports] == [(), ()]
        assert sum(counts[Decision.CLAIM] for counts in decided) == 30
        assert sum(counts[Decision.DUPLICATE] for counts in decided) == 30
        paths = [f"s3://{parts.settings.landing_bucket}/{key}" for key in keys]
        owned = parts.files.read("orders", paths).values()
        sizes = {batch.batch_id: batch.files for batch in parts.batches.open("orders").batches}
        for batch_id in {item.batch_id for item in owned}:
            assert sizes[batch_id or ""] == sum(item.batch_id == batch_id for item in owned)
    # One run was started, and has not ended: everything else waits ready.
    assert len(parts.batches.open("orders").slots) == 1
