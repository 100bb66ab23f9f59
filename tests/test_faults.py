"""Fault points: nothing without the variable, one process for each armed fault with it."""

from __future__ import annotations

import ast
import os
import re
import signal
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path

import pytest

from alur.faults import ACTIONS, LOG, POINTS, RELEASE, VARIABLE, FaultInjected, fault_point

ROOT = Path(__file__).parents[1]
POINT = POINTS[0]
WAIT_SECONDS = 20

PASS = "import sys; from alur.faults import fault_point; fault_point(sys.argv[1]); print('passed')"
PARENT = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", sys.argv[2], sys.argv[1]], stdout=subprocess.PIPE)
print(child.pid, flush=True)
child.wait()
"""


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    return tmp_path


def arm(directory: Path, action: str, point: str = POINT, name: str = "1") -> Path:
    file = directory / f"{point}@{action}@{name}"
    file.touch()
    return file


def start(*command: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    return subprocess.Popen([sys.executable, "-c", *command], env=environment, stdout=subprocess.PIPE, text=True)


def hits(directory: Path) -> list[list[str]]:
    log = directory / LOG
    return [line.split() for line in log.read_text().splitlines()] if log.is_file() else []


def wait_for(holds, what: str) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)


def test_without_the_variable_a_point_does_nothing_and_looks_at_no_file(monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setattr(os, "listdir", lambda *_: pytest.fail("it looked"))
    fault_point(POINT)


def test_a_point_at_which_nothing_is_armed_is_passed(directory):
    arm(directory, "raise", point=POINTS[1])
    fault_point(POINT)
    assert hits(directory) == []


def test_a_directory_that_is_not_there_arms_nothing(monkeypatch, tmp_path):
    monkeypatch.setenv(VARIABLE, str(tmp_path / "nowhere"))
    fault_point(POINT)


def test_an_armed_fault_is_taken_once_and_told_in_the_log(directory):
    armed = arm(directory, "raise")
    with pytest.raises(FaultInjected, match=re.escape(POINT)):
        fault_point(POINT)
    fault_point(POINT)
    assert not armed.exists()
    [(point, action, pid, moment)] = hits(directory)
    assert (point, action, pid) == (POINT, "raise", str(os.getpid()))
    assert datetime.fromisoformat(moment).tzinfo is not None


def test_what_is_raised_is_no_error_that_alur_knows():
    from alur.errors import AlurError

    assert issubclass(FaultInjected, RuntimeError)
    assert not issubclass(FaultInjected, AlurError)


def test_a_name_that_begins_as_another_does_is_not_mistaken_for_it(directory):
    arm(directory, "raise", point=f"{POINT}-too")
    fault_point(POINT)


def test_an_action_that_does_not_exist_is_named_and_stays_armed(directory):
    armed = arm(directory, "explode")
    with pytest.raises(ValueError, match="explode"):
        fault_point(POINT)
    assert armed.exists()


def test_kill_is_a_death_without_a_word(directory):
    arm(directory, "kill")
    process = start(PASS, POINT)
    output, _ = process.communicate(timeout=WAIT_SECONDS)
    assert process.returncode == -signal.SIGKILL
    assert output == ""
    assert [hit[:3] for hit in hits(directory)] == [[POINT, "kill", str(process.pid)]]


def test_kill_parent_takes_the_parent_along(directory):
    arm(directory, "kill-parent")
    parent = start(PARENT, POINT, PASS)
    output, _ = parent.communicate(timeout=WAIT_SECONDS)
    child = int(output)
    assert parent.returncode == -signal.SIGKILL
    assert [hit[:3] for hit in hits(directory)] == [[POINT, "kill-parent", str(child)]]
    wait_for(lambda: not is_running(child), f"process {child} lives on")


def test_a_hang_ends_with_the_release(directory):
    arm(directory, "hang")
    process = start(PASS, POINT)
    wait_for(lambda: hits(directory), "nothing was hit")
    assert process.poll() is None
    (directory / RELEASE).touch()
    assert process.communicate(timeout=WAIT_SECONDS)[0] == "passed\n"
    assert process.returncode == 0


def test_of_many_processes_one_takes_an_armed_fault(directory):
    arm(directory, "raise")
    processes = [start(PASS, POINT) for _ in range(6)]
    ends = [process.communicate(timeout=WAIT_SECONDS)[0] for process in processes]
    assert sorted(ends) == ["", *["passed\n"] * 5]
    assert len(hits(directory)) == 1


def test_processes_that_come_at_once_take_as_many_faults_as_are_armed(directory):
    for number in range(3):
        arm(directory, "raise", name=str(number))
    processes = [start(PASS, POINT) for _ in range(5)]
    ends = [process.communicate(timeout=WAIT_SECONDS)[0] for process in processes]
    assert sorted(ends) == [*[""] * 3, *["passed\n"] * 2]


def test_points_are_named_once_and_as_files_can_be():
    assert len(set(POINTS)) == len(POINTS)
    assert all(re.fullmatch(r"[a-z]+\.[a-z-]+", point) for point in POINTS)
    assert not any("@" in action for action in ACTIONS)


def test_every_call_names_a_point_and_every_point_is_called():
    called = [name for file in sorted((ROOT / "src").rglob("*.py")) for name in calls_in(file)]
    assert sorted(set(called)) == sorted(POINTS)


def test_the_template_and_the_settings_do_not_know_the_variable():
    assert VARIABLE not in (ROOT / "template.yaml").read_text()
    assert VARIABLE not in (ROOT / "samconfig.toml").read_text()


def calls_in(file: Path) -> list[str]:
    found = []
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", "")) == "fault_point":
            [argument] = node.args
            assert isinstance(argument, ast.Constant), f"{file}:{node.lineno}: a point's name must be written out"
            found.append(argument.value)
    return found


def is_running(pid: int) -> bool:
    told = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return bool(told.stdout.strip()) and not told.stdout.strip().startswith("Z")
