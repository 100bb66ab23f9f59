"""The guide's four "Future Enhancements", which are there."""

from __future__ import annotations

import re
import time
from collections import Counter

import pytest

from acceptance import commands
from acceptance.cells import ROWS_BY_FILE, WRITE_DF, load, run_pipeline
from acceptance.world import LANDING, STATE_TABLE

pytestmark = [pytest.mark.e2e, pytest.mark.stack, pytest.mark.spark]

HEADER = "order_id,customer_id,order_date,status,quantity,amount,currency,notes,created_at"
ROW = "{},2031,2026-03-01,paid,1,59.00,EUR,,2026-03-01T10:00:00Z"
PLACE = f"s3://{LANDING}/orders"
DAY = 86_400


def orders(*numbers: int) -> bytes:
    return "\n".join([HEADER, *map(ROW.format, numbers), ""]).encode()


def test_1_files_are_looked_up_100_a_request_and_changed_25_a_request(world, notebook):
    for number in range(26):
        world.put(f"{PLACE}/{number}.csv", orders(number))
    loaded = notebook.does(load())
    assert loaded.value == 26
    written = notebook.does(WRITE_DF)
    assert written.value["files"] == 26
    asked = Counter(loaded.dynamodb + written.dynamodb)
    # Two for the claims, two for their ends.
    assert asked["BatchExecuteStatement"] == 4
    assert asked["PutItem"] + asked["GetItem"] == 0
    again = Counter(notebook.does(load()).dynamodb)
    assert again == {"BatchGetItem": 1}


def test_2_and_4_a_failed_file_says_why_and_a_new_version_of_any_file_replaces_what_was(
    world, notebook, terminal, project
):
    good, broken = f"{PLACE}/good_orders.csv", f"{PLACE}/broken.csv"
    world.put(good, project / "test_data" / "good_orders.csv")
    terminal.succeeds(commands.DROP_BROKEN)
    ran = terminal.type(commands.RUN)
    assert ran.code == 1
    assert ran.stdout.startswith("ingest_orders: 1 files, 100 rows into orders; 0 skipped, 1 failed; ")
    assert f"  failed: {broken}: HeaderMismatch: " in ran.stdout
    assert "missing order_id" in ran.stdout
    item = world.items()[broken]
    assert (item["status"]["S"], item["error_type"]["S"]) == ("failed", "HeaderMismatch")
    assert "missing order_id" in item["error_message"]["S"]
    assert broken in terminal.succeeds(commands.LIST_FAILED).stdout

    # Nothing has changed, so nothing is tried.
    ran = notebook.does(run_pipeline("ingest_orders")).value
    assert (ran["files"], ran["failed"], [failure[0] for failure in ran["failed_before"]]) == (0, [], [broken])
    # A person says so: it is, and fails again.
    assert terminal.succeeds(commands.RETRY).stdout == "tried again by the next `alur run`: 1 file\n"
    ran = notebook.does(run_pipeline("ingest_orders")).value
    assert [failure[0] for failure in ran["failed"]] == [broken]

    terminal.succeeds(commands.CORRECT_GOOD)
    terminal.succeeds(commands.MEND_BROKEN)
    ran = notebook.does(run_pipeline("ingest_orders")).value
    assert (ran["files"], ran["rows"], ran["failed"]) == (2, 13, [])
    assert world.status_and_rows() == {good: ("completed", 10), broken: ("completed", 3)}
    assert notebook.does(ROWS_BY_FILE).value == {good: 10, broken: 3}
    assert "error_type" not in world.items()[broken]


def test_3_old_entries_are_purged_a_watermark_takes_their_place_and_nothing_doubles(world, notebook, terminal):
    old, new = world.put(f"{PLACE}/old.csv", orders(1, 2)), world.put(f"{PLACE}/new.csv", orders(3))
    notebook.does(run_pipeline("ingest_orders"))
    assert "0 entries removed, 2 kept" in terminal.succeeds(commands.PURGE).stdout
    make_old(world, old, days=200)
    purged = terminal.succeeds(commands.PURGE).stdout
    assert "1 entry removed, 1 kept" in purged
    assert re.search(r"The watermark is 20\d\d-\d\d-\d\d", purged)
    assert set(world.status_and_rows()) == {new}

    # S3 dates the file today, for nobody can write an older date: it is read again, and its rows are replaced.
    ran = notebook.does(run_pipeline("ingest_orders")).value
    assert (ran["files"], ran["rows"], ran["skipped"]) == (1, 2, 1)
    assert world.table().rows == 3

    # A file that is older than what a run is told is passed over.
    world.put(f"{PLACE}/newest.csv", orders(4))
    ran = terminal.succeeds(commands.RUN_SINCE)
    assert ran.lines[0] == "All files have been processed. No new data to ingest; 3 older files were passed over."
    assert ran.lines[1].startswith("ingest_orders: 0 files, 0 rows into orders; 3 skipped, 0 failed; ")
    assert world.table().rows == 3


def make_old(world, path: str, *, days: int) -> None:
    """Let the ledger say that a file was written and ingested long ago."""
    item = world.items()[path]
    moment = int(time.time()) - days * DAY
    written = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(moment))
    aged = {
        name: {"S": written} for name in ("last_modified", "event_at", "claimed_at", "queryable_at") if name in item
    }
    world.dynamodb.put_item(TableName=STATE_TABLE, Item={**item, **aged, "processed_at": {"N": str(moment)}})
