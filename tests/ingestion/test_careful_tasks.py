"""A task costs something whatever it reads: small files share one, large ones and many are dealt to all cores."""

from __future__ import annotations

import pytest

from alur.ingestion.careful import tasks_worth

MEBIBYTE = 1024 * 1024


@pytest.mark.parametrize(
    ("sizes_bytes", "tasks"),
    [
        ([], 1),
        ([0], 1),
        ([100 * MEBIBYTE], 1),
        ([10, 10, 10], 1),
        ([MEBIBYTE, MEBIBYTE, 10], 3),
        ([10] * 9, 2),
        ([10] * 10_000, 16),
        ([MEBIBYTE] * 12, 12),
    ],
)
def test_tasks_are_as_many_as_the_files_are_worth(sizes_bytes, tasks):
    assert tasks_worth(sizes_bytes, 4) == tasks
