from __future__ import annotations

import threading
from datetime import UTC, datetime

import pytest

from alur.errors import LocalStackError
from alur.local.rules import Rule, Rules, matches, parse_rate

WAIT_SECONDS = 10
EVENT = {"source": "aws.emr-serverless", "detail": {"state": "SUCCESS", "applicationId": "a", "key": "orders/x"}}


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ({"source": ["aws.emr-serverless"]}, True),
        ({"source": ["aws.s3", "aws.emr-serverless"]}, True),
        ({"source": ["aws.s3"]}, False),
        ({"detail": {"state": ["FAILED", "SUCCESS"], "applicationId": ["a"]}}, True),
        ({"detail": {"state": ["SUCCESS"], "applicationId": ["b"]}}, False),
        ({"detail": {"key": [{"prefix": "orders/"}]}}, True),
        ({"detail": {"key": [{"prefix": "flights/"}]}}, False),
        ({"detail": {"other": [{"exists": False}]}}, True),
        ({"other": {"state": ["SUCCESS"]}}, False),
    ],
)
def test_patterns_match_as_on_eventbridge(pattern, expected):
    assert matches(pattern, EVENT) is expected


def test_a_filter_that_is_not_known_is_an_error():
    with pytest.raises(LocalStackError):
        matches({"source": [{"wildcard": "*"}]}, EVENT)


def test_rates_are_seconds():
    assert [parse_rate(text) for text in ("rate(1 minute)", "rate(5 minutes)", "rate(1 day)")] == [60, 300, 86400]
    with pytest.raises(LocalStackError):
        parse_rate("cron(0 12 * * ? *)")


def run(rules, act):
    made = Rules(rules, lambda: datetime(2026, 1, 2, tzinfo=UTC), "ap-southeast-5")
    made.start()
    try:
        act(made)
    finally:
        made.stop()


def test_an_event_calls_the_targets_of_the_rules_that_it_matches_though_one_of_them_fails():
    called, done = [], threading.Event()

    def failing(event):
        raise ValueError("no")

    def target(event):
        called.append(event)
        done.set()

    rules = [
        Rule("fails", {"source": ["aws.emr-serverless"]}, None, failing),
        Rule("fits", {"source": ["aws.emr-serverless"]}, None, target),
        Rule("other", {"source": ["aws.s3"]}, None, target),
    ]

    def act(made):
        made.put(EVENT)
        assert done.wait(WAIT_SECONDS)

    run(rules, act)
    assert called == [EVENT]


def test_a_schedule_calls_its_target_again_and_again():
    called, done = [], threading.Event()

    def target(event):
        called.append(event)
        if len(called) == 2:
            done.set()

    run([Rule("every", None, 1, target)], lambda made: done.wait(WAIT_SECONDS))
    assert called[0]["detail-type"] == "Scheduled Event"
    assert called[0]["time"] == "2026-01-02T00:00:00Z"
    assert called[0]["region"] == "ap-southeast-5"
    assert called[0]["resources"] == ["arn:aws:events:ap-southeast-5:123456789012:rule/every"]
