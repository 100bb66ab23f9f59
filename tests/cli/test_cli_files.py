"""`alur files`."""

from __future__ import annotations

import json

import pytest

from alur.cli.files_ import matching
from alur.errors import EmptyFile
from alur.ledger.files import SORT_KEY, FileLedger
from alur.ledger.memory import MemoryTable
from alur.ledger.model import Status
from alur.ledger.transitions import claim
from cli_support import Place
from ledger_support import KEY, NOW, claimant, version


@pytest.fixture
def filled(place: Place) -> Place:
    place.completed("orders/2025/a.csv", rows=7)
    place.completed("orders/2026/b.csv", rows=3)
    place.world.send(place.world.put("orders/2026/c.csv"))
    place.world.fail("orders/2026/c.csv", EmptyFile(place.path("orders/2026/c.csv")))
    place.world.send(place.world.put("orders/2026/d.csv"))
    return place


def lines(place: Place, *arguments: str):
    return [json.loads(line) for line in place.call("files", "orders", *arguments, "--json").stdout.splitlines()]


def keys(found, place):
    return [one["file_path"].removeprefix(place.path("orders/")) for one in found]


def test_json_is_a_document_a_line_in_the_order_of_the_paths(filled):
    found = lines(filled)
    assert keys(found, filled) == ["2025/a.csv", "2026/b.csv", "2026/c.csv", "2026/d.csv"]
    assert [one["status"] for one in found] == ["completed", "completed", "failed", "processing"]
    assert (found[0]["rows_ingested"], found[2]["error_type"], found[3]["attempt"]) == (7, "EmptyFile", 1)


def test_a_state_a_prefix_and_a_limit_leave_fewer(filled):
    assert keys(lines(filled, "--status", "failed"), filled) == ["2026/c.csv"]
    assert keys(lines(filled, "--prefix", filled.path("orders/2026/")), filled) == [
        "2026/b.csv",
        "2026/c.csv",
        "2026/d.csv",
    ]
    assert keys(lines(filled, "--limit", "1"), filled) == ["2025/a.csv"]
    assert keys(lines(filled, "--status", "completed", "--prefix", filled.path("orders/2026/b.csv")), filled) == [
        "2026/b.csv"
    ]


def test_people_see_a_line_a_file_and_why_it_failed(filled):
    result = filled.call("files", "orders")
    assert result.exit_code == 0
    assert filled.path("orders/2025/a.csv") in result.stdout
    assert "EmptyFile:" in result.stdout
    assert "4 files" in result.stderr


def test_nothing_is_no_failure(place):
    assert place.call("files", "flights").exit_code == 0
    assert place.call("files", "flights", "--json").stdout == ""


@pytest.mark.parametrize("prefix", ["orders/", "/orders", "https://"])
def test_a_prefix_that_begins_no_path_is_wrong_usage(place, prefix):
    result = place.call("files", "orders", "--prefix", prefix)
    assert result.exit_code == 2
    assert "s3://bucket/" in result.stderr


def test_a_state_that_is_none_is_wrong_usage(place):
    assert place.call("files", "orders", "--status", "done").exit_code == 2
    assert place.call("files", "orders", "--limit", "0").exit_code == 2


class Counting(FileLedger):
    def __init__(self, table):
        super().__init__(table)
        self.pages = 0

    def walk(self, ingestion_key, *, after=None):
        for page in super().walk(ingestion_key, after=after):
            self.pages += 1
            yield page


def test_pages_are_read_one_by_one_and_of_a_prefix_no_more_than_its_own():
    ledger = Counting(MemoryTable(SORT_KEY))
    versions = [version(f"orders/{number:04}.csv") for number in range(1_000)]
    ledger.apply([claim(None, one, claimant(), event_at=NOW, now=NOW) for one in versions])
    first = next(iter(matching(ledger, KEY, None, "")))
    assert (first.path, ledger.pages) == ("s3://landing/orders/0000.csv", 1)
    ledger.pages = 0
    found = list(matching(ledger, KEY, None, "s3://landing/orders/05"))
    assert (len(found), found[0].path) == (100, "s3://landing/orders/0500.csv")
    assert ledger.pages <= 2
    assert len(list(matching(ledger, KEY, None, "s3://landing/orders/0500.csv"))) == 1
    assert list(matching(ledger, KEY, Status.FAILED, "s3://landing/orders/05")) == []
