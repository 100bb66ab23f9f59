"""The ledger rebuilt from the table alone: what comes back, what cannot, and that nothing is read twice afterwards."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from workbench import LANDING, STATE_TABLE, Workbench, make_contract, once_before, rows_of

from alur.clock import utc_now
from alur.contracts.contract import Contract, OnOverwrite
from alur.engine.audit import AuditReport, Verdict, audit_table
from alur.engine.evidence import Counted, CountedRejects, Publication
from alur.engine.rebuild import KnownFile, RebuildReport, know_files, rebuild_ledger, restore
from alur.errors import CommitRefused
from alur.ledger.files import FileLedger
from alur.ledger.memory import MemoryTable
from alur.ledger.model import FileVersion, LedgerItem, Status
from alur.ledger.transitions import Claimant, Decision, decide_by_event, decide_by_object

NOW = datetime(2026, 11, 23, 10, tzinfo=UTC)
A = "s3://landing/orders/a.csv"

# ------------------------------------------------------------------------------------- what a table proves


def count(etag: str, batch_id: str, rows: int, minute: int | None = 0) -> Counted:
    return Counted(A, etag, batch_id, rows, None if minute is None else NOW + timedelta(minutes=minute))


def rejects(etag: str, batch_id: str, count: int, attempt: str = "n1") -> CountedRejects:
    return CountedRejects(A, etag, batch_id, attempt, count)


def publication(etag: str, batch_id: str, rows: int, snapshot_id: int = 1) -> Publication:
    return Publication(A, etag, batch_id, rows, 1, "f1", snapshot_id, NOW, "s3://lake/record.json")


def known(held: list[Counted], newest_first: list[Publication], rule: OnOverwrite = OnOverwrite.REPLACE):
    files, removed = know_files({A: held} if held else {}, newest_first, rule)
    assert len(files) + len(removed) == 1
    if removed:
        assert removed == [A]
        return None
    return files[0].etag, files[0].batch_id, files[0].rows, files[0].publication


def test_rows_prove_their_version_with_or_without_the_commit_that_brought_them():
    commit = publication("e1", "b1", 3)
    assert known([count("e1", "b1", 3)], [commit]) == ("e1", "b1", 3, commit)
    assert known([count("e1", "b1", 3)], []) == ("e1", "b1", 3, None)


def test_a_version_without_rows_is_proved_by_the_newest_commit_that_names_it():
    bare, older = publication("e2", "b2", 0, 2), publication("e1", "b1", 3, 1)
    assert known([], [bare, older]) == ("e2", "b2", 0, bare)
    assert known([], [replace(older, snapshot_id=3), bare]) is None


def test_rows_win_over_what_a_commit_says():
    bare = publication("e2", "b2", 0, 2)
    assert known([count("e1", "b1", 3)], [bare]) == ("e1", "b1", 3, None)


def test_rows_that_a_commit_brought_and_somebody_removed_prove_nothing():
    assert known([], [publication("e1", "b1", 3)]) is None


def test_of_appended_versions_the_newest_is_known_by_the_order_of_the_commits():
    first, second = publication("e1", "b1", 3, 1), publication("e2", "b2", 2, 2)
    held = [count("e1", "b1", 3, 9), count("e2", "b2", 2, 0)]
    for order in (held, held[::-1]):
        assert known(order, [second, first], OnOverwrite.APPEND) == ("e2", "b2", 2, second)
        # A commit that is still told is newer than one that has expired.
        assert known(order, [second], OnOverwrite.APPEND) == ("e2", "b2", 2, second)
        assert known(order, [first], OnOverwrite.APPEND) == ("e1", "b1", 3, first)
        # Where all have expired, the rows say when they were read.
        assert known(order, [], OnOverwrite.APPEND) == ("e1", "b1", 3, None)
    untimed = [count("e1", "b1", 3, None), count("e2", "b2", 2, 0)]
    assert known(untimed, [], OnOverwrite.APPEND) == ("e2", "b2", 2, None)


def test_a_newest_version_without_rows_counts_beside_older_ones_that_have_some():
    bare = publication("e2", "b2", 0, 2)
    assert known([count("e1", "b1", 3)], [bare], OnOverwrite.APPEND) == ("e2", "b2", 0, bare)


def test_a_batch_that_published_a_path_twice_is_known_by_its_last_commit():
    last, first = publication("e1", "b1", 3, 2), publication("e1", "b1", 3, 1)
    assert known([count("e1", "b1", 3)], [last, first]) == ("e1", "b1", 3, last)


def test_rejects_are_as_many_as_the_commit_says_and_where_it_is_gone_as_are_counted_beside_the_rows():
    rejected = {A: [rejects("e1", "b1", 2), rejects("e1", "b9", 3), rejects("e0", "b1", 4)]}

    def rejects_of(commits: list[Publication], there: dict[str, list[CountedRejects]] | None) -> int | None:
        ((file,), _) = know_files({A: [count("e1", "b1", 3)]}, commits, OnOverwrite.REPLACE, there)
        return file.rejects

    assert rejects_of([publication("e1", "b1", 3)], rejected) == 1
    assert rejects_of([], rejected) == 2
    assert rejects_of([], {}) == 0
    assert rejects_of([], None) is None


# -------------------------------------------------------------------------------------------- the transition

FULL = KnownFile(A, "e1", "b1", 3, NOW - timedelta(hours=2), publication("e1", "b1", 3, 7_245_364_354_646_213_511))
CURRENT = FileVersion("landing", "orders/a.csv", "e1", 42, None, NOW - timedelta(days=1))


def restored(file: KnownFile, current: FileVersion | None = CURRENT):
    return restore(file, ingestion_key="orders", source_system="sales_db", current=current, now=NOW)


def test_an_entry_has_the_guides_fields_and_says_that_it_was_rebuilt():
    assert dict(restored(FULL).sets) == {
        "file_size": 42,
        "file_etag": "e1",
        "status": "completed",
        "batch_id": "b1",
        "attempt": 1,
        "rows_ingested": 3,
        "rows_rejected": 1,
        "processed_at": int(NOW.timestamp()),
        "processed_at_iso": "2026-11-23 10:00:00 UTC",
        "queryable_at": "2026-11-23T10:00:00.000Z",
        "snapshot_id": "7245364354646213511",
        "source_system": "sales_db",
        "contract_fingerprint": "f1",
        "last_modified": "2026-11-22T10:00:00.000Z",
        "rebuilt_at": "2026-11-23T10:00:00.000Z",
        "schema_version": 1,
    }


def test_what_nobody_knows_any_more_is_left_out_and_not_invented():
    expired = replace(FULL, publication=None)
    sets = restored(expired, replace(CURRENT, etag="e2")).sets
    assert sets["file_size"] == 0
    assert sets["processed_at_iso"] == "2026-11-23 08:00:00 UTC"
    assert not {"snapshot_id", "queryable_at", "rows_rejected", "contract_fingerprint", "last_modified"} & set(sets)
    assert restored(replace(expired, counted_rejects=2)).sets["rows_rejected"] == 2
    untimed = restored(replace(expired, ingested_at=None), None).sets
    assert untimed["processed_at"] == int(NOW.timestamp())
    assert untimed["file_size"] == 0


def test_an_entry_that_is_there_is_never_touched():
    table = MemoryTable("file_path")
    ledger = FileLedger(table)
    (first,) = ledger.apply([restored(FULL)])
    assert first.applied
    (second,) = ledger.apply([restored(replace(FULL, etag="e2", batch_id="b2"))])
    assert not second.applied
    assert second.item is not None
    assert (second.item.etag, second.item.batch_id) == ("e1", "b1")


def test_to_every_event_of_the_version_a_restored_entry_answers_duplicate():
    ledger = FileLedger(MemoryTable("file_path"))
    (outcome,) = ledger.apply([restored(replace(FULL, publication=None), None)])
    claimant = Claimant("orders", "b9", OnOverwrite.REPLACE, "another contract by now", "sales_db")
    assert decide_by_event(outcome.item, CURRENT, claimant) is Decision.DUPLICATE
    older = replace(CURRENT, etag="e0")
    assert decide_by_event(outcome.item, older, claimant) is Decision.LOOK
    assert decide_by_object(outcome.item, CURRENT, claimant) is Decision.DUPLICATE


# ---------------------------------------------------------------------------------------------- with a table


def narrow(contract: Contract) -> Contract:
    """Return the contract with globs that mean the files of its own table only."""
    return replace(contract, source_paths=(f"s3://{LANDING}/{contract.ingestion_key}/**",))


@pytest.fixture
def bench(bench_for: Callable[[Contract], Workbench]) -> Workbench:
    return bench_for(narrow(make_contract()))


def rebuilt(bench: Workbench, *, is_dry_run: bool = False) -> RebuildReport:
    return rebuild_ledger(
        bench.spark,
        bench.contract,
        bench.table,
        files=bench.files,
        storage=bench.storage,
        clock=utc_now,
        is_dry_run=is_dry_run,
    )


def audited(bench: Workbench) -> AuditReport:
    return audit_table(
        bench.spark, bench.contract, bench.table, files=bench.files, storage=bench.storage, clock=utc_now
    )


def entries(bench: Workbench) -> dict[str, LedgerItem]:
    return {item.path.removeprefix(bench.path("")): item for page in bench.files.walk(bench.key) for item in page}


def wipe(bench: Workbench) -> dict[str, LedgerItem]:
    """Delete every entry of the table; return what was there."""
    lost = entries(bench)
    for name in lost:
        bench.forget(name)
    assert not entries(bench)
    return lost


def names(bench: Workbench, paths: Iterable[str]) -> list[str]:
    return [path.removeprefix(bench.path("")) for path in paths]


def replay(bench: Workbench) -> dict[str, Decision]:
    """What an event for each object in the bucket would become."""
    claimant = Claimant(bench.key, "b", bench.contract.on_overwrite, bench.contract.fingerprint, "suite")
    have = entries(bench)
    decided = {}
    for page in bench.storage.pages(bench.bucket, bench.folder):
        for version in page.objects:
            name = version.key.removeprefix(bench.folder)
            decision = decide_by_event(have.get(name), version, claimant)
            if decision is Decision.LOOK:
                decision = decide_by_object(have.get(name), version, claimant)
            decided[name] = decision
    return decided


def live(bench: Workbench) -> None:
    for name in ("a.csv", "replaced.csv", "bared.csv", "broken.csv"):
        bench.put(name, rows_of(1, 2, 3))
    bench.put("bare.csv", b"id,name,amount\n")
    bench.put("never.csv", b"other\n1\n")
    bench.ingest("a.csv", "replaced.csv", "bared.csv", "broken.csv", "bare.csv", "never.csv")
    bench.put("replaced.csv", rows_of(4))
    bench.put("bared.csv", b"id,name,amount\n")
    bench.put("broken.csv", b"other\n1\n")
    bench.ingest("replaced.csv", "bared.csv", "broken.csv")
    bench.spark.sql(f"INSERT INTO {bench.table_name} (id, _source_file) VALUES (9, 's3://elsewhere/x.csv')")


FACTS = ("etag", "batch_id", "rows", "snapshot_id", "queryable_at", "status", "size_bytes", "contract_fingerprint")


def facts(item: LedgerItem) -> tuple[object, ...]:
    return tuple(getattr(item, name) for name in FACTS)


@pytest.mark.spark
@pytest.mark.stack
def test_a_wiped_ledger_comes_back_from_the_table_and_what_failed_alone_is_read_again(bench: Workbench):
    live(bench)
    table = bench.table_name
    bench.spark.sql(f"CALL alur.system.rewrite_data_files(table => '{table}', options => map('rewrite-all', 'true'))")
    assert audited(bench).agrees
    history = bench.history()
    lost = wipe(bench)
    assert {file.verdict for file in audited(bench).differences} == {Verdict.NO_ENTRY}

    plan = rebuilt(bench, is_dry_run=True)
    assert not entries(bench)
    report = rebuilt(bench)
    assert replace(plan, is_dry_run=False) == report
    assert names(bench, (file.path for file in report.restored)) == [
        "a.csv",
        "bare.csv",
        "bared.csv",
        "broken.csv",
        "replaced.csv",
    ]
    assert (report.kept, report.removed, report.overtaken) == ((), (), ())
    assert names(bench, report.unknown) == ["never.csv"]
    assert report.history_is_whole
    assert json.loads(json.dumps(report.to_document()))["restored"][0]["rows"] == 3

    found = entries(bench)
    for name in ("a.csv", "bare.csv", "bared.csv", "replaced.csv"):
        assert facts(found[name]) == facts(lost[name]), name
    # Its newest version had failed: the entry is of the one whose rows are there.
    broken = lost["broken.csv"]
    assert broken.previous is not None
    assert (found["broken.csv"].etag, found["broken.csv"].rows) == (broken.previous.etag, 3)
    assert found["broken.csv"].snapshot_id == broken.previous.snapshot_id
    attributes = bench.attributes("a.csv")
    assert attributes["rebuilt_at"]
    assert attributes["source_system"] == "suite"
    assert abs(int(attributes["processed_at"]) - utc_now().timestamp()) < 600

    after = audited(bench)
    assert after.agrees
    assert {file.path.removeprefix(bench.path("")): file.verdict.value for file in after.files} == {
        "a.csv": "agree",
        "bare.csv": "agree",
        "bared.csv": "agree",
        "broken.csv": "waiting",
        "never.csv": "not-seen",
        "replaced.csv": "agree",
    }
    assert replay(bench) == {
        "a.csv": Decision.DUPLICATE,
        "bare.csv": Decision.DUPLICATE,
        "bared.csv": Decision.DUPLICATE,
        "broken.csv": Decision.CLAIM,
        "never.csv": Decision.CLAIM,
        "replaced.csv": Decision.DUPLICATE,
    }
    # Those two are read again, and fail again; nothing comes in.
    bench.ingest("broken.csv", "never.csv")
    assert bench.state("broken.csv") == ("failed", "HeaderMismatch")
    assert bench.history() == history
    assert audited(bench).agrees

    again = rebuilt(bench)
    assert again.restored == ()
    assert names(bench, again.kept) == names(bench, (file.path for file in report.restored))
    assert again.unknown == ()


@pytest.mark.spark
@pytest.mark.stack
def test_after_history_has_expired_rows_still_prove_themselves_and_versions_without_rows_are_read_again(
    bench: Workbench,
):
    live(bench)
    lost = wipe(bench)
    bench.spark.sql(
        f"CALL alur.system.expire_snapshots(table => '{bench.table_name}', older_than => TIMESTAMP '2100-01-01', "
        "retain_last => 1)"
    )
    report = rebuilt(bench)
    assert names(bench, (file.path for file in report.restored)) == ["a.csv", "broken.csv", "replaced.csv"]
    # Their records are still in S3, and prove nothing without a snapshot that names them.
    assert names(bench, report.unknown) == ["bare.csv", "bared.csv", "never.csv"]
    assert not report.history_is_whole
    item, attributes = entries(bench)["replaced.csv"], bench.attributes("replaced.csv")
    assert (item.etag, item.batch_id, item.rows, item.size_bytes) == (
        lost["replaced.csv"].etag,
        lost["replaced.csv"].batch_id,
        1,
        lost["replaced.csv"].size_bytes,
    )
    assert "snapshot_id" not in attributes
    ingested = bench.values("unix_seconds(_ingested_at)", "replaced.csv")
    assert int(attributes["processed_at"]) in ingested
    assert audited(bench).agrees
    decided = replay(bench)
    assert {name for name, decision in decided.items() if decision is Decision.DUPLICATE} == {"a.csv", "replaced.csv"}

    rows = bench.rows()
    bench.ingest("bare.csv", "bared.csv")
    assert bench.rows() == rows
    assert replay(bench)["bare.csv"] is Decision.DUPLICATE
    assert audited(bench).agrees


@pytest.mark.spark
@pytest.mark.stack
def test_of_appended_versions_the_newest_comes_back(bench_for: Callable[[Contract], Workbench]):
    bench = bench_for(narrow(make_contract(on_overwrite="append")))
    bench.put("a.csv", rows_of(1, 2))
    bench.put("bared.csv", rows_of(5))
    bench.ingest("a.csv", "bared.csv")
    bench.put("a.csv", rows_of(3))
    bench.put("bared.csv", b"id,name,amount\n")
    bench.ingest("a.csv", "bared.csv")
    lost = wipe(bench)
    report = rebuilt(bench)
    assert {name: facts(item) for name, item in entries(bench).items()} == {
        name: facts(item) for name, item in lost.items()
    }
    assert [file.rows for file in report.restored] == [1, 0]
    assert audited(bench).agrees
    assert set(replay(bench).values()) == {Decision.DUPLICATE}

    wipe(bench)
    bench.spark.sql(
        f"CALL alur.system.expire_snapshots(table => '{bench.table_name}', older_than => TIMESTAMP '2100-01-01', "
        "retain_last => 1)"
    )
    # The head itself still names its record.
    assert [file.rows for file in rebuilt(bench).restored] == [1, 0]
    bench.spark.sql(f"INSERT INTO {bench.table_name} (id) VALUES (9)")
    bench.spark.sql(
        f"CALL alur.system.expire_snapshots(table => '{bench.table_name}', older_than => TIMESTAMP '2100-01-01', "
        "retain_last => 1)"
    )
    wipe(bench)
    # By the rows' own time the newest version is known; of the one without rows only the older is left.
    assert [file.rows for file in rebuilt(bench).restored] == [1, 1]
    assert replay(bench) == {"a.csv": Decision.DUPLICATE, "bared.csv": Decision.CLAIM}
    assert audited(bench).agrees


@pytest.mark.spark
@pytest.mark.stack
def test_only_what_is_missing_is_written_and_rows_that_somebody_removed_are_not_claimed_to_be_there(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
):
    for name in ("kept.csv", "late.csv", "lost.csv", "removed.csv"):
        bench.put(name, rows_of(1, 2))
    bench.ingest("kept.csv", "late.csv", "lost.csv", "removed.csv")
    bench.spark.sql(f"DELETE FROM {bench.table_name} WHERE _source_file = '{bench.path('removed.csv')}'")
    for name in ("late.csv", "lost.csv", "removed.csv"):
        bench.forget(name)
    kept = bench.attributes("kept.csv")
    late: list[str] = []
    # Somebody claims a file between the look at the ledger and the writing.
    once_before(monkeypatch, FileLedger, "apply", lambda: late.append(bench.claim("late.csv").batch_id))
    report = rebuilt(bench)
    assert names(bench, (file.path for file in report.restored)) == ["lost.csv"]
    assert names(bench, report.kept) == ["kept.csv", "late.csv"]
    assert names(bench, report.removed) == ["removed.csv"]
    assert report.unknown == ()
    assert bench.attributes("kept.csv") == kept
    assert bench.attributes("late.csv")["batch_id"] == late[0]
    assert entries(bench).keys() == {"kept.csv", "late.csv", "lost.csv"}


@pytest.mark.spark
@pytest.mark.stack
def test_what_a_run_publishes_meanwhile_is_told(bench: Workbench, monkeypatch: pytest.MonkeyPatch):
    for name in ("a.csv", "b.csv"):
        bench.put(name, rows_of(1, 2))
    bench.ingest("a.csv", "b.csv")
    bench.put("a.csv", rows_of(3))
    flying = bench.claim("a.csv")

    # The run is past its last look at the ledger when the ledger is lost, and commits during the rebuild.
    def wiped_and_published() -> None:
        assert bench.run(flying)
        wipe(bench)

    once_before(monkeypatch, FileLedger, "walk", wiped_and_published)
    report = rebuilt(bench)
    assert names(bench, (file.path for file in report.restored)) == ["a.csv", "b.csv"]
    assert names(bench, report.overtaken) == ["a.csv"]
    assert [file.verdict for file in audited(bench).files] == [Verdict.WRONG_VERSION, Verdict.AGREE]
    bench.forget("a.csv")
    assert names(bench, (file.path for file in rebuilt(bench).restored)) == ["a.csv"]
    assert audited(bench).agrees
    assert entries(bench)["a.csv"].status is Status.COMPLETED


@pytest.mark.spark
@pytest.mark.stack
def test_a_table_that_is_rolled_back_meanwhile_is_left_to_another_rebuild(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
):
    bench.put("a.csv", rows_of(1))
    bench.ingest("a.csv")
    wipe(bench)
    rollback = f"CALL alur.system.rollback_to_snapshot('{bench.table_name}', {bench.history()[1][0]})"
    once_before(monkeypatch, FileLedger, "apply", lambda: bench.spark.sql(rollback))
    with pytest.raises(CommitRefused, match="audit the table"):
        rebuilt(bench)
    assert [file.verdict for file in audited(bench).files] == [Verdict.ROWS_MISSING]
    bench.forget("a.csv")
    report = rebuilt(bench)
    assert report.restored == ()
    assert names(bench, report.unknown) == ["a.csv"]


@pytest.mark.spark
@pytest.mark.stack
def test_entries_are_written_a_thousand_at_a_time(bench: Workbench, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("alur.engine.rebuild._ENTRIES_AT_ONCE", 2)
    files = [f"{number}.csv" for number in range(5)]
    for name in files:
        bench.put(name, rows_of(1))
    bench.ingest(*files)
    wipe(bench)
    report = rebuilt(bench)
    assert names(bench, (file.path for file in report.restored)) == files
    assert bench.dynamodb.scan(TableName=STATE_TABLE, Select="COUNT")["Count"] >= len(files)
    assert audited(bench).agrees
