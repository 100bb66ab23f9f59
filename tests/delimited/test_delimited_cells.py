"""What each spelling becomes under each type: a value, null, or a bad cell with its reason."""

from __future__ import annotations

import json
import math
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from alur.contracts import (
    BooleanField,
    DateField,
    DecimalField,
    DoubleField,
    FieldDeclaration,
    IntegerField,
    LongField,
    StringField,
    TimestampField,
)
from alur.delimited import Row
from delimited_support import contract, read

NULL_VALUES = ["NA", "-", "N/A"]


class Bad(str):
    """What the reason says."""


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)


def cell(text: str, field: FieldDeclaration, **meta: Any) -> Any:
    """What a cell becomes: a value, or the reason."""
    of = contract({"x": field, "end": StringField()}, delimiter="\x01", null_values=NULL_VALUES, **meta)
    (row,) = read(f"x\x01end\n{text}\x01.\n", of)
    assert isinstance(row, Row)
    if row.rescued is None:
        return row.values[0]
    said = json.loads(row.rescued)["columns"]["x"]
    assert row.values[0] is None
    assert said["text"] == text
    return Bad(said["reason"])


TABLE: list[tuple[FieldDeclaration, dict[str, Any]]] = [
    (
        StringField(),
        {"a": "a", " a ": " a ", "": None, '""': "", "NA": None, "na": "na", " NA ": " NA ", "x\0y": Bad("holds NUL")},
    ),
    (
        IntegerField(),
        {
            "7": 7,
            "+7": 7,
            "-7": -7,
            " 7 ": 7,
            "\t7\x0b": 7,
            "007": 7,
            "0": 0,
            "-0": 0,
            "0" * 5000 + "7": 7,
            "-" + "0" * 5000 + "7": -7,
            "2147483647": 2147483647,
            "-2147483648": -2147483648,
            "2147483648": Bad("out of range of int (-2147483648 to 2147483647)"),
            "-2147483649": Bad("out of range of int"),
            "9" * 5000: Bad("out of range of int"),
            "1e5": Bad("not a whole number"),
            "12.0": Bad("not a whole number"),
            "1,000": Bad("not a whole number"),
            "1_000": Bad("not a whole number"),
            "0x10": Bad("not a whole number"),
            "7 8": Bad("not a whole number"),
            "٧": Bad("not a whole number"),
            "²": Bad("not a whole number"),
            "\N{NO-BREAK SPACE}7": Bad("not a whole number"),
            "+": Bad("not a whole number"),
            "": None,
            "  ": None,
            '""': None,
            "NA": None,
            " NA ": None,
            "-": None,
        },
    ),
    (
        LongField(),
        {
            "9223372036854775807": 9223372036854775807,
            "-9223372036854775808": -9223372036854775808,
            "9223372036854775808": Bad("out of range of bigint"),
            "7L": Bad("not a whole number"),
        },
    ),
    (
        DoubleField(),
        {
            "1": 1.0,
            "-1.5e3": -1500.0,
            " 1.5 ": 1.5,
            ".5": 0.5,
            "5.": 5.0,
            "1E-2": 0.01,
            "1e-400": 0.0,
            "Infinity": math.inf,
            "-Infinity": -math.inf,
            "1e400": Bad("out of range of double"),
            "inf": Bad("not a number"),
            "nan": Bad("not a number"),
            "infinity": Bad("not a number"),
            "1_0": Bad("not a number"),
            "1,5": Bad("not a number"),
            "0x1p3": Bad("not a number"),
            "1d": Bad("not a number"),
            "e5": Bad("not a number"),
            ".": Bad("not a number"),
            "٧.٥": Bad("not a number"),
        },
    ),
    (
        BooleanField(),
        {
            **dict.fromkeys(["true", "TRUE", "t", "yes", "Y", "1", " true "], True),
            **dict.fromkeys(["false", "F", "no", "n", "0"], False),
            **dict.fromkeys(["2", "on", "wahr", "truе"], Bad("not true or false")),
        },
    ),
    (
        DateField(),
        {
            "2024-02-29": date(2024, 2, 29),
            "2024-2-9": date(2024, 2, 9),
            " 2024-02-29 ": date(2024, 2, 29),
            "0001-01-01": date(1, 1, 1),
            "9999-12-31": date(9999, 12, 31),
            "0000-01-01": Bad("not a day of the calendar"),
            "2024-02-30": Bad("not a day of the calendar"),
            "2023-02-29": Bad("not a day of the calendar"),
            "2024-13-01": Bad("not a day of the calendar"),
            "2024-W01-1": Bad("not a date as 2026-01-31"),
            "20240229": Bad("not a date as 2026-01-31"),
            "29.02.2024": Bad("not a date as"),
            "2024-02-29 10:00:00": Bad("not a date as"),
            "today": Bad("not a date as"),
            "٢٠٢٤-01-01": Bad("not a date as"),
        },
    ),
    (
        TimestampField(),
        {
            "2024-01-23 10:00:00": utc(2024, 1, 23, 10),
            "2024-01-23T10:00": utc(2024, 1, 23, 10),
            "2024-01-23 9:05": utc(2024, 1, 23, 9, 5),
            "2024-01-23T10:00:00Z": utc(2024, 1, 23, 10),
            "2024-01-23 10:00:00 UTC": utc(2024, 1, 23, 10),
            "2024-01-23T10:00:00.123456Z": utc(2024, 1, 23, 10, 0, 0, 123456),
            "2024-01-23T10:00:00.5": utc(2024, 1, 23, 10, 0, 0, 500000),
            "2024-01-23T10:00:00.123": utc(2024, 1, 23, 10, 0, 0, 123000),
            "2024-01-23T10:00:00+02:00": utc(2024, 1, 23, 8),
            "2024-01-23T10:00:00-0530": utc(2024, 1, 23, 15, 30),
            "2024-01-23": utc(2024, 1, 23),
            "12:30": Bad("not a timestamp as 2026-01-31 23:59:59"),
            "2024-01-23T24:00:00": Bad("not a time of day"),
            "2024-01-23T10:60:00": Bad("not a time of day"),
            "2024-01-23T10:00:60": Bad("not a time of day"),
            "2024-02-30T10:00:00": Bad("not a day of the calendar"),
            "2024-01-23T10": Bad("not a timestamp as"),
            "2024-01-23T10:00:00.1234567": Bad("not a timestamp as"),
            "2024-01-23T10:00:00+25:00": Bad("not a time zone"),
            "2024-01-23T10:00:00+10:60": Bad("not a time zone"),
            "0001-01-01T00:00:00+02:00": Bad("out of range of timestamp"),
            "9999-12-31T23:00:00-02:00": Bad("out of range of timestamp"),
            "1706004000": Bad("not a timestamp as"),
        },
    ),
    (
        DecimalField(5, 2),
        {
            "1.23": Decimal("1.23"),
            "1": Decimal("1.00"),
            "1.": Decimal("1.00"),
            ".5": Decimal("0.50"),
            "-999.99": Decimal("-999.99"),
            "+1.2": Decimal("1.20"),
            "1.2300": Decimal("1.23"),
            "0001.23": Decimal("1.23"),
            "-0": Decimal("0.00"),
            "1.239": Bad("more than 2 digits behind the point"),
            "1000": Bad("out of range of decimal(5,2)"),
            "999.999": Bad("more than 2 digits behind the point"),
            "1e2": Bad("not a decimal number"),
            "$1.50": Bad("not a decimal number"),
            "NaN": Bad("not a decimal number"),
            "1_0": Bad("not a decimal number"),
            ".": Bad("not a decimal number"),
        },
    ),
    (
        DecimalField(38, 0),
        {
            "9" * 38: Decimal("9" * 38),
            "9" * 39: Bad("out of range"),
            "1.0": Decimal("1"),
            "1.5": Bad("more than 0 digits behind the point"),
            ".0": Bad("not a decimal number"),
        },
    ),
    (DecimalField(38, 38), {"0." + "9" * 38: Decimal("0." + "9" * 38), "1": Bad("out of range")}),
]


@pytest.mark.parametrize(
    ("field", "text", "expected"),
    [
        pytest.param(field, text, expected, id=f"{field.spark_type}-{text[:40]!r}")
        for field, cells in TABLE
        for text, expected in cells.items()
    ],
)
def test_a_cell_becomes_what_the_table_says(field: FieldDeclaration, text: str, expected: Any) -> None:
    found = cell(text, field)
    if isinstance(expected, Bad):
        assert isinstance(found, Bad)
        assert found.startswith(expected)
    else:
        assert type(found) is type(expected)
        assert found == expected
        if isinstance(expected, Decimal):
            assert str(found) == str(expected)


def test_nan_is_a_number() -> None:
    assert math.isnan(cell("NaN", DoubleField()))


def test_a_text_is_trimmed_where_the_contract_says_so() -> None:
    assert cell("  a b ", StringField(), trim=True) == "a b"
    assert cell("  ", StringField(), trim=True) is None
    assert cell(" NA ", StringField(), trim=True) is None
    assert cell('""', StringField(), trim=True) == ""


@pytest.mark.parametrize(
    ("text", "field", "expected"),
    [
        ("1.234.567,89", DecimalField(12, 2), Decimal("1234567.89")),
        ("1234567,89", DecimalField(12, 2), Decimal("1234567.89")),
        ("1.000", IntegerField(), 1000),
        ("-1.000", IntegerField(), -1000),
        (",5", DoubleField(), 0.5),
        ("1,5e3", DoubleField(), 1500.0),
        ("Infinity", DoubleField(), math.inf),
        ("1.00", IntegerField(), Bad("not a whole number")),
        ("1234.567", IntegerField(), Bad("not a whole number")),
        ("1,5", IntegerField(), Bad("not a whole number")),
        ("1.5", DoubleField(), Bad("not a number")),
        (",", DoubleField(), Bad("not a number")),
        ("1,5.000", DecimalField(12, 2), Bad("not a decimal number")),
        ("1,234", DecimalField(12, 2), Bad("more than 2 digits")),
    ],
)
def test_numbers_are_read_as_the_contract_says_they_are_written(text, field, expected):
    found = cell(text, field, decimal=",", thousands=".")
    assert isinstance(found, Bad) == isinstance(expected, Bad)
    assert found.startswith(expected) if isinstance(expected, Bad) else found == expected


class TestFormats:
    @pytest.mark.parametrize(
        ("text", "form", "expected"),
        [
            ("31/01/2024", "%d/%m/%Y", date(2024, 1, 31)),
            ("1/2/2024", "%d/%m/%Y", date(2024, 2, 1)),
            ("20240131", "%Y%m%d", date(2024, 1, 31)),
            ("2024131", "%Y%m%d", Bad("not a date as %Y%m%d")),
            ("31.01.68", "%d.%m.%y", date(2068, 1, 31)),
            ("31.01.69", "%d.%m.%y", date(1969, 1, 31)),
            ("31-jan-2024", "%d-%b-%Y", date(2024, 1, 31)),
            ("31 September 2024", "%d %B %Y", Bad("not a day of the calendar")),
            ("30 September 2024", "%d %B %Y", date(2024, 9, 30)),
            ("30 ſep 2024", "%d %b %Y", Bad("not a date as")),
            ("2024-366", "%Y-%j", date(2024, 12, 31)),
            ("2023-366", "%Y-%j", Bad("not a day of the calendar")),
            ("2023-000", "%Y-%j", Bad("not a day of the calendar")),
            ("9999-366", "%Y-%j", Bad("not a day of the calendar")),
            ("31/02/2024", "%d/%m/%Y", Bad("not a day of the calendar")),
            ("2024-01-31", "%d/%m/%Y", Bad("not a date as %d/%m/%Y")),
            ("100%/2024.1.2", "100%%/%Y.%m.%d", date(2024, 1, 2)),
            ("2024x1x2", "%Y.%m.%d", Bad("not a date as")),
        ],
    )
    def test_a_day_is_read_in_the_declared_format_only(self, text, form, expected):
        found = cell(text, DateField(format=form))
        assert isinstance(found, Bad) == isinstance(expected, Bad)
        assert found.startswith(expected) if isinstance(expected, Bad) else found == expected

    @pytest.mark.parametrize(
        ("text", "form", "expected"),
        [
            ("01/02/2024 03:04 PM", "%d/%m/%Y %I:%M %p", utc(2024, 2, 1, 15, 4)),
            ("01/02/2024 12:04 am", "%d/%m/%Y %I:%M %p", utc(2024, 2, 1, 0, 4)),
            ("01/02/2024 13:04 PM", "%d/%m/%Y %I:%M %p", Bad("not a time of day")),
            ("20240201030405", "%Y%m%d%H%M%S", utc(2024, 2, 1, 3, 4, 5)),
            ("20240201T030405.25", "%Y%m%dT%H%M%S.%f", utc(2024, 2, 1, 3, 4, 5, 250000)),
            ("01.02.2024 03:04 +0130", "%d.%m.%Y %H:%M %z", utc(2024, 2, 1, 1, 34)),
            ("01.02.2024 03:04 Z", "%d.%m.%Y %H:%M %z", utc(2024, 2, 1, 3, 4)),
            ("01.02.2024", "%d.%m.%Y", utc(2024, 2, 1)),
            ("01.02.2024 24:00", "%d.%m.%Y %H:%M", Bad("not a time of day")),
        ],
    )
    def test_a_moment_is_read_in_the_declared_format_only(self, text, form, expected):
        found = cell(text, TimestampField(format=form))
        assert isinstance(found, Bad) == isinstance(expected, Bad)
        assert found.startswith(expected) if isinstance(expected, Bad) else found == expected

    def test_the_first_format_that_fits_counts(self):
        field = DateField(format=["%d/%m/%Y", "%m/%d/%Y"])
        assert cell("01/02/2024", field) == date(2024, 2, 1)
        assert cell("01/31/2024", field) == date(2024, 1, 31)
        assert cell("x", field) == "not a date as %d/%m/%Y or %m/%d/%Y"
        assert cell("31/31/2024", field) == "not a day of the calendar"


class TestTimeZones:
    BERLIN = TimestampField(timezone="Europe/Berlin")

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("2024-01-23 10:00:00", utc(2024, 1, 23, 9)),
            ("2024-07-23 10:00", utc(2024, 7, 23, 8)),
            ("2024-07-23T10:00:00Z", utc(2024, 7, 23, 10)),
            ("2024-07-23T10:00:00+00:00", utc(2024, 7, 23, 10)),
            ("2024-10-27 02:30:00", utc(2024, 10, 27, 0, 30)),
        ],
    )
    def test_a_text_without_a_zone_is_read_from_the_field_s_clock(self, text, expected):
        assert cell(text, self.BERLIN) == expected

    @pytest.mark.parametrize("text", ["2024-03-31 02:30:00", "2024-03-31 02:30"])
    def test_a_time_that_the_clock_never_showed_is_bad(self, text):
        assert cell(text, self.BERLIN) == "no time in Europe/Berlin: the clock was put forward over it"

    def test_the_ends_of_the_calendar_are_out_of_range(self):
        assert cell("0001-01-01 00:00:00", self.BERLIN).startswith("out of range")

    def test_a_format_is_read_from_the_field_s_clock_too(self):
        field = TimestampField(format="%d.%m.%Y %H:%M", timezone="Europe/Berlin")
        assert cell("23.07.2024 10:00", field) == utc(2024, 7, 23, 8)
