"""The job's log: one JSON object a line."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from alur.engine.logs import JsonFormatter, log_as_json


@pytest.fixture
def alur_logger() -> Iterator[logging.Logger]:
    logger = logging.getLogger("alur")
    before = (logger.handlers[:], logger.level, logger.propagate)
    yield logger
    logger.handlers[:], logger.level, logger.propagate = before


def test_a_line_holds_what_was_said_what_came_with_it_and_what_is_always_there(
    alur_logger: logging.Logger, capsys: pytest.CaptureFixture[str]
):
    log_as_json(token="t1", job_run_id="r1")
    logging.getLogger("alur.engine.suite").info("%d files\nread: Grüße", 3, extra={"batch_id": "b1", "rows": 7})
    (line,) = capsys.readouterr().out.splitlines()
    told = json.loads(line)
    assert datetime.fromisoformat(told.pop("timestamp")).tzinfo == UTC
    assert told == {
        "level": "INFO",
        "message": "3 files\nread: Grüße",
        "logger": "alur.engine.suite",
        "token": "t1",
        "job_run_id": "r1",
        "batch_id": "b1",
        "rows": 7,
    }


def test_below_info_nothing_is_said_and_no_line_comes_twice(
    alur_logger: logging.Logger, capsys: pytest.CaptureFixture[str]
):
    log_as_json(token="t1")
    log_as_json(token="t2")
    logging.getLogger("alur.engine.suite").debug("no")
    logging.getLogger("alur.engine.suite").warning("yes")
    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(line)["token"] == "t2"


def test_an_exception_is_told_in_the_same_line(alur_logger: logging.Logger, capsys: pytest.CaptureFixture[str]):
    log_as_json()
    try:
        raise ValueError("what happened")
    except ValueError:
        logging.getLogger("alur.engine.suite").exception("it failed")
    (line,) = capsys.readouterr().out.splitlines()
    assert "ValueError: what happened" in json.loads(line)["exception"]


def test_what_json_does_not_know_is_told_as_text():
    record = logging.makeLogRecord(
        {"msg": "m", "levelname": "INFO", "name": "alur", "path": datetime(2026, 1, 1, tzinfo=UTC)}
    )
    assert json.loads(JsonFormatter({}).format(record))["path"] == "2026-01-01 00:00:00+00:00"
