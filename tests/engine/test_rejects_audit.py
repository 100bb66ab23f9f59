"""Rejects beside rows: which belong to what is in the table, what is a difference, and what a file that moves on is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from workbench import LANDING, STATE_TABLE, Workbench, make_contract, once_before, rows_of

from alur.clock import utc_now
from alur.contracts.contract import Contract, OnOverwrite
from alur.engine import audit as audit_module
from alur.engine import batch as batch_module
from alur.engine.audit import AuditReport, Verdict, audit_table
from alur.engine.evidence import Counted, CountedRejects, Publication, pin_rejects
from alur.engine.rebuild import rebuild_ledger
from alur.engine.rejects_audit import judge_rejects, know_rejects
from alur.errors import CommitRefused, RunsFailed
from alur.ledger.batches import Batch
from alur.ledger.files import FileLedger
from alur.ledger.model import LedgerItem, Published, Status
from alur.ledger.transitions import fail

# ----------------------------------------------------------------------------------------------- the decision

PATH = "s3://landing/orders/a.csv"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
REPLACE, APPEND = OnOverwrite.REPLACE, OnOverwrite.APPEND


def commit(etag: str, batch_id: str, attempt: str, rows: int, rejects: int) -> Publication:
    return Publication(PATH, etag, batch_id, rows, rejects, "f", 1, NOW, f"s3://lake/{batch_id}/{attempt}.json")


def rows(etag: str, batch_id: str, count: int = 3) -> Counted:
    return Counted(PATH, etag, batch_id, count)


def rejects(etag: str, batch_id: str, attempt: str, count: int) -> CountedRejects:
    return CountedRejects(PATH, etag, batch_id, attempt, count)


def completed(rejects: int, *, rows: int = 3, etag: str = "e2", batch_id: str = "b2") -> LedgerItem:
    return LedgerItem("orders", PATH, etag, 10, Status.COMPLETED, batch_id, rows=rows, rejects=rejects)


def flaws(
    item: LedgerItem | None,
    held: list[Counted],
    newest_first: list[Publication],
    rejected: list[CountedRejects],
    rule: OnOverwrite = REPLACE,
) -> list[str]:
    return judge_rejects(know_rejects(held, newest_first, rejected, item, rule), item)


SECOND, FIRST = commit("e2", "b2", "n2", 3, 2), commit("e1", "b1", "n1", 5, 1)
STRAY = "1 reject of an attempt that was never published is left"


@pytest.mark.parametrize("rule", OnOverwrite)
def test_the_record_says_how_many_rejects_its_attempt_has(rule: OnOverwrite):
    held = [rows("e2", "b2")]
    assert flaws(completed(2), held, [SECOND], [rejects("e2", "b2", "n2", 2)], rule) == []
    assert flaws(completed(2), held, [SECOND], [rejects("e2", "b2", "n2", 1)], rule) == [
        "the record says 2 rejects, the table holds 1"
    ]
    assert flaws(completed(2), held, [SECOND], [], rule) == ["the record says 2 rejects, the table holds 0"]
    assert flaws(completed(2), held, [SECOND], [rejects("e2", "b2", "n2", 4)], rule) == [
        "the record says 2 rejects, the table holds 4"
    ]


def test_the_ledger_says_as_many_as_the_record_or_where_that_is_gone_as_the_table():
    held, there = [rows("e2", "b2")], [rejects("e2", "b2", "n2", 2)]
    assert flaws(completed(0), held, [SECOND], there) == ["the ledger says 0 rejects, the record says 2"]
    assert flaws(completed(2), held, [], there) == []
    assert flaws(completed(1), held, [], there) == ["the ledger says 1 reject, the table holds 2"]
    halved = replace(completed(2), batch_id="b3", published_by="b2")
    assert flaws(halved, held, [SECOND], there) == []


def test_what_no_commit_has_published_is_left_over_unless_somebody_is_still_to_look_at_the_file():
    held = [rows("e2", "b2")]
    there = [rejects("e2", "b2", "n2", 2), rejects("e2", "b2", "n9", 1)]
    assert flaws(completed(2), held, [SECOND], there) == [STRAY]
    assert flaws(None, held, [SECOND], there) == [STRAY]
    failed = LedgerItem("orders", PATH, "e3", 10, Status.FAILED, "b3", previous=Published("e2", "b2", 3, "1"))
    assert flaws(failed, held, [SECOND], there) == [STRAY]
    assert flaws(replace(failed, next_try_at=NOW), held, [SECOND], there) == []
    assert flaws(replace(failed, status=Status.PROCESSING), held, [SECOND], there) == []
    others = [rejects("e3", "b3", "n7", 4), rejects("e3", "b4", "n8", 1)]
    assert flaws(completed(2), held, [SECOND], [*there, *others]) == [
        "6 rejects of attempts that were never published are left"
    ]


def test_also_while_a_file_is_processing_what_is_in_has_the_rejects_of_its_record():
    busy = LedgerItem("orders", PATH, "e3", 10, Status.PROCESSING, "b3")
    there = [rejects("e2", "b2", "n2", 1), rejects("e3", "b3", "n3", 7)]
    assert flaws(busy, [rows("e2", "b2")], [SECOND], there) == ["the record says 2 rejects, the table holds 1"]


def test_of_a_version_that_was_replaced_nothing_may_be_left_and_of_appended_ones_all_stay():
    held, there = [rows("e2", "b2")], [rejects("e2", "b2", "n2", 2), rejects("e1", "b1", "n1", 1)]
    assert flaws(completed(2), held, [SECOND, FIRST], there) == [
        "1 reject of what is not in the table any more is left"
    ]
    both = [rows("e2", "b2"), rows("e1", "b1", 5)]
    assert flaws(completed(2), both, [SECOND, FIRST], there, APPEND) == []
    assert flaws(completed(2), both, [SECOND, FIRST], there[:1], APPEND) == [
        "the record says 1 reject, the table holds 0"
    ]


def test_a_version_without_rows_may_have_rejects_as_a_pipeline_that_filters_makes_them():
    bare, there = commit("e2", "b2", "n2", 0, 2), [rejects("e2", "b2", "n2", 2)]
    item = completed(2, rows=0)
    assert flaws(item, [], [bare, FIRST], there) == []
    assert flaws(None, [], [bare, FIRST], there) == []
    assert flaws(item, [], [], there) == []
    assert flaws(item, [], [bare], []) == ["the record says 2 rejects, the table holds 0"]
    assert flaws(item, [rows("e1", "b1", 5)], [bare, FIRST], [*there, rejects("e1", "b1", "n1", 1)], APPEND) == []
    failed = LedgerItem("orders", PATH, "e3", 10, Status.FAILED, "b3", previous=Published("e2", "b2", 0, "1"))
    assert flaws(failed, [], [], there) == []
    assert flaws(replace(failed, previous=None), [], [], there) == [
        "2 rejects of an attempt that was never published are left"
    ]


def test_a_batch_that_has_published_a_path_twice_is_told_by_its_last_commit():
    again = commit("e2", "b2", "n3", 3, 2)
    there = [rejects("e2", "b2", "n3", 2), rejects("e2", "b2", "n2", 2)]
    assert flaws(completed(2), [rows("e2", "b2")], [again, SECOND], there[:1]) == []
    assert flaws(completed(2), [rows("e2", "b2")], [again, SECOND], there) == [
        "2 rejects of what is not in the table any more are left"
    ]


# ---------------------------------------------------------------------------------------------- with a table


class Died(BaseException):
    """A process is gone."""


def narrow(contract: Contract) -> Contract:
    """Return the contract with globs that mean the files of its own table only."""
    return replace(contract, source_paths=(f"s3://{LANDING}/{contract.ingestion_key}/**",))


@pytest.fixture
def bench(bench_for: Callable[[Contract], Workbench]) -> Workbench:
    return bench_for(narrow(make_contract()))


def dirty(*ids: int, bad: int = 1) -> bytes:
    """A file of so many rows, and so many records whose required number is a word."""
    return rows_of(*ids) + b"".join(b"word,%d,1.00\n" % number for number in range(bad))


def audited(bench: Workbench) -> AuditReport:
    return audit_table(
        bench.spark, bench.contract, bench.table, files=bench.files, storage=bench.storage, clock=utc_now
    )


def told(report: AuditReport, bench: Workbench) -> dict[str, tuple[str, str]]:
    """Each file's verdict, and what its sentence ends with."""
    return {
        file.path.removeprefix(bench.path("")): (file.verdict.value, file.sentence.rpartition("; ")[2])
        for file in report.files
    }


def rejects_table(bench: Workbench) -> str:
    return f"{bench.table_name}__rejects"


def die_at(bench: Workbench, monkeypatch: pytest.MonkeyPatch, point: str, *names: str) -> Batch:
    """Claim files, and let their run die at a point; return the batch."""

    def die(name: str) -> None:
        if name == point:
            raise Died

    batch = bench.claim(*names)
    with monkeypatch.context() as patch:
        patch.setattr(batch_module, "fault_point", die)
        with pytest.raises(Died):
            bench.run(batch)
    return batch


@pytest.mark.spark
@pytest.mark.stack
def test_rejects_are_told_and_agree_through_replacements_deaths_and_the_expiry_of_both_histories(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
):
    bench.put("clean.csv", rows_of(1))
    bench.put("dirty.csv", dirty(2, 3, bad=2))
    bench.put("replaced.csv", dirty(4, bad=3))
    bench.put("died.csv", dirty(5, bad=1))
    first = bench.ingest("clean.csv", "dirty.csv", "replaced.csv", "died.csv")
    bench.put("replaced.csv", dirty(6, bad=1))
    bench.ingest("replaced.csv")
    bench.put("died.csv", dirty(7, 8, bad=4))
    batch = die_at(bench, monkeypatch, "job.rejects-committed", "died.csv")
    report = audited(bench)
    assert report.agrees
    died = next(file for file in report.files if file.path == bench.path("died.csv"))
    assert died.verdict is Verdict.PROCESSING
    assert sorted(group.count for group in died.rejected) == [1, 4]

    assert bench.run(batch)
    report = audited(bench)
    assert report.agrees
    assert report.rejects is not None
    assert report.rejects.count == len(bench.rejects()) == 2 + 1 + 4
    document = {file["path"].removeprefix(bench.path("")): file for file in report.to_document()["files"]}
    assert report.to_document()["rejects"] == {
        "table": rejects_table(bench),
        "snapshot_id": str(report.rejects.snapshot_id),
        "count": 7,
    }
    dirty_file = document["dirty.csv"]
    (group,) = dirty_file["rejects"]
    assert (group["etag"], group["batch_id"], group["rejects"]) == (
        bench.version("dirty.csv").etag,
        first.batch_id,
        2,
    )
    assert dirty_file["proof"]["record"].endswith(f"/{group['attempt']}.json")
    assert dirty_file["ledger"]["rejects"] == dirty_file["proof"]["rejects"] == 2
    assert [group["rejects"] for group in document["replaced.csv"]["rejects"]] == [1]
    assert document["clean.csv"]["rejects"] == []

    for table in (bench.table_name, rejects_table(bench)):
        bench.spark.sql(
            f"CALL alur.system.rewrite_data_files(table => '{table}', options => map('rewrite-all', 'true'))"
        )
        bench.spark.sql(
            f"CALL alur.system.expire_snapshots(table => '{table}', older_than => TIMESTAMP '2100-01-01', "
            "retain_last => 1)"
        )
    expired = audited(bench)
    assert expired.agrees
    assert not any(file.proof for file in expired.files)

    # A ledger that is rebuilt then counts them, as no commit tells of them any more.
    numbers = {name: bench.attributes(name)["rows_rejected"] for name in document}
    for name in document:
        bench.forget(name)
    rebuild_ledger(bench.spark, bench.contract, bench.table, files=bench.files, storage=bench.storage, clock=utc_now)
    assert {name: bench.attributes(name)["rows_rejected"] for name in document} == numbers
    assert audited(bench).agrees
    bench.spark.sql(f"DELETE FROM {rejects_table(bench)} WHERE _source_file = '{bench.path('dirty.csv')}'")
    assert told(audited(bench), bench)["dirty.csv"] == (
        "rejects-differ",
        "the ledger says 2 rejects, the table holds 0",
    )


@pytest.mark.spark
@pytest.mark.stack
def test_every_difference_of_rejects_is_seen_and_said_and_reading_again_mends_it(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
):
    names = ("fine.csv", "lost.csv", "doubled.csv", "stray.csv", "entry.csv")
    for name in names:
        bench.put(name, dirty(1, 2, bad=2))
    bench.put("failed.csv", dirty(3))
    bench.ingest(*names)
    batch = die_at(bench, monkeypatch, "job.rejects-committed", "failed.csv")
    assert audited(bench).agrees

    # It was tried too often: nobody publishes what that attempt had begun with.
    item = bench.item("failed.csv")
    assert item is not None
    bench.files.apply([fail(item, batch_id=batch.batch_id, error=RunsFailed(item.path, 4, "it died"), now=utc_now())])
    table = rejects_table(bench)
    copy = "SELECT line_number, record, column_name, reason, _ingested_at, _source_system, _source_file, _source_etag"
    of = f"FROM {table} WHERE _source_file = '{{}}'"
    bench.spark.sql(f"DELETE FROM {table} WHERE _source_file = '{bench.path('lost.csv')}' AND record = 'word,0,1.00'")
    bench.spark.sql(f"INSERT INTO {table} {copy}, _batch_id, _attempt {of.format(bench.path('doubled.csv'))}")
    bench.spark.sql(f"INSERT INTO {table} {copy}, _batch_id, 'another' {of.format(bench.path('stray.csv'))} LIMIT 1")
    bench.spark.sql(f"INSERT INTO {table} {copy}, 'somebody', 'n1' {of.format(bench.path('fine.csv'))}")
    key = {"ingestion_key": {"S": bench.key}, "file_path": {"S": bench.path("entry.csv")}}
    bench.dynamodb.update_item(
        TableName=STATE_TABLE,
        Key=key,
        UpdateExpression="SET rows_rejected = :v",
        ExpressionAttributeValues={":v": {"N": "5"}},
    )

    report = audited(bench)
    assert not report.agrees
    said = told(report, bench)
    assert said.pop("fine.csv")[0] == "agree"
    assert said == {
        "lost.csv": ("rejects-differ", "the record says 2 rejects, the table holds 1"),
        "doubled.csv": ("rejects-differ", "the record says 2 rejects, the table holds 4"),
        "stray.csv": ("rejects-differ", STRAY),
        "entry.csv": ("rejects-differ", "the ledger says 5 rejects, the record says 2"),
        "failed.csv": ("rejects-differ", STRAY),
    }
    sentence = next(file.sentence for file in report.files if file.path == bench.path("lost.csv"))
    assert sentence.startswith("the ledger says completed, 2 rows and 2 rejects of version")

    # What differs in its rows is told of those first.
    bench.spark.sql(f"DELETE FROM {bench.table_name} WHERE _source_file = '{bench.path('lost.csv')}' AND id = 1")
    assert told(audited(bench), bench)["lost.csv"][0] == "rows-missing"

    for name in (*names, "failed.csv"):
        bench.forget(name)
        bench.put(name, dirty(1, 2, bad=2))
    bench.ingest(*names, "failed.csv")
    assert {verdict for verdict, _ in told(audited(bench), bench).values()} == {"agree"}


@pytest.mark.spark
@pytest.mark.stack
def test_a_table_of_rejects_that_is_not_there_is_one_without_rejects(bench: Workbench):
    bench.put("clean.csv", rows_of(1))
    bench.put("dirty.csv", dirty(2))
    bench.ingest("clean.csv", "dirty.csv")
    bench.spark.sql(f"DROP TABLE {rejects_table(bench)}")
    report = audited(bench)
    assert report.rejects is None
    assert report.to_document()["rejects"] is None
    assert told(report, bench)["clean.csv"][0] == "agree"
    assert told(report, bench)["dirty.csv"] == ("rejects-differ", "the record says 1 reject, the table holds 0")

    bench.spark.sql(f"CREATE TABLE {rejects_table(bench)} (record string) USING iceberg")
    assert audited(bench).rejects is None


@pytest.mark.spark
@pytest.mark.stack
def test_what_goes_on_in_either_table_during_the_audit_has_moved(bench: Workbench, monkeypatch: pytest.MonkeyPatch):
    for name in ("published.csv", "swept.csv", "wrong.csv"):
        bench.put(name, dirty(1, bad=1))
    bench.ingest("published.csv", "swept.csv", "wrong.csv")
    bench.put("published.csv", dirty(2, bad=3))
    bench.put("swept.csv", dirty(3, bad=2))
    bench.spark.sql(f"DELETE FROM {rejects_table(bench)} WHERE _source_file = '{bench.path('wrong.csv')}'")
    # Its rows are in, and the rejects of what they have replaced are still to go.
    batch = die_at(bench, monkeypatch, "job.committed", "swept.csv")

    def go_on() -> None:
        assert bench.run(batch)
        bench.ingest("published.csv")

    with monkeypatch.context() as patch:
        once_before(patch, FileLedger, "walk", go_on)
        report = audited(bench)
    assert {name: verdict for name, (verdict, _) in told(report, bench).items()} == {
        "published.csv": "moved",
        "swept.csv": "moved",
        "wrong.csv": "rejects-differ",
    }
    assert {name: verdict for name, (verdict, _) in told(audited(bench), bench).items()} == {
        "published.csv": "agree",
        "swept.csv": "agree",
        "wrong.csv": "rejects-differ",
    }


@pytest.mark.spark
@pytest.mark.stack
def test_rejects_that_are_committed_between_the_two_pins_are_of_rows_that_come_later(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
):
    bench.put("a.csv", dirty(1, bad=1))
    bench.ingest("a.csv")
    bench.put("a.csv", dirty(2, bad=3))
    with monkeypatch.context() as patch:

        def pinned_late(*arguments: Any) -> Any:
            bench.ingest("a.csv")
            return pin_rejects(*arguments)

        patch.setattr(audit_module, "pin_rejects", pinned_late)
        report = audited(bench)
    assert [file.verdict for file in report.files] == [Verdict.MOVED]
    assert audited(bench).agrees


@pytest.mark.spark
@pytest.mark.stack
def test_rejects_that_are_rolled_back_during_the_audit_are_not_judged(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
):
    bench.put("a.csv", dirty(1))
    bench.ingest("a.csv")
    first = bench.spark.sql(f"SELECT snapshot_id FROM {rejects_table(bench)}.history ORDER BY made_current_at").first()
    assert first is not None
    bench.spark.sql(f"DELETE FROM {rejects_table(bench)} WHERE true")
    rollback = f"CALL alur.system.rollback_to_snapshot('{rejects_table(bench)}', {first[0]})"
    once_before(monkeypatch, FileLedger, "walk", lambda: bench.spark.sql(rollback))
    with pytest.raises(CommitRefused, match="audit it again"):
        audited(bench)
    assert told(audited(bench), bench)["a.csv"][0] == "rejects-differ"
