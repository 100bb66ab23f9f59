"""What a column's samples are taken for, and how a file of them is taken to be written."""

from __future__ import annotations

import bz2
import codecs
import gzip

import pytest

from alur.delimited.inference import NULL_TOKENS, USUAL, ColumnSamples, Guess, Style
from alur.delimited.sniffing import HEAD_BYTES, Sniffed, encoding_of, sniff
from alur.errors import EmptyFile, UnreadableFile

PATH = "samples.csv"
GERMAN = Style(",", ".")


def samples(*cells: str, name: str = "") -> ColumnSamples:
    column = ColumnSamples(name)
    for cell in cells:
        column.add(cell)
    return column


def guess(*cells: str, style: Style = USUAL, name: str = "", **said) -> Guess:
    return samples(*cells, name=name).guess(style, **said)


@pytest.mark.parametrize(
    ("cells", "spark_type"),
    [
        (["1", "-7", "+3", " 12 "], "int"),
        (["2147483647", "-2147483648"], "int"),
        (["2147483648"], "bigint"),
        (["-9223372036854775808"], "bigint"),
        (["9223372036854775808"], "decimal(38,0)"),
        (["1", "2.5", "-.25", "3."], "decimal(18,2)"),
        (["12345678901234567.89"], "decimal(38,2)"),
        (["1e5", "2"], "double"),
        (["NaN", "1"], "double"),
        (["0.5", "0"], "decimal(18,1)"),
        (["1" * 39], "string"),
        (["1" * 500], "string"),
        (["007", "8"], "string"),
        (["00.5"], "string"),
        (["+4915112345678"], "string"),
        (["1", "x"], "string"),
        (["true", "False"], "boolean"),
        (["yes"], "boolean"),
        (["y", "n"], "boolean"),
        (["1", "true"], "boolean"),
        (["y", "y"], "string"),
        (["f"], "string"),
        (["1", "0"], "int"),
        (["2024-01-31", "2024-2-9"], "date"),
        (["2024-01-31", "2024-02-01 10:00"], "timestamp"),
        (["2024-01-31T10:00:00Z"], "timestamp"),
        (["2024-02-30"], "string"),
        (["10:30"], "string"),
        (["x" * 5000], "string"),
        (["1_000"], "string"),
        (["٣"], "string"),
        (["."], "string"),
    ],
)
def test_the_narrowest_type_is_taken_that_holds_all(cells: list[str], spark_type: str):
    assert guess(*cells).spark_type == spark_type


@pytest.mark.parametrize(
    ("cells", "kind", "format"),
    [
        (["31/12/2024", "01/02/2024"], "date", "%d/%m/%Y"),
        (["12/31/2024", "01/02/2024"], "date", "%m/%d/%Y"),
        (["31.12.2024"], "date", "%d.%m.%Y"),
        (["31-12-2024"], "date", "%d-%m-%Y"),
        (["2024/12/31"], "date", "%Y/%m/%d"),
        (["31/12/24"], "date", "%d/%m/%y"),
        (["31-Dec-2024", "1-jan-2024"], "date", "%d-%b-%Y"),
        (["1 January 2024"], "date", "%d %B %Y"),
        (["Jan 5, 2024"], "date", "%b %d, %Y"),
        (["31/12/2024 10:00"], "timestamp", "%d/%m/%Y %H:%M"),
        (["31/12/2024T10:00:59"], "timestamp", "%d/%m/%YT%H:%M:%S"),
        (["12/31/2024 11:59:59 PM"], "timestamp", "%m/%d/%Y %I:%M:%S %p"),
        (["31.12.2024 10:00:00.123"], "timestamp", "%d.%m.%Y %H:%M:%S.%f"),
        (["20240131T101500Z"], "timestamp", "%Y%m%dT%H%M%S%z"),
    ],
)
def test_days_and_moments_have_the_format_in_which_all_of_them_are_some(cells: list[str], kind: str, format: str):
    found = guess(*cells)
    assert (found.spark_type, found.format) == (kind, format)


def test_eight_digits_are_a_day_where_the_name_says_so_or_where_there_are_many():
    assert guess("20240131", name="order_date").format == "%Y%m%d"
    assert "read as a date" in guess("20240131", name="order_date").note
    assert guess("20240131", name="id").spark_type == "int"
    assert guess(*(f"2024010{day}" for day in range(1, 6)), name="id").format == "%Y%m%d"
    assert guess(*(f"2024010{day}" for day in range(1, 6)), "20249999", name="date").spark_type == "int"
    assert guess(*(f"1111010{day}" for day in range(1, 6)), name="date").spark_type == "int"


def test_a_day_that_can_be_read_in_two_ways_is_read_as_is_said_and_that_is_noted():
    first = guess("01/02/2024", day_first=True)
    second = guess("01/02/2024", day_first=False)
    assert (first.format, second.format) == ("%d/%m/%Y", "%m/%d/%Y")
    assert '"01/02/2024" is read with the day before the month; %m/%d/%Y would fit too' in first.note
    assert "the month before the day; %d/%m/%Y would fit too" in second.note
    assert samples("01/02/2024").day_comes_first() is None
    assert samples("31/02/2024", "x").day_comes_first() is None
    assert samples("31/01/2024").day_comes_first() is True
    assert samples("01/31/2024").day_comes_first() is False
    assert samples("2024-01-31").day_comes_first() is None


def test_what_can_be_read_in_one_way_only_is_proven_and_the_rest_is_not():
    assert samples("1.234,5").proven_styles() == {GERMAN}
    assert samples("1.234.567").proven_styles() == {GERMAN}
    assert Style(",", None) in samples("1,5").proven_styles()
    assert samples("1,234").proven_styles() == set()
    assert samples("1,234,567").proven_styles() == {Style(".", ",")}
    assert {style.thousands for style in samples("1 234").proven_styles()} == {" "}
    assert samples("1,5", "2.5").styles() == set()


def test_numbers_are_numbers_in_the_style_of_the_file_only():
    assert guess("1.234,50", "2", style=GERMAN).spark_type == "decimal(18,2)"
    assert guess("1.234", style=GERMAN).spark_type == "int"
    assert guess("1.234").spark_type == "decimal(18,3)"
    assert "fractions" in guess("1.234").note
    assert guess("1.234", "1.5").note == ""
    assert guess("1,234").spark_type == "string"
    assert "cannot be told" in guess("1,234").note
    assert guess("1,234", style=Style(".", ",")).spark_type == "int"
    assert guess("12,34", style=Style(".", ",")).spark_type == "string"


@pytest.mark.parametrize("token", sorted(NULL_TOKENS))
def test_what_stands_for_null_between_values_of_a_type_is_no_value(token: str):
    assert guess("1", f" {token} ") == Guess("int", nullable=True, null_tokens=frozenset({token}))
    assert guess("a", token) == Guess("string")
    assert guess("a", token, nulls=frozenset({token})).nullable
    assert guess(token).spark_type == "string"


def test_a_column_that_was_ever_empty_may_be_null():
    assert not guess("1", "2").nullable
    assert guess("1", "").nullable
    assert guess("a", " \t").nullable
    assert guess().nullable
    assert guess().note == "it has no value in the samples"


def sniffed(data: bytes | str) -> Sniffed:
    encoding, head = encoding_of(PATH, [data.encode() if isinstance(data, str) else data])
    return sniff(PATH, head, encoding)


@pytest.mark.parametrize(
    ("text", "delimiter"),
    [
        ("a,b\n1,2\n", ","),
        ("a;b\n1,5;2,5\n", ";"),
        ("1,5;2,5\n3,5;1,5\n", ";"),
        ("a\tb\n1,2\t3\n", "\t"),
        ("a|b|c\n1|2|3\n", "|"),
        ('a,b\n"x;y",2\n', ","),
        ("a,b,c\n1,2,x;y\n3,4,z\n", ","),
        ("comment\nhello, world\nbye\nwell, now, then\n", "|"),
        ("a,b\n1,2\n3\n1,2\n1,2\n", ","),
        ("a,b,c\n1,,\n2,,\n3,4,\n", ","),
    ],
)
def test_the_delimiter_is_the_one_that_makes_records_alike(text: str, delimiter: str):
    found = sniffed(text).dialect.delimiter
    assert found == delimiter or (delimiter == "|" and found not in text)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("id,name\n1,x\n", ("id", "name")),
        ("1,x\n2,y\n", None),
        ("x,y\nz,w\n", ("x", "y")),
        ("x,y\nx,w\n", None),
        ("name,2024-01-01\nx,2024-01-02\n", None),
        ("id,name\n", ("id", "name")),
        ("a,NA\n1,2\n", None),
        (",a\n0,1\n1,2\n", ("", "a")),
        ("x,y,x\na,b,c\n", None),
        ("id,name,\n1,x,\n", ("id", "name", "")),
    ],
)
def test_a_header_names_what_is_typed_below_it_or_is_unlike_what_stands_there(text: str, names):
    found = sniffed(text)
    assert found.names == names
    assert found.dialect.header is (names is not None)


def test_lines_above_the_header_are_skipped():
    assert sniffed("# made today\n\n# by us\nid,name\n1,x\n2,y\n").dialect.skip_lines == 3
    assert sniffed("Report of the day\nid,name,price\n1,x,2\n2,y,3\n").dialect.skip_lines == 1
    assert sniffed("# a comment\nid\n1\n").dialect.skip_lines == 1
    assert sniffed("Report of the day,,\nid,name,price\n1,x,2\n2,y,3\n").dialect.skip_lines == 1
    assert sniffed("1,,\n2,x,y\n3,z,w\n").dialect.skip_lines == 0
    found = sniffed("#id,name\n1,x\n2,y\n")
    assert (found.dialect.skip_lines, found.names) == (0, ("#id", "name"))
    assert sniffed("\n\nid,name\n1,x\n").dialect.skip_lines == 0


def test_quotes_and_escapes_are_those_under_which_records_are_whole():
    assert sniffed('a,b\n"x ""y"", z",1\n').dialect.differences == {}
    assert sniffed('a,b\n"x \\"y\\", z",1\n"q",2\n').dialect.escape == "\\"
    assert sniffed("a,b\n'x, y',1\n'z',2\n'u',3\n").dialect.quote == "'"
    assert sniffed('a,b\n"x" y,1\n"z" w,2\n').dialect.quote is None
    assert sniffed('a,b\n5" pipe,1\n').dialect.differences == {}
    assert sniffed('a,b\n"x\ny",1\n"z",2\n').dialect.differences == {}
    assert sniffed('a,b\n"x","\n"\n').dialect.differences == {}


@pytest.mark.parametrize(
    ("data", "encoding"),
    [
        ("a,b\nä,1\n".encode(), "utf-8"),
        ("a,b\nä,1\n".encode("windows-1252"), "windows-1252"),
        ("a,b\n\x81ä,1\n".encode("latin-1"), "latin-1"),
        (codecs.BOM_UTF8 + "a,b\nä,1\n".encode(), "utf-8"),
        ("a,b\nä,1\n".encode("utf-16"), "utf-8"),
        ("a,b\nä,1\n".encode("utf-16-le"), "utf-16-le"),
        ("a,b\nä,1\n".encode("utf-16-be"), "utf-16-be"),
        (gzip.compress("a,b\nä,1\n".encode("windows-1252"), mtime=0), "windows-1252"),
        (bz2.compress("a,b\nä,1\n".encode()), "utf-8"),
    ],
)
def test_the_encoding_is_what_a_contract_has_to_say(data: bytes, encoding: str):
    assert encoding_of(PATH, [data])[0] == encoding
    assert sniffed(data).names == ("a", "b")


def test_the_encoding_is_that_of_the_whole_file_and_a_letter_may_lie_on_two_pieces():
    far = b"a,b\n" + b"x,1\n" * HEAD_BYTES
    assert encoding_of(PATH, [far, "ä".encode()[:1], "ä".encode()[1:]])[0] == "utf-8"
    encoding, head = encoding_of(PATH, [far, b"\xe4,1\n"])
    assert (encoding, len(head)) == ("windows-1252", HEAD_BYTES)
    assert encoding_of(PATH, [b"a\n", "ä".encode()[:1]])[0] == "windows-1252"


def test_what_is_no_text_is_refused():
    with pytest.raises(EmptyFile):
        encoding_of(PATH, [])
    with pytest.raises(EmptyFile):
        sniffed("\n\n \n")
    with pytest.raises(UnreadableFile, match="Parquet"):
        encoding_of(PATH, [b"PAR1\x15\x04\x15\x00" + bytes(100)])
    with pytest.raises(UnreadableFile, match="UTF-32"):
        sniffed("a,b\n".encode("utf-32"))
