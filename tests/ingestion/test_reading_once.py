from __future__ import annotations

import pytest

from alur.errors import ReadNotExact
from alur.ingestion.plain import check_each_once


def test_a_plan_with_each_file_once_is_good():
    check_each_once([])
    check_each_once(["s3://b/a.csv", "s3://b/b.csv"])


def test_a_plan_with_a_file_twice_is_refused_by_its_name():
    with pytest.raises(ReadNotExact, match=r"s3://b/a\.csv twice"):
        check_each_once(["s3://b/a.csv", "s3://b/b.csv", "s3://b/a.csv"])
