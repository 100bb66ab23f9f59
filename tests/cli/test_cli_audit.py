"""`alur audit`: what it prints of a report, and what it makes of a run that brought none."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from alur.aws.clients import client
from alur.cli.audit import DIFFERENCES
from alur.dispatch.tasks import Task
from alur.engine.audit import DIFFERENCES as DIFFERENCES_OF_THE_ENGINE
from cli_support import Place
from task_support import FakeEmr, answer_with, install_emr

PROOF = {
    "snapshot_id": "5781947118336215154",
    "committed_at": "2026-11-23T10:00:00.000Z",
    "batch_id": "b1",
    "etag": "e1",
    "rows": 3,
    "rejects": 0,
    "record": "s3://lake/alur/records/orders/b1/1.json",
}


def audited(name: str, verdict: str, **said: Any) -> dict[str, Any]:
    """A file of a report in which all three places say the same, but for what a test says."""
    return {
        "path": f"s3://landing/orders/{name}",
        "verdict": verdict,
        "sentence": f"the sentence of {name}",
        "bucket": {"etag": "e1", "size_bytes": 1234},
        "ledger": {"status": "completed", "etag": "e1", "batch_id": "b1", "rows": 3, "rejects": 0, "snapshot_id": "5"},
        "table": [{"etag": "e1", "batch_id": "b1", "rows": 3}],
        "rejects": [],
        "proof": PROOF,
        **said,
    }


def report(*files: Mapping[str, Any], **said: Any) -> dict[str, Any]:
    verdicts = [file["verdict"] for file in files]
    return {
        "schema_version": 1,
        "table": "alur.bronze.orders",
        "ingestion_key": "orders",
        "snapshot_id": "5781947118336215154",
        "audited_at": "2026-11-23T10:00:00.000Z",
        "history_is_whole": True,
        "agrees": not DIFFERENCES.intersection(verdicts),
        "counts": {verdict: verdicts.count(verdict) for verdict in dict.fromkeys(verdicts)},
        "rejects": None,
        "files": list(files),
        "foreign": [],
        "unmanaged": [],
        **said,
    }


def row(source_file: str | None, batch_id: str | None, rows: int) -> dict[str, Any]:
    return {"source_file": source_file, "source_etag": None, "batch_id": batch_id, "rows": rows}


@pytest.fixture
def emr(place: Place, monkeypatch: pytest.MonkeyPatch) -> FakeEmr:
    return install_emr(place, monkeypatch)


def answer(emr: FakeEmr, document: Mapping[str, Any]) -> None:
    emr.on_start = answer_with(client("s3"), {"done": True, "task": "audit", "result": document})


def test_the_verdicts_that_differ_are_the_engines():
    assert {verdict.value for verdict in DIFFERENCES_OF_THE_ENGINE} == DIFFERENCES


def test_where_all_agrees_it_says_so_and_where_the_whole_report_is(place: Place, emr: FakeEmr):
    answer(emr, report(audited("a.csv", "agree"), audited("b.csv", "agree"), audited("c.csv", "not-seen")))
    result = place.call("audit", "OrdersBronze")
    (orders,) = emr.orders
    assert result.exit_code == 0
    assert (orders.task, orders.subject, orders.dry_run) == (Task.AUDIT, "orders", False)
    assert result.stdout.splitlines()[:3] == [
        "alur.bronze.orders at snapshot 5781947118336215154, 2026-11-23 10:00:00 UTC",
        "          2  agree",
        "          1  not-seen",
    ]
    assert "3 files: bucket, ledger and table agree\n" in result.stdout
    assert f"s3://{orders.lake_bucket}/alur/runs/{orders.token}/result.json\n" in result.stdout
    assert "a.csv" not in result.stdout
    assert "run r1" in result.stderr


def test_of_a_difference_it_says_what_each_place_says_and_the_proof_and_exits_1(place: Place, emr: FakeEmr):
    held = [{"etag": "e1", "batch_id": "b1", "rows": 2}, {"etag": "e0", "batch_id": "b0", "rows": 1}]
    answer(emr, report(audited("a.csv", "agree"), audited("b.csv", "rows-doubled", table=held)))
    result = place.call("audit", "orders")
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    at = lines.index("s3://landing/orders/b.csv: rows-doubled")
    assert lines[at + 1 : at + 6] == [
        "  bucket  version e1, 1,234 bytes",
        "  ledger  completed, 3 rows of version e1 by batch b1",
        "  table   2 rows of version e1 by batch b1 and 1 row of version e0 by batch b0",
        "  rejects none",
        "  proof   snapshot 5781947118336215154 of 2026-11-23 10:00:00 UTC: 3 rows of version e1 by batch b1; "
        "s3://lake/alur/records/orders/b1/1.json",
    ]
    assert "          1  rows-doubled (differs)" in lines
    assert "1 difference in 2 files; docs/audit.md says what to do about each" in lines
    assert "a.csv" not in result.stdout


def test_a_place_that_knows_nothing_is_said_to_know_nothing(place: Place, emr: FakeEmr):
    answer(emr, report(audited("a.csv", "no-entry", bucket=None, ledger=None, table=[], proof=None)))
    lines = place.call("audit", "orders").stdout.splitlines()
    at = lines.index("s3://landing/orders/a.csv: no-entry")
    assert lines[at + 1 : at + 6] == [
        "  bucket  no such object",
        "  ledger  no entry",
        "  table   no rows",
        "  rejects none",
        "  proof   none: no commit that is still told says so",
    ]


def test_rejects_are_told_beside_the_rows_and_by_attempt(place: Place, emr: FakeEmr):
    entry = {"status": "completed", "etag": "e1", "batch_id": "b1", "rows": 3, "rejects": 2, "snapshot_id": "5"}
    groups = [
        {"etag": "e1", "batch_id": "b1", "attempt": "0000000a", "rejects": 1},
        {"etag": "e1", "batch_id": "b1", "attempt": "0000000b", "rejects": 1200},
    ]
    file = audited("a.csv", "rejects-differ", ledger=entry, rejects=groups, proof={**PROOF, "rejects": 1})
    held = {"table": "alur.bronze.orders__rejects", "snapshot_id": "77", "count": 1201}
    answer(emr, report(file, rejects=held))
    result = place.call("audit", "orders")
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    assert "          1  rejects-differ (differs)" in lines
    assert "  1,201 rejects in alur.bronze.orders__rejects at snapshot 77" in lines
    at = lines.index("s3://landing/orders/a.csv: rejects-differ")
    assert lines[at + 2] == "  ledger  completed, 3 rows and 2 rejects of version e1 by batch b1"
    assert lines[at + 4] == (
        "  rejects 1 of version e1 by batch b1, attempt 0000000a and 1,200 of version e1 by batch b1, attempt 0000000b"
    )
    assert ": 3 rows and 1 reject of version e1 by batch b1; " in lines[at + 5]


def test_an_entry_that_does_not_say_how_many_rows_is_not_said_to_have_none(place: Place, emr: FakeEmr):
    entry = {"status": "completed", "etag": "e1", "batch_id": None, "rows": None, "rejects": 0, "snapshot_id": None}
    answer(emr, report(audited("a.csv", "unknown", ledger=entry)))
    assert "  ledger  completed of version e1 by batch None\n" in place.call("audit", "orders").stdout


def test_all_lists_every_file_with_its_sentence(place: Place, emr: FakeEmr):
    answer(emr, report(audited("a.csv", "agree"), audited("b.csv", "waiting")))
    result = place.call("audit", "orders", "--all")
    assert result.exit_code == 0
    assert "agree               s3://landing/orders/a.csv: the sentence of a.csv\n" in result.stdout
    assert "waiting             s3://landing/orders/b.csv: the sentence of b.csv\n" in result.stdout


def test_of_many_differences_fifty_are_printed_and_the_report_has_the_others(place: Place, emr: FakeEmr):
    answer(emr, report(*(audited(f"{number:03}.csv", "no-entry") for number in range(2_051))))
    result = place.call("audit", "orders")
    (orders,) = emr.orders
    assert result.stdout.count(": no-entry\n") == 50
    whole = f"s3://{orders.lake_bucket}/alur/runs/{orders.token}/result.json"
    assert f"  ... and 2,001 more, in {whole}\n" in result.stdout
    assert "2,051 differences in 2,051 files" in result.stdout


def test_rows_that_no_batch_has_brought_are_told_apart_and_are_no_difference(place: Place, emr: FakeEmr):
    foreign = [row(None, None, 1200), row("s3://x/y.csv", "their-job", 5)]
    unmanaged = [row("s3://landing/orders/a.csv", "unmanaged-1", 103)]
    answer(emr, report(audited("a.csv", "agree"), foreign=foreign, unmanaged=unmanaged))
    result = place.call("audit", "orders")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    at = lines.index("unmanaged, which is no difference: 103 rows written with enable_idempotency=False")
    assert lines[at + 1 : at + 5] == [
        "  103 of s3://landing/orders/a.csv by unmanaged-1",
        "foreign, which is no difference: 1,205 rows that no batch has brought: other people's",
        "  1,200 of no file by no batch",
        "  5 of s3://x/y.csv by their-job",
    ]


def test_a_history_that_is_not_whole_any_more_is_told(place: Place, emr: FakeEmr):
    answer(emr, report(audited("a.csv", "agree", proof=None), history_is_whole=False))
    assert "older snapshots have expired" in place.call("audit", "orders").stdout


def test_json_has_every_difference_and_with_all_every_file(place: Place, emr: FakeEmr):
    differing = [audited(f"{number:02}.csv", "no-entry") for number in range(60)]
    answer(emr, report(audited("a.csv", "agree"), *differing))
    result = place.call("audit", "orders", "--json")
    told = json.loads(result.stdout)
    assert result.exit_code == 1
    assert (told["agrees"], told["differences"], told["files"]) == (False, 60, differing)
    assert (told["counts"], told["snapshot_id"]) == ({"agree": 1, "no-entry": 60}, "5781947118336215154")
    assert (told["run_id"], told["logs"][:5], told["result"][-12:]) == ("r1", "s3://", "/result.json")
    assert len(place.json("audit", "orders", "--all")["files"]) == 61


def test_a_run_that_says_why_it_failed_is_quoted(place: Place, emr: FakeEmr):
    problem = "alur.bronze.orders: there is no such table: nothing was ingested yet, or somebody dropped it"
    document = {"done": False, "error_type": "TableUnsupported", "error_message": problem}
    emr.on_start = answer_with(client("s3"), document)
    result = place.call("audit", "orders")
    assert result.exit_code == 1
    assert result.stdout == ""
    assert problem in result.stderr
    assert "changes nothing" in result.stderr
    assert "alur logs r1" in result.stderr


@pytest.mark.parametrize(
    ("state", "words"), [("FAILED", "the run failed: "), ("CANCELLED", "the run was cancelled: "), (None, "is gone: ")]
)
def test_a_run_that_ends_without_a_result_is_a_failure(place: Place, emr: FakeEmr, state: str | None, words: str):
    emr.states = iter(["RUNNING", state])
    emr.details = "" if state is None else "the driver died"
    result = place.call("audit", "orders")
    assert result.exit_code == 1
    assert words in result.stderr
    assert ("it says no reason" if state is None else "the driver died") in result.stderr


def test_a_failed_run_is_json_too(place: Place, emr: FakeEmr):
    emr.states = iter(["FAILED"])
    emr.details = "the driver died"
    result = place.call("audit", "orders", "--json")
    assert result.exit_code == 1
    told = json.loads(result.stdout)
    assert (told["run_id"], told["state"], told["error"]) == ("r1", "failed", "the driver died")


def test_a_table_that_nobody_declares_starts_no_run(place: Place, emr: FakeEmr):
    result = place.call("audit", "nobody")
    assert result.exit_code == 2
    assert "orders (OrdersBronze)" in result.stderr
    assert emr.started == []


def test_where_no_application_is_named_it_exits_3(place: Place, emr: FakeEmr, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("ALUR_APPLICATION_ID")
    result = place.call("audit", "orders")
    assert result.exit_code == 3
    assert "ALUR_APPLICATION_ID" in result.stderr
