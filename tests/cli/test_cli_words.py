"""Ages, paths and sentences: the words that commands take and give."""

from __future__ import annotations

from datetime import timedelta

import click
import pytest

from alur.cli.arguments import Age, FilePath, parse_age
from alur.cli.words import file_document, message_of, say_age, say_number, say_status, time_of
from alur.ledger.model import Published, Status, Waiting
from ledger_support import NOW, item


@pytest.mark.parametrize(
    ("text", "age"),
    [
        ("90d", timedelta(days=90)),
        ("12w", timedelta(weeks=12)),
        ("36h", timedelta(hours=36)),
        (" 1d ", timedelta(days=1)),
        ("90", None),
        ("-1d", None),
        ("1.5d", None),
        ("90 d", None),
        ("1y", None),
        ("999999w", None),
        ("", None),
    ],
)
def test_an_age_is_a_number_of_hours_days_or_weeks(text, age):
    assert parse_age(text) == age


def test_what_is_no_age_is_told_with_what_to_write():
    with pytest.raises(click.BadParameter, match="36h, 90d or 12w"):
        Age().convert("soon", None, None)


@pytest.mark.parametrize("path", ["orders/a.csv", "s3://bucket", "s3://bucket/", "s3://b/" + "x" * 1100])
def test_what_is_no_files_path_is_refused(path):
    with pytest.raises(click.BadParameter):
        FilePath().convert(path, None, None)


def test_a_path_stays_as_it_is():
    assert FilePath().convert("s3://b/a b+c%20.csv", None, None) == "s3://b/a b+c%20.csv"


@pytest.mark.parametrize(
    ("age", "text"),
    [
        (timedelta(0), "0 s"),
        (timedelta(seconds=59), "59 s"),
        (timedelta(minutes=2, seconds=5), "2 min 5 s"),
        (timedelta(hours=3), "3 h"),
        (timedelta(days=4, hours=1, minutes=9), "4 d 1 h"),
        (timedelta(seconds=-3), "0 s"),
    ],
)
def test_an_age_is_said_in_two_units(age, text):
    assert say_age(age) == text


def test_a_status_is_said_with_its_batch_its_rows_or_its_reason():
    assert "batch b1 since 2026-11-23 10:00:00 UTC" in say_status(item(claimed_at=NOW))
    assert "with 7 rows" in say_status(item(Status.COMPLETED, processed_at=NOW, rows=7))
    assert "EmptyFile: why" in say_status(item(Status.FAILED, error_type="EmptyFile", error_message="why"))


def test_a_message_does_not_say_its_path_twice_and_is_one_line():
    told = item(Status.FAILED, error_message="s3://landing/orders/a.csv: why\n  and how")
    assert message_of(told) == "why and how"
    assert message_of(item(Status.FAILED)) == ""


def test_one_is_one():
    assert say_number(1, "file") == "1 file"
    assert say_number(2_000, "file") == "2,000 files"
    assert say_number(0, "entry", "entries") == "0 entries"


def test_the_time_of_a_file_is_that_of_its_status():
    later = NOW + timedelta(hours=1)
    assert time_of(item(claimed_at=NOW)) == NOW
    assert time_of(item(Status.COMPLETED, claimed_at=NOW, processed_at=later)) == later
    assert time_of(item(Status.FAILED, claimed_at=NOW, failed_at=later)) == later
    assert time_of(item(Status.FAILED, claimed_at=NOW)) == NOW


def test_a_files_document_has_the_names_of_the_tables_items():
    document = file_document(
        item(waiting=Waiting("e2", NOW), previous=Published("e0", "b0", 7, "s0"), attempt=2, claimed_at=NOW)
    )
    assert document["file_path"] == "s3://landing/orders/a.csv"
    assert (document["status"], document["file_etag"], document["attempt"]) == ("processing", "e1", 2)
    assert document["claimed_at"] == "2026-11-23T10:00:00.000Z"
    assert document["waiting"]["file_etag"] == "e2"
    assert document["previous"]["rows_ingested"] == 7
    assert document["rows_ingested"] is None
