"""A function in a process of its own: warm, killed, too slow, and ended with the stack."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import pytest

from alur.faults import VARIABLE
from alur.local.children import Children, command_line, is_alive
from alur.local.functions import FunctionFailed, FunctionPlan
from alur.local.sandbox import SandboxedFunction

ROOT = Path(__file__).parents[2]
WAIT_SECONDS = 20

CODE = """
import logging, os, signal, sys, time
CALLS = []
print("imported")
def handler(event, context):
    CALLS.append(1)
    print("printed", event.get("what"))
    logging.getLogger("of the function").warning("logged")
    what = event.get("what")
    if what == "raise":
        raise KeyError("as asked")
    if what == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if what == "exit":
        sys.exit(7)
    if what == "sleep":
        time.sleep(600)
    if what == "no json":
        return {1, 2}
    if what == "write":
        os.write(1, b"straight to the descriptor\\n")
    if what == "echo":
        return event
    left = context.get_remaining_time_in_millis()
    return {"pid": os.getpid(), "who": os.environ["WHO"], "calls": len(CALLS), "name": context.function_name,
            "left": left, "id": len(context.aws_request_id), "arn": context.invoked_function_arn,
            "memory": context.memory_limit_in_mb, "variable": os.environ.get("ALUR_FAULTS"), "stdin": sys.stdin.read()}
"""


@pytest.fixture
def children(tmp_path):
    made = Children(tmp_path / "children.json")
    yield made
    made.close()


@pytest.fixture
def make(tmp_path, children):
    made = []

    def function(name="one", code=CODE, timeout_seconds=30.0, **variables):
        directory = tmp_path / name
        directory.mkdir()
        (directory / "app.py").write_text(code)
        plan = FunctionPlan(
            name,
            name.title(),
            directory,
            "app.handler",
            {"PATH": os.environ["PATH"], "WHO": name, **variables},
            timeout_seconds,
            256,
            tmp_path / f"{name}.log",
        )
        made.append(SandboxedFunction(plan, ROOT / "src", children))
        return made[-1]

    yield function
    for one in made:
        one.close()


def gone(pid):
    deadline = time.monotonic() + WAIT_SECONDS
    while is_alive(pid):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def test_it_finds_what_it_would_find_on_lambda_and_stays_warm(make):
    function = make(timeout_seconds=30.0)
    first, second = function({}), function({})
    assert first["pid"] == second["pid"] != os.getpid()
    assert (first["calls"], second["calls"]) == (1, 2)
    assert (first["who"], first["name"], first["memory"], first["id"]) == ("one", "one", 256, 36)
    assert first["arn"] == function.arn
    assert 25_000 < first["left"] <= 30_000
    assert first["stdin"] == ""


def test_two_functions_have_a_process_and_an_environment_each(make):
    one, two = make("one"), make("two")
    assert one({})["pid"] != two({})["pid"]
    assert (one({})["who"], two({})["who"]) == ("one", "two")


def test_what_it_prints_goes_to_its_log_and_does_not_spoil_an_answer(make, capfd):
    function = make()
    function({"what": "write"})
    log = function.log.read_text()
    for said in ("imported", "printed write", "logged", "straight to the descriptor"):
        assert said in log
    assert capfd.readouterr().out == ""


def test_events_and_answers_larger_than_a_pipe_holds_pass(make):
    event = {"what": "echo", "much": "x" * 3_000_000}
    assert make()(event) == event


def test_a_handler_that_raises_is_reported_and_keeps_its_process(make):
    function = make()
    before = function({})["pid"]
    with pytest.raises(FunctionFailed, match="KeyError: 'as asked'"):
        function({"what": "raise"})
    assert "Traceback" in function.log.read_text()
    assert function({})["pid"] == before


def test_an_answer_that_is_no_json_is_the_handlers_failure(make):
    with pytest.raises(FunctionFailed, match="TypeError"):
        make()({"what": "no json"})


@pytest.mark.parametrize(("what", "code"), [("kill", -signal.SIGKILL), ("exit", 7)])
def test_a_call_whose_process_dies_fails_and_the_next_one_has_a_new_process(make, what, code):
    function = make()
    before = function({})["pid"]
    with pytest.raises(FunctionFailed, match=f"exit code {code}"):
        function({"what": what})
    assert f"printed {what}" in function.log.read_text()
    after = function({})
    assert after["pid"] != before
    assert after["calls"] == 1


def test_a_process_that_died_between_two_calls_costs_no_call(make):
    function = make()
    before = function({})["pid"]
    os.kill(before, signal.SIGKILL)
    assert gone_or_zombie(before)
    assert function({})["pid"] != before


def gone_or_zombie(pid):
    # Nobody has asked for its exit code yet, so that it stays listed.
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        if not is_alive(pid) or os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            return True
        time.sleep(0.02)
    return False


def test_a_call_that_takes_longer_than_the_time_out_is_ended_with_its_process(make):
    function = make(timeout_seconds=0.5)
    before = function({})["pid"]
    with pytest.raises(FunctionFailed, match=r"timed out after 0\.50 seconds"):
        function({"what": "sleep"})
    assert gone(before)
    assert function({})["calls"] == 1


def test_a_slow_import_is_no_part_of_the_calls_time(make):
    function = make(code="import time\ntime.sleep(1)\n" + CODE, timeout_seconds=0.5)
    assert function({})["calls"] == 1


def test_code_that_cannot_be_imported_is_reported_each_time(make):
    function = make(code="raise RuntimeError('at the import')")
    for _ in range(2):
        with pytest.raises(FunctionFailed, match="RuntimeError: at the import"):
            function({})
    assert function.log.read_text().count("Traceback") == 2


def test_the_process_is_on_the_list_of_what_is_running_and_ends_with_the_others(make, children, tmp_path):
    function = make()
    pid = function({})["pid"]
    assert [entry["pid"] for entry in json.loads((tmp_path / "children.json").read_text())] == [pid]
    children.close()
    assert gone(pid)
    with pytest.raises(FunctionFailed, match="stopping"):
        function({})


def test_closing_ends_the_process_and_takes_it_off_the_list(make, tmp_path):
    function = make()
    pid = function({})["pid"]
    function.close()
    assert gone(pid)
    assert json.loads((tmp_path / "children.json").read_text()) == []


def test_an_orphan_could_be_known_by_its_mark(make, tmp_path):
    make()({})
    [entry] = json.loads((tmp_path / "children.json").read_text())
    assert entry["mark"] in command_line(entry["pid"])


def test_faults_are_armed_for_it_by_its_environment_alone(make, tmp_path):
    assert make("plain")({})["variable"] is None
    assert make("armed", **{VARIABLE: str(tmp_path)})({})["variable"] == str(tmp_path)
