"""What Spark is shown before its classes are kept runs, and is no less than it says."""

from __future__ import annotations

from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from alur.engine.warm_up import warm_up

pytestmark = [pytest.mark.spark, pytest.mark.stack]


def test_rows_are_written_deleted_and_counted(spark: SparkSession, tmp_path: Path):
    assert warm_up(spark, tmp_path) == 3
