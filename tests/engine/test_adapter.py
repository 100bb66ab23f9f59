"""`AWSAdapter` beside its writes: what the ledger knows, and where things are. No session of Spark is needed."""

from __future__ import annotations

from typing import Any

import pytest
from boto3.dynamodb.conditions import Key
from session_bench import make_target

from alur.aws.clients import client, resource
from alur.engine import AWSAdapter
from alur.errors import DeploymentUnknown, HeaderMismatch, LedgerRefused
from alur.ledger.model import FileVersion
from alur.ledger.transitions import Claimant, claim, fail
from alur.local.environment import Endpoints
from ledger_support import NOW, create_batches_table, create_state_table, unique

pytestmark = pytest.mark.stack


@pytest.fixture
def adapter(aws_servers: Endpoints) -> AWSAdapter:
    """An adapter over tables of its own."""
    resource.cache_clear()
    dynamodb = client("dynamodb")
    return AWSAdapter(
        region="us-east-1",
        state_table=create_state_table(dynamodb),
        batches_table=create_batches_table(dynamodb),
        database=unique("database").replace("-", "_"),
        lake_bucket="lake",
    )


def mark(adapter: AWSAdapter, path: str, key: str = "orders") -> None:
    adapter.mark_file_processed(key, path, file_size=12, file_etag='"abc"', rows_ingested=3)


def test_making_one_makes_no_call_and_asks_for_no_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("ALUR_STATE_TABLE", "ALUR_ENV"):
        monkeypatch.delenv(name, raising=False)
    adapter = AWSAdapter(region="ap-southeast-5")
    with pytest.raises(DeploymentUnknown, match="ALUR_STATE_TABLE"):
        _ = adapter.state_table


def test_the_state_table_is_the_one_that_the_environment_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALUR_STATE_TABLE", "alur-ingestion-state")
    assert AWSAdapter(region="ap-southeast-5").state_table == "alur-ingestion-state"


def test_a_file_is_processed_only_when_it_is_completed(adapter: AWSAdapter) -> None:
    version = FileVersion("b", "orders/a.csv", "e1", 10)
    assert not adapter.is_file_processed(ingestion_key="orders", file_path=version.path)
    target = make_target().contract()
    made = claim(None, version, Claimant.of(target, "b1"), event_at=NOW, now=NOW)
    (outcome,) = adapter.place.files.apply([made])
    assert not adapter.is_file_processed(ingestion_key=target.ingestion_key, file_path=version.path)
    assert outcome.item is not None
    error = HeaderMismatch(version.path, ["a"], ["b"])
    adapter.place.files.apply([fail(outcome.item, batch_id="b1", error=error, now=NOW)])
    assert not adapter.is_file_processed(ingestion_key=target.ingestion_key, file_path=version.path)
    assert adapter.get_processed_files(ingestion_key=target.ingestion_key) == []
    mark(adapter, version.path)
    assert adapter.is_file_processed(ingestion_key="orders", file_path=version.path)


def test_an_error_of_dynamodb_is_no_answer(aws_servers: Endpoints) -> None:
    nowhere = AWSAdapter(region="us-east-1", state_table="no-such-table")
    with pytest.raises(LedgerRefused, match="ResourceNotFound"):
        nowhere.is_file_processed(ingestion_key="orders", file_path="s3://b/k")
    with pytest.raises(LedgerRefused):
        nowhere.get_processed_files(ingestion_key="orders")


def test_the_paths_of_all_pages_are_returned_without_the_watermark(adapter: AWSAdapter) -> None:
    # Long keys: a page of DynamoDB ends at 1 MB.
    paths = [f"s3://bucket/{'k' * 900}/{number:04d}.csv" for number in range(1200)]
    for path in paths:
        mark(adapter, path)
    adapter.place.files.set_watermark("orders", NOW)
    assert adapter.get_processed_files(ingestion_key="orders") == paths


def test_a_marked_file_has_the_fields_of_the_guide(adapter: AWSAdapter) -> None:
    mark(adapter, "s3://bucket/file.csv")
    table = adapter.dynamodb.Table(adapter.state_table)
    (item,) = table.query(KeyConditionExpression=Key("ingestion_key").eq("orders"))["Items"]
    assert {**item, "processed_at": 0, "processed_at_iso": ""} == {
        "ingestion_key": "orders",
        "file_path": "s3://bucket/file.csv",
        "file_size": 12,
        "file_etag": "abc",
        "rows_ingested": 3,
        "processed_at": 0,
        "processed_at_iso": "",
    }
    assert item["processed_at_iso"].endswith(" UTC")


def test_a_file_may_be_marked_twice_as_the_same_and_not_as_another(adapter: AWSAdapter) -> None:
    for _ in range(2):
        mark(adapter, "s3://bucket/file.csv")
    with pytest.raises(ValueError, match="has an entry already: it is completed; `alur reprocess`"):
        adapter.mark_file_processed("orders", "s3://bucket/file.csv", 1, "another", 1)


def test_a_table_exists_when_the_catalog_has_it(adapter: AWSAdapter) -> None:
    target = make_target()
    database = adapter.place.deployment.name("Database")
    assert not adapter.table_exists(target)
    glue = client("glue")
    glue.create_database(DatabaseInput={"Name": database})
    glue.create_table(DatabaseName=database, TableInput={"Name": target.contract().ingestion_key})
    assert adapter.table_exists(target)
    assert adapter.table_name(target) == f"alur.{database}.{target.contract().ingestion_key}"


def test_another_mode_than_append_is_refused(adapter: AWSAdapter) -> None:
    nothing: Any = None
    with pytest.raises(ValueError, match="another version of a file replaces its rows by itself"):
        adapter.write_table(nothing, make_target(), mode="overwrite")
