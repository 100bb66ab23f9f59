"""Which files of a batch are whose, done, or to be read; and what is said of records that cannot be stored."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from alur.contracts.contract import OnOverwrite
from alur.engine.ports import Found, Staged
from alur.engine.verdicts import divide, judge_records, relevant
from alur.ledger.batches import Batch, BatchState
from alur.ledger.model import LedgerItem, Status

NOW = datetime(2026, 1, 2, tzinfo=UTC)
ME, OTHER, WHOLE = "20260102t000000000z-00000001", "20260101t000000000z-00000002", "20260102t000000000z-00000000"
PATH = "s3://b/a.csv"
REPLACE, APPEND, SKIP = OnOverwrite.REPLACE, OnOverwrite.APPEND, OnOverwrite.SKIP


def item(status: Status = Status.PROCESSING, batch_id: str | None = ME, etag: str = "v2") -> LedgerItem:
    return LedgerItem("orders", PATH, etag, 1, status, batch_id)


NOBODY, ADOPT, READ = "nobody's", "adopt", "read"


@pytest.mark.parametrize(
    ("claimed", "found", "rule", "expected"),
    [
        # The table has nothing of it.
        (item(), [], REPLACE, READ),
        (item(), [], APPEND, READ),
        # Another batch owns it, or nobody does.
        (item(batch_id=OTHER), [], REPLACE, NOBODY),
        (item(batch_id=OTHER), [Found("v2", ME, 3)], REPLACE, NOBODY),
        (item(batch_id=None, status=Status.COMPLETED), [], REPLACE, NOBODY),
        # Done already.
        (item(Status.COMPLETED), [Found("v2", ME, 3)], REPLACE, NOBODY),
        (item(Status.COMPLETED), [], REPLACE, NOBODY),
        # Rows of this batch and version: adopted, over a failure too.
        (item(), [Found("v2", ME, 3)], REPLACE, ADOPT),
        (item(), [Found("v2", ME, 3)], SKIP, ADOPT),
        (item(), [Found("v2", ME, 3)], APPEND, ADOPT),
        (item(Status.FAILED), [Found("v2", ME, 3)], REPLACE, ADOPT),
        # So are those of the whole of which it is a half.
        (item(), [Found("v2", WHOLE, 3)], REPLACE, ADOPT),
        (item(), [Found("v1", WHOLE, 3)], REPLACE, READ),
        (item(), [Found("v2", WHOLE, 3), Found("v2", ME, 3)], REPLACE, READ),
        # A failure without rows is an end.
        (item(Status.FAILED), [], REPLACE, NOBODY),
        (item(Status.FAILED), [Found("v1", OTHER, 3)], REPLACE, NOBODY),
        # Rows of anybody else are read over, even of the same bytes.
        (item(), [Found("v2", OTHER, 3)], REPLACE, READ),
        (item(), [Found("v1", OTHER, 3)], REPLACE, READ),
        (item(), [Found("v1", ME, 3)], REPLACE, READ),
        (item(), [Found("v2", ME, 3), Found("v1", OTHER, 3)], REPLACE, READ),
        (item(), [Found("v2", ME, 3), Found("v2", OTHER, 3)], REPLACE, READ),
        # Where versions are appended, only rows of the same version count.
        (item(), [Found("v2", ME, 3), Found("v1", OTHER, 3)], APPEND, ADOPT),
        (item(), [Found("v1", OTHER, 3)], APPEND, READ),
        (item(), [Found("v2", OTHER, 3)], APPEND, READ),
        (item(), [Found("v2", ME, 3), Found("v2", OTHER, 3)], APPEND, READ),
    ],
)
def test_a_file_is_adopted_read_or_nobodys_by_ledger_and_table(
    claimed: LedgerItem, found: list[Found], rule: OnOverwrite, expected: str
):
    mine = Batch("orders", ME, BatchState.SUBMITTED, "s3://lake/m", 1, 1, NOW, NOW, wholes=frozenset({WHOLE}))
    division = divide([claimed], {PATH: found}, mine, rule)
    wanted = {NOBODY: ((), ()), ADOPT: (((claimed, found[0] if found else None),), ()), READ: ((), (claimed,))}[
        expected
    ]
    assert (division.adopted, division.to_read) == wanted


def test_what_a_version_takes_the_place_of_depends_on_the_rule():
    found = [Found("v1", OTHER, 1), Found("v2", OTHER, 2)]
    assert relevant(found, "v2", REPLACE) == found
    assert relevant(found, "v2", SKIP) == found
    assert relevant(found, "v2", APPEND) == found[1:]


def test_a_file_whose_records_can_all_be_stored_is_not_complained_of():
    assert judge_records(PATH, Staged(5, 0, None)) is None


def test_records_that_cannot_be_stored_are_counted_and_one_is_shown_with_its_columns():
    error = judge_records(PATH, Staged(5, 2, json.dumps({"columns": ["id", "amount"], "record": "x,a,y"})))
    assert error is not None
    assert (error.bad_records, error.all_records) == (2, 5)
    assert "column id, amount in x,a,y" in str(error)


def test_a_record_with_another_number_of_cells_is_told():
    error = judge_records(PATH, Staged(5, 1, json.dumps({"columns": [], "record": "x,a"})))
    assert error is not None
    assert "not as many cells as the header in x,a" in str(error)


def test_a_long_record_is_cut():
    error = judge_records(PATH, Staged(1, 1, json.dumps({"columns": ["id"], "record": "x" * 100_000})))
    assert error is not None
    assert len(str(error)) < 1_000
