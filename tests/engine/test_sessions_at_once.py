"""Sessions beside each other and beside the events' way, with the ledger switched off, and what they cost."""

from __future__ import annotations

import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from session_bench import MakeBench, SessionBench
from workbench import is_bronze, once_before, rows_of

from alur.clock import utc_now
from alur.engine.iceberg import IcebergTable
from alur.errors import LoadLost, ReadFailed
from alur.ingestion import reading
from alur.ingestion.loads import gathering_loads
from calls import Calls

pytestmark = [pytest.mark.spark, pytest.mark.stack]


def test_two_sessions_at_once_ingest_every_file_once(session: SessionBench) -> None:
    names = [f"{number}.csv" for number in range(12)]
    for number, name in enumerate(names):
        session.put(name, rows_of(number))
    barrier = threading.Barrier(2)

    def one(_: int) -> int:
        barrier.wait(timeout=60)
        return session.run_once().files

    with ThreadPoolExecutor(2) as pool:
        files = list(pool.map(one, range(2)))
    assert sum(files) == 12
    assert session.rows() == dict.fromkeys(names, 1)


def test_a_session_and_the_events_way_at_once_ingest_every_file_once(session: SessionBench) -> None:
    for number in range(6):
        session.put(f"{number}.csv", rows_of(number))
    claimed_by_event = session.claim("0.csv", "1.csv")
    rows = session.load()
    assert session.run(claimed_by_event)
    assert session.write(rows).files == 4
    assert session.rows() == {f"{number}.csv": 1 for number in range(6)}


def test_a_session_whose_files_the_reconciler_gave_away_writes_nothing(session: SessionBench) -> None:
    session.put("a.csv", rows_of(1, 2))
    rows = session.load()
    item = session.item("a.csv")
    assert item is not None
    # Its lease passed while it stood still, and another one took the file and published it.
    session.batches.renew(session.batches.read(session.key, item.batch_id or ""), utc_now() - timedelta(seconds=1))
    assert session.run_once().files == 1
    with pytest.raises(LoadLost):
        session.write(rows)
    assert session.rows() == {"a.csv": 2}
    assert session.state("a.csv") == ("completed", 2)


def test_a_session_that_loses_its_files_just_before_its_commit_commits_nothing(
    session: SessionBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    session.put("a.csv", rows_of(1, 2))
    rows = session.load()
    item = session.item("a.csv")
    assert item is not None

    def another_session_takes_and_publishes() -> None:
        session.batches.renew(session.batches.read(session.key, item.batch_id or ""), utc_now() - timedelta(seconds=1))
        assert session.run_once().files == 1

    once_before(monkeypatch, IcebergTable, "commit", another_session_takes_and_publishes, is_bronze)
    with pytest.raises(LoadLost):
        session.write(rows)
    assert session.rows() == {"a.csv": 2}
    assert len(session.published()) == 1


def test_a_load_that_is_never_written_leaves_nothing_and_is_free_when_released(session: SessionBench) -> None:
    session.put("a.csv", rows_of(1))
    session.load()
    assert session.run_once().files == 0
    with pytest.MonkeyPatch.context() as patch:
        # A killed session renews nothing: its lease passes.
        patch.setattr("alur.ingestion.claiming.is_free", lambda owner, now: True)
        assert session.run_once().files == 1
    assert session.rows() == {"a.csv": 1}


def test_a_file_that_goes_away_before_it_is_read_fails_alone_and_comes_back(session: SessionBench) -> None:
    session.put("a.csv", rows_of(1))
    session.put("b.csv", rows_of(2))
    rows = session.load()
    session.delete("a.csv")
    with pytest.raises(ReadFailed, match=r"a\.csv: the object is not in the bucket any more"):
        session.write(rows)
    assert (session.state("a.csv"), session.state("b.csv")) == (("failed", "FileVanished"), ("failed", "Released"))
    assert session.run_once().files == 1
    session.put("a.csv", rows_of(1))
    assert session.run_once().files == 1
    assert session.rows() == {"a.csv": 1, "b.csv": 1}


def test_switched_off_the_ledger_is_not_called_once_and_rows_double(
    session: SessionBench, caplog: pytest.LogCaptureFixture
) -> None:
    session.put("a.csv", rows_of(1, 2))
    session.run_once()
    before = session.attributes("a.csv")
    calls = Calls([session.dynamodb])
    with caplog.at_level(logging.WARNING, logger="alur"):
        for _ in range(2):
            result = session.run_once(enable_idempotency=False)
            assert (result.files, result.rows) == (1, 2)
    assert calls.counts.total() == 0
    assert any("rows may double" in message for message in caplog.messages)
    assert session.attributes("a.csv") == before
    assert session.rows() == {"a.csv": 6}
    batch_ids = session.values("_batch_id")
    assert sum(batch_id.startswith("unmanaged-") for batch_id in batch_ids) == 4
    # Read again under the ledger, all of the path's rows are replaced.
    session.forget("a.csv")
    session.run_once()
    assert session.rows() == {"a.csv": 2}


def test_a_load_lets_its_files_go_though_spark_is_gone(session: SessionBench, monkeypatch: pytest.MonkeyPatch) -> None:
    session.put("a.csv", b'id,name,amount\n1,"two\nlines",1\n')
    with gathering_loads() as loads:
        session.load()

    def refuse(*_: Any) -> None:
        raise ConnectionRefusedError

    with monkeypatch.context() as patch:
        patch.setattr(type(session.spark.range(1)), "unpersist", refuse)
        loads[0].release("its session ended without writing it")
    assert session.run_once().files == 1


def test_a_thousand_files_cost_the_calls_that_they_may(session: SessionBench) -> None:
    names = [f"{number:04d}.csv" for number in range(1000)]
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda name: session.put(name, rows_of(1)), names))
    calls, looks = Calls([session.dynamodb]), Calls([session.s3])
    assert session.run_once().files == 1000
    # Their versions come from listings, and their headers are compared while they are read.
    assert looks.counts["GetObject"] + looks.counts["HeadObject"] <= 10, looks.counts
    assert calls.counts["BatchGetItem"] == 20
    assert calls.counts.total() - 20 <= 90, calls.counts
    calls = Calls([session.dynamodb])
    assert session.run_once().files == 0
    assert dict(calls.counts) == {"BatchGetItem": 10}


def test_a_load_reads_its_files_once_to_look_through_them_and_once_to_write_them(
    session_for: MakeBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = session_for()
    session.put("a.csv", rows_of(1, 2))
    session.put("b.csv", b"id,name,amount\n3,c,3\nx,d,4\n")
    planned: list[list[str]] = []
    plainly = reading.read_plainly

    def noted(spark: Any, contract: Any, sources: Any, **how: Any) -> Any:
        planned.append(sorted(source.version.path for source in sources))
        return plainly(spark, contract, sources, **how)

    monkeypatch.setattr(reading, "read_plainly", noted)
    rows = session.load()
    # What is not plain was read carefully, and is not read a third time.
    assert planned == [[session.path("a.csv"), session.path("b.csv")], [session.path("a.csv")]]
    assert session.write(rows.where("id in (1, 3)")).rows == 2
    assert len(planned) == 2
