"""Which files of a batch are whose, done, or to be read; and what is said of records that cannot be stored."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from alur.contracts.contract import OnOverwrite
from alur.engine.ports import Found
from alur.engine.rejects import stale_rejects
from alur.engine.verdicts import divide, relevant
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


def test_rejects_of_other_attempts_of_the_same_version_are_stale_and_those_of_other_versions_by_the_rule():
    mine, twin, before = Found("e2", "b2", 1, "n2"), Found("e2", "b2", 1, "n1"), Found("e1", "b1", 3, "n0")
    assert stale_rejects([mine, twin, before], "e2", "n2", OnOverwrite.REPLACE) == [twin, before]
    assert stale_rejects([mine, twin, before], "e2", "n2", OnOverwrite.APPEND) == [twin]
