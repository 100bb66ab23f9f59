"""What dies heals by itself, on real parts: functions in processes of their own, jobs by spark-submit, and no event of
EMR's: everything is found by the schedule alone."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from alur.aws.clients import client
from alur.faults import VARIABLE
from alur.local.activity import observe
from alur.local.paths import Paths
from alur.local.resources import Timings
from alur.local.stack import Options, running_stack
from alur.local.state import StackState
from alur.local.warehouse import table_content

pytestmark = pytest.mark.e2e

PATIENCE_SECONDS = 400.0
HEADER = b"order_id,customer_id,order_date,status,quantity,amount,currency,notes,created_at\n"
OPTIONS = Options(
    # Names that no other stack of this process has: moto keeps what it was told.
    parameters={
        "StateTableName": "recovery-state",
        "BatchesTableName": "recovery-batches",
        "LandingBucketName": "recovery-landing",
        "LakeBucketName": "recovery-lake",
        "ArtifactsBucketName": "recovery-artifacts",
        "DatabaseName": "recovery",
        # The halves of a batch need not wait for one another.
        "MaxRunsPerTable": "2",
    },
    timings=Timings(
        # Long enough for what is put one after the other to be one batch.
        window_seconds=2.0,
        schedule_seconds=2,
        variables={"ALUR_BACKOFF_SECONDS": "1", "ALUR_LEASE_SECONDS": "10", "ALUR_UNSUBMITTED_SECONDS": "10"},
    ),
    sandboxed=frozenset({"DispatcherFunction", "ReconcilerFunction"}),
    announces_runs=False,
)


class Armed:
    """The stack, and the folder in which faults are armed."""

    def __init__(self, state: StackState, faults: Path) -> None:
        self.state = state
        self.faults = faults

    def arm(self, point: str, action: str, times: int = 1) -> None:
        for number in range(times):
            (self.faults / f"{point}@{action}@{number}").touch()

    def is_armed(self) -> bool:
        return any("@" in file.name for file in self.faults.iterdir())

    def put(self, name: str, body: bytes) -> None:
        client("s3").put_object(Bucket=self.state.outputs["LandingBucket"], Key=f"orders/{name}", Body=body)

    def item(self, name: str) -> dict[str, Any]:
        bucket = self.state.outputs["LandingBucket"]
        key = {"ingestion_key": {"S": "orders"}, "file_path": {"S": f"s3://{bucket}/orders/{name}"}}
        table = self.state.outputs["StateTable"]
        found = client("dynamodb").get_item(TableName=table, Key=key, ConsistentRead=True).get("Item", {})
        return {field: next(iter(value.values())) for field, value in found.items()}

    def is_settled(self, *names: str) -> bool:
        statuses = {self.item(name).get("status") for name in names}
        return statuses <= {"completed", "failed"} and observe(self.state.outputs).is_idle

    def rows(self) -> int:
        return table_content(self.state.outputs["Database"], "orders").rows

    def run_states(self) -> list[str]:
        return [run.state for run in reversed(observe(self.state.outputs).runs)]


@pytest.fixture
def armed(paths: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Armed]:
    faults = tmp_path / "faults"
    faults.mkdir()
    monkeypatch.setenv(VARIABLE, str(faults))
    with running_stack(paths, OPTIONS, print, tmp_path / "stack") as state:
        yield Armed(state, faults)


def wait_for(holds: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < deadline, f"not within {PATIENCE_SECONDS:.0f} s: {what}"
        time.sleep(0.5)


def orders(*ids: int) -> bytes:
    rows = (f"{number},1,2026-01-02,paid,1,9.50,EUR,,2026-01-02T03:04:05Z\n" for number in ids)
    return HEADER + "".join(rows).encode()


def endless() -> bytes:
    """Return a file whose second line is longer than a record may be, behind a quotation mark that never closes."""
    return HEADER + b'1,1,2026-01-02,paid,1,9.50,EUR,"' + b"x" * 40_000_000


def test_dead_dispatchers_drivers_and_reconcilers_and_a_batch_that_is_halved_cost_nobody_a_row(armed: Armed):
    # The dispatcher dies over its claims, the first run between its commit and its flips.
    armed.arm("dispatcher.claimed", "kill")
    armed.arm("job.committed", "kill-parent")
    armed.put("a.csv", orders(1, 2))
    armed.put("b.csv", orders(3))
    wait_for(lambda: armed.is_settled("a.csv", "b.csv"), "two files after a dead dispatcher and a dead driver")
    assert not armed.is_armed()
    assert [armed.item(name)["rows_ingested"] for name in ("a.csv", "b.csv")] == ["2", "1"]
    assert armed.rows() == 3
    assert armed.run_states().count("FAILED") == 1
    assert armed.item("a.csv")["attempt"] == "2"

    # The reconciler dies while it settles that run; and two runs die over a batch, as a file may kill them.
    armed.arm("reconciler.settled", "kill")
    armed.arm("reconciler.split-claimed", "kill")
    armed.arm("job.looked", "kill-parent", times=2)
    armed.put("endless.csv", endless())
    armed.put("good.csv", orders(4, 5))
    wait_for(lambda: armed.is_settled("endless.csv", "good.csv"), "two files whose batch is halved")
    assert not armed.is_armed()
    failed = armed.item("endless.csv")
    assert (failed["status"], failed["error_type"]) == ("failed", "UnreadableFile"), failed
    assert "line 2" in failed["error_message"]
    assert "next_try_at" not in failed
    good = armed.item("good.csv")
    assert (good["status"], good["rows_ingested"]) == ("completed", "2")
    assert armed.rows() == 5
    assert armed.run_states().count("FAILED") == 3
    # Two runs of both, and one for each half.
    assert len(armed.run_states()) <= 2 + 2 + 2
