"""The whole flow on real parts: S3 event, queue, the built function under the runtime emulator, spark-submit."""

from __future__ import annotations

import gzip
import json
import platform
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from alur.aws.clients import client
from alur.clock import from_iso, utc_now
from alur.local.activity import observe
from alur.local.environment import REGION
from alur.local.landing import Dropped, send_notifications
from alur.local.paths import Paths
from alur.local.resources import Timings
from alur.local.stack import Options, running_stack
from alur.local.state import StackState
from alur.local.warehouse import table_content

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(platform.system() != "Linux", reason="aws-sam-cli ships the runtime emulator for Linux only"),
]

ORDERS = Path(__file__).parents[2] / "examples" / "orders"
PATIENCE_SECONDS = 300.0


@pytest.fixture(scope="module")
def stack(paths: Paths, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackState]:
    """The stack, its dispatcher as `sam build` made it."""
    options = Options(emulated=frozenset({"DispatcherFunction"}), timings=Timings())
    with running_stack(paths, options, print, tmp_path_factory.mktemp("stack")) as state:
        yield state


def wait_for(holds: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < deadline, f"not within {PATIENCE_SECONDS:.0f} s: {what}"
        time.sleep(0.3)


def ledger(stack: StackState, ingestion_key: str) -> dict[str, dict[str, Any]]:
    """The table's items by key, read as the guide's users read them."""
    pages = (
        client("dynamodb")
        .get_paginator("query")
        .paginate(
            TableName=stack.outputs["StateTable"],
            KeyConditionExpression="ingestion_key = :key",
            ExpressionAttributeValues={":key": {"S": ingestion_key}},
            ConsistentRead=True,
        )
    )
    items = [item for page in pages for item in page["Items"]]
    plain = [{name: next(iter(value.values())) for name, value in item.items()} for item in items]
    return {item["file_path"].split("/", 3)[3]: item for item in plain}


def put(stack: StackState, key: str, body: bytes) -> Dropped:
    bucket, moment = stack.outputs["LandingBucket"], utc_now()
    answer = client("s3").put_object(Bucket=bucket, Key=key, Body=body)
    return Dropped(bucket, key, answer["ETag"].strip('"'), len(body), moment)


def settled(stack: StackState, *keys: str) -> Callable[[], bool]:
    def holds() -> bool:
        items = ledger(stack, "orders")
        return all(items.get(key, {}).get("status") in ("completed", "failed") for key in keys)

    return holds


def test_a_dropped_file_becomes_rows_once_and_a_bad_one_fails_alone(stack):
    good = (ORDERS / "good_orders.csv").read_bytes()
    edge = (ORDERS / "edge_cases.csv").read_bytes()
    header = good.splitlines(keepends=True)[0]
    dropped = [
        put(stack, "orders/2026/good_orders.csv", good),
        put(stack, "orders/2026/edge cases+ä.csv", edge),
        put(stack, "orders/2026/_hidden.csv", edge),
        put(stack, "orders/2026/wrong.csv", b"id,name\n1,a\n"),
        put(stack, "orders/2026/header_only.csv", header),
    ]
    put(stack, "unknown/file.bin", b"nobody's")
    wait_for(settled(stack, *(file.key for file in dropped)), "every file completed or failed")

    items = ledger(stack, "orders")
    assert {key: (item["status"], item.get("rows_ingested")) for key, item in items.items()} == {
        "orders/2026/good_orders.csv": ("completed", "100"),
        "orders/2026/edge cases+ä.csv": ("completed", "3"),
        "orders/2026/_hidden.csv": ("completed", "3"),
        "orders/2026/wrong.csv": ("failed", None),
        "orders/2026/header_only.csv": ("completed", "0"),
    }
    assert items["orders/2026/wrong.csv"]["error_type"] == "HeaderMismatch"
    assert "missing order_id" in items["orders/2026/wrong.csv"]["error_message"]
    assert table_content(stack.outputs["Database"], "orders").rows == 106

    item = items["orders/2026/good_orders.csv"]
    assert item["file_etag"] == dropped[0].etag
    assert item["file_size"] == str(len(good))
    assert from_iso(item["event_at"]) <= from_iso(item["claimed_at"]) <= from_iso(item["queryable_at"])

    # The events come again, and the same bytes: nothing happens.
    wait_for(lambda: observe(stack.outputs).is_idle, "the stack at rest")
    before = observe(stack.outputs).runs
    content = table_content(stack.outputs["Database"], "orders")
    send_notifications(dropped, stack.outputs["EventQueueUrl"], REGION)
    put(stack, "orders/2026/good_orders.csv", good)
    wait_for(lambda: "FilesDuplicate" in last_metrics(stack) and observe(stack.outputs).is_idle, "the replay handled")
    assert observe(stack.outputs).runs == before
    assert table_content(stack.outputs["Database"], "orders") == content

    # Another version takes the first one's place, in one commit.
    put(stack, "orders/2026/good_orders.csv", b"".join(good.splitlines(keepends=True)[:1]) + edge.split(b"\n", 1)[1])
    wait_for(
        lambda: ledger(stack, "orders")["orders/2026/good_orders.csv"].get("rows_ingested") == "3", "the new version"
    )
    assert table_content(stack.outputs["Database"], "orders").rows == 9


def last_metrics(stack: StackState) -> str:
    """The dispatcher's last line of metrics with a duplicate in it, or nothing."""
    lines = (Path(stack.logs) / "DispatcherFunction.log").read_text().splitlines()
    found = [line for line in lines if '"_aws"' in line and json.loads(line)["FilesDuplicate"] != [0.0]]
    return found[-1] if found else ""


def test_the_run_used_the_published_code_and_left_its_log_in_s3(stack):
    wait_for(lambda: observe(stack.outputs).is_idle, "the stack at rest")
    runs = observe(stack.outputs).runs
    assert runs
    assert {run.state for run in runs} == {"SUCCESS"}
    application = stack.outputs["ApplicationId"]
    key = f"logs/applications/{application}/jobs/{runs[0].run_id}/SPARK_DRIVER/stdout.gz"
    log = client("s3").get_object(Bucket=stack.outputs["ArtifactsBucket"], Key=key)["Body"].read()
    lines = [json.loads(line) for line in gzip.decompress(log).decode().splitlines()]
    assert {line["ingestion_key"] for line in lines if "batch_id" in line and "ingestion_key" in line} == {"orders"}
    run = client("emr-serverless").get_job_run(applicationId=application, jobRunId=runs[0].run_id)["jobRun"]
    submitted = run["jobDriver"]["sparkSubmit"]
    assert submitted["entryPoint"] == stack.outputs["EntryPointUri"]
    assert f"spark.archives={stack.outputs['ArchiveUri']}#code" in submitted["sparkSubmitParameters"]
