"""What a spelling takes has a value by definition; what it leaves out is little."""

from __future__ import annotations

import datetime
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alur.contracts.dialect import Dialect
from alur.contracts.fields import Field
from alur.delimited.cells import converter
from alur.ingestion.spellings import ABSENT, BETWEEN, ZONED, is_spelled, joined_pattern, spelling

TYPES = ("int", "bigint", "double", "boolean", "date", "timestamp", "decimal(9,2)", "decimal(5,0)", "decimal(3,3)")


def field(spark_type: str, *, nullable: bool = True) -> Field:
    return Field("a", spark_type, nullable, "")


def takes(fields: list[Field], null_values: tuple[str, ...], cells: list[str]) -> bool:
    pattern = joined_pattern(fields, null_values)
    assert pattern is not None
    return re.match(pattern.replace(r"\z", r"\Z"), BETWEEN.join(cells)) is not None


@pytest.mark.parametrize("spark_type", TYPES)
def test_what_a_spelling_takes_has_a_value_by_definition(spark_type: str):
    convert = converter(field(spark_type), (), Dialect())

    @settings(max_examples=400, derandomize=True, deadline=None)
    @given(st.from_regex(re.compile(spelling(spark_type)), fullmatch=True))
    def check(text: str) -> None:
        assert convert(text) is not None

    check()


VALUES: dict[str, st.SearchStrategy[Any]] = {
    "int": st.integers(-(2**31) + 1, 2**31 - 1),
    "bigint": st.integers(-(2**63) + 1, 2**63 - 1),
    "double": st.floats(-1e99, 1e99),
    "boolean": st.sampled_from(["true", "FALSE", "t", "F", "yes", "No", "y", "n", "1", "0"]),
    "date": st.dates(datetime.date(2, 1, 1), datetime.date(9998, 12, 31)),
    "timestamp": st.datetimes(
        datetime.datetime(2, 1, 1),  # noqa: DTZ001
        datetime.datetime(9998, 12, 31),  # noqa: DTZ001
    ),
    "decimal(9,2)": st.decimals(-9_999_999, 9_999_999, places=2),
    "decimal(5,0)": st.integers(-99_999, 99_999),
    "decimal(3,3)": st.decimals("-0.999", "0.999", places=3),
}


@pytest.mark.parametrize("spark_type", TYPES)
def test_a_value_as_python_writes_it_is_spelled(spark_type: str):
    @settings(max_examples=300, derandomize=True, deadline=None)
    @given(VALUES[spark_type])
    def check(value: Any) -> None:
        text = str(value)
        # A hundredth of all doubles has an exponent of three digits: read carefully.
        assert is_spelled(spark_type, text) or re.search("e[+-]?[0-9]{3}", text), text

    check()


@pytest.mark.parametrize(
    ("spark_type", "texts"),
    [
        ("int", ["", "+", "2147483648", "1.0", "1e5", "1_000", "１"]),
        ("bigint", ["9223372036854775808", "99999999999999999999"]),
        ("double", ["1e400", "9" * 400, "1d", "NaN", "nan", "0x1p3", "."]),
        ("decimal(5,0)", ["100000", ".5", "1.5"]),
        ("decimal(3,3)", ["1", "1.000", ".1234"]),
        ("date", ["2023-02-29", "1900-02-29", "2024-04-31", "2024-13-01", "2024-00-10", "0000-01-01", "24-01-01"]),
        (
            "timestamp",
            [
                "2024-01-01 24:00",
                "2024-01-01 10:60",
                "2024-01-01 10:00:00+18:01",
                "2024-02-30 10:00",
                "10:00",
                "2024-01-01 10:00Z",
            ],
        ),
    ],
)
def test_what_has_no_value_is_not_spelled(spark_type: str, texts: list[str]):
    assert [text for text in texts if is_spelled(spark_type, text)] == []


def test_the_leap_day_is_spelled_in_leap_years_only():
    years = [year for year in range(1, 9999) if is_spelled("date", f"{year:04}-02-29")]
    assert years == [year for year in range(2, 9999) if year % 4 == 0 and (year % 100 or year % 400 == 0)]


def test_a_nullable_cell_may_be_absent_or_a_null_token_with_spaces_around_it():
    fields = [field("int")] * 2
    assert takes(fields, ("NA", "-"), ["1", "2"])
    assert takes(fields, ("NA", "-"), [" NA ", ABSENT])
    assert takes(fields, ("NA", "-"), ["", " - "])
    assert not takes(fields, ("NA", "-"), ["1", "N"])


def test_a_required_cell_may_not():
    fields = [field("int", nullable=False)] * 2
    assert takes(fields, ("NA", "-999"), ["1", " 2 "])
    for cell in ("NA", "", ABSENT, "-999", " -999 "):
        assert not takes(fields, ("NA", "-999"), ["1", cell])


def test_blanks_around_a_null_token_are_those_of_the_definition():
    fields = [field("int", nullable=False)]
    assert not takes(fields, ("\t-999\t", "\n-1"), ["-999"])
    assert not takes(fields, ("\t-999\t", "\n-1"), ["-1"])
    assert takes(fields, ("\u00a0-999",), ["-999"])


def test_a_required_text_may_be_empty_where_it_was_quoted_and_is_no_null_token():
    fields = [field("string", nullable=False)] * 2
    assert takes(fields, ("NA",), ["", "NA "])
    assert not takes(fields, ("NA",), ["a", ABSENT])
    assert not takes(fields, ("NA",), ["a", "NA"])


def test_a_text_that_may_be_null_needs_no_pattern():
    assert joined_pattern([field("string")], ("NA",)) is None


def test_a_null_token_with_a_line_end_is_not_found_in_two_cells():
    assert not takes([field("int")] * 2, ("a\nb",), ["a", "b"])


@pytest.mark.parametrize(
    ("text", "zoned"),
    [
        ("2024-01-01", False),
        ("2024-01-01 10:00:00.5 ", False),
        ("2024-01-01 10:00Z", True),
        ("2024-01-01T10:00:00 UTC ", True),
        ("2024-01-01T10:00:00-0330", True),
    ],
)
def test_a_timestamp_says_its_zone_or_not(text: str, zoned: bool):
    assert (re.search(ZONED.replace(r"\z", r"\Z"), text) is not None) is zoned
