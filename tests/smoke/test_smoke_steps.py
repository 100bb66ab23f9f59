"""The steps of the smoke test, against a deployment in memory that does as it is told, or does not."""

from __future__ import annotations

import hashlib
import json
import shlex
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from alur.ingestion.claiming import ALL_PROCESSED
from alur.ledger.model import LedgerItem, Status
from ledger_support import NOW
from smoke.bench import Bench
from smoke.looks import RunCost
from smoke.report import Report
from smoke.session import Session
from smoke.shell import Typed
from smoke.steps import plan

LANDING = "s3://landing/"
PREFIX = f"{LANDING}orders/alur-smoke-s1/"


class Deployment:
    """A deployment in memory: what is typed at it, and what it says when it is looked at.

    Attributes:
        is_there, takes_events: what it is.
        objects, entries, table: bucket, ledger and table, by path.
        wrong: what it does otherwise than it should, by the name of what it is about.
        typed: the commands.
    """

    def __init__(self, *, is_there: bool = False, takes_events: bool = False) -> None:
        self.is_there, self.takes_events = is_there, takes_events
        self.objects: dict[str, tuple[str, int]] = {}
        self.entries_: dict[str, LedgerItem] = {}
        self.table: dict[str, list[int]] = {}
        self.wrong: dict[str, Any] = {}
        self.typed: list[str] = []
        self.runs: dict[str, str] = {}
        self.now = NOW
        self.variables: dict[str, str] = {}
        self.leases: dict[str, datetime] = {}

    # ------------------------------------------------------------------------------------------ what is typed

    def type(self, command: str) -> Typed:
        self.typed.append(command)
        stdout, code = self._do(shlex.split(command))
        return Typed(command, stdout, "" if code == 0 else "it went wrong", code, 1.0)

    def _do(self, words: list[str]) -> tuple[str, int]:
        match words:
            case ["alur", "doctor", *_] if "doctor" in self.wrong.get("fails", ()):
                return "ok       sam             sam\nFAILED   credentials     none\n1 ok, 1 failed\n", 3
            case ["alur", what, *_] if what in self.wrong.get("fails", ()):
                return "", 1
            case ["alur", "doctor", *_]:
                return "14 ok\n", 0
            case ["alur", "deploy", *_]:
                self.is_there = True
            case ["alur", "destroy", *_]:
                self.is_there = False
            case ["alur", "run", *_]:
                return self._run("--no-wait" in words), 0
            case ["alur", "audit", *_]:
                return self._audit()
            case ["aws", "s3", "cp", "examples/orders/", target, *_]:
                self._put(f"{target}good_orders.csv", "the good ones", 100)
                self._put(f"{target}edge_cases.csv", "the edge cases", 3)
            case ["aws", "s3", "cp", source, target]:
                text = Path(source).read_text()
                self._put(target, text, text.count("\n") - 1)
            case ["aws", "s3", "rm", prefix, "--recursive"]:
                self.objects = {path: found for path, found in self.objects.items() if not path.startswith(prefix)}
            case ["aws", "emr-serverless", "cancel-job-run", *_, run_id]:
                if self.runs[run_id] == "RUNNING":
                    self.runs[run_id] = "CANCELLED"
            case _:
                raise AssertionError(words)
        return "", 0

    def _put(self, path: str, text: str, rows: int) -> None:
        salt = f"{len(self.typed)}" if "kms" in self.wrong else ""
        self.objects[path] = (hashlib.md5((text + salt).encode()).hexdigest(), rows)
        if not self.takes_events:
            return
        if "killed" in path:
            self._claim("events")
        else:
            self._ingest("events")

    def _run(self, is_left_alone: bool) -> str:
        run_id = f"r{len(self.runs)}"
        if is_left_alone:
            self.runs[run_id] = "RUNNING"
            self._claim(run_id)
            if self.wrong.get("quick_runs", 0) > 0:
                self.wrong["quick_runs"] -= 1
                self._ingest(run_id)
                self.runs[run_id] = "SUCCESS"
            return json.dumps({"run_id": run_id})
        if "run_fails" in self.wrong:
            return json.dumps({"run_id": run_id, "state": "failed", "error": self.wrong["run_fails"]})
        self.runs[run_id] = "SUCCESS"
        new = self._ingest(run_id)
        rows = sum(self.objects[path][1] for path in new)
        return json.dumps(
            {
                "files": len(new),
                "rows": rows,
                "skipped": len(self.objects) - len(new),
                "failed": [],
                "message": None if new else self.wrong.get("message", ALL_PROCESSED),
            }
        )

    def _new(self) -> list[str]:
        def is_new(path: str, etag: str) -> bool:
            entry = self.entries_.get(path)
            if "forgets" in self.wrong and self.wrong["forgets"] in path:
                return True
            if entry is not None and entry.status is Status.PROCESSING:
                return self.leases.get(path, self.now) <= self.now
            return entry is None or entry.etag != etag

        return [path for path, (etag, _) in self.objects.items() if is_new(path, etag)]

    def _claim(self, batch_id: str) -> None:
        for path in self._new():
            etag, _ = self.objects[path]
            self.entries_[path] = LedgerItem("orders", path, etag, 10, Status.PROCESSING, batch_id)
            if not self.takes_events:
                self.leases[path] = self.now + timedelta(seconds=300)
        if self.takes_events:
            self.runs["of-events"] = "RUNNING"

    def _ingest(self, batch_id: str) -> list[str]:
        new = self._new() if batch_id != "reconciler" else list(self.entries_)
        if self.runs.get(batch_id) == "RUNNING":
            new = [path for path, entry in self.entries_.items() if entry.batch_id == batch_id]
        for path in new:
            etag, rows = self.objects[path]
            counted = rows - self.wrong.get("loses", {}).get(path.rpartition("/")[2], 0)
            self.entries_[path] = LedgerItem("orders", path, etag, 10, Status.COMPLETED, batch_id, rows=counted)
            self.table[path] = [counted]
        return new

    def _audit(self) -> tuple[str, int]:
        table = {**self.table, **self.wrong.get("table", {})}
        files = [
            {
                "path": path,
                "verdict": "agree" if table.get(path) == [entry.rows] else "rows-doubled",
                "sentence": "as it is",
                "table": [{"rows": rows} for rows in table.get(path, [])],
            }
            for path, entry in self.entries_.items()
        ]
        differing = sum(file["verdict"] != "agree" for file in files)
        report = {
            "agrees": not differing,
            "differences": differing,
            "snapshot_id": "5",
            "counts": {"agree": len(files) - differing},
            "files": files,
            "foreign": [],
            "unmanaged": [],
        }
        return json.dumps(report), 1 if differing else 0

    # ---------------------------------------------------------------------------------------- what is looked at

    stack_name = "alur-dev"

    def stack_is_there(self) -> bool:
        return self.is_there

    def name(self, output: str) -> str:
        return {"LandingBucket": "landing", "ApplicationId": "00app"}[output]

    def known_paths(self) -> list[str]:
        return list(self.entries_)

    def landed_paths(self) -> list[str]:
        return list(self.objects)

    def entries(self, paths: Iterable[str]) -> Mapping[str, LedgerItem]:
        return {path: self.entries_[path] for path in paths if path in self.entries_}

    def etag(self, path: str) -> str | None:
        return self.objects.get(path, (None, 0))[0]

    def batch(self, entry: LedgerItem) -> Any:
        return SimpleNamespace(
            interactive=not self.takes_events,
            lease_until=self.leases.get(entry.path, self.now),
            begun_by={"token"},
            run_ids={"of-events"},
        )

    def run_state(self, run_id: str) -> str:
        return self.runs[run_id]

    def costs_since(self, moment: datetime) -> list[RunCost]:
        return [RunCost(run_id, "a run", state, 60.0, 0.1, 0.4) for run_id, state in self.runs.items()]

    # ------------------------------------------------------------------------------------------------- time

    def clock(self) -> datetime:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)
        if self.takes_events and "CANCELLED" in self.runs.values():
            self._ingest("reconciler")


Smoke = Callable[..., Report]


@pytest.fixture
def smoke(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Smoke:
    """Goes through the whole test with a deployment; what was deployed may be destroyed, where all was as expected."""
    monkeypatch.setattr("smoke.steps.KILLED_ROWS", (50, 500))

    def go(deployment: Any, *, is_forced: bool = False, may_destroy: bool | None = None) -> Report:
        bench = Bench(
            environment="dev",
            smoke_id="s1",
            is_local=False,
            shell=deployment,
            looks=deployment,
            folder=tmp_path,
            clock=deployment.clock,
            sleep=deployment.sleep,
            is_forced=is_forced,
        )
        return Session(bench, lambda is_fine: is_fine if may_destroy is None else may_destroy).run(plan(is_local=False))

    return go


def wrong(report: Report) -> dict[str, str]:
    """What was not as expected: the step, and what was seen."""
    return {step.title: step.outcome.seen for step in report.steps if not step.outcome.is_as_expected}


@pytest.mark.parametrize("takes_events", [False, True])
def test_a_deployment_that_does_as_it_should_is_as_expected_from_deploy_to_destroy(smoke: Smoke, takes_events: bool):
    deployment = Deployment(takes_events=takes_events)
    report = smoke(deployment)
    assert wrong(report) == {}
    assert [step.title for step in report.steps] == [
        *(step.title for step in plan(is_local=False)),
        "clean-up",
        "destroy",
    ]
    assert (report.left, deployment.is_there, deployment.objects) == ([], False, {})
    assert [command for command in deployment.typed if "destroy" in command] == [
        "alur destroy --delete-data --yes --env dev"
    ]
    assert {path.removeprefix(PREFIX): rows for path, rows in deployment.table.items()} == {
        "good_orders.csv": [100],
        "edge_cases.csv": [3],
        "new_orders.csv": [15],
        "killed_1.csv": [50],
    }
    assert len(report.costs) == len(deployment.runs)


def test_a_run_that_was_killed_is_waited_for_until_its_lease_has_passed(smoke: Smoke):
    deployment = Deployment()
    (seen,) = [step.outcome.seen for step in smoke(deployment).steps if "killed" in step.title]
    assert "run r4 ended CANCELLED, with killed_1.csv processing; 305 s later killed_1.csv is completed" in seen


def test_where_a_run_is_quicker_than_its_cancellation_another_file_is_tried(smoke: Smoke):
    deployment = Deployment()
    deployment.wrong["quick_runs"] = 1
    report = smoke(deployment)
    assert wrong(report) == {}
    (seen,) = [step.outcome.seen for step in report.steps if "killed" in step.title]
    assert seen.startswith("run r4 was quicker than its cancellation; run r5 ended CANCELLED")
    assert deployment.table[f"{PREFIX}killed_1.csv"] == [50]


def test_where_a_key_makes_another_version_of_the_same_bytes_that_is_no_failure(smoke: Smoke):
    deployment = Deployment(takes_events=True)
    deployment.wrong["kms"] = True
    report = smoke(deployment)
    assert wrong(report) == {}
    (seen,) = [step.outcome.seen for step in report.steps if step.title.startswith("Test 2")]
    assert seen.endswith("the same bytes have another ETag here, and are another version")


def test_that_no_run_could_be_killed_is_not_passed_over(smoke: Smoke):
    deployment = Deployment()
    deployment.wrong["quick_runs"] = 9
    (seen,) = wrong(smoke(deployment)).values()
    assert seen.endswith("no run was killed in the middle; try again")


class TestOthers:
    """What the test did not make it leaves alone."""

    def test_a_stack_that_was_there_is_neither_deployed_nor_destroyed(self, smoke: Smoke):
        deployment = Deployment(is_there=True)
        report = smoke(deployment, may_destroy=True)
        assert wrong(report) == {}
        assert deployment.is_there
        assert not [command for command in deployment.typed if command.startswith(("alur deploy", "alur destroy"))]
        assert report.left == [
            "168 rows of 4 files below orders/alur-smoke-s1/ in the table `orders`, and their entries in the ledger"
        ]

    @pytest.mark.parametrize("where", ["ledger", "bucket"])
    def test_a_table_that_has_files_is_refused_before_anything_is_written(self, smoke: Smoke, where: str):
        deployment = Deployment(is_there=True)
        path = f"{LANDING}orders/theirs.csv"
        if where == "ledger":
            deployment.entries_[path] = LedgerItem("orders", path, "e1", 10, Status.COMPLETED, "b1", rows=7)
        else:
            deployment.objects[path] = ("e1", 7)
        report = smoke(deployment)
        assert list(wrong(report)) == ["files of others"]
        assert deployment.typed == ["alur doctor --env dev"]
        assert report.left == []

    def test_by_force_only_what_is_the_tests_own_is_compared_and_removed(self, smoke: Smoke):
        deployment = Deployment(is_there=True)
        theirs = f"{LANDING}orders/theirs.csv"
        deployment.objects[theirs] = ("e1", 7)
        deployment.entries_[f"{LANDING}orders/lost.csv"] = LedgerItem(
            "orders", f"{LANDING}orders/lost.csv", "e1", 10, Status.COMPLETED, "b1", rows=7
        )
        assert wrong(smoke(deployment, is_forced=True)) == {}
        assert list(deployment.objects) == [theirs]

    def test_every_key_that_is_written_or_removed_is_below_the_tests_own_folder(self, smoke: Smoke):
        deployment = Deployment()
        smoke(deployment)
        uris = [word for command in deployment.typed for word in shlex.split(command) if word.startswith("s3://")]
        assert uris
        assert all(uri.startswith(PREFIX) for uri in uris)


class TestWrong:
    """What is not as it should be is found, and ends the test; what was made is cleaned up all the same."""

    def test_rows_that_are_missing(self, smoke: Smoke):
        deployment = Deployment()
        deployment.wrong["loses"] = {"good_orders.csv": 1}
        report = smoke(deployment)
        assert list(wrong(report)) == ["Test 1: two new files"]
        assert "good_orders.csv must be completed with 100 rows" in wrong(report)["Test 1: two new files"]
        assert [step.title for step in report.steps][-2:] == ["clean-up", "destroy"]
        assert deployment.objects == {}

    def test_a_second_run_that_ingests_something_again(self, smoke: Smoke):
        deployment = Deployment()
        deployment.wrong["forgets"] = "good_orders"
        seen = wrong(smoke(deployment))["Test 2: no new files"]
        assert "it must ingest nothing" in seen
        assert "the entries must stay as they are" in seen

    def test_a_second_run_that_says_something_else(self, smoke: Smoke):
        deployment = Deployment()
        deployment.wrong["message"] = "Nothing to do."
        assert f"it must say: {ALL_PROCESSED}" in wrong(smoke(deployment))["Test 2: no new files"]

    def test_a_run_that_fails(self, smoke: Smoke):
        deployment = Deployment()
        deployment.wrong["run_fails"] = "the role may not read the bucket"
        assert wrong(smoke(deployment)) == {"Test 1: two new files": "the run failed: the role may not read the bucket"}

    def test_rows_that_are_doubled_are_found_by_the_audit_alone(self, smoke: Smoke):
        deployment = Deployment()
        deployment.wrong["table"] = {f"{PREFIX}new_orders.csv": [20, 15]}
        (seen,) = wrong(smoke(deployment)).values()
        assert f"{PREFIX}new_orders.csv must be there with 15 rows, and is rows-doubled with 35 rows" in seen
        assert "1 files differ" in seen

    def test_a_doctor_that_warns_of_failure_stops_before_the_deploy(self, smoke: Smoke):
        deployment = Deployment()
        deployment.wrong["fails"] = ["doctor"]
        report = smoke(deployment, may_destroy=True)
        assert wrong(report) == {"`alur doctor`": "FAILED credentials none; 1 ok, 1 failed"}
        assert deployment.typed == ["alur doctor --env dev"]

    def test_a_deploy_that_left_nothing_leaves_nothing_to_destroy(self, smoke: Smoke):
        deployment = Deployment()
        deployment.wrong["fails"] = ["deploy"]
        report = smoke(deployment, may_destroy=True)
        assert wrong(report) == {"deploy": "`alur deploy --env dev` ended with 1: it went wrong"}
        assert [step.title for step in report.steps][-1] == "deploy"
        assert report.left == []

    def test_an_environment_that_is_not_destroyed_is_said_to_be_left_and_how_to_destroy_it(self, smoke: Smoke):
        deployment = Deployment()
        deployment.wrong["fails"] = ["audit"]
        report = smoke(deployment)
        assert list(wrong(report)) == ["the audit"]
        assert deployment.is_there
        (left,) = report.left
        assert "`alur destroy --env dev --delete-data`" in left

    def test_an_error_that_nobody_thought_of_is_told_and_the_end_still_comes(self, smoke: Smoke):
        deployment = Deployment()

        def broken(path: str) -> str:
            raise ZeroDivisionError("by nought")

        deployment.etag = broken  # type: ignore[method-assign]
        report = smoke(deployment)
        assert wrong(report) == {"Test 1: two new files": "ZeroDivisionError: by nought"}
        assert deployment.objects == {}


def test_a_file_that_is_never_settled_is_waited_for_no_longer_than_half_an_hour(smoke: Smoke):
    deployment = Deployment(takes_events=True)
    original = deployment._put

    def put(path: str, text: str, rows: int) -> None:
        original(path, text, rows)
        deployment.entries_[path] = replace(deployment.entries_[path], status=Status.PROCESSING)

    deployment._put = put  # type: ignore[method-assign]
    seen = wrong(smoke(deployment))["Test 1: two new files"]
    assert seen == "after 30 minutes it is still not so that its files are completed or failed"
