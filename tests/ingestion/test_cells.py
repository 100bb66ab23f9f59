"""What each spelling becomes under each type, with ANSI mode on and off: a value, null, or a bad cell."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from alur.contracts.fields import Field
from alur.ingestion.cells import is_bad, value_of

pytestmark = [pytest.mark.spark, pytest.mark.stack]

BAD = "bad"
NULL_VALUES = ("NA", "-", "N/A")

# What of a timestamp is told apart is the moment; Spark hands it to Python as the local time of this machine.
_MICROSECONDS = "unix_micros"


def _moment(*parts: int) -> int:
    return int((datetime(*parts, tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() * 1_000_000)


TABLE: dict[str, dict[str | None, Any]] = {
    "string": {
        "a": "a",
        " a ": " a ",
        "": "",
        None: None,
        "NA": None,
        "na": "na",
        " NA ": " NA ",
        "N/A": None,
    },
    "int": {
        "7": 7,
        "+7": 7,
        "-7": -7,
        " 7 ": 7,
        "007": 7,
        "2147483647": 2147483647,
        "-2147483648": -2147483648,
        "2147483648": BAD,
        "-2147483649": BAD,
        "1e5": BAD,
        "12.0": BAD,
        "12.": BAD,
        "1,000": BAD,
        "1_000": BAD,
        "0x10": BAD,
        "7d": BAD,
        "7 8": BAD,
        "seven": BAD,
        "٧": BAD,
        "+": BAD,
        "": None,
        "  ": None,
        None: None,
        "NA": None,
        "-": None,
    },
    "bigint": {
        "2147483648": 2147483648,
        "9223372036854775807": 9223372036854775807,
        "-9223372036854775808": -9223372036854775808,
        "9223372036854775808": BAD,
        "1e5": BAD,
        "12.0": BAD,
        "7L": BAD,
        "NA": None,
    },
    "double": {
        "1": 1.0,
        "1.5": 1.5,
        "-1.5e3": -1500.0,
        " 1.5 ": 1.5,
        ".5": 0.5,
        "5.": 5.0,
        "1E-2": 0.01,
        "NaN": "nan",
        "Infinity": float("inf"),
        "-Infinity": float("-inf"),
        "1d": BAD,
        "1f": BAD,
        "1,5": BAD,
        "0x1p3": BAD,
        "e5": BAD,
        ".": BAD,
        "": None,
        "NA": None,
    },
    "boolean": {
        "true": True,
        "TRUE": True,
        "t": True,
        "yes": True,
        "y": True,
        "1": True,
        " false ": False,
        "False": False,
        "f": False,
        "no": False,
        "n": False,
        "0": False,
        "2": BAD,
        "on": BAD,
        "wahr": BAD,
        "": None,
        "NA": None,
    },
    "date": {
        "2024-02-29": date(2024, 2, 29),
        "2024-2-9": date(2024, 2, 9),
        " 2024-02-29 ": date(2024, 2, 29),
        "0001-01-01": date(1, 1, 1),
        "2024-02-30": BAD,
        "2023-02-29": BAD,
        "2024-13-01": BAD,
        "2024-00-01": BAD,
        "2024": BAD,
        "2024-02": BAD,
        "20240229": BAD,
        "29.02.2024": BAD,
        "02/29/2024": BAD,
        "2024-02-29 10:00:00": BAD,
        "2024-02-29T": BAD,
        "today": BAD,
        "now": BAD,
        "epoch": BAD,
        "": None,
        "NA": None,
    },
    "timestamp": {
        "2024-01-23 10:00:00": _moment(2024, 1, 23, 10),
        "2024-01-23T10:00:00": _moment(2024, 1, 23, 10),
        "2024-01-23T10:00": _moment(2024, 1, 23, 10),
        "2024-01-23T10:00:00Z": _moment(2024, 1, 23, 10),
        "2024-01-23 10:00:00 UTC": _moment(2024, 1, 23, 10),
        "2024-01-23T10:00:00.123456Z": _moment(2024, 1, 23, 10, 0, 0, 123456),
        "2024-01-23T10:00:00.5": _moment(2024, 1, 23, 10, 0, 0, 500000),
        "2024-01-23T10:00:00+02:00": _moment(2024, 1, 23, 8),
        "2024-01-23T10:00:00-05:30": _moment(2024, 1, 23, 15, 30),
        "2024-01-23T10:00:00+0200": _moment(2024, 1, 23, 8),
        "2024-01-23": _moment(2024, 1, 23),
        " 2024-01-23 ": _moment(2024, 1, 23),
        "2024-03-31T02:30:00": _moment(2024, 3, 31, 2, 30),
        "12:30": BAD,
        "12:30:00": BAD,
        "T12:30": BAD,
        "2024-01-23T24:00:00": BAD,
        "2024-01-23T10:60:00": BAD,
        "2024-02-30T10:00:00": BAD,
        "2024-01-23T10": BAD,
        "2024-01-23T10:00:00.1234567": BAD,
        "2024-01-23T10:00:00+25:00": BAD,
        "2024": BAD,
        "1706004000": BAD,
        "now": BAD,
        "23.01.2024 10:00": BAD,
        "": None,
        "NA": None,
    },
    "decimal(5,2)": {
        "1.23": Decimal("1.23"),
        "1": Decimal("1.00"),
        "1.": Decimal("1.00"),
        ".5": Decimal("0.50"),
        "-999.99": Decimal("-999.99"),
        "+1.2": Decimal("1.20"),
        " 1.23 ": Decimal("1.23"),
        "1.2300": Decimal("1.23"),
        "0001.23": Decimal("1.23"),
        "1.239": BAD,
        "1.001": BAD,
        "1000": BAD,
        "999.999": BAD,
        "1e2": BAD,
        "1,5": BAD,
        "$1.50": BAD,
        "NaN": BAD,
        ".": BAD,
        "": None,
        "NA": None,
    },
    "decimal(38,0)": {
        "9" * 38: Decimal("9" * 38),
        "9" * 39: BAD,
        "1.0": Decimal("1"),
        "1.5": BAD,
    },
}


@pytest.fixture(params=["true", "false"], ids=["ansi", "no-ansi"])
def ansi(spark: SparkSession, request: pytest.FixtureRequest) -> Iterator[str]:
    before = spark.conf.get("spark.sql.ansi.enabled")
    spark.conf.set("spark.sql.ansi.enabled", request.param)
    yield request.param
    spark.conf.set("spark.sql.ansi.enabled", before)


def _found(spark: SparkSession, *, nullable: bool) -> dict[tuple[str, str | None], Any]:
    """Convert every spelling of the table, all in one DataFrame: a column for each type."""
    fields = [Field(f"c{number}", spark_type, nullable, "") for number, spark_type in enumerate(TABLE)]
    height = max(len(spellings) for spellings in TABLE.values())
    columns = [list(spellings) + [None] * (height - len(spellings)) for spellings in TABLE.values()]
    schema = ", ".join(f"{field.name} string" for field in fields)
    frame = spark.createDataFrame(list(zip(*columns, strict=True)), schema)
    values = [value_of(field, NULL_VALUES) for field in fields]
    wanted = [F.monotonically_increasing_id().alias("n")]
    for field, value in zip(fields, values, strict=True):
        told = F.unix_micros(value) if field.spark_type == "timestamp" else value
        wanted += [told.alias(f"v_{field.name}"), is_bad(field, NULL_VALUES, value).alias(f"b_{field.name}")]
    rows = sorted(frame.select(*wanted).collect(), key=lambda row: row["n"])
    found: dict[tuple[str, str | None], Any] = {}
    for field, (spark_type, spellings) in zip(fields, TABLE.items(), strict=True):
        for row, spelling in zip(rows, spellings, strict=False):
            value = row[f"v_{field.name}"]
            if row[f"b_{field.name}"]:
                assert value is None, (spark_type, spelling, "a bad cell has a value")
                value = BAD
            found[spark_type, spelling] = "nan" if value != value else value
    return found


def test_every_spelling_becomes_its_value_null_or_a_bad_cell(spark: SparkSession, ansi: str):
    found = _found(spark, nullable=True)
    wanted = {(kind, spelling): value for kind, spellings in TABLE.items() for spelling, value in spellings.items()}
    assert {name: value for name, value in found.items() if value != wanted[name]} == {}


def test_where_a_value_is_required_null_is_bad_too(spark: SparkSession, ansi: str):
    found = _found(spark, nullable=False)
    wanted = {
        (kind, spelling): BAD if value is None else value
        for kind, spellings in TABLE.items()
        for spelling, value in spellings.items()
    }
    assert {name: value for name, value in found.items() if value != wanted[name]} == {}
