"""`PipelineRunner`: a pipeline is found, run, reported; what it does not write is free, and what fails fails alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from pyspark.sql import DataFrame
from session_bench import MakeBench, SessionBench
from workbench import rows_of

from alur import decorators
from alur.clock import utc_now
from alur.decorators import pipeline
from alur.engine.runner import PipelineRunner, RunResult
from alur.errors import PipelineError, StrictModeError
from alur.ingestion import load_to_bronze

pytestmark = [pytest.mark.spark, pytest.mark.stack]

Run = Callable[..., RunResult]


@pytest.fixture
def run(session: SessionBench, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Runs a function as a pipeline of the bench's table."""
    monkeypatch.setattr(decorators, "_registered", {})
    stages: list[str] = []

    def one(function: Callable[..., Any], *, since: Any = None, **sources: Any) -> RunResult:
        function.__name__ = function.__qualname__ = "suite_pipeline"
        pipeline(sources=sources, target=session.target)(function)
        runner = PipelineRunner(session.adapter, package="no_such_package", progress=stages.append)
        return runner.run_pipeline("suite_pipeline", since=since)

    yield one
    assert set(stages) <= {"reading", "publishing"}


def load(session: SessionBench, pattern: str = "**/*.csv", **options: Any) -> DataFrame:
    return load_to_bronze(session.spark, session.glob(pattern), "suite", session.target, **options)


def test_a_run_says_what_it_brought_and_what_it_left_alone(session: SessionBench, run: Run) -> None:
    session.put("a.csv", rows_of(1, 2))
    session.put("bad.csv", b"name,amount\na,1\n")
    first = run(lambda: load(session, strict_mode=False))
    assert (first.files, first.rows, first.listed, first.skipped) == (1, 2, 2, 0)
    assert [(path, kind) for path, kind, _ in first.failed] == [(session.path("bad.csv"), "HeaderMismatch")]
    assert first.message is None
    second = run(lambda: load(session, strict_mode=False))
    assert (second.files, second.rows, second.skipped, second.failed) == (0, 0, 2, ())
    assert [kind for _, kind, _ in second.failed_before] == ["HeaderMismatch"]
    assert second.message is not None
    assert second.message.startswith("Nothing to read: of 2 files 1 completed, 1 failed (the first: HeaderMismatch")
    assert second.to_document()["failed_before"][0]["file_path"] == session.path("bad.csv")


def test_the_line_when_everything_is_processed_is_the_guides(session: SessionBench, run: Run) -> None:
    session.put("a.csv", rows_of(1))
    run(lambda: load(session))
    assert run(lambda: load(session)).message == "All files have been processed. No new data to ingest."


def test_a_pipeline_that_raises_leaves_nothing_and_its_files_are_free(session: SessionBench, run: Run) -> None:
    session.put("a.csv", rows_of(1))

    def raising() -> DataFrame:
        load(session)
        raise RuntimeError("on purpose")

    with pytest.raises(RuntimeError, match="on purpose"):
        run(raising)
    assert session.state("a.csv") == ("failed", "Released")
    assert not session.adapter.table_exists(session.target)
    assert run(lambda: load(session)).files == 1


def test_a_load_that_a_pipeline_does_not_return_is_free(session: SessionBench, run: Run) -> None:
    session.put("x/a.csv", rows_of(1))
    session.put("y/b.csv", rows_of(2))

    def half() -> DataFrame:
        load(session, "y/*")
        return load(session, "x/*")

    assert run(half).files == 1
    assert session.state("y/b.csv") == ("failed", "Released")
    assert run(lambda: load(session)).files == 1


def test_a_strict_pipeline_writes_nothing_and_frees_all(session: SessionBench, run: Run) -> None:
    session.put("a.csv", rows_of(1))
    session.put("bad.csv", b"id,name,amount\nx,a,1\n")
    with pytest.raises(StrictModeError, match=r"bad\.csv"):
        run(lambda: load(session))
    assert session.state("a.csv") == ("failed", "Released")
    assert not session.adapter.table_exists(session.target)


def test_a_file_that_cannot_be_read_fails_alone_and_the_pipeline_is_run_without_it(
    session: SessionBench, run: Run
) -> None:
    session.put("a.csv", rows_of(1))
    session.put("broken.csv", "id,name,amount\n1,ä,1\n".encode("latin-1"))
    result = run(lambda: load(session, strict_mode=False, validate=False))
    assert result.files == 1
    assert [path for path, _, _ in result.failed] == [session.path("broken.csv")]
    assert result.failed_before == ()
    assert session.rows() == {"a.csv": 1}
    assert session.state("broken.csv")[0] == "failed"


def test_a_file_that_goes_away_under_a_pipeline_is_told_as_failed_by_the_run_that_goes_on_without_it(
    session: SessionBench, run: Run
) -> None:
    session.put("a.csv", rows_of(1))
    session.put("gone.csv", rows_of(2))
    turns: list[int] = []

    def deleting() -> DataFrame:
        rows = load(session, strict_mode=False)
        turns.append(1)
        session.delete("gone.csv")
        return rows

    result = run(deleting)
    assert (len(turns), result.files, session.rows()) == (2, 1, {"a.csv": 1})
    assert [(path, kind) for path, kind, _ in result.failed] == [(session.path("gone.csv"), "FileVanished")]
    assert (result.failed_before, result.skipped) == ((), 0)


def test_sources_are_read_and_handed_in_by_name(session: SessionBench, session_for: MakeBench, run: Run) -> None:
    names = session_for()
    names.put("n.csv", rows_of(1, name="one"))
    names.run_once()
    session.put("a.csv", rows_of(1))

    def named(known: DataFrame) -> DataFrame:
        called = known.selectExpr("id", "name AS called")
        return load(session).join(called, "id", "left").withColumn("name", called["called"]).drop("called")

    from workbench import DATABASE

    assert names.table_name.startswith(f"alur.{DATABASE}.")
    assert run(named, known=names.target).rows == 1
    assert session.values("name") == ["one"]


def test_a_pipeline_that_returns_no_frame_is_told_so(session: SessionBench, run: Run) -> None:
    session.put("a.csv", rows_of(1))

    def nothing() -> None:
        load(session)

    with pytest.raises(PipelineError, match="returned NoneType"):
        run(nothing)
    assert session.state("a.csv") == ("failed", "Released")


def test_a_column_that_the_table_has_not_is_refused_by_name(session: SessionBench, run: Run) -> None:
    session.put("a.csv", rows_of(1))
    with pytest.raises(PipelineError, match="extra is no column of"):
        run(lambda: load(session).selectExpr("*", "1 AS extra"))


def test_files_before_a_moment_are_passed_over_and_counted(session: SessionBench, run: Run) -> None:
    session.put("a.csv", rows_of(1))
    later = run(lambda: load(session), since=utc_now() + timedelta(hours=1))
    assert (later.files, later.passed_over) == (0, 1)
    assert later.message is not None
    assert "1 older files were passed over" in later.message
    assert run(lambda: load(session), since=utc_now() - timedelta(hours=1)).files == 1


def test_an_unknown_pipeline_is_told_which_there_are(session: SessionBench) -> None:
    with pytest.raises(PipelineError, match="there is none of this name"):
        PipelineRunner(session.adapter).run_pipeline("ingest_ordres")
