from __future__ import annotations

import json
import logging

import pytest

from alur.cli.log_lines import Follower, render
from alur.engine.logs import JsonFormatter


def line(**facts):
    return json.dumps({"timestamp": "2026-01-23T10:00:00.000Z", "level": "INFO", "message": "done", **facts})


def test_a_line_of_alurs_own_logger_is_rendered():
    record = logging.makeLogRecord(
        {"name": "alur.job", "levelno": 20, "levelname": "INFO", "msg": "%d files", "args": (3,), "created": 0.0}
    )
    record.ingestion_key, record.note = "orders", "two words"
    assert render(JsonFormatter({"job_run_id": "r1"}).format(record)) == (
        '1970-01-01T00:00:00.000Z INFO    3 files job_run_id=r1 ingestion_key=orders note="two words"'
    )


def test_an_exception_stands_below_its_line():
    assert render(line(exception="Traceback\n  boom", level="ERROR")).endswith("ERROR   done\nTraceback\n  boom")


@pytest.mark.parametrize(
    ("value", "shown"),
    [(1, "1"), (None, "null"), ("", '""'), ("a=b", '"a=b"'), (["x", 1], '["x", 1]'), ("é", "é"), (True, "true")],
)
def test_values_can_be_told_from_what_is_around_them(value, shown):
    assert render(line(fact=value)).endswith(f" fact={shown}")


@pytest.mark.parametrize(
    "other", ["", "plain text", "{", "{not json}", "[1]", '{"level": "INFO"}', "26/01/23 INFO Spark: {}"]
)
def test_every_other_line_stays_as_it_is(other):
    assert render(other) == other


class TestALogThatGrows:
    def test_each_line_comes_once_and_whole(self):
        follower = Follower()
        assert follower.feed(b"one\ntw", is_final=False) == (["one"], False)
        assert follower.feed(b"one\ntw", is_final=False) == ([], False)
        assert follower.feed(b"one\ntwo\nthr", is_final=False) == (["two"], False)
        assert follower.feed(b"one\ntwo\nthree", is_final=True) == (["three"], False)

    def test_a_log_that_is_being_rotated_is_given_some_rounds(self):
        follower = Follower()
        follower.feed(b"one\ntwo\n", is_final=False)
        assert follower.feed(b"", is_final=False) == ([], False)
        assert follower.feed(b"one\ntwo\nthree\n", is_final=False) == (["three"], False)

    def test_a_log_that_was_cut_is_shown_anew_and_it_is_said(self):
        follower = Follower()
        follower.feed(b"one\ntwo\n", is_final=False)
        assert follower.feed(b"two\nthree\n", is_final=False) == ([], False)
        assert follower.feed(b"two\nthree\n", is_final=False) == ([], False)
        assert follower.feed(b"two\nthree\n", is_final=False) == (["two", "three"], True)
        assert follower.feed(b"two\nthree\nfour\n", is_final=False) == (["four"], False)

    def test_nothing_is_held_back_at_the_end(self):
        follower = Follower()
        follower.feed(b"one\n", is_final=False)
        assert follower.feed(b"two", is_final=True) == (["two"], True)

    def test_a_character_that_is_cut_in_two_waits_for_its_other_half(self):
        follower = Follower()
        assert follower.feed("é".encode()[:1], is_final=False) == ([], False)
        assert follower.feed("é\n".encode(), is_final=False) == (["é"], False)
