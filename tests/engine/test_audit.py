"""Bucket, ledger and rows: what counts as agreement, what as a difference, and that the audit sees each of them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from itertools import product
from typing import Any

import pytest
from workbench import LANDING, STATE_TABLE, Workbench, make_contract, once_before, rows_of

from alur.clock import utc_now
from alur.contracts.contract import Contract, OnOverwrite
from alur.engine import audit
from alur.engine.audit import DIFFERENCES, AuditedFile, AuditReport, Held, Verdict, audit_table, judge
from alur.engine.evidence import History, Publication, is_batch_id, listing_prefixes
from alur.engine.ports import Commit, Snapshot
from alur.errors import CommitRefused
from alur.ledger.batches import new_batch_id
from alur.ledger.files import FileLedger
from alur.ledger.model import FileVersion, LedgerItem, Published, Status
from alur.local.paths import find_paths

# ----------------------------------------------------------------------------------------------- the decision

V = Verdict
PATH = "s3://landing/orders/a.csv"


def item(status: Status, rows: int | None = None, previous: Published | None = None) -> LedgerItem:
    """An entry of version e2, owned by batch b2."""
    return LedgerItem("orders", PATH, "e2", 10, status, "b2", rows=rows, previous=previous)


ITEMS: dict[str, LedgerItem | None] = {
    "none": None,
    "processing": item(Status.PROCESSING, previous=Published("e1", "b1", 5, "1")),
    "completed 3": item(Status.COMPLETED, 3),
    "completed 0": item(Status.COMPLETED, 0),
    "uncounted": item(Status.COMPLETED),
    "failed": item(Status.FAILED),
    "failed over 5": item(Status.FAILED, previous=Published("e1", "b1", 5, "1")),
    "failed over 0": item(Status.FAILED, previous=Published("e1", "b1", 0, "1")),
}

HELD: dict[str, tuple[Held, ...]] = {
    "nothing": (),
    "own": (Held("e2", "b2", 3),),
    "own, fewer": (Held("e2", "b2", 2),),
    "own, more": (Held("e2", "b2", 6),),
    "own, of another batch": (Held("e2", "b9", 3),),
    "last": (Held("e1", "b1", 5),),
    "last, fewer": (Held("e1", "b1", 4),),
    "last, of another batch": (Held("e1", "b9", 5),),
    "a stranger's": (Held("e0", "b0", 1),),
    "own and last": (Held("e2", "b2", 3), Held("e1", "b1", 5)),
    "own twice": (Held("e2", "b2", 3), Held("e2", "b9", 3)),
}

OK, MI, DO, WV, WB, RF, NE, UN, PR = (
    None,  # they agree: what the bucket has names the verdict
    V.ROWS_MISSING,
    V.ROWS_DOUBLED,
    V.WRONG_VERSION,
    V.WRONG_BATCH,
    V.ROWS_THOUGH_FAILED,
    V.NO_ENTRY,
    V.UNKNOWN,
    V.PROCESSING,
)

# The columns are HELD, in its order; the rows are ITEMS.
REPLACED = {
    "none": (OK, NE, NE, NE, NE, NE, NE, NE, NE, DO, DO),
    "processing": (PR, PR, PR, PR, PR, PR, PR, PR, PR, DO, DO),
    "completed 3": (MI, OK, MI, DO, WB, WV, WV, WV, WV, DO, DO),
    "completed 0": (OK, DO, DO, DO, WB, WV, WV, WV, WV, DO, DO),
    "uncounted": (UN, UN, UN, UN, UN, UN, UN, UN, UN, DO, DO),
    "failed": (OK, RF, RF, RF, RF, WV, WV, WV, WV, DO, DO),
    "failed over 5": (MI, RF, RF, RF, RF, OK, MI, WB, WV, DO, DO),
    "failed over 0": (OK, RF, RF, RF, RF, DO, DO, WB, WV, DO, DO),
}
APPENDED = {
    "none": (OK, NE, NE, NE, NE, NE, NE, NE, NE, NE, DO),
    "processing": (PR, PR, PR, PR, PR, PR, PR, PR, PR, PR, DO),
    "completed 3": (MI, OK, MI, DO, WB, MI, MI, MI, MI, OK, DO),
    "completed 0": (OK, DO, DO, DO, WB, OK, OK, OK, OK, DO, DO),
    "uncounted": (UN, UN, UN, UN, UN, UN, UN, UN, UN, UN, DO),
    "failed": (OK, RF, RF, RF, OK, OK, OK, OK, OK, RF, DO),
    "failed over 5": (MI, RF, RF, RF, MI, OK, MI, WB, MI, RF, DO),
    "failed over 0": (OK, RF, RF, RF, OK, DO, DO, WB, OK, RF, DO),
}
TABLES = {OnOverwrite.REPLACE: REPLACED, OnOverwrite.SKIP: REPLACED, OnOverwrite.APPEND: APPENDED}

BUCKET = {
    "the same": FileVersion("landing", "orders/a.csv", "e2", 10),
    "another": FileVersion("landing", "orders/a.csv", "e3", 10),
    "gone": None,
}


def where_they_agree(of: str, bucket: str, rule: OnOverwrite) -> Verdict:
    if bucket == "gone":
        return V.GONE
    if of == "none":
        return V.NOT_SEEN
    is_failed = of.startswith("failed")
    if bucket == "another" and (is_failed or rule is not OnOverwrite.SKIP):
        return V.WAITING
    return V.FAILED if is_failed else V.AGREE


@pytest.mark.parametrize("rule", OnOverwrite)
@pytest.mark.parametrize("of", ITEMS)
def test_every_entry_beside_everything_that_a_table_may_hold_has_its_verdict(of: str, rule: OnOverwrite):
    for (holds, held), bucket in product(HELD.items(), BUCKET):
        expected = TABLES[rule][of][list(HELD).index(holds)] or where_they_agree(of, bucket, rule)
        for order in (held, held[::-1]):
            assert judge(BUCKET[bucket], ITEMS[of], order, rule) is expected, f"{of}, {holds}, {bucket}"


def test_the_tables_leave_no_verdict_out_that_rows_alone_can_have():
    reached = {
        judge(BUCKET[bucket], entry, held, rule)
        for rule, entry, held, bucket in product(OnOverwrite, ITEMS.values(), HELD.values(), BUCKET)
    }
    # Of what came later, and of rejects, the rows say nothing.
    assert reached == set(Verdict) - {V.MOVED, V.REJECTS_DIFFER}
    assert not V.MOVED.is_difference
    assert {verdict for verdict in Verdict if verdict.is_difference} == DIFFERENCES


def test_what_the_bucket_has_never_makes_a_difference():
    for rule, entry, held in product(OnOverwrite, ITEMS.values(), HELD.values()):
        differs = {judge(bucket, entry, held, rule).is_difference for bucket in BUCKET.values()}
        assert len(differs) == 1


def test_an_entry_of_a_predecessor_that_names_no_batch_is_judged_by_version_and_count():
    old = replace(item(Status.COMPLETED, 3), batch_id=None)
    assert judge(BUCKET["the same"], old, HELD["own"], OnOverwrite.REPLACE) is V.AGREE
    assert judge(BUCKET["the same"], old, HELD["own, fewer"], OnOverwrite.REPLACE) is V.ROWS_MISSING
    last = item(Status.FAILED, previous=Published("e1", "", 5, ""))
    assert judge(BUCKET["the same"], last, HELD["last"], OnOverwrite.REPLACE) is V.FAILED


@pytest.mark.parametrize("rule", OnOverwrite)
@pytest.mark.parametrize("of", ["none", "processing", "completed 3"])
def test_the_record_of_the_commit_is_a_second_count(of: str, rule: OnOverwrite):
    says = Publication(PATH, "e1", "b1", 5, 0, "f", 1, datetime(2026, 1, 1, tzinfo=UTC), "s3://lake/record.json")

    def verdict(rows: int) -> Verdict:
        held = (Held("e1", "b1", rows, says), *(HELD["own"] if rule is OnOverwrite.APPEND else ()))
        return judge(None, ITEMS[of], held, rule)

    assert (verdict(4), verdict(6)) == (V.ROWS_MISSING, V.ROWS_DOUBLED)
    assert verdict(5) not in (V.ROWS_MISSING, V.ROWS_DOUBLED)


# ----------------------------------------------------------------------------------------------- its evidence


def test_a_batchs_id_is_known_by_its_form():
    assert is_batch_id(new_batch_id(utc_now()))
    assert not any(map(is_batch_id, (None, "", "unmanaged-20260101t000000000z-00000001", "dbt", "20260101")))


def test_no_prefix_is_listed_twice():
    globs = ["s3://b/orders/**", "s3://b/orders/2024/*.csv", "s3://b/or*/x.csv", "s3://a/z/*", "s3://b/x/{a,b}.csv"]
    assert listing_prefixes(globs) == [("a", "z/"), ("b", "or"), ("b", "x/")]
    assert listing_prefixes(["s3://b/**", "s3://b/orders/*.csv", "s3://c/orders/*"]) == [("b", ""), ("c", "orders/")]


def test_a_history_is_cut_at_a_snapshot_of_it_only():
    now = datetime(2026, 1, 1, tzinfo=UTC)
    three, two, one = (Commit(Snapshot(number, now), None, None) for number in (3, 2, 1))
    assert History((three, two, one), True).split_at(2) == ((three,), History((two, one), True))
    assert History((three, two), False).split_at(3) == ((), History((three, two), False))
    assert History((three, two), False).split_at(1) is None


# ---------------------------------------------------------------------------------------------- with a table


def narrow(contract: Contract) -> Contract:
    """Return the contract with globs that mean the files of its own table only."""
    return replace(contract, source_paths=(f"s3://{LANDING}/{contract.ingestion_key}/**",))


@pytest.fixture
def bench(bench_for: Callable[[Contract], Workbench]) -> Workbench:
    return bench_for(narrow(make_contract()))


def audited(bench: Workbench) -> AuditReport:
    return audit_table(
        bench.spark, bench.contract, bench.table, files=bench.files, storage=bench.storage, clock=utc_now
    )


def verdicts(bench: Workbench) -> dict[str, str]:
    return {file.path.removeprefix(bench.path("")): file.verdict.value for file in audited(bench).files}


def file_of(report: AuditReport, bench: Workbench, name: str) -> AuditedFile:
    return next(file for file in report.files if file.path == bench.path(name))


def live(bench: Workbench) -> None:
    """A file in every state that is no difference, and other people's rows."""
    for name in ("a.csv", "replaced.csv", "broken.csv", "newer.csv", "gone.csv"):
        bench.put(name, rows_of(1, 2, 3))
    bench.put("bare.csv", b"id,name,amount\n")
    bench.put("never.csv", b"other\n1\n")
    bench.ingest("a.csv", "replaced.csv", "broken.csv", "newer.csv", "gone.csv", "bare.csv", "never.csv")
    bench.put("replaced.csv", rows_of(4))
    bench.put("broken.csv", b"other\n1\n")
    bench.ingest("replaced.csv", "broken.csv")
    bench.put("newer.csv", rows_of(5))
    bench.delete("gone.csv")
    bench.put("flying.csv", rows_of(6))
    bench.claim("flying.csv")
    bench.put("new.csv", rows_of(7))
    for source, batch in (("NULL", "NULL"), ("'s3://elsewhere/x.csv'", "'dbt'"), ("'s3://b/u.csv'", "'unmanaged-1'")):
        bench.spark.sql(
            f"INSERT INTO {bench.table_name} (id, _source_file, _batch_id) VALUES (9, {source}, {batch}), "
            f"(9, {source}, {batch})"
        )


LIVE = {
    "a.csv": "agree",
    "bare.csv": "agree",
    "broken.csv": "failed",
    "flying.csv": "processing",
    "gone.csv": "gone",
    "never.csv": "failed",
    "new.csv": "not-seen",
    "newer.csv": "waiting",
    "replaced.csv": "agree",
}


@pytest.mark.spark
@pytest.mark.stack
def test_a_table_that_lives_agrees_with_a_proof_for_each_file_and_loses_the_proof_alone_when_history_expires(
    bench: Workbench,
):
    live(bench)
    report = audited(bench)
    assert {file.path.removeprefix(bench.path("")): file.verdict.value for file in report.files} == LIVE
    assert report.agrees
    assert report.history_is_whole
    assert report.counts[V.AGREE] == 3
    assert [(rows.source_file, rows.batch_id, rows.rows) for rows in report.unmanaged] == [
        ("s3://b/u.csv", "unmanaged-1", 2)
    ]
    assert sorted((rows.source_file or "", rows.batch_id or "", rows.rows) for rows in report.foreign) == [
        ("", "", 2),
        ("s3://elsewhere/x.csv", "dbt", 2),
    ]
    for name, rows in (("a.csv", 3), ("replaced.csv", 1), ("bare.csv", 0), ("newer.csv", 3), ("gone.csv", 3)):
        proof, entry = file_of(report, bench, name).proof, bench.attributes(name)
        assert proof is not None
        assert (str(proof.snapshot_id), proof.batch_id, proof.etag, proof.rows) == (
            entry["snapshot_id"],
            entry["batch_id"],
            entry["file_etag"],
            rows,
        )
        assert str(proof.snapshot_id) in file_of(report, bench, name).sentence
    assert "still there 3 rows" in file_of(report, bench, "broken.csv").sentence
    assert "HeaderMismatch" in file_of(report, bench, "never.csv").sentence

    document = json.loads(json.dumps(report.to_document()))
    assert document["agrees"] is True
    assert document["counts"] == {
        "agree": 3,
        "failed": 2,
        "processing": 1,
        "waiting": 1,
        "not-seen": 1,
        "gone": 1,
    }
    (first,) = (file for file in document["files"] if file["path"] == bench.path("a.csv"))
    assert first["bucket"] == {"etag": bench.version("a.csv").etag, "size_bytes": len(rows_of(1, 2, 3))}
    assert first["ledger"]["rows"] == first["table"][0]["rows"] == first["proof"]["rows"] == 3
    assert first["ledger"]["snapshot_id"] == first["proof"]["snapshot_id"]
    (unseen,) = (file for file in document["files"] if file["path"] == bench.path("new.csv"))
    assert (unseen["ledger"], unseen["table"], unseen["proof"]) == (None, [], None)

    table = bench.table_name
    bench.spark.sql(f"CALL alur.system.rewrite_data_files(table => '{table}', options => map('rewrite-all', 'true'))")
    compacted = audited(bench)
    assert compacted.snapshot_id != report.snapshot_id
    assert [(file.path, file.verdict, file.proof) for file in compacted.files] == [
        (file.path, file.verdict, file.proof) for file in report.files
    ]

    bench.spark.sql(
        f"CALL alur.system.expire_snapshots(table => '{table}', older_than => TIMESTAMP '2100-01-01', retain_last => 1)"
    )
    expired = audited(bench)
    assert {file.path: file.verdict for file in expired.files} == {file.path: file.verdict for file in report.files}
    assert not expired.history_is_whole
    assert not any(file.proof for file in expired.files)
    assert "has expired, the count still holds" in file_of(expired, bench, "a.csv").sentence


@pytest.mark.spark
@pytest.mark.stack
def test_every_difference_is_seen_and_named_with_what_ledger_table_and_record_say(bench: Workbench):
    names = (
        "fine.csv",
        "lost.csv",
        "some_lost.csv",
        "copied.csv",
        "two_batches.csv",
        "forgotten.csv",
        "old_entry.csv",
        "other_batch.csv",
        "called_failed.csv",
        "uncounted.csv",
    )
    for name in names:
        bench.put(name, rows_of(1, 2))
    batch = bench.ingest(*names)
    assert audited(bench).agrees
    table = bench.table_name

    def change(name: str, field: str, value: dict[str, str]) -> None:
        key = {"ingestion_key": {"S": bench.key}, "file_path": {"S": bench.path(name)}}
        bench.dynamodb.update_item(
            TableName=STATE_TABLE,
            Key=key,
            UpdateExpression="SET #f = :v",
            ExpressionAttributeNames={"#f": field},
            ExpressionAttributeValues={":v": value},
        )

    copy = "SELECT id, name, amount, _ingested_at, _source_system, _source_file, _source_etag, {}, _rescued_data"
    columns = "(id, name, amount, _ingested_at, _source_system, _source_file, _source_etag, _batch_id, _rescued_data)"
    of = f"FROM {table} WHERE _source_file = '{{}}'"
    bench.spark.sql(f"DELETE FROM {table} WHERE _source_file = '{bench.path('lost.csv')}'")
    bench.spark.sql(f"DELETE FROM {table} WHERE _source_file = '{bench.path('some_lost.csv')}' AND id = 1")
    bench.spark.sql(f"INSERT INTO {table} {columns} {copy.format('_batch_id')} {of.format(bench.path('copied.csv'))}")
    another = new_batch_id(utc_now())
    bench.spark.sql(
        f"INSERT INTO {table} {columns} {copy.format(repr(another))} {of.format(bench.path('two_batches.csv'))}"
    )
    bench.forget("forgotten.csv")
    change("old_entry.csv", "file_etag", {"S": "older"})
    change("other_batch.csv", "batch_id", {"S": another})
    change("called_failed.csv", "status", {"S": "failed"})
    key = {"ingestion_key": {"S": bench.key}, "file_path": {"S": bench.path("uncounted.csv")}}
    bench.dynamodb.update_item(TableName=STATE_TABLE, Key=key, UpdateExpression="REMOVE rows_ingested")

    report = audited(bench)
    assert {file.path.removeprefix(bench.path("")): file.verdict.value for file in report.files} == {
        "called_failed.csv": "rows-though-failed",
        "copied.csv": "rows-doubled",
        "fine.csv": "agree",
        "forgotten.csv": "no-entry",
        "lost.csv": "rows-missing",
        "old_entry.csv": "wrong-version",
        "other_batch.csv": "wrong-batch",
        "some_lost.csv": "rows-missing",
        "two_batches.csv": "rows-doubled",
        "uncounted.csv": "unknown",
    }
    assert not report.agrees
    assert len(report.differences) == len(names) - 1
    assert not report.to_document()["agrees"]
    sentence = file_of(report, bench, "copied.csv").sentence
    etag = bench.version("copied.csv").etag
    assert sentence == (
        f"the ledger says completed, 2 rows of version {etag} by batch {batch.batch_id}; the table holds 4 rows of "
        f"version {etag} by batch {batch.batch_id}; the record of snapshot "
        f"{bench.attributes('copied.csv')['snapshot_id']} says 2 rows"
    )
    forgotten = file_of(report, bench, "forgotten.csv")
    assert forgotten.proof is not None
    assert forgotten.proof.batch_id == batch.batch_id
    assert "the ledger says nothing; the table holds 2 rows" in forgotten.sentence


@pytest.mark.spark
@pytest.mark.stack
def test_where_versions_are_appended_each_may_be_there_once(bench_for: Callable[[Contract], Workbench]):
    bench = bench_for(narrow(make_contract(on_overwrite="append")))
    bench.put("a.csv", rows_of(1, 2))
    first = bench.ingest("a.csv")
    bench.put("a.csv", rows_of(3))
    bench.ingest("a.csv")
    (file,) = audited(bench).files
    assert file.verdict is V.AGREE
    assert {rows.rows for rows in file.held} == {1, 2}
    # Of the older version only its own commit tells how many there were.
    bench.spark.sql(f"DELETE FROM {bench.table_name} WHERE _batch_id = '{first.batch_id}' AND id = 1")
    assert verdicts(bench) == {"a.csv": "rows-missing"}


@pytest.mark.spark
@pytest.mark.stack
def test_where_versions_are_skipped_a_newer_one_in_the_bucket_is_nothing_that_waits(
    bench_for: Callable[[Contract], Workbench],
):
    bench = bench_for(narrow(make_contract(on_overwrite="skip")))
    bench.put("a.csv", rows_of(1, 2))
    bench.ingest("a.csv")
    bench.put("a.csv", rows_of(3))
    assert verdicts(bench) == {"a.csv": "agree"}


@pytest.mark.spark
@pytest.mark.stack
def test_what_is_published_during_the_audit_has_moved_and_what_is_wrong_beside_it_is_still_seen(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
):
    for name in ("a.csv", "b.csv", "c.csv"):
        bench.put(name, rows_of(1, 2))
    bench.ingest("a.csv", "b.csv", "c.csv")
    bench.forget("c.csv")
    bench.put("a.csv", rows_of(3))
    pin = bench.history()[0][0]
    once_before(monkeypatch, FileLedger, "walk", lambda: bench.ingest("a.csv"))
    report = audited(bench)
    assert report.snapshot_id == pin
    assert [file.verdict for file in report.files] == [V.MOVED, V.AGREE, V.NO_ENTRY]
    assert verdicts(bench) == {"a.csv": "agree", "b.csv": "agree", "c.csv": "no-entry"}


@pytest.mark.spark
@pytest.mark.stack
def test_a_table_that_is_rolled_back_during_the_audit_is_not_judged(bench: Workbench, monkeypatch: pytest.MonkeyPatch):
    bench.put("a.csv", rows_of(1))
    bench.ingest("a.csv")
    before = bench.history()[1][0]
    rollback = f"CALL alur.system.rollback_to_snapshot('{bench.table_name}', {before})"
    once_before(monkeypatch, FileLedger, "walk", lambda: bench.spark.sql(rollback))
    with pytest.raises(CommitRefused, match="audit it again"):
        audited(bench)
    assert verdicts(bench) == {"a.csv": "rows-missing"}


@pytest.mark.spark
@pytest.mark.stack
def test_a_record_that_is_lost_takes_the_proof_and_nothing_else(bench: Workbench):
    bench.put("a.csv", rows_of(1))
    batch = bench.ingest("a.csv")
    (uri,) = bench.record_uris(batch)
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    bench.s3.delete_object(Bucket=bucket, Key=key)
    report = audited(bench)
    assert report.agrees
    assert not report.history_is_whole
    assert report.files[0].proof is None


@pytest.mark.spark
@pytest.mark.stack
def test_many_files_are_asked_for_by_pages_and_one_aggregate(bench: Workbench, monkeypatch: pytest.MonkeyPatch):
    names = [f"{number:04d}.csv" for number in range(30)]
    for name in names:
        bench.put(name, rows_of(1))
    bench.ingest(*names)
    counted: list[int] = []
    original = audit.count_rows

    def count(*arguments: Any) -> Any:
        counted.append(1)
        return original(*arguments)

    monkeypatch.setattr(audit, "count_rows", count)
    calls: list[str] = []
    bench.s3.meta.events.register("before-call.s3", lambda model, **_: calls.append(model.name))
    bench.dynamodb.meta.events.register("before-call.dynamodb", lambda model, **_: calls.append(model.name))
    assert audited(bench).agrees
    # A listing, a page of the ledger, the record of the one commit.
    assert sorted(calls) == ["GetObject", "ListObjectsV2", "Query"]
    assert counted == [1]


# --------------------------------------------------------------------------------------------------- the docs

SQL_BLOCK = re.compile(r"```sql\n(.*?)```", re.DOTALL)


def documented_statements() -> list[str]:
    text = (find_paths().root / "docs" / "audit.md").read_text(encoding="utf-8")
    return [part.strip() for block in SQL_BLOCK.findall(text) for part in block.split(";") if part.strip()]


@pytest.mark.spark
@pytest.mark.stack
def test_the_documented_sql_proves_the_same(bench: Workbench):
    live(bench)
    bench.put("dirty.csv", rows_of(1) + b"word,x,1.00\n")
    bench.ingest("dirty.csv")
    report = audited(bench)
    proof = file_of(report, bench, "a.csv").proof
    assert proof is not None
    answers = []
    for statement in documented_statements():
        sql = (
            statement.replace("alur.bronze.orders", bench.table_name)
            .replace("5781947118336215154", str(report.snapshot_id))
            .replace("s3://LAKE/alur/records/orders/BATCH/NONCE.json", proof.record)
        )
        answers.append([tuple(row) for row in bench.spark.sql(sql).collect()])
    counts, doubled, foreign, commits, recorded, rejects = answers
    held = {(file.path, rows.etag, rows.batch_id, rows.rows) for file in report.files for rows in file.held}
    assert held <= set(counts)
    assert len(counts) == len(held) + len(report.foreign) + len(report.unmanaged)
    assert doubled == []
    assert sum(row[-1] for row in foreign) == sum(rows.rows for rows in (*report.foreign, *report.unmanaged))
    named = [(row[0], row[2], row[3]) for row in commits if row[3]]
    assert named == [
        (snapshot_id, summary["alur.batch-id"], summary["alur.record"])
        for snapshot_id, summary in bench.history()
        if "alur.record" in summary
    ]
    assert (bench.path("a.csv"), proof.etag, "published", 3, 0) in recorded
    assert {row[0]: row[1:] for row in rejects} == {
        file.path: (group.etag, group.batch_id, group.attempt, group.count)
        for file in report.files
        for group in file.rejected
    }
    (dirty,) = (file for file in report.files if file.rejected)
    assert dirty.proof is not None
    assert [(group.attempt, group.count) for group in dirty.rejected] == [(dirty.proof.attempt, 1)]
