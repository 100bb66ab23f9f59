"""A table's files, counted."""

from __future__ import annotations

from datetime import timedelta

from alur.ledger.counting import Tally
from alur.ledger.model import Published, Status, Waiting
from ledger_support import NOW, item

OLD = Published("e0", "b0", 7, "s0")


def tally(*items, fingerprint="f1"):
    counted = Tally(NOW, fingerprint)
    for one in items:
        counted.add(one)
    return counted


def failed(**facts):
    return item(Status.FAILED, **{"error_type": "EmptyFile", "error_message": "why", **facts})


def test_files_are_counted_by_status_and_only_completed_ones_have_rows():
    counted = tally(item(Status.COMPLETED, rows=5), item(Status.COMPLETED, rows=None), item(), failed(rows=None))
    assert dict(counted.by_status) == {Status.COMPLETED: 2, Status.PROCESSING: 1, Status.FAILED: 1}
    assert (counted.files, counted.rows) == (4, 5)


def test_rows_of_earlier_versions_are_counted_apart():
    counted = tally(failed(previous=OLD), failed(), item(previous=OLD))
    assert (counted.rows, counted.earlier_rows, counted.failed_with_earlier_rows) == (0, 14, 1)


def test_the_file_that_has_been_processing_the_longest_is_named():
    ages = [timedelta(hours=1), timedelta(hours=3), timedelta(hours=2)]
    counted = tally(*(item(path=f"s3://b/{age}", claimed_at=NOW - age) for age in ages))
    assert counted.oldest_processing is not None
    assert counted.oldest_processing.claimed_at == NOW - timedelta(hours=3)
    assert tally(failed()).oldest_processing is None


def test_reasons_come_most_frequent_first_each_with_an_example():
    counted = tally(failed(path="s3://b/1"), failed(error_type="KilledRun", error_message="x"), failed(path="s3://b/2"))
    first, second = counted.reasons
    assert (first.error_type, first.files, first.example, first.message) == ("EmptyFile", 2, "s3://b/1", "why")
    assert (second.error_type, second.files) == ("KilledRun", 1)


def test_reasons_stay_few_however_many_there_are():
    counted = tally(*(failed(error_type=f"E{number}") for number in range(200)))
    assert len(counted.reasons) <= 51
    assert sum(reason.files for reason in counted.reasons) == 200


def test_what_waits_is_told_apart():
    soon, later = NOW + timedelta(minutes=1), NOW + timedelta(hours=1)
    counted = tally(
        failed(next_try_at=NOW),
        failed(contract_fingerprint="f0"),
        failed(next_try_at=later),
        failed(next_try_at=soon),
        failed(),
        item(Status.COMPLETED, rows=1, waiting=Waiting("e2", NOW)),
    )
    assert (counted.due, counted.scheduled, counted.newer) == (2, 2, 1)
    assert counted.next_try_at == soon
