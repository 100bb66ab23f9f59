"""The orders of the examples through the job: counts, fields, record, and the same batch again."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from workbench import LANDING, Workbench

from alur.clock import from_iso
from alur.contracts import load_contracts
from alur.contracts.contract import Contract
from alur.ledger.batches import Batch, BatchState
from alur.local.paths import Paths
from spark_session import LAKE

pytestmark = [pytest.mark.spark, pytest.mark.stack]

GOOD, EDGE, BARE = "good_orders.csv", "edge_cases.csv", "header_only.csv"


@pytest.fixture(scope="module")
def orders() -> Contract:
    contracts = load_contracts(variables={"LandingBucket": LANDING})
    return next(contract for contract in contracts if contract.ingestion_key == "orders")


def test_orders_become_exactly_their_rows_and_a_second_run_of_the_batch_changes_nothing(
    bench_for: Callable[[Contract], Workbench], orders: Contract, paths: Paths
):
    bench = bench_for(orders)
    for name in (GOOD, EDGE):
        bench.put(name, (paths.root / "examples" / "orders" / name).read_bytes())
    bench.put(BARE, (paths.root / "examples" / "orders" / GOOD).read_bytes().splitlines()[0] + b"\n")
    before = datetime.now(UTC)
    batch = bench.ingest(GOOD, EDGE, BARE)

    assert bench.rows() == {GOOD: 100, EDGE: 3}
    assert [bench.state(name) for name in (GOOD, EDGE, BARE)] == [
        ("completed", 100),
        ("completed", 3),
        ("completed", 0),
    ]
    _check_cells(bench)
    _check_item(bench, batch, before)
    _check_record(bench, batch, orders)
    assert bench.branches() == ["main"]
    assert bench.batch_state(batch) is BatchState.CLOSED
    assert bench.published() == [batch.batch_id]

    history = bench.history()
    items = {name: bench.attributes(name) for name in (GOOD, EDGE, BARE)}
    assert bench.again(batch)
    assert bench.history() == history
    assert {name: bench.attributes(name) for name in items} == items
    assert bench.batch_state(batch) is BatchState.CLOSED


def _check_cells(bench: Workbench) -> None:
    rows = bench.spark.table(bench.table_name).where("order_id IN (100101, 100102, 100103)").orderBy("order_id")
    first, second, third = rows.collect()
    assert first["notes"] == "Two lines:\nthe second one, with a comma"
    assert second["notes"] == 'Engrave "For Ada" on the lid'
    assert third["notes"] == "Grüße an Zoë — 注文番号 №7, ação às 9h"
    assert str(third["amount"]) == "119.85"
    assert first["_source_system"] == "sales_db"
    assert first["_source_etag"] == bench.version(EDGE).etag
    assert first["_rescued_data"] is None


def _check_item(bench: Workbench, batch: Batch, before: datetime) -> None:
    item = bench.attributes(GOOD)
    snapshot_id, _ = next(entry for entry in bench.history() if "alur.batch-id" in entry[1])
    version = bench.version(GOOD)
    assert item["file_path"] == f"s3://{LANDING}/{bench.folder}{GOOD}"
    assert item["file_etag"] == version.etag
    assert item["file_size"] == version.size_bytes
    assert item["rows_ingested"] == 100
    assert item["rows_rejected"] == 0
    assert item["snapshot_id"] == str(snapshot_id)
    assert item["batch_id"] == batch.batch_id
    assert item["attempt"] == 1
    assert item["processed_at"] == int(item["processed_at"])
    shown = datetime.fromtimestamp(int(item["processed_at"]), UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    assert item["processed_at_iso"] == shown
    # Iceberg and the items count in milliseconds, this test in microseconds.
    assert before.timestamp() - 0.001 <= from_iso(item["queryable_at"]).timestamp() <= int(item["processed_at"]) + 1
    assert {"error_type", "error_message", "waiting", "previous"}.isdisjoint(item)


def _check_record(bench: Workbench, batch: Batch, contract: Contract) -> None:
    record = bench.record(batch)
    snapshots = [snapshot_id for snapshot_id, _ in bench.history()]
    assert record["ingestion_key"] == "orders"
    assert record["batch_id"] == batch.batch_id
    assert record["token"] == "suite"
    assert record["contract_fingerprint"] == contract.fingerprint
    assert record["looked_at_snapshot"] == str(snapshots[1])
    assert record["files"] == [
        {"path": bench.path(name), "etag": bench.version(name).etag, "verdict": "published", "rows": rows, "rejects": 0}
        for name, rows in ((EDGE, 3), (GOOD, 100), (BARE, 0))
    ]
    uri = bench.history()[0][1]["alur.record"]
    assert uri.startswith(f"s3://{LAKE}/alur/records/orders/{batch.batch_id}/")
