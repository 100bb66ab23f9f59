"""What a contract may say of how its files are written, and that a mistake is named with its remedy."""

from __future__ import annotations

import pytest

from alur.contracts import BronzeTable, DateField, Dialect, Field, LongField, StringField, TimestampField
from alur.contracts.dialect import canonical_encoding
from alur.errors import ContractError


def table(fields=None, *, bases=(BronzeTable,), name="ThingsBronze", **meta):
    said = {"source_path": "s3://landing/t/*.csv", "source_system": "test", **meta}
    return type(name, bases, {"Meta": type("Meta", (), said), **(fields or {"id": LongField()})})


def refusal(fields=None, **meta) -> str:
    with pytest.raises(ContractError) as caught:
        table(fields, **meta)
    return caught.value.rule


def test_a_contract_that_says_nothing_has_the_dialect_of_most_files():
    assert table().contract().dialect == Dialect()


def test_each_option_is_a_name_of_meta():
    said = {
        "delimiter": ";",
        "quote": "'",
        "escape": "\\",
        "encoding": "windows-1252",
        "header": False,
        "comment": "#",
        "skip_lines": 2,
        "trim": True,
        "decimal": ",",
        "thousands": ".",
        "header_case": "sensitive",
        "extra_columns": "ignore",
        "max_bad_rows": 10,
        "max_bad_fraction": 0.5,
        "max_record_mb": 1,
        "max_uncompressed_mb": 100,
        "multiline": False,
        "compression": "gzip",
    }
    assert table(**said).contract().dialect == Dialect(**said)
    assert set(said) == set(Dialect().differences | Dialect(**said).differences)


def test_the_dialect_is_inherited_and_a_subclass_writes_what_differs():
    base = table(name="BaseBronze", delimiter=";", encoding="latin-1")
    derived = type("DerivedBronze", (base,), {"Meta": type("Meta", (), {"delimiter": "|"})})
    assert derived.contract().dialect == Dialect(delimiter="|", encoding="latin-1")


@pytest.mark.parametrize(
    ("spelling", "name"),
    [
        ("UTF8", "utf-8"),
        ("utf-8-sig", "utf-8"),
        ("UTF-16LE", "utf-16-le"),
        ("utf_16_be", "utf-16-be"),
        ("ISO-8859-1", "latin-1"),
        ("latin1", "latin-1"),
        ("cp1252", "windows-1252"),
        ("Windows-1252", "windows-1252"),
        ("ebcdic", None),
    ],
)
def test_an_encoding_has_one_name_however_it_is_spelled(spelling, name):
    assert canonical_encoding(spelling) == name
    if name is not None:
        assert table(encoding=spelling).contract().dialect.encoding == name


@pytest.mark.parametrize(
    ("meta", "remedy"),
    [
        ({"delimiter": ";;"}, "Meta.delimiter is ';;'; write one character"),
        ({"delimiter": ""}, "Meta.delimiter"),
        ({"delimiter": None}, "Meta.delimiter is None"),
        ({"delimiter": "\n"}, "write another character"),
        ({"delimiter": "\0"}, "write another character"),
        ({"delimiter": "\N{GRINNING FACE}"}, "write another character"),
        ({"delimiter": '"'}, "Meta.quote and Meta.delimiter are both"),
        ({"quote": ""}, "Meta.quote is ''; write one character"),
        ({"quote": " "}, "Meta.quote is a blank"),
        ({"escape": '"'}, "leave it out"),
        ({"escape": ","}, "Meta.escape and Meta.delimiter are both"),
        ({"comment": "//"}, "Meta.comment is '//'"),
        ({"comment": ","}, "are both"),
        ({"decimal": None}, "Meta.decimal is None"),
        ({"decimal": "5"}, "part of a number"),
        ({"thousands": "-"}, "part of a number"),
        ({"thousands": "."}, "are both '.'"),
        ({"encoding": "ebcdic"}, "write one of utf-8, utf-16, utf-16-le, utf-16-be, latin-1, windows-1252"),
        ({"encoding": 8}, "Meta.encoding is 8"),
        ({"header": "no"}, "Meta.header is 'no'; write True or False"),
        ({"header": None}, "Meta.header is None"),
        ({"trim": 1}, "Meta.trim is 1"),
        ({"multiline": "yes"}, "Meta.multiline is 'yes'"),
        ({"skip_lines": -1}, "Meta.skip_lines is -1; write a whole number, 0 or more"),
        ({"skip_lines": True}, "Meta.skip_lines is True"),
        ({"max_bad_rows": 1.5}, "Meta.max_bad_rows is 1.5"),
        ({"max_bad_fraction": 5}, "a number from 0 to 1"),
        ({"max_bad_fraction": "1%"}, "a number from 0 to 1"),
        ({"max_record_mb": 0}, "1 to 1024"),
        ({"max_uncompressed_mb": 0}, "1 or more"),
        ({"header_case": "upper"}, "write one of insensitive, sensitive"),
        ({"extra_columns": "drop"}, "write one of rescue, ignore, refuse"),
        ({"compression": "zip"}, "write one of auto, none, gzip, bzip2, zstd"),
        ({"seperator": ";"}, "Meta.seperator is unknown"),
        ({"delimeter": ";"}, "did you mean delimiter?"),
    ],
)
def test_a_value_that_makes_no_sense_is_refused_with_its_remedy(meta, remedy):
    assert remedy in refusal(**meta)


def test_an_abstract_base_is_checked_too():
    assert "Meta.delimiter" in refusal(source_path=(), delimiter=";;")


class TestFields:
    def test_a_field_is_called_in_the_header_as_its_name_unless_it_says_otherwise(self):
        made = table({"a": StringField(), "b": LongField(source_name="Order No.")}).contract()
        assert made.source_names == ("a", "Order No.")
        assert made.column_names == ("a", "b")
        assert made.fields[0] == Field("a", "string", True, "")

    def test_dates_and_timestamps_say_how_they_are_written(self):
        made = table(
            {
                "day": DateField(format="%d/%m/%Y"),
                "at": TimestampField(format=["%d.%m.%Y %H:%M", "%Y%m%d%H%M%S"], timezone="Europe/Berlin"),
            }
        ).contract()
        day, at = made.fields
        assert (day.formats, day.timezone) == (("%d/%m/%Y",), "UTC")
        assert (at.formats, at.timezone) == (("%d.%m.%Y %H:%M", "%Y%m%d%H%M%S"), "Europe/Berlin")

    @pytest.mark.parametrize(
        ("field", "remedy"),
        [
            (StringField(source_name=3), "write the name in the header"),
            (StringField(source_name=" id"), "without blanks around it"),
            (DateField(format="%d/%m/%Q"), "%Q is no directive"),
            (DateField(format="%d/%m/%"), "no directive"),
            (DateField(format="%d/%m"), "name year, month and day"),
            (DateField(format="%d/%m/%Y %H:%M"), "declare a TimestampField"),
            (DateField(format="%d/%d/%Y"), "stands there twice"),
            (DateField(format="%d/%m/%Y/%y"), "say the same"),
            (DateField(format="%j %m %Y"), "leave the month and %d out"),
            (DateField(format=3), "write a text"),
            (DateField(format=["%d/%m/%Y", "%d/%m/%Y"]), "twice"),
            (DateField(format=["%d/%m/%Y", ""]), "makes no day"),
            (TimestampField(format="%d/%m/%Y %I:%M"), "%I needs %p"),
            (TimestampField(format="%d/%m/%Y %M"), "%M needs %H or %I"),
            (TimestampField(timezone="Mars/Olympus"), "no time zone"),
            (TimestampField(timezone=""), "no time zone"),
            (TimestampField(timezone="../etc/passwd"), "no time zone"),
            (TimestampField(timezone=None), "no time zone"),
        ],
    )
    def test_a_spelling_that_makes_no_sense_is_refused_by_the_field_s_name(self, field, remedy):
        rule = refusal({"x": field})
        assert rule.startswith("field x: ")
        assert remedy in rule

    def test_two_fields_cannot_take_one_column_of_the_file(self):
        twice = {"a": StringField(source_name="ID"), "b": StringField(source_name="Id")}
        assert "give one of them another source_name" in refusal(twice)
        assert "is that of a too" in refusal({"a": StringField(), "b": StringField(source_name="a")})
        assert table(twice, header_case="sensitive").contract().source_names == ("ID", "Id")
        assert table(twice, header=False).contract().source_names == ("ID", "Id")


class TestFingerprint:
    @pytest.mark.parametrize(
        "meta",
        [
            {"delimiter": ";"},
            {"quote": None},
            {"encoding": "latin-1"},
            {"header": False},
            {"extra_columns": "refuse"},
            {"max_bad_rows": 0},
            {"max_record_mb": 17},
            {"multiline": True},
        ],
    )
    def test_what_changes_how_a_file_is_read_changes_it(self, meta):
        assert table(**meta).contract().fingerprint != table().contract().fingerprint

    def test_what_is_said_and_is_the_default_does_not(self):
        assert table(delimiter=",", encoding="UTF8").contract().fingerprint == table().contract().fingerprint
        plain, said = {"a": StringField(), "t": TimestampField()}, {"a": StringField(source_name="a")}
        said["t"] = TimestampField(timezone="UTC", format="")
        assert table(said).contract().fingerprint == table(plain).contract().fingerprint

    @pytest.mark.parametrize(
        "field",
        [
            TimestampField(source_name="T"),
            TimestampField(format="%d/%m/%Y"),
            TimestampField(timezone="Europe/Berlin"),
        ],
    )
    def test_a_field_s_spelling_changes_it(self, field):
        assert table({"t": field}).contract().fingerprint != table({"t": TimestampField()}).contract().fingerprint
