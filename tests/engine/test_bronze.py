"""`load_to_bronze` and `write_table`: every new file once, and nothing of a load that breaks."""

from __future__ import annotations

import logging

import pytest
from session_bench import MakeBench, SessionBench
from workbench import rows_of

from alur.errors import StrictModeError
from alur.ingestion.claiming import ALL_PROCESSED
from alur.ledger.batches import BatchState

pytestmark = [pytest.mark.spark, pytest.mark.stack]


def test_new_files_are_read_written_and_completed_once(session: SessionBench) -> None:
    session.put("a.csv", rows_of(1, 2))
    session.put("deep/er/b.csv", rows_of(3))
    rows = session.load()
    assert {file["file_path"] for file in rows._alur_files_to_track} == {
        session.path("a.csv"),
        session.path("deep/er/b.csv"),
    }
    assert session.state("a.csv")[0] == "processing"
    result = session.write(rows)
    assert (result.files, result.rows, result.failed) == (2, 3, ())
    assert session.rows() == {"a.csv": 2, "deep/er/b.csv": 1}
    assert (session.state("a.csv"), session.state("deep/er/b.csv")) == (("completed", 2), ("completed", 1))
    attributes = session.attributes("a.csv")
    assert {"processed_at", "processed_at_iso", "snapshot_id", "source_system"} <= set(attributes)
    assert len(session.published()) == 1


def test_nothing_new_says_so_and_reads_nothing(session: SessionBench, caplog: pytest.LogCaptureFixture) -> None:
    session.put("a.csv", rows_of(1))
    session.run_once()
    with caplog.at_level(logging.INFO, logger="alur"):
        rows = session.load()
    assert ALL_PROCESSED in caplog.messages
    assert rows.collect() == []
    assert rows.columns == session.adapter.read_table(session.target).columns
    assert session.write(rows).files == 0
    assert len(session.published()) == 1


def test_a_second_run_takes_only_what_is_new(session: SessionBench) -> None:
    session.put("a.csv", rows_of(1))
    session.run_once()
    session.put("b.csv", rows_of(2, 3))
    assert session.run_once().paths == (session.path("b.csv"),)
    assert session.rows() == {"a.csv": 1, "b.csv": 2}


def test_a_strict_load_names_each_file_and_frees_what_it_claimed(session: SessionBench) -> None:
    session.put("good.csv", rows_of(1))
    session.put("bad.csv", b"name,amount\na,1\n")
    with pytest.raises(StrictModeError, match="missing id") as raised:
        session.load()
    assert [error.path for error in raised.value.errors] == [session.path("bad.csv")]
    assert (session.state("good.csv"), session.state("bad.csv")) == (("failed", "Released"), ("failed", "Released"))
    assert not session.adapter.table_exists(session.target)
    session.put("bad.csv", rows_of(2))
    assert session.run_once().files == 2


def test_a_lenient_load_fails_the_bad_file_and_takes_the_others(session: SessionBench) -> None:
    session.put("good.csv", rows_of(1))
    session.put("bad.csv", b"name,amount\na,1\n")
    result = session.run_once(strict_mode=False)
    assert (result.files, result.rows) == (1, 1)
    assert [(path, kind) for path, kind, _ in result.failed] == [(session.path("bad.csv"), "HeaderMismatch")]
    assert session.state("bad.csv") == ("failed", "HeaderMismatch")
    again = session.load(strict_mode=False)
    assert again.collect() == []


def test_records_that_cannot_be_stored_are_rejects_and_the_rest_is_ingested(session: SessionBench) -> None:
    session.put("good.csv", rows_of(1))
    session.put("bad.csv", b"id,name,amount\n1,a,1\nx,b,2\n3,c,zero\n")
    assert session.run_once().rows == 3
    assert session.rows() == {"good.csv": 1, "bad.csv": 2}
    assert session.rejects() == [("bad.csv", 3, "x,b,2", "id", 'not a whole number: "x"')]
    assert session.attributes("bad.csv")["rows_rejected"] == 1
    session.put("bad.csv", rows_of(7))
    session.run_once()
    assert (session.rows(), session.rejects()) == ({"good.csv": 1, "bad.csv": 1}, [])


@pytest.mark.parametrize("strict", [True, False])
def test_a_file_with_more_rejects_than_the_contract_allows_is_found_before_it_is_written(
    session_for: MakeBench, strict: bool
) -> None:
    session = session_for(max_bad_rows=0)
    session.put("good.csv", rows_of(1))
    session.put("bad.csv", b"id,name,amount\n1,a,1\nx,b,2\n")
    if strict:
        with pytest.raises(StrictModeError, match="1 of 2 records"):
            session.load()
        assert session.state("good.csv") == ("failed", "Released")
    else:
        assert session.run_once(strict_mode=False).files == 1
        assert (session.rows(), session.rejects()) == ({"good.csv": 1}, [])
        assert session.state("bad.csv") == ("failed", "UnstorableRecords")


def test_rejects_are_kept_whatever_the_pipeline_filters_out(session: SessionBench) -> None:
    session.put("a.csv", b"id,name,amount\n1,a,1\nx,b,2\n3,c,3\n")
    assert session.write(session.load().where("amount > 2")).rows == 1
    assert session.values("id") == [3]
    assert [reject[1:3] for reject in session.rejects()] == [(3, "x,b,2")]
    assert session.attributes("a.csv")["rows_rejected"] == 1


def test_with_the_ledger_switched_off_rejects_are_appended_as_the_rows_are(session: SessionBench) -> None:
    session.put("a.csv", b"id,name,amount\n1,a,1\nx,b,2\n")
    for _ in range(2):
        session.run_once(enable_idempotency=False)
    assert session.rows() == {"a.csv": 2}
    assert [reject[1:3] for reject in session.rejects()] == [(3, "x,b,2")] * 2


def test_rows_that_a_pipeline_filters_out_are_not_counted_and_the_file_is_completed(session: SessionBench) -> None:
    session.put("a.csv", rows_of(1, 2, 3))
    session.put("none_left.csv", rows_of(9))
    result = session.write(session.load().where("id in (1, 2)"))
    assert (result.files, result.rows) == (2, 2)
    assert (session.state("a.csv"), session.state("none_left.csv")) == (("completed", 2), ("completed", 0))


def test_another_version_replaces_its_earlier_rows(session: SessionBench) -> None:
    session.put("a.csv", rows_of(1, 2))
    session.run_once()
    session.put("a.csv", rows_of(3))
    assert session.run_once().rows == 1
    assert session.values("id") == [3]


def test_another_version_is_appended_where_the_contract_says_so(session_for: MakeBench) -> None:
    session = session_for(on_overwrite="append")
    session.put("a.csv", rows_of(1, 2))
    session.run_once()
    session.put("a.csv", rows_of(3))
    session.run_once()
    assert session.values("id") == [1, 2, 3]


def test_another_version_is_left_alone_where_the_contract_says_so(session_for: MakeBench) -> None:
    session = session_for(on_overwrite="skip")
    session.put("a.csv", rows_of(1, 2))
    session.run_once()
    session.put("a.csv", rows_of(3))
    assert session.run_once().files == 0
    assert session.values("id") == [1, 2]


def test_a_deleted_entry_has_its_file_read_again_and_its_rows_replaced(session: SessionBench) -> None:
    for name in ("a.csv", "b.csv"):
        session.put(name, rows_of(1, 2))
    session.run_once()
    session.forget("a.csv")
    assert session.run_once().paths == (session.path("a.csv"),)
    assert session.rows() == {"a.csv": 2, "b.csv": 2}
    for name in ("a.csv", "b.csv"):
        session.forget(name)
    assert session.run_once().files == 2
    assert session.rows() == {"a.csv": 2, "b.csv": 2}


def test_an_entry_that_is_deleted_while_its_file_is_processing_doubles_nothing(session: SessionBench) -> None:
    session.put("a.csv", rows_of(1, 2))
    first = session.load()
    session.forget("a.csv")
    second = session.load()
    assert session.write(second).rows == 2
    with pytest.raises(Exception, match="held its files no longer"):
        session.write(first)
    assert session.rows() == {"a.csv": 2}


def test_a_file_that_changed_after_it_was_loaded_is_free_for_the_next_run(session: SessionBench) -> None:
    session.put("a.csv", rows_of(1, 2))
    session.put("b.csv", rows_of(5))
    rows = session.load()
    session.put("a.csv", rows_of(3))
    assert session.write(rows).paths == (session.path("b.csv"),)
    assert session.state("a.csv") == ("failed", "FileChanged")
    assert session.run_once().paths == (session.path("a.csv"),)
    assert session.values("id") == [3, 5]


def test_a_load_that_is_written_is_closed_in_the_ledger(session: SessionBench) -> None:
    session.put("a.csv", rows_of(1))
    rows = session.load()
    item = session.item("a.csv")
    assert item is not None
    batch = session.batches.read(session.key, item.batch_id or "")
    assert batch is not None
    assert (batch.state, batch.interactive) == (BatchState.LEASED, True)
    session.write(rows)
    assert session.batch_state(batch) is BatchState.CLOSED


def test_files_without_records_are_completed_with_no_rows(session: SessionBench) -> None:
    session.put("header.csv", b"id,name,amount\n")
    assert session.run_once().files == 1
    assert session.state("header.csv") == ("completed", 0)


def test_columns_are_taken_by_position_where_headers_are_not_checked(session: SessionBench) -> None:
    session.put("a.csv", b"nr,called,price\n1,a,2.50\n")
    assert session.run_once(validate=False).rows == 1
    assert session.values("name") == ["a"]


def test_a_file_whose_columns_the_caller_gives_need_not_have_them(session: SessionBench) -> None:
    session.put("a.csv", b"id,amount\n1,2.50\n")
    assert session.run_once(custom_metadata={"name": "north"}).rows == 1
    assert session.values("name") == ["north"]


def test_files_of_another_dialect_are_read_by_it(session: SessionBench) -> None:
    session.put("a.csv", b"id;name;amount\n1;'a;b';2.50\n")
    session.run_once(options={"sep": ";", "quote": "'", "header": "true", "inferSchema": "true", "mode": "PERMISSIVE"})
    assert session.values("name") == ["a;b"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"options": {"mode": "DROPMALFORMED"}}, "not supported"),
        ({"options": {"recursiveFileLookup": "true"}}, "lost or doubled"),
        ({"options": {"sep": "||"}}, "write one character"),
        ({"exclude_metadata": ["_source_file"]}, "cannot be left out"),
        ({"exclude_metadata": ["_nonsense"]}, "is none of"),
        ({"custom_metadata": {"region": "eu"}}, "declare a field"),
        ({"format": "json"}, "only csv"),
    ],
)
def test_an_argument_that_would_break_the_promise_is_refused(
    session: SessionBench, options: dict[str, object], said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        session.load(**options)


def test_metadata_that_is_left_out_is_null_in_the_table(session: SessionBench) -> None:
    session.put("a.csv", rows_of(1))
    rows = session.load(exclude_metadata=["_ingested_at", "_rescued_data"])
    assert not {"_ingested_at", "_rescued_data"} & set(rows.columns)
    session.write(rows)
    assert session.adapter.read_table(session.target).where("_ingested_at is null").count() == 1


def test_several_globs_that_overlap_name_a_file_once(session: SessionBench) -> None:
    session.put("x/a.csv", rows_of(1))
    session.put("y/b.csv", rows_of(2))
    globs = [session.glob("x/*.csv"), session.glob("**/*.csv"), session.glob("y/*")]
    assert session.run_once(source_path=globs).files == 2
    assert session.rows() == {"x/a.csv": 1, "y/b.csv": 1}


def test_a_name_that_spark_cannot_read_is_read_all_the_same(session: SessionBench) -> None:
    session.put("_hidden/{a}*.csv", rows_of(1, 2))
    session.put("plain.csv", rows_of(3))
    assert session.run_once().rows == 3
    assert session.rows() == {"_hidden/{a}*.csv": 2, "plain.csv": 1}
