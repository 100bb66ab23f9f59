"""What the steps have in their hands: the shell, the local stack in place of a deploy, and what a run is billed for."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from contracts.orders import OrdersBronze
from ledger_support import NOW
from smoke.bench import Bench
from smoke.looks import RunCost, cost_of
from smoke.orders import HEADER, orders
from smoke.shell import Shell, Typed
from smoke.steps import StepFailed, start_local_stack


def test_what_is_typed_and_printed_is_kept_and_the_exit_code_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    shell = Shell(tmp_path, {"PATH": os.environ["PATH"], "WHO": "me"}, tmp_path / "log")
    typed = shell.type("echo to $WHO; echo hush >&2; pwd; exit 3")
    assert (typed.stdout, typed.stderr, typed.code) == (f"to me\n{tmp_path}\n", "hush\n", 3)
    assert typed.last_words == f"to me / {tmp_path} / hush"
    assert shell.type("true").code == 0
    log = (tmp_path / "log").read_text()
    assert "$ echo to $WHO" in log
    assert "hush" in log
    assert "[exit code 3, " in log
    # Whoever waits sees what is typed and said, and stdout stays the report's.
    seen = capsys.readouterr()
    assert "$ echo to $WHO" in seen.err
    assert "hush" in seen.err
    assert seen.out == ""


def test_files_of_orders_are_what_the_contract_says():
    text = orders(3, 200_001, "new")
    header, *rows = text.splitlines()
    assert header == HEADER == ",".join(field.name for field in OrdersBronze.contract().fields)
    assert [row.split(",")[0] for row in rows] == ["200001", "200002", "200003"]
    assert all(len(row.split(",")) == len(HEADER.split(",")) for row in rows)
    assert text.endswith("\n")


def test_a_run_is_billed_what_emr_says_and_lasts_until_it_ended():
    run = {
        "jobRunId": "r1",
        "name": "a run",
        "state": "SUCCESS",
        "createdAt": NOW,
        "updatedAt": NOW + timedelta(seconds=100),
        "endedAt": NOW + timedelta(seconds=90),
        "billedResourceUtilization": {"vCPUHour": 0.1, "memoryGBHour": 0.4, "storageGBHour": 0.0},
    }
    assert cost_of(run, NOW + timedelta(hours=1)) == RunCost("r1", "a run", "SUCCESS", 90.0, 0.1, 0.4)


def test_of_a_run_that_goes_on_the_bill_is_not_known():
    run = {"jobRunId": "r1", "state": "RUNNING", "createdAt": NOW, "updatedAt": NOW}
    assert cost_of(run, NOW + timedelta(minutes=1)) == RunCost("r1", "", "RUNNING", 60.0, None, None)


class Typewriter:
    """A shell in which a local stack runs already, or does not, and may start."""

    def __init__(self, *, runs_already: bool = False, starts: bool = True) -> None:
        self.codes = {"status": 0 if runs_already else 3, "up": 0 if starts else 1}
        self.variables = {"PATH": "/bin"}
        self.typed: list[str] = []

    def type(self, command: str) -> Typed:
        self.typed.append(command)
        told = "ALUR_ENV=dev\0AWS_REGION=mars-1\0HOME=/nowhere\0"
        code = next((code for word, code in self.codes.items() if f"local {word}" in command), 0)
        return Typed(command, told if "env -0" in command else "", "it is another one", code, 0.0)


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for name in ("ALUR_ENV", "AWS_REGION"):
        # So that what the step sets is taken back.
        monkeypatch.setenv(name, "before")
    looks: Any = SimpleNamespace(stack_name="alur-dev", takes_events=False, name=lambda output: output.lower())

    def make(shell: Typewriter) -> Bench:
        return Bench("dev", "s1", True, shell, looks, tmp_path, lambda: NOW, lambda _: None)

    return make


def test_in_place_of_a_deploy_the_local_stack_is_started_and_reached(bench):
    shell = Typewriter()
    made = bench(shell)
    outcome = start_local_stack(made)
    assert (outcome.is_as_expected, made.has_deployed) == (True, True)
    assert "landingbucket" in outcome.seen
    assert shell.typed[1] == "alur local up --section dev"
    assert shell.variables == {"PATH": "/bin", "ALUR_ENV": "dev", "AWS_REGION": "mars-1"}
    assert (os.environ["ALUR_ENV"], os.environ["AWS_REGION"]) == ("dev", "mars-1")


def test_a_local_stack_that_runs_already_is_left_running(bench):
    made = bench(Typewriter(runs_already=True))
    assert "is left running" in start_local_stack(made).seen
    assert not made.has_deployed


def test_a_local_stack_that_is_another_section_ends_the_test(bench):
    with pytest.raises(StepFailed, match="it is another one"):
        start_local_stack(bench(Typewriter(runs_already=True, starts=False)))
