"""The dispatcher's handler: what goes back to SQS, what is logged, what is counted."""

from __future__ import annotations

from handler_support import invoke

from deployment_support import s3_record, sqs_event


def test_one_process_serves_good_bad_and_doubled_events(function_env: dict[str, str]) -> None:
    landing = function_env["ALUR_LANDING_BUCKET"]
    good = [s3_record(landing, "orders/a.csv"), s3_record(landing, "orders/b.csv")]
    unrouted, malformed = [s3_record(landing, "elsewhere/x.csv")], [{"eventSource": "aws:s3"}]
    test_event = '{"Service":"Amazon S3","Event":"s3:TestEvent"}'
    first, again, straight, broken = invoke(
        "dispatcher",
        [
            sqs_event(good, unrouted, malformed, "not json", test_event),
            sqs_event(good),
            {"Records": [s3_record(landing, "flights/f.csv")]},
            {"Records": malformed},
        ],
        function_env,
    )

    assert first.answer == {"batchItemFailures": [{"itemIdentifier": "m2"}, {"itemIdentifier": "m3"}]}
    assert {name: value for name, (value,) in first.metrics.items()} == {
        "FilesReceived": 3,
        "FilesClaimed": 2,
        "FilesDuplicate": 0,
        "FilesRemembered": 0,
        "FilesSkipped": 0,
        "FilesUnrouted": 1,
        "RecordsIgnored": 1,
        "RecordsMalformed": 2,
        "RunsStarted": 1,
    }
    claimed = first.log("claimed 2 of 2 files")
    assert claimed["ingestion_key"] == "orders"
    started = first.log("started a run")
    assert started["batch_ids"] == [claimed["batch_id"]]
    assert started["ingestion_key"] == "orders"
    dispatched = first.log("dispatched")
    assert dispatched["job_run_ids"] == [started["job_run_id"]]
    assert dispatched["decisions"] == {"orders": {"claim": 2}}
    assert {line["service"] for line in first.logs} == {"alur"}
    assert all(line["level"] and line["timestamp"] for line in first.logs)
    assert any(f"s3://{landing}/elsewhere/x.csv" in line["message"] for line in first.logs)

    assert again.answer == {"batchItemFailures": []}
    assert (again.metrics["FilesDuplicate"], again.metrics["FilesClaimed"]) == ([2], [0])
    assert again.metrics["RunsStarted"] == [0]

    assert (straight.answer, straight.raised) == ({"batchItemFailures": []}, None)
    assert straight.metrics["FilesClaimed"] == [1]
    assert (broken.raised, broken.metrics["RecordsMalformed"]) == ("MalformedEvent", [1])


def test_a_ledger_that_refuses_sends_the_messages_back_and_fails_what_came_straight(
    function_env: dict[str, str],
) -> None:
    landing = function_env["ALUR_LANDING_BUCKET"]
    record = s3_record(landing, "orders/a.csv")
    env = {**function_env, "ALUR_BATCHES_TABLE": "no-such-table"}
    queued, straight = invoke("dispatcher", [sqs_event([record], [record]), {"Records": [record]}], env)
    assert queued.answer == {"batchItemFailures": [{"itemIdentifier": "m0"}, {"itemIdentifier": "m1"}]}
    assert straight.raised == "LedgerRefused"
    (line,) = [line for line in queued.logs if line["level"] == "ERROR"]
    assert line["ingestion_key"] == "orders"
    assert "ResourceNotFoundException" in line["message"]


def test_a_setting_that_is_missing_fails_the_invocation_by_its_name(function_env: dict[str, str]) -> None:
    env = {**function_env, "ALUR_LAKE_BUCKET": ""}
    (invocation,) = invoke("dispatcher", [sqs_event([])], env)
    assert invocation.raised == "SettingsError"
