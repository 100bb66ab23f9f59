"""The reconciler's handler: what it reports, logs and counts of a run's end."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from handler_support import invoke

from alur.aws.settings import Settings
from alur.dispatch.parts import Parts
from alur.ledger.batches import BatchResult
from deployment_support import created, messages

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


def test_a_sweep_says_what_it_did(function_env: dict[str, str]) -> None:
    parts = Parts.of(Settings.from_env(function_env))
    # Its API has every run end at once.
    run_id = send(parts, "orders/a.csv", "orders/b.csv")
    (slot,) = parts.batches.open().slots
    (batch,) = parts.batches.open().batches
    parts.batches.close(batch, parts.clock(), BatchResult(slot.token, 1, 1, 70, 20, 30))

    swept, nothing = invoke("reconciler", [ENDED, SCHEDULED], function_env)
    assert swept.answer == {"ended": [run_id], "job_run_ids": [], "errors": 0}
    assert {name: value for name, (value,) in swept.metrics.items()} == {
        "RunsStarted": 0,
        "RunsFailed": 0,
        "FilesCompleted": 1,
        "FilesFailed": 1,
        "RowsIngested": 70,
        "ArrivalToQueryable": 20,
        "ArrivalToQueryableMax": 30,
    }
    line = swept.log("run ended")
    assert (line["ingestion_key"], line["job_run_id"], line["state"]) == ("orders", run_id, "SUCCESS")
    assert swept.log("swept")["detail_type"] == "EMR Serverless Job Run State Change"
    assert nothing.answer == {"ended": [], "job_run_ids": [], "errors": 0}
    assert list(nothing.metrics) == ["RunsStarted"]


def test_a_step_that_failed_fails_the_invocation_after_the_others_were_done(function_env: dict[str, str]) -> None:
    parts = Parts.of(Settings.from_env(function_env))
    send(parts, "orders/a.csv")
    refusing = replace(parts.settings, application_id="00none")
    broken = Parts.of(refusing)
    landing = parts.settings.landing_bucket
    report = broken.dispatcher().dispatch(messages([created("flights/f.csv", bucket=landing)]))
    assert (report.submissions, report.failed_message_ids) == ((), ())
    (swept,) = invoke("reconciler", [SCHEDULED], {**function_env, "ALUR_APPLICATION_ID": "00none"})
    assert swept.raised == "SubmitRefused"
    assert [slot.ingestion_key for slot in parts.batches.open().slots] == []
    assert [line["ingestion_key"] for line in swept.logs if line["level"] == "ERROR"] == ["flights"]

    (mended,) = invoke("reconciler", [SCHEDULED], function_env)
    assert len(mended.answer["job_run_ids"]) == 1
    assert mended.metrics["RunsStarted"] == [1]
