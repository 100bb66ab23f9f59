from __future__ import annotations

import logging
import os

import pytest

from alur.local.functions import Function, FunctionFailed

CODE = """
import json, logging, os
from alur.local.functions import Context  # anything that is importable
CALLS = []
logger = logging.getLogger("alur.of.the.function")
logger.setLevel(logging.INFO)
logger.addHandler(logging.StreamHandler())
def handler(event, context):
    CALLS.append(1)
    if event.get("fail"):
        raise KeyError("as asked")
    print("printed", event)
    logger.info("logged")
    return {"who": os.environ["WHO"], "calls": len(CALLS), "name": context.function_name,
            "left": context.get_remaining_time_in_millis() > 0, "event": event}
"""


@pytest.fixture
def make(tmp_path):
    made = []

    def function(name, **variables):
        directory = tmp_path / name
        directory.mkdir()
        (directory / "app.py").write_text(CODE)
        made.append(
            Function(name, directory, "app.handler", variables, dict(os.environ), 5, 128, tmp_path / f"{name}.log")
        )
        return made[-1]

    yield function
    for one in made:
        one.close()


def test_each_function_has_its_own_environment_and_its_own_module(make):
    one, two = make("one", WHO="1"), make("two", WHO="2")
    assert one({"a": 1}) == {"who": "1", "calls": 1, "name": "one", "left": True, "event": {"a": 1}}
    assert two({})["who"] == "2"
    assert one({})["calls"] == 2
    assert "WHO" not in os.environ


def test_what_a_function_prints_and_logs_goes_to_its_own_file(make, capsys):
    one = make("one", WHO="1")
    one({"a": 1})
    assert "printed {'a': 1}" in one.log.read_text()
    assert "logged" in one.log.read_text()
    assert capsys.readouterr().out == ""


def test_what_a_function_does_to_logging_stays_with_its_calls(make):
    make("one", WHO="1")({})
    assert logging.getLogger("alur.of.the.function").handlers == []
    assert logging.getLogger("alur.of.the.function").level == logging.NOTSET


def test_a_handler_that_raises_is_reported_and_stays_usable(make):
    one = make("one", WHO="1")
    with pytest.raises(FunctionFailed, match="KeyError: 'as asked'"):
        one({"fail": True})
    assert "Traceback" in one.log.read_text()
    assert one({})["calls"] == 2


def test_code_that_is_missing_is_reported(make, tmp_path):
    one = Function("none", tmp_path / "nowhere", "app.handler", {}, {}, 5, 128, tmp_path / "none.log")
    with pytest.raises(FunctionFailed, match="no code"):
        one({})
    one.close()
