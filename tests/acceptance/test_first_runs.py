"""The guide's Tests 1 to 3, and its looks at DynamoDB from the shell: files are dropped, and `alur run` takes them."""

from __future__ import annotations

import ast
import hashlib
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from acceptance import commands
from acceptance.guide import GUIDE
from acceptance.terminal import Terminal, Typed
from acceptance.world import LANDING, World

pytestmark = [pytest.mark.e2e, pytest.mark.stack]

(SCHEMA,) = GUIDE.take("3. DynamoDB Schema", __name__)
UPLOAD, FIRST_RUN = GUIDE.take("Test 1:", __name__)
(SECOND_RUN,) = GUIDE.take("Test 2:", __name__)
UPLOAD_NEW, THIRD_RUN = GUIDE.take("Test 3:", __name__)
(QUERY,) = GUIDE.take("CLI Query", __name__)
(CHECK,) = GUIDE.take("Files Not Being Skipped", __name__)

GOOD, EDGE, NEW = (f"s3://{LANDING}/orders/{name}.csv" for name in ("good_orders", "edge_cases", "new_orders"))
NOTHING_NEW = "All files have been processed. No new data to ingest."

TYPES = {str: "S", int: "N"}


@pytest.fixture(scope="module")
def first(stack: World, terminal: Terminal) -> tuple[Typed, Typed, dict[str, Any]]:
    """What Test 1's commands printed, in an empty stack, and the ledger after them."""
    stack.empty()
    uploaded = terminal.runs(UPLOAD, __name__)
    return uploaded, terminal.runs(FIRST_RUN, __name__), stack.items()


def logs_of(typed: Typed) -> str:
    (line,) = [line for line in typed.lines if line.startswith("logs: ")]
    return line.removeprefix("logs: ")


def documents(text: str) -> list[Any]:
    """Take apart what several commands printed as JSON, one after the other."""
    found, text = [], text.strip()
    while text:
        document, end = json.JSONDecoder().raw_decode(text)
        found.append(document)
        text = text[end:].lstrip()
    return found


def test_1_the_first_run_ingests_both_files_of_103_rows_and_marks_them(first, stack):
    uploaded, ran, items = first
    # The CLI redraws its line of progress.
    said = uploaded.stdout.replace("\r", "\n").splitlines()
    assert sorted(line.split(" to ")[1].strip() for line in said if line.startswith("upload: ")) == [EDGE, GOOD]
    assert ran.stdout.startswith("ingest_orders: 2 files, 103 rows into orders; 0 skipped, 0 failed; ")
    assert {path: (item["status"]["S"], item["rows_ingested"]["N"]) for path, item in items.items()} == {
        GOOD: ("completed", "100"),
        EDGE: ("completed", "3"),
    }
    assert all(item.get("rows_rejected", {"N": "0"})["N"] == "0" for item in items.values())
    assert [line["rows"] for line in stack.driver_log(logs_of(ran)) if line.get("files") == 2] == [103]


def test_an_item_has_the_fields_of_the_guides_schema_with_their_types(first, project):
    _, _, items = first
    schema = ast.literal_eval(SCHEMA.text)
    SCHEMA.ran_in.add(__name__)
    item = items[GOOD]
    assert {name: next(iter(item[name])) for name in schema} == {
        name: TYPES[type(example)] for name, example in schema.items()
    }
    content = (project / "test_data" / "good_orders.csv").read_bytes()
    moment = datetime.fromtimestamp(int(item["processed_at"]["N"]), UTC)
    assert {name: next(iter(item[name].values())) for name in schema} == {
        "ingestion_key": "orders",
        "file_path": GOOD,
        "file_size": str(len(content)),
        "file_etag": hashlib.md5(content).hexdigest(),
        "rows_ingested": "100",
        "processed_at": str(int(moment.timestamp())),
        "processed_at_iso": moment.strftime("%Y-%m-%d %H:%M:%S UTC"),
    }


def test_2_the_second_run_ingests_nothing_and_says_so_in_the_guides_words(first, stack, terminal):
    before = stack.table()
    ran = terminal.runs(SECOND_RUN, __name__)
    assert NOTHING_NEW in ran.lines
    assert any(
        line.startswith("ingest_orders: 0 files, 0 rows into orders; 2 skipped, 0 failed; ") for line in ran.lines
    )
    assert NOTHING_NEW in [line["message"] for line in stack.driver_log(logs_of(ran))]
    assert (before.rows, stack.table()) == (103, before)
    assert set(stack.items()) == {GOOD, EDGE}


def test_3_a_run_after_one_new_file_ingests_only_its_rows(first, stack, terminal):
    terminal.runs(UPLOAD_NEW, __name__)
    ran = terminal.runs(THIRD_RUN, __name__)
    assert ran.stdout.startswith("ingest_orders: 1 files, 20 rows into orders; 2 skipped, 0 failed; ")
    assert stack.table().rows == 123
    assert stack.status_and_rows() == {GOOD: ("completed", 100), EDGE: ("completed", 3), NEW: ("completed", 20)}
    assert {path: item for path, item in stack.items().items() if path != NEW} == first[2]


def test_the_cli_query_shows_every_file_of_the_table(first, stack, terminal):
    (answer,) = documents(terminal.runs(QUERY, __name__).stdout)
    assert {item["file_path"]["S"]: item for item in answer["Items"]} == stack.items()
    assert answer["Count"] >= 2


def test_the_check_finds_the_ledgers_table_and_what_is_in_it(first, stack, terminal):
    described, scanned = documents(terminal.runs(CHECK, __name__).stdout)
    keys = {part["AttributeName"]: part["KeyType"] for part in described["Table"]["KeySchema"]}
    assert keys == {"ingestion_key": "HASH", "file_path": "RANGE"}
    assert described["Table"]["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
    assert {item["file_path"]["S"]: item for item in scanned["Items"]} == stack.items()


def test_alur_files_lists_what_the_query_shows(first, stack, terminal):
    listed = terminal.succeeds(commands.CHECK_FILES).lines
    assert [line.split()[-1] for line in listed] == sorted(stack.items())
    assert {line.split()[0] for line in listed} == {"completed"}
