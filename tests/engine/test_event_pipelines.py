"""A table's `on_event` pipeline runs on exactly the files of a batch, each handed out once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pyspark.sql import DataFrame
from session_bench import MakeBench, SessionBench
from workbench import rows_of

from alur.clock import utc_now
from alur.decorators import Pipeline
from alur.engine.job import run_job
from alur.engine.pipelines import stager_of
from alur.ingestion import load_to_bronze
from alur.ledger.batches import Batch, BatchState

pytestmark = [pytest.mark.spark, pytest.mark.stack]


def load(session: SessionBench, pattern: str = "**/*.csv", **options: Any) -> DataFrame:
    return load_to_bronze(session.spark, session.glob(pattern), "by event", session.target, **options)


def run(session: SessionBench, batch: Batch, function: Callable[..., Any], **sources: Any) -> bool:
    """Run the job on a batch as the entry point does for a table with a pipeline."""
    declared = Pipeline("on_arrival", function, sources, session.target, True, "suite.on_arrival")
    return run_job(
        session.spark,
        session.arguments(batch),
        session.contract,
        files=session.files,
        batches=session.batches,
        storage=session.storage,
        clock=utc_now,
        sleep=session.slept.append,
        make_stager=stager_of(declared, session.contract, session.adapter.place),
    )


def test_the_pipeline_sees_the_batchs_files_and_no_others(session: SessionBench) -> None:
    for name in ("a.csv", "b.csv", "unclaimed.csv"):
        session.put(name, rows_of(1, 2))
    batch = session.claim("a.csv", "b.csv")
    assert run(session, batch, lambda: load(session).selectExpr("*").where("id = 1"))
    assert session.rows() == {"a.csv": 1, "b.csv": 1}
    assert session.state("a.csv") == ("completed", 1)
    assert session.item("unclaimed.csv") is None
    assert session.batch_state(batch) is BatchState.CLOSED
    assert set(session.values("_batch_id")) == {batch.batch_id}
    assert set(session.values("_source_system")) == {"by event"}


def test_each_file_is_handed_out_once_to_the_first_load_that_means_it(session: SessionBench) -> None:
    session.put("x/a.csv", rows_of(1))
    session.put("y/b.csv", rows_of(2))
    batch = session.claim("x/a.csv", "y/b.csv")
    assert run(session, batch, lambda: load(session, "x/*").unionByName(load(session, "**/*.csv")))
    assert session.rows() == {"x/a.csv": 1, "y/b.csv": 1}
    assert len(session.published()) == 1


def test_a_file_that_no_load_means_fails_by_name(session: SessionBench) -> None:
    session.put("x/a.csv", rows_of(1))
    session.put("y/b.csv", rows_of(2))
    assert run(session, session.claim("x/a.csv", "y/b.csv"), lambda: load(session, "x/*"))
    assert session.state("x/a.csv") == ("completed", 1)
    assert session.state("y/b.csv") == ("failed", "NotReadByPipeline")
    item = session.item("y/b.csv")
    assert item is not None
    assert "did not load it" in (item.error_message or "")


def test_a_file_whose_load_is_not_returned_fails_by_name(session: SessionBench) -> None:
    session.put("x/a.csv", rows_of(1))
    session.put("y/b.csv", rows_of(2))

    def half() -> DataFrame:
        load(session, "y/*")
        return load(session, "x/*")

    assert run(session, session.claim("x/a.csv", "y/b.csv"), half)
    item = session.item("y/b.csv")
    assert item is not None
    assert (item.error_type, "did not return" in (item.error_message or "")) == ("NotReadByPipeline", True)


def test_strict_or_not_a_bad_file_fails_alone(session: SessionBench) -> None:
    session.put("a.csv", rows_of(1))
    session.put("header.csv", b"name,amount\na,1\n")
    session.put("record.csv", b"id,name,amount\nx,a,1\n,b,2\n")
    session.put("bytes.csv", "id,name,amount\n1,ä,1\n".encode("latin-1"))
    batch = session.claim("a.csv", "header.csv", "record.csv", "bytes.csv")
    assert run(session, batch, lambda: load(session, strict_mode=True).where("amount > 0"))
    assert session.rows() == {"a.csv": 1}
    assert session.state("header.csv") == ("failed", "HeaderMismatch")
    assert session.state("record.csv") == ("failed", "UnstorableRecords")
    assert session.state("bytes.csv") == ("failed", "UnreadableFile")


def test_a_batch_of_which_every_file_is_bad_ends(session: SessionBench) -> None:
    session.put("header.csv", b"name,amount\na,1\n")
    batch = session.claim("header.csv")
    assert run(session, batch, lambda: load(session))
    assert session.state("header.csv") == ("failed", "HeaderMismatch")
    assert session.batch_state(batch) is BatchState.CLOSED


def test_a_pipeline_that_raises_leaves_its_batch_to_the_reconciler(session: SessionBench) -> None:
    session.put("a.csv", rows_of(1))
    batch = session.claim("a.csv")

    def raising() -> DataFrame:
        raise RuntimeError("on purpose")

    assert not run(session, batch, raising)
    assert session.state("a.csv")[0] == "processing"
    assert session.rows() == {}
    noted = session.batches.read(session.key, batch.batch_id)
    assert noted is not None
    assert (noted.last_error_type, noted.last_error, noted.blames_files) == ("RuntimeError", "on purpose", True)
    assert run(session, batch, lambda: load(session))
    assert session.rows() == {"a.csv": 1}


def test_a_load_for_another_table_is_refused(session: SessionBench, session_for: MakeBench) -> None:
    other = session_for()
    session.put("a.csv", rows_of(1))
    batch = session.claim("a.csv")
    assert not run(session, batch, lambda: load(other))
    noted = session.batches.read(session.key, batch.batch_id)
    assert noted is not None
    assert noted.last_error_type == "PipelineError"
    assert other.item("a.csv") is None


def test_another_version_by_event_replaces_what_the_pipeline_brought(session: SessionBench) -> None:
    session.put("a.csv", rows_of(1, 2))
    assert run(session, session.claim("a.csv"), lambda: load(session))
    session.put("a.csv", rows_of(3))
    assert run(session, session.claim("a.csv"), lambda: load(session))
    assert session.values("id") == [3]


def test_the_same_function_serves_events_and_runs(session: SessionBench) -> None:
    session.put("a.csv", rows_of(1))
    assert run(session, session.claim("a.csv"), lambda: load(session))
    session.put("b.csv", rows_of(2))
    assert session.run_once().files == 1
    assert session.rows() == {"a.csv": 1, "b.csv": 1}
