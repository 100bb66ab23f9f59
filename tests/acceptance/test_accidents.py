"""What the guide does not tell of: a session that is killed, two runs at once, and a pipeline that is not there."""

from __future__ import annotations

import json
import time

import pytest

from acceptance import commands
from acceptance.cells import load
from acceptance.notebook import open_notebook
from acceptance.terminal import PATIENCE_SECONDS
from acceptance.world import LANDING

pytestmark = [pytest.mark.e2e, pytest.mark.stack, pytest.mark.spark]

LEASE_SECONDS = 3


@pytest.fixture
def dropped(world, project):
    """Two files in the landing bucket, of 103 rows."""
    return [
        world.put(f"s3://{LANDING}/orders/{name}.csv", project / "test_data" / f"{name}.csv")
        for name in ("edge_cases", "good_orders")
    ]


def test_a_session_killed_before_it_writes_leaves_nothing_and_its_files_to_the_next_run(
    world, dropped, terminal, notebook, tmp_path
):
    short = terminal.with_variables(ALUR_LEASE_SECONDS=str(LEASE_SECONDS))
    with open_notebook(short, tmp_path) as doomed:
        assert doomed.does(load()).value == 103
        # Longer than the lease: it is alive, so it renews it, and the files stay its own.
        time.sleep(LEASE_SECONDS)
        refused = notebook.does(load())
        assert refused.value == 0
        assert any(line.startswith("Nothing to read: of 2 files 2 being ingested") for line in refused.log)
        doomed.kill()
    assert world.table().rows == 0
    assert {status for status, _ in world.status_and_rows().values()} == {"processing"}

    # Longer than the lease is what a run takes to start.
    ran = terminal.succeeds(commands.RUN)
    assert ran.stdout.startswith("ingest_orders: 2 files, 103 rows into orders; 0 skipped, 0 failed; ")
    assert world.table().rows == 103
    assert world.status_and_rows() == dict(zip(dropped, [("completed", 3), ("completed", 100)], strict=True))


def test_two_runs_at_once_ingest_every_file_once(world, dropped, terminal):
    command = commands.RUN_FOR_JSON
    with terminal.typing(command) as one, terminal.typing(command) as other:
        ended = [process.communicate(timeout=PATIENCE_SECONDS) for process in (one, other)]
        assert (one.returncode, other.returncode) == (0, 0), ended
    results = [json.loads(stdout) for stdout, _ in ended]
    for result in results:
        assert (result["pipeline"], result["table"], result["failed"]) == ("ingest_orders", "orders", [])
    assert (sum(result["files"] for result in results), sum(result["rows"] for result in results)) == (2, 103)
    assert results[0]["run_id"] != results[1]["run_id"]
    assert world.table().rows == 103
    assert {status for status, _ in world.status_and_rows().values()} == {"completed"}


def test_a_pipeline_that_is_not_declared_is_wrong_usage_and_those_that_are_get_named(terminal):
    ran = terminal.type(commands.RUN_UNKNOWN)
    assert (ran.code, ran.stdout) == (2, "")
    assert "ingest_nothing" in ran.stderr
    assert "ingest_orders" in ran.stderr
