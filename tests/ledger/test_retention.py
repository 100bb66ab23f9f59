"""What a purge may forget, and where the watermark goes: the decisions alone."""

from __future__ import annotations

from datetime import timedelta

import pytest

from alur.ledger.model import Status, Waiting
from alur.ledger.retention import MARGIN, Holder, Retained, decide_watermark, held_by, is_removable, s3_date
from ledger_support import NOW, item

CUTOFF = NOW - timedelta(days=90)


def days_ago(days):
    return NOW - timedelta(days=days)


def completed(days, *, written=None, **facts):
    """A file that was completed so many days ago, and written as long ago, or longer."""
    dates = {"processed_at": days_ago(days), "last_modified": days_ago(written or days)}
    return item(Status.COMPLETED, **{**dates, **facts})


def retained(*items):
    seen = Retained(CUTOFF)
    for one in items:
        seen.add(one)
    return seen


def watermark(*items, objects=None, before=None):
    holder = None if objects is None else Holder("s3://b/new", days_ago(objects), "not ingested")
    return decide_watermark(retained(*items), holder, None if before is None else days_ago(before))


@pytest.mark.parametrize(
    ("entry", "may_go"),
    [
        (completed(91), True),
        (completed(90), False),
        (completed(91, waiting=Waiting("e2", NOW)), False),
        (item(Status.COMPLETED, processed_at=None), False),
        (item(Status.FAILED, processed_at=days_ago(200)), False),
        (item(Status.PROCESSING, claimed_at=days_ago(200)), False),
        (completed(91, batch_id=None), True),
    ],
)
def test_only_what_was_completed_long_ago_and_has_nothing_behind_it_may_go(entry, may_go):
    assert is_removable(entry, CUTOFF) is may_go


def test_the_date_of_a_file_is_s3s_own_else_the_events_else_the_claims_else_that_of_its_end():
    dates = {
        "last_modified": days_ago(4),
        "event_at": days_ago(3),
        "claimed_at": days_ago(2),
        "processed_at": days_ago(1),
    }
    for name in list(dates):
        assert s3_date(item(Status.COMPLETED, **dates)) == dates[name]
        del dates[name]
    assert s3_date(item(Status.COMPLETED)).year == 1970


def test_the_watermark_is_a_week_before_the_oldest_that_is_kept():
    assert watermark(completed(200), completed(100), completed(50), completed(10)) == days_ago(57)
    assert watermark(completed(50, written=300)) == days_ago(307)
    assert watermark(item(Status.FAILED, last_modified=days_ago(400)), completed(50)) == days_ago(407)


def test_without_any_kept_entry_it_is_a_week_before_the_cutoff():
    assert watermark(completed(200), completed(100)) == CUTOFF - MARGIN
    assert watermark() == CUTOFF - MARGIN


def test_an_object_that_nobody_has_ingested_holds_it_back():
    assert watermark(completed(200), completed(50), objects=120) == days_ago(127)
    assert watermark(completed(200), objects=120) == days_ago(127)
    assert watermark(completed(200), completed(50), objects=20) == days_ago(57)


def test_what_keeps_its_entry_for_the_watermarks_sake_holds_it_back_no_further():
    """Else, where a file comes every day, each week would hold back the next and nothing would ever be forgotten."""
    daily = [completed(days) for days in range(1, 400)]
    assert watermark(*daily) == days_ago(97)
    assert sum(s3_date(one) < days_ago(97) for one in daily) == 399 - 97


def test_it_does_not_go_back_for_a_file_that_is_completed():
    assert watermark(completed(200), completed(50, written=300), before=100) == days_ago(100)


def test_it_does_not_go_back_for_a_week_that_is_shorter_than_usual():
    assert watermark(completed(200), completed(95), objects=95, before=97) == days_ago(97)


def test_it_goes_back_where_something_that_waits_would_be_passed_over():
    waiting = item(Status.FAILED, last_modified=days_ago(300))
    assert watermark(completed(200), waiting, before=100) == days_ago(307)
    newer = completed(5, written=250, waiting=Waiting("e2", NOW))
    assert watermark(completed(200), newer, before=100) == days_ago(257)


def test_it_goes_on_with_time():
    assert watermark(completed(200), completed(50), before=100) == days_ago(57)


def test_what_holds_it_is_named():
    seen = retained(completed(200), completed(50, path="s3://b/kept"))
    held = held_by(seen, None)
    assert held is not None
    assert (held.path, held.why) == ("s3://b/kept", "completed")
    assert held_by(seen, Holder("s3://b/new", days_ago(60), "not ingested")).why == "not ingested"
    assert held_by(retained(completed(200)), None) is None
