"""The reconciler's handler: what it reports, logs and counts of a run's end."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from handler_support import invoke

from alur.aws.clients import client
from alur.aws.dynamodb import BotoDynamo
from alur.aws.settings import Settings
from alur.clock import utc_now
from alur.dispatch.parts import Parts
from alur.ledger.batches import BatchResult
from alur.ledger.dynamo import DynamoTable
from alur.ledger.manifest import Candidate
from alur.ledger.table import Change
from alur.ledger.transitions import complete
from deployment_support import created, messages
from ledger_support import version

SCHEDULED: dict[str, Any] = {"detail-type": "Scheduled Event", "detail": {}}
ENDED = {
    "detail-type": "EMR Serverless Job Run State Change",
    "source": "aws.emr-serverless",
    "detail": {"jobRunId": "of another deployment", "state": "SUCCESS"},
}


def send(parts: Parts, *keys: str) -> str:
    """Dispatch events, and return the id of the run that was started."""
    landing = parts.settings.landing_bucket
    (submission,) = parts.dispatcher().dispatch(messages([created(key, bucket=landing) for key in keys])).submissions
    return submission.run_id


def values(metrics: dict[str, Any]) -> dict[str, float]:
    return {name: value for name, (value,) in metrics.items()}


IDLE = {"RunsStarted": 0, "BatchesOpen": 0, "OldestProcessingMinutes": 0, "RunsFailedInARow": 0}


def test_a_sweep_says_what_it_did(function_env: dict[str, str]) -> None:
    parts = Parts.of(Settings.from_env(function_env))
    # Its API has every run end at once.
    run_id = send(parts, "orders/a.csv", "orders/b.csv")
    (slot,) = parts.batches.open().slots
    (batch,) = parts.batches.open().batches
    paths = [f"s3://{parts.settings.landing_bucket}/orders/{name}.csv" for name in "ab"]
    now = parts.clock()
    flips = [
        complete(item, batch_id=batch.batch_id, rows=35, snapshot_id="s", queryable_at=now, now=now)
        for item in parts.files.read("orders", paths).values()
    ]
    assert all(flip.applied for flip in parts.files.apply(flips))
    parts.batches.close(batch, now, BatchResult(slot.token, 1, 1, 3, 70, 20, 30))

    swept, nothing = invoke("reconciler", [ENDED, SCHEDULED], function_env)
    assert swept.answer == {"ended": [run_id], "job_run_ids": [], "given_up": 0, "batches_open": 0, "errors": 0}
    assert values(swept.metrics) == {
        **IDLE,
        "RunsFailed": 0,
        "FilesCompleted": 1,
        "FilesFailed": 1,
        "FilesRetried": 3,
        "RowsIngested": 70,
        "ArrivalToQueryable": 20,
        "ArrivalToQueryableMax": 30,
    }
    line = swept.log("run ended")
    assert (line["ingestion_key"], line["job_run_id"], line["state"]) == ("orders", run_id, "SUCCESS")
    assert swept.log("swept")["detail_type"] == "EMR Serverless Job Run State Change"
    assert nothing.answer == {"ended": [], "job_run_ids": [], "given_up": 0, "batches_open": 0, "errors": 0}
    assert values(nothing.metrics) == IDLE


def test_a_batch_that_completed_nothing_has_no_latency(function_env: dict[str, str]) -> None:
    parts = Parts.of(Settings.from_env(function_env))
    send(parts, "orders/a.csv")
    (slot,) = parts.batches.open().slots
    (batch,) = parts.batches.open().batches
    parts.batches.close(batch, parts.clock(), BatchResult(slot.token, 0, 1, 0, 0, 0, 0))
    (swept,) = invoke("reconciler", [ENDED], function_env)
    assert swept.metrics.keys().isdisjoint({"ArrivalToQueryable", "ArrivalToQueryableMax"})
    assert swept.metrics["FilesFailed"] == [1]


def test_how_long_the_oldest_file_has_been_processing_is_counted_in_minutes(function_env: dict[str, str]) -> None:
    earlier = utc_now() - timedelta(minutes=90)
    parts = Parts.of(Settings.from_env(function_env), clock=lambda: earlier)
    send(parts, "orders/a.csv")
    # Its run has ended without a word, and its batch waits for the next one.
    (swept,) = invoke("reconciler", [SCHEDULED], function_env)
    assert swept.metrics["BatchesOpen"] == [1]
    assert swept.metrics["OldestProcessingMinutes"][0] in (90, 91)


def test_no_further_batch_is_begun_with_when_the_functions_time_is_nearly_up(function_env: dict[str, str]) -> None:
    parts = Parts.of(Settings.from_env(function_env))
    now = parts.clock()
    batch = parts.maker.begin("orders", "f1", [Candidate(version(), now)])
    assert parts.batches.give_claiming_up(batch, now)
    # As little as the reserve.
    (swept, later) = invoke("reconciler", [SCHEDULED, SCHEDULED], function_env, remaining=[30_000, 300_000])
    assert swept.answer["errors"] == 0
    assert swept.metrics["BatchesOpen"] == [1]
    assert later.metrics["BatchesOpen"] == [1]
    assert parts.batches.open().batches == ()


def test_a_step_that_failed_fails_the_invocation_after_the_others_were_done(function_env: dict[str, str]) -> None:
    parts = Parts.of(Settings.from_env(function_env))
    run_id = send(parts, "orders/a.csv")
    refusing = replace(parts.settings, application_id="00none")
    broken = Parts.of(refusing)
    landing = parts.settings.landing_bucket
    report = broken.dispatcher().dispatch(messages([created("flights/f.csv", bucket=landing)]))
    assert (report.submissions, report.failed_message_ids) == ((), ())
    # The slot has rested, and the request is refused once more.
    rested = Change({"ingestion_key": "flights", "batch_id": "slot#0"}, (), {"rests_until": "2000-01-01T00:00:00.000Z"})
    slots = DynamoTable(BotoDynamo(client("dynamodb")), parts.settings.batches_table, "batch_id")
    assert slots.apply(rested).applied
    (swept,) = invoke("reconciler", [SCHEDULED], {**function_env, "ALUR_APPLICATION_ID": "00none"})
    assert swept.raised == "SubmitRefused"
    assert swept.log("run ended")["job_run_id"] == run_id
    assert swept.metrics["RunsFailedInARow"] == [2]
    assert [line["ingestion_key"] for line in swept.logs if line["level"] == "ERROR"] == ["flights"]
    assert "flights" not in [slot.ingestion_key for slot in parts.batches.open().slots]

    assert slots.apply(rested).applied
    (mended,) = invoke("reconciler", [SCHEDULED], function_env)
    assert len(mended.answer["job_run_ids"]) == 1
    assert mended.metrics["RunsStarted"] == [1]
