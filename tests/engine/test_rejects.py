"""Each record is a row or a reject, once: whoever dies, comes late, or reads by another contract."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from workbench import Workbench, contract_of, is_bronze, make_contract, once_after, once_before

from alur.contracts import DecimalField, LongField, StringField
from alur.contracts.contract import Contract
from alur.engine.iceberg import IcebergTable

pytestmark = [pytest.mark.spark, pytest.mark.stack]

WAIT_SECONDS = 300

DIRTY = b"id,name,amount\n1,a,1\nx,b,2\n3,c,3\n,d,4\n"
CLEAN = b"id,name,amount\n7,a,1\n8,b,2\n"


class Died(BaseException):
    """The run is gone: nothing of ours catches it."""


def rejected(bench: Workbench) -> list[tuple[str, int, str]]:
    return [reject[:3] for reject in bench.rejects()]


OF_DIRTY = [("a.csv", 3, "x,b,2"), ("a.csv", 5, ",d,4")]


def die_at(patch: pytest.MonkeyPatch, point: str) -> None:
    def fault_point(name: str) -> None:
        if name == point:
            raise Died

    patch.setattr("alur.engine.batch.fault_point", fault_point)


@pytest.mark.parametrize("point", ["job.rejects-staged", "job.rejects-committed", "job.committed"])
def test_a_run_that_died_is_repeated_and_each_record_is_in_once(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch, point: str
):
    bench.put("a.csv", DIRTY)
    batch = bench.claim("a.csv")
    with monkeypatch.context() as patch:
        die_at(patch, point)
        with pytest.raises(Died):
            bench.run(batch)
    assert bench.run(batch)
    assert (bench.values("id"), rejected(bench)) == ([1, 3], OF_DIRTY)
    assert bench.state("a.csv") == ("completed", 2)
    assert bench.attributes("a.csv")["rows_rejected"] == 2


def test_the_version_before_keeps_its_rejects_until_the_next_ones_rows_are_in(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
):
    bench.put("a.csv", DIRTY)
    bench.ingest("a.csv")
    bench.put("a.csv", DIRTY + b"y,e,5\n")
    batch = bench.claim("a.csv")
    with monkeypatch.context() as patch:
        die_at(patch, "job.rejects-committed")
        with pytest.raises(Died):
            bench.run(batch)
    assert bench.values("id") == [1, 3]
    assert set(rejected(bench)) > set(OF_DIRTY)
    # The new version goes, and the old one is what the table holds, with its rejects.
    bench.put("a.csv", DIRTY)
    assert bench.run(batch)
    assert bench.run(bench.claim("a.csv"))
    assert (bench.values("id"), rejected(bench)) == ([1, 3], OF_DIRTY)


def test_another_contract_between_the_two_commits_decides_alone(
    bench_for: Callable[[Contract], Workbench], monkeypatch: pytest.MonkeyPatch
):
    bench = bench_for(make_contract())
    bench.put("a.csv", DIRTY)
    batch = bench.claim("a.csv")
    with monkeypatch.context() as patch:
        die_at(patch, "job.rejects-committed")
        with pytest.raises(Died):
            bench.run(batch)
    lenient: dict[str, Any] = {"id": LongField(), "name": StringField(), "amount": DecimalField(12, 2)}
    other = bench.with_contract(contract_of(lenient))
    assert other.run(batch)
    assert (bench.values("name"), rejected(bench)) == (["a", "b", "c", "d"], [])
    assert bench.attributes("a.csv")["rows_rejected"] == 0


@pytest.mark.parametrize("where", ["before its rejects", "between its commits"])
def test_a_zombie_with_rejects_leaves_nothing_beside_a_clean_version(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch, where: str
):
    bench.put("a.csv", DIRTY)
    zombie = bench.claim("a.csv")

    def take_over() -> None:
        bench.forget("a.csv")
        bench.put("a.csv", CLEAN)
        assert bench.run(bench.claim("a.csv"))

    if where == "before its rejects":
        once_before(monkeypatch, IcebergTable, "commit", take_over)
    else:
        once_before(monkeypatch, IcebergTable, "commit", take_over, is_bronze)
    assert bench.run(zombie)
    assert (bench.values("id"), bench.rejects()) == ([7, 8], [])
    assert bench.state("a.csv") == ("completed", 2)


def test_two_runs_of_one_batch_bring_each_reject_once(bench: Workbench, monkeypatch: pytest.MonkeyPatch):
    bench.put("a.csv", DIRTY)
    batch = bench.claim("a.csv")
    once_before(monkeypatch, IcebergTable, "commit", lambda: bench.run(batch), is_bronze)
    assert bench.batch_run(batch).run().completed == 0
    assert (bench.values("id"), rejected(bench)) == ([1, 3], OF_DIRTY)


def test_a_run_whose_rejects_come_when_all_is_done_takes_them_back(bench: Workbench, monkeypatch: pytest.MonkeyPatch):
    bench.put("warm.csv", CLEAN)
    bench.ingest("warm.csv")
    bench.put("a.csv", DIRTY)
    batch = bench.claim("a.csv")
    goes_on, arrived = threading.Event(), threading.Event()

    def first_stops_between_its_commits(point: str) -> None:
        if point == "job.rejects-committed" and threading.current_thread() is first:
            arrived.set()
            assert goes_on.wait(WAIT_SECONDS)

    def first_ends() -> None:
        goes_on.set()
        first.join(WAIT_SECONDS)

    monkeypatch.setattr("alur.engine.batch.fault_point", first_stops_between_its_commits)
    first = threading.Thread(target=lambda: bench.run(batch))
    first.start()
    assert arrived.wait(WAIT_SECONDS)
    # The second has seen that nobody has published the file, and not yet committed what it rejects.
    once_after(monkeypatch, IcebergTable, "refusal", first_ends)
    assert bench.run(batch)
    assert bench.state("a.csv") == ("completed", 2)
    assert rejected(bench) == OF_DIRTY


def test_versions_that_are_appended_keep_their_rejects_each(bench_for: Callable[[Contract], Workbench]):
    bench = bench_for(make_contract(on_overwrite="append"))
    bench.put("a.csv", DIRTY)
    bench.ingest("a.csv")
    bench.put("a.csv", DIRTY + b"y,e,5\n")
    bench.ingest("a.csv")
    assert sorted(rejected(bench)) == sorted([*OF_DIRTY, *OF_DIRTY, ("a.csv", 6, "y,e,5")])
    bench.forget("a.csv")
    bench.ingest("a.csv")
    assert sorted(rejected(bench)) == sorted([*OF_DIRTY, *OF_DIRTY, ("a.csv", 6, "y,e,5")])
