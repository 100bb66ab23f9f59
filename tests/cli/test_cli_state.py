"""`alur state clear` and `alur state purge`."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from alur.contracts.contract import OnOverwrite
from alur.errors import EmptyFile
from alur.ledger.model import FileVersion
from alur.ledger.transitions import Claimant, Decision, claim, complete
from cli_support import Place

A, B, C = "orders/a.csv", "orders/b.csv", "orders/c.csv"


def entries(place: Place, table: str = "orders") -> list[str]:
    return [item.version.key for page in place.world.files.walk(table) for item in page]


def ingested(place: Place, key: str, days: float) -> None:
    """An entry of a file that was written and completed so many days ago; there is no such object."""
    at = place.world.clock() - timedelta(days=days)
    version = FileVersion(place.world.landing, key, "e1", 10, None, at)
    claimant = Claimant.of(place.world.contracts[0], "b1")
    (claimed,) = place.world.files.apply([claim(None, version, claimant, event_at=at, now=at)])
    assert claimed.item is not None
    flip = complete(claimed.item, batch_id="b1", rows=1, snapshot_id="s", queryable_at=at, now=at)
    assert place.world.files.apply([flip])[0].applied


class TestClear:
    def test_it_says_what_it_means_asks_and_deletes_everything_of_the_table(self, place: Place):
        place.completed(A)
        place.world.send(place.world.put(B))
        place.completed("flights/x.csv")
        place.world.files.set_watermark("orders", place.world.clock())
        result = place.call("state", "clear", "orders", answer="y\n")
        assert result.exit_code == 0
        for words in ("never ingested", "rows are replaced", "Nothing doubles", "alur backfill"):
            assert words in result.stderr
        assert result.stdout.endswith("orders: 2 entries removed\n")
        assert (entries(place), place.world.files.watermark("orders")) == ([], None)
        assert entries(place, "flights") == ["flights/x.csv"]

    def test_a_no_changes_nothing(self, place: Place):
        place.completed(A)
        result = place.call("state", "clear", "orders", answer="n\n")
        assert (result.exit_code, entries(place)) == (1, [A])
        assert place.call("state", "clear", "orders").exit_code == 1
        assert entries(place) == [A]

    def test_yes_asks_nothing_and_json_is_all_on_stdout(self, place: Place):
        place.completed(A)
        assert place.json("state", "clear", "orders", "--yes") == {"table": "orders", "removed": 1, "left": 0}

    def test_afterwards_a_backfill_has_every_file_read_again(self, place: Place):
        place.completed(A)
        place.completed(B)
        place.call("state", "clear", "orders", "--yes")
        assert place.call("backfill", "orders", "--source", place.path("orders/*")).exit_code == 0
        assert place.deliver().decisions["orders"] == {Decision.CLAIM: 2}

    def test_a_table_that_skips_is_told_what_it_loses(self, place: Place):
        place.set_contract("orders", on_overwrite=OnOverwrite.SKIP)
        assert "not skipped but read" in place.call("state", "clear", "orders", "--yes").stderr


class TestPurge:
    def test_old_entries_go_and_what_that_means_is_said(self, place: Place):
        for key, days in ((A, 300), (B, 200), (C, 50)):
            ingested(place, key, days)
        result = place.call("state", "purge", "orders", "--older-than", "90d")
        assert result.exit_code == 0
        assert "2 entries removed, 1 kept" in result.stdout
        assert "neither looked up nor read again" in result.stdout
        assert "--since" in result.stdout
        assert f"a week before {place.path(C)}" in result.stdout
        assert entries(place) == [C]
        assert place.world.files.watermark("orders") is not None

    def test_a_rehearsal_says_the_same_and_changes_nothing(self, place: Place):
        for key, days in ((A, 300), (C, 50)):
            ingested(place, key, days)
        result = place.call("state", "purge", "orders", "--older-than", "12w", "--dry-run")
        assert result.exit_code == 0
        assert "1 entry would be removed, 1 would be kept" in result.stdout
        assert (entries(place), place.world.files.watermark("orders")) == ([A, C], None)

    def test_json_says_all_of_it(self, place: Place):
        for key, days in ((A, 300), (C, 50)):
            ingested(place, key, days)
        told = place.json("state", "purge", "OrdersBronze", "--older-than", "36h")
        assert (told["table"], told["dry_run"], told["removed"], told["kept"], told["changed"]) == (
            "orders",
            False,
            2,
            0,
            0,
        )
        assert told["watermark_before"] is None
        assert told["watermark"] is not None
        assert told["held_by"] is None

    def test_an_object_that_nobody_has_ingested_is_not_passed_over(self, place: Place):
        for key, days in ((A, 300), (B, 200)):
            ingested(place, key, days)
        place.world.put("orders/missed.csv")
        place.world.put("elsewhere/other.csv")
        place.world.clock.advance(days=100)
        told = place.json("state", "purge", "orders", "--older-than", "36h")
        assert told["held_by"]["file_path"] == place.path("orders/missed.csv")
        assert told["held_by"]["why"] == "not ingested"
        assert told["removed"] == 2

    def test_what_failed_stays_and_is_named_where_it_holds_the_watermark(self, place: Place):
        place.world.send(place.world.put(A))
        place.world.fail(A, EmptyFile(place.path(A)))
        place.world.clock.advance(days=200)
        ingested(place, B, 400)
        result = place.call("state", "purge", "orders", "--older-than", "90d")
        assert "which is failed" in result.stdout
        assert entries(place) == [A]

    def test_run_again_it_finds_nothing_more(self, place: Place):
        for key, days in ((A, 300), (C, 50)):
            ingested(place, key, days)
        place.call("state", "purge", "orders", "--older-than", "90d")
        again = place.json("state", "purge", "orders", "--older-than", "90d")
        assert (again["removed"], again["kept"]) == (0, 1)
        assert again["watermark"] == again["watermark_before"]

    @pytest.mark.parametrize("age", ["90", "soon", "-1d"])
    def test_an_age_that_is_none_is_wrong_usage(self, place: Place, age):
        result = place.call("state", "purge", "orders", f"--older-than={age}")
        assert result.exit_code == 2
        assert "90d" in result.stderr

    def test_the_age_is_not_left_out(self, place: Place):
        assert place.call("state", "purge", "orders").exit_code == 2

    def test_a_bucket_that_is_not_there_is_exit_3_and_nothing_is_removed(self, place: Place):
        ingested(place, A, 300)
        place.world.contracts[0] = replace(place.world.contracts[0], source_paths=("s3://nowhere-at-all/orders/*.csv",))
        result = place.call("state", "purge", "orders", "--older-than", "90d")
        assert result.exit_code == 3
        assert (entries(place), place.world.files.watermark("orders")) == ([A], None)
