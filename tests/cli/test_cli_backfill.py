"""`alur backfill`."""

from __future__ import annotations

import pytest

from alur.aws.queue import EventQueue
from alur.contracts.contract import Trigger
from alur.ledger.transitions import Decision
from cli_support import Place

KEYS = [f"orders/2024/{number:02}.csv" for number in range(5)]


@pytest.fixture
def old(place: Place) -> Place:
    for key in KEYS:
        place.world.put(key)
    return place


def test_files_that_nobody_heard_of_are_announced_and_claimed(old: Place):
    result = old.call("backfill", "orders", "--source", old.path("orders/2024/*.csv"))
    assert result.exit_code == 0
    assert "5 files listed: 5 sent" in result.stdout
    assert old.deliver().decisions["orders"] == {Decision.CLAIM: 5}


def test_the_landing_bucket_may_be_a_variable(old: Place):
    told = old.json("backfill", "OrdersBronze", "--source", "s3://${LandingBucket}/orders/**")
    assert (told["table"], told["sent"], told["dry_run"]) == ("orders", 5, False)
    assert told["source"] == old.path("orders/**")
    assert sorted(old.announced()) == KEYS


def test_what_is_ingested_or_being_ingested_is_left_out(old: Place):
    old.completed(KEYS[0])
    old.world.send(old.world.put(KEYS[1]))
    told = old.json("backfill", "orders", "--source", old.path("orders/**"))
    assert (told["listed"], told["known"], told["sent"]) == (5, 2, 3)
    assert sorted(old.announced()) == KEYS[2:]


def test_run_again_after_it_was_taken_in_it_sends_nothing_and_that_is_no_failure(old: Place):
    old.call("backfill", "orders", "--source", old.path("orders/**"))
    old.deliver()
    result = old.call("backfill", "orders", "--source", old.path("orders/**"))
    assert result.exit_code == 0
    assert "0 sent, 5 known already" in result.stdout
    assert old.messages() == []


def test_the_entries_have_the_dates_of_the_objects(old: Place):
    old.call("backfill", "orders", "--source", old.path("orders/**"))
    old.deliver()
    for key in KEYS:
        there = old.world.storage.head(old.world.landing, key)
        assert there is not None
        assert old.world.there(key).event_at == there.last_modified


def test_a_rehearsal_sends_nothing(old: Place):
    result = old.call("backfill", "orders", "--source", old.path("orders/**"), "--dry-run")
    assert result.exit_code == 0
    assert "5 would be sent" in result.stdout
    assert old.messages() == []


def test_what_the_contract_does_not_mean_is_left_out_and_named(old: Place):
    old.world.put("orders/readme.txt")
    result = old.call("backfill", "orders", "--source", old.path("**"))
    assert result.exit_code == 0
    assert old.path("orders/readme.txt") in result.stderr
    assert "source_path" in result.stderr
    assert sorted(old.announced()) == KEYS


def test_where_nothing_is_the_tables_the_exit_code_is_1(old: Place):
    result = old.call("backfill", "flights", "--source", old.path("orders/**"))
    assert result.exit_code == 1
    assert "no file of flights matches" in result.stderr
    assert old.call("backfill", "orders", "--source", old.path("nothing/*")).exit_code == 1
    assert old.messages() == []


@pytest.mark.parametrize("how", ["trigger", "environment"])
def test_where_nobody_takes_events_it_is_refused_with_the_remedy(old: Place, monkeypatch, how):
    if how == "trigger":
        old.set_contract("orders", trigger=Trigger.RUN)
    else:
        monkeypatch.setenv("ALUR_EVENT_INGESTION", "off")
    result = old.call("backfill", "orders", "--source", old.path("orders/**"))
    assert result.exit_code == 1
    assert "`alur run`" in result.stderr
    assert old.messages() == []


@pytest.mark.parametrize("glob", ["orders/*", "s3://bucket", "s3://b/${Nothing}/*", "s3://b/{a"])
def test_a_source_that_is_no_glob_is_wrong_usage(old: Place, glob):
    result = old.call("backfill", "orders", "--source", glob)
    assert result.exit_code == 2
    assert "--source" in result.stderr


def test_interrupted_it_is_130_and_what_was_sent_is_sent(old: Place, monkeypatch):
    def interrupted(self, bodies):
        raise KeyboardInterrupt

    monkeypatch.setattr(EventQueue, "send", interrupted)
    result = old.call("backfill", "orders", "--source", old.path("orders/**"))
    assert result.exit_code == 130
    assert result.stderr.count("interrupted") == 1
