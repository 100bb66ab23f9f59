"""`alur retry`: from a failed file to a claim by the real dispatcher."""

from __future__ import annotations

import pytest

from alur.contracts.contract import Trigger
from alur.errors import EmptyFile
from alur.ledger.model import Status
from alur.ledger.transitions import Decision
from cli_support import Place

A, B, C = "orders/a.csv", "orders/b.csv", "orders/c.csv"


def fail(place: Place, *keys: str) -> None:
    for key in keys:
        place.world.send(place.world.put(key))
        place.world.fail(key, EmptyFile(place.path(key)))


def test_every_failed_file_is_claimed_again_and_no_other(place: Place):
    fail(place, A, B)
    done = place.completed(C)
    result = place.call("retry", "OrdersBronze", "--all-failed")
    assert result.exit_code == 0
    assert "tried again: 2 files, each by an event" in result.stdout
    assert place.deliver().decisions["orders"] == {Decision.CLAIM: 2}
    assert place.has(A, Status.PROCESSING)
    assert place.world.there(C) == done


def test_one_file_alone(place: Place):
    fail(place, A, B)
    told = place.json("retry", "orders", "--file", place.path(A))
    assert (told["table"], told["asked"], told["events_sent"]) == ("orders", 1, 1)
    assert told["gone"] == {"files": 0, "examples": []}
    assert place.deliver().decisions["orders"] == {Decision.CLAIM: 1}
    assert place.has(B, Status.FAILED)


@pytest.mark.parametrize("how", ["trigger", "environment"])
def test_where_nobody_takes_events_the_next_run_takes_them(place: Place, monkeypatch, how):
    fail(place, A)
    if how == "trigger":
        place.set_contract("orders", trigger=Trigger.RUN)
    else:
        monkeypatch.setenv("ALUR_EVENT_INGESTION", "off")
        monkeypatch.delenv("ALUR_EVENT_QUEUE_URL")
    result = place.call("retry", "orders", "--all-failed")
    assert result.exit_code == 0
    assert "tried again by the next `alur run`" in result.stdout
    assert place.messages() == []
    assert place.world.there(A).next_try_at is not None


def test_files_older_than_the_watermark_are_named_with_the_option_that_reaches_them(place: Place):
    fail(place, A)
    place.set_contract("orders", trigger=Trigger.RUN)
    place.world.clock.advance(hours=1)
    place.world.files.set_watermark("orders", place.world.clock())
    result = place.call("retry", "orders", "--all-failed")
    assert result.exit_code == 1
    assert "--since" in result.stderr
    assert place.path(A) in result.stderr


def test_no_failed_file_is_no_failure(place: Place):
    place.completed(A)
    result = place.call("retry", "orders", "--all-failed")
    assert result.exit_code == 0
    assert "tried again: no file" in result.stdout


def test_a_file_that_has_not_failed_is_said_to_be_what_it_is(place: Place):
    done = place.completed(A)
    result = place.call("retry", "orders", "--file", place.path(A))
    assert result.exit_code == 1
    assert "it is completed since" in result.stderr
    assert "alur reprocess" in result.stderr
    place.world.send(place.world.put(B))
    result = place.call("retry", "orders", "--file", place.path(B))
    assert result.exit_code == 1
    assert place.world.there(B).batch_id in result.stderr
    result = place.call("retry", "orders", "--file", place.path(C))
    assert result.exit_code == 1
    assert "no entry" in result.stderr
    assert place.world.there(A) == done
    assert place.messages() == []


def test_a_file_whose_object_is_gone_is_named_and_left_as_it_was(place: Place):
    fail(place, A, B)
    place.world.remove(A)
    before = place.world.there(A)
    result = place.call("retry", "orders", "--all-failed")
    assert result.exit_code == 1
    assert place.path(A) in result.stderr
    assert "upload them again" in result.stderr
    assert place.world.there(A) == before
    assert place.announced() == [B]


def test_neither_option_or_both_is_wrong_usage(place: Place):
    assert place.call("retry", "orders").exit_code == 2
    assert place.call("retry", "orders", "--all-failed", "--file", place.path(A)).exit_code == 2
    assert place.call("retry", "orders", "--file", "a.csv").exit_code == 2


def test_a_queue_that_is_gone_is_exit_3_and_the_files_are_due_all_the_same(place: Place, monkeypatch):
    fail(place, A)
    monkeypatch.setenv("ALUR_EVENT_QUEUE_URL", f"{place.queue_url}-gone")
    result = place.call("retry", "orders", "--all-failed")
    assert result.exit_code == 3
    assert place.world.there(A).next_try_at is not None


def test_more_files_than_a_call_takes(place: Place):
    fail(place, *(f"orders/{number:03}.csv" for number in range(60)))
    assert place.json("retry", "orders", "--all-failed")["asked"] == 60
    assert place.deliver().decisions["orders"] == {Decision.CLAIM: 60}


def test_without_the_queues_name_it_is_exit_3_and_nothing_is_changed(place: Place, monkeypatch):
    fail(place, A)
    before = place.world.there(A)
    monkeypatch.delenv("ALUR_EVENT_QUEUE_URL")
    result = place.call("retry", "orders", "--all-failed")
    assert result.exit_code == 3
    assert "ALUR_EVENT_QUEUE_URL" in result.stderr
    assert place.world.there(A) == before
