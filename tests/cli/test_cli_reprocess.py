"""`alur reprocess`: from a completed file to a claim by the real dispatcher."""

from __future__ import annotations

import json

from alur.contracts.contract import Trigger
from alur.ledger.model import Status
from alur.ledger.transitions import Decision
from cli_support import Place

A, B = "orders/a.csv", "orders/b.csv"


def test_the_same_bytes_are_claimed_again(place: Place):
    place.completed(A, rows=7)
    result = place.call("reprocess", place.path(A), "--yes")
    assert result.exit_code == 0
    assert "read again: 1 file, each by an event" in result.stdout
    assert place.deliver().decisions["orders"] == {Decision.CLAIM: 1}
    item = place.world.there(A)
    assert item.status is Status.PROCESSING
    assert item.previous is not None
    assert item.previous.rows == 7


def test_several_files_one_of_them_without_an_entry(place: Place):
    place.completed(A)
    place.world.put(B)
    told = place.json("reprocess", place.path(A), place.path(B), "--yes")
    assert [one["file_path"] for one in told["files"]] == [place.path(A), place.path(B)]
    assert (told["asked"], told["events_sent"], told["refused"]) == (2, 2, [])
    assert place.deliver().decisions["orders"] == {Decision.CLAIM: 2}


def test_it_asks_first_and_a_no_changes_nothing(place: Place):
    done = place.completed(A)
    result = place.call("reprocess", place.path(A), answer="n\n")
    assert result.exit_code == 1
    assert "replace the rows in orders" in result.stderr
    assert (place.world.there(A), place.messages()) == (done, [])
    assert place.call("reprocess", place.path(A), answer="y\n").exit_code == 0
    assert place.announced() == [A]


def test_a_file_that_is_processing_is_said_whose_it_is_and_nothing_at_all_is_changed(place: Place):
    done = place.completed(A)
    place.world.send(place.world.put(B))
    busy = place.world.there(B)
    result = place.call("reprocess", place.path(A), place.path(B), "--yes")
    assert result.exit_code == 1
    assert f"by batch {busy.batch_id} since" in result.stderr
    assert "nothing was changed" in result.stderr
    assert (place.world.there(A), place.world.there(B), place.messages()) == (done, busy, [])
    told = json.loads(place.call("reprocess", place.path(B), "--yes", "--json").stdout)
    assert told["refused"][0]["batch_id"] == busy.batch_id


def test_a_file_whose_object_is_gone_is_refused_with_the_remedy(place: Place):
    done = place.completed(A)
    place.world.remove(A)
    result = place.call("reprocess", place.path(A), "--yes")
    assert result.exit_code == 1
    assert "upload it again" in result.stderr
    assert place.world.there(A) == done


def test_a_file_that_no_table_claims_is_refused_with_the_remedy(place: Place):
    place.world.put("elsewhere/a.csv")
    result = place.call("reprocess", place.path("elsewhere/a.csv"), "--yes")
    assert result.exit_code == 1
    assert "source_path" in result.stderr
    place.completed(A)
    assert place.call("reprocess", place.path(A), "--table", "flights", "--yes").exit_code == 1


def test_where_nobody_takes_events_the_next_run_takes_it(place: Place):
    place.completed(A)
    place.set_contract("orders", trigger=Trigger.RUN)
    result = place.call("reprocess", place.path(A), "--yes")
    assert result.exit_code == 0
    assert "read again by the next `alur run`" in result.stdout
    assert place.messages() == []


def test_no_path_is_wrong_usage(place: Place):
    assert place.call("reprocess").exit_code == 2
    assert place.call("reprocess", "a.csv").exit_code == 2
