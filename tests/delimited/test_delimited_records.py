"""Which lines make a record, what of a malformed one is lost, and which cells are quoted."""

from __future__ import annotations

import csv
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alur.contracts import Dialect, LongField, StringField
from alur.delimited import Reject, Row
from alur.delimited import records as records_module
from alur.delimited.lines import physical_lines
from alur.delimited.records import MAX_CELLS, quoted_cells, records
from alur.errors import EmptyFile, UnreadableFile
from delimited_support import contract, read, values

TWO = {"a": StringField(), "b": StringField()}


class TestLines:
    @pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
    def test_each_line_end_ends_a_line_and_the_last_needs_none(self, end):
        assert values(f"a,b{end}x,1{end}y,2") == [("x", 1), ("y", 2)]
        assert [row.line for row in read(f"a,b{end}x,1{end}y,2{end}")] == [2, 3]

    def test_line_ends_may_be_mixed(self):
        found = read("a,b\rx,1\r\ny,2\nz,3\r\n")
        assert [(row.line, row.values) for row in found] == [(2, ("x", 1)), (3, ("y", 2)), (4, ("z", 3))]

    def test_no_other_character_ends_a_line(self):
        text = "x\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029y"
        assert values(f"a,b\n{text},1\n") == [(text, 1)]

    @pytest.mark.parametrize("blank", ["", "   ", "\t", " \t "])
    def test_a_blank_line_is_no_record(self, blank):
        found = read(f"{blank}\na,b\n{blank}\nx,1\n{blank}\n{blank}\ny,2\n{blank}")
        assert [(row.line, row.values) for row in found] == [(4, ("x", 1)), (7, ("y", 2))]

    @pytest.mark.parametrize("delimiter", ["\t", " "])
    def test_a_line_of_delimiters_is_a_record_of_empty_cells(self, delimiter):
        of = contract(TWO, delimiter=delimiter)
        assert values(f"a{delimiter}b\n{delimiter}\n\nx{delimiter}y\n", of) == [(None, None), ("x", "y")]

    def test_a_line_of_other_space_characters_is_a_record(self):
        assert values("a\n\N{NO-BREAK SPACE}\n", contract({"a": StringField()})) == [("\N{NO-BREAK SPACE}",)]

    def test_lines_above_the_header_are_skipped_whatever_they_hold(self):
        of = contract(skip_lines=2)
        (row,) = read('Report, of "today\n\na,b\nx,1\n', of)
        assert (row.line, row.values) == (4, ("x", 1))

    def test_comments_are_no_records_above_and_below_the_header_and_inside_quotes_they_are_text(self):
        of = contract(comment="#")
        assert values('# of "today\na,b\n#x,1\n"#y\n#z",2\n #,3\n', of) == [("#y\n#z", 2), (" #", 3)]

    @pytest.mark.parametrize("data", ["", "\n", " \r\n\t\n", "\ufeff", "#only\n"])
    def test_a_file_without_a_record_is_empty(self, data):
        with pytest.raises(EmptyFile):
            read(data, contract(comment="#"))

    def test_a_file_with_nothing_below_its_header_has_no_rows(self):
        assert read("a,b") == read("a,b\n\n") == []


class TestQuotes:
    def test_a_quoted_cell_holds_delimiters_quotes_and_line_ends(self):
        found = read('a,b\n"x,""y""\r\n\nz",1\nlast,2\n')
        assert [(row.line, row.values) for row in found] == [(2, ('x,"y"\r\n\nz', 1)), (5, ("last", 2))]

    def test_a_quote_inside_an_unquoted_cell_stands_for_itself(self):
        assert values('a,b\nx"y",1\n "z",2\n12",3\n') == [('x"y"', 1), (' "z"', 2), ('12"', 3)]

    def test_a_quoted_empty_cell_is_the_empty_text_and_an_unquoted_one_is_null(self):
        assert values('a,b\n"",1\n,2\n"","3"\nx,""\n') == [("", 1), (None, 2), ("", 3), ("x", None)]

    def test_a_quoted_empty_cell_is_a_value_of_a_required_column(self):
        of = contract({"a": StringField(nullable=False), "b": StringField()})
        found = read('a,b\n"",x\n,x\n', of)
        assert found[0] == Row(2, ("", "x"), None)
        assert found[1] == Reject(3, ",x", "a", "no value, and the column is required")

    def test_a_doubled_quote_elsewhere_makes_no_empty_cell_a_quoted_one(self):
        assert values('a,b\n,"x""y"\n"""",\n', contract(TWO)) == [(None, 'x"y'), ('"', None)]

    def test_without_a_quote_nothing_is_quoted(self):
        assert values('a,b\n"x,"y"\n"",z\n', contract(TWO, quote=None)) == [('"x', '"y"'), ('""', "z")]

    def test_an_escape_counts_beside_the_doubled_quote(self):
        of = contract(TWO, escape="\\")
        assert values('a,b\n"x\\"y","z""w"\n"","\\\\"\na\\,b,\n', of) == [
            ('x"y', 'z"w'),
            ("", "\\"),
            ("a,b", None),
        ]

    def test_an_escape_that_ends_the_file_costs_its_line(self):
        found = read("a,b\nx,y\\\n", contract(TWO, escape="\\"))
        assert found == [Reject(2, "x,y\\", None, "a quote is opened and never closed, or the file ends in an escape")]

    def test_another_quote_may_be_declared(self):
        assert values("a;b\n'x;''y''';\"\n", contract(TWO, quote="'", delimiter=";")) == [("x;'y'", '"')]


class TestMalformed:
    def test_text_behind_a_closing_quote_costs_its_line(self):
        found = read('a,b\n"x"y,1\nz,2\n')
        assert found[0] == Reject(2, '"x"y,1', None, "text behind a closing quote; a quote inside quotes is doubled")
        assert found[1] == Row(3, ("z", 2), None)

    def test_a_quote_that_is_never_closed_costs_its_line_and_not_the_rest(self):
        found = read('a,b\nx,1\n"y,2\nz,3\nw,4')
        assert found == [
            Row(2, ("x", 1), None),
            Reject(3, '"y,2', None, "a quote is opened and never closed"),
            Row(4, ("z", 3), None),
            Row(5, ("w", 4), None),
        ]

    def test_lines_that_an_open_quote_swallowed_are_read_for_themselves(self):
        found = read('a,b\n"y,2\nz,3\n"w"x,4\n"v,5\n')
        assert [(type(one), one.line) for one in found] == [(Reject, 2), (Row, 3), (Reject, 4), (Reject, 5)]

    def test_a_comment_that_an_open_quote_swallowed_is_a_comment_again(self):
        found = read('a,b\n"y,2\n#z\n\nw,4\n', contract(comment="#"))
        assert [(type(one), one.line) for one in found] == [(Reject, 2), (Row, 5)]

    def test_a_quote_that_is_open_beyond_the_longest_record_costs_its_line(self):
        of = contract(max_record_mb=1)
        line = "x" * 1022 + ",1\n"
        found = read('a,b\n"y,2\n' + line * 1100, of)
        assert found[0] == Reject(2, '"y,2', None, "a quote is not closed within 1 MB (Meta.max_record_mb)")
        assert [one.line for one in found] == list(range(2, 1103))
        assert all(isinstance(one, Row) for one in found[1:])

    def test_where_no_cell_holds_a_line_end_an_open_quote_costs_its_line_at_once(self):
        found = read('a,b\n"y,2\nz",3\nw,4\n', contract(multiline=False))
        assert [(type(one), one.line) for one in found] == [(Reject, 2), (Row, 3), (Row, 4)]
        assert "Meta.multiline = False" in found[0].reason

    def test_quotes_that_are_left_open_again_and_again_end_the_file(self, monkeypatch):
        monkeypatch.setattr(records_module, "_MOST_READ_AGAIN", 100_000)
        with pytest.raises(UnreadableFile, match=r"line \d+: quotes are left open again and again; write Meta"):
            read('a,b\n"x,1\n' + 'b",x,"y\n' * 5000)

    @pytest.mark.parametrize("cells", [MAX_CELLS, MAX_CELLS + 1])
    @pytest.mark.parametrize("cell", ["", "x", '"x"'])
    def test_a_record_has_ten_thousand_cells_at_most(self, cells, cell):
        found = read("a,b\n" + ",".join([cell] * cells) + "\nx,1\n", contract(TWO))
        assert len(found) == 2
        assert isinstance(found[0], Row) == (cells == MAX_CELLS)
        if cells > MAX_CELLS:
            assert found[0].reason.startswith("more than 10,000 cells")
            assert found[0].column is None

    def test_a_malformed_header_fails_the_file(self):
        with pytest.raises(UnreadableFile, match="line 1: the header cannot be read: text behind"):
            read('"a"x,b\nx,1\n')
        with pytest.raises(UnreadableFile, match="more than 10,000"):
            read("a," * 10_001 + "\n")


class TestLongLines:
    def test_a_line_beyond_the_longest_record_ends_the_file_by_its_number(self):
        chunks = [b"a,b\nx,1\n", *[b"y" * 4096] * 300]
        with pytest.raises(UnreadableFile, match=r"line 3 is longer than 1 MB: set Meta\.max_record_mb"):
            read(chunks, contract(max_record_mb=1))

    def test_it_does_so_without_reading_on(self):
        def endless():
            yield b"a,b\n"
            while True:
                yield b"y" * 65536

        with pytest.raises(UnreadableFile, match="line 2 is longer"):
            read(endless(), contract(max_record_mb=1))

    def test_a_line_that_ends_beyond_it_is_told_too(self):
        with pytest.raises(UnreadableFile, match="line 2 is longer"):
            read([b"a,b\n", b"y" * 1_000_000, b"y" * 100_000 + b",1\n"], contract(max_record_mb=1))

    def test_a_cell_may_be_as_long_as_a_record(self):
        text = "y" * 1_000_000
        assert values(f"a,b\n{text},1\n", contract(max_record_mb=1)) == [(text, 1)]


def reference(text: str, delimiter: str, quote: str, escape: str | None) -> list[tuple[str, bool]] | None:
    """The first record of a text by a machine that takes a character at a time; None: it is malformed."""
    text = text if text.endswith("\n") else f"{text}\n"
    cells: list[tuple[str, bool]] = []
    cell, quoted, state, position = "", False, "start", 0
    while True:
        if position == len(text):
            return None
        character = text[position]
        position += 1
        if state == "start":
            quoted = character == quote
            state = "bare"
            if quoted:
                state = "quoted"
                continue
        if state == "quoted":
            if character == escape:
                if position == len(text):
                    return None
                cell += text[position]
                position += 1
            elif character == quote:
                state = "closed"
            else:
                cell += character
        elif state == "closed" and character == quote:
            cell += character
            state = "quoted"
        elif character == delimiter:
            cells.append((cell, quoted))
            cell, quoted, state = "", False, "start"
        elif character == "\n":
            return [*cells, (cell, quoted)]
        elif state == "closed":
            return None
        elif character == escape:
            if text[position:] == "\n":
                return None
            cell += text[position]
            position += 1
        else:
            cell += character


@given(st.text(alphabet='a",\\\n \0é', max_size=30), st.sampled_from([None, "\\"]))
def test_a_record_and_its_quotes_are_what_a_machine_takes_a_character_at_a_time(text, escape):
    text = "a" + text  # neither blank nor, at first, a line end
    dialect = Dialect(escape=escape)
    first = next(records("p", physical_lines("p", [text], 1), dialect))
    expected = reference(text, ",", '"', escape)
    assert (first.cells is None) == (expected is None)
    if first.cells is not None:
        assert first.cells == [cell for cell, _ in expected]
        flags = quoted_cells(dialect)(first.raw)
        assert flags[: len(expected)] == [quoted for _, quoted in expected]


CELLS = st.text(max_size=6) | st.text(alphabet="\"',;\t| \n\r\u2028ü\N{GRINNING FACE}", max_size=6)


@given(
    st.lists(st.lists(CELLS, min_size=3, max_size=3), max_size=8),
    st.sampled_from([",", ";", "\t", "|", " ", "§"]),
    st.sampled_from(['"', "'"]),
    st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"]),
    st.integers(1, 50),
)
def test_what_the_csv_module_writes_is_read_back_however_it_is_cut(
    table, delimiter, quote, quoting, end, encoding, size
):
    # NUL cannot be stored, and the writer quotes those line ends only that it writes itself.
    dropped = "\0" if quoting == csv.QUOTE_ALL else {"\n": "\0\r", "\r": "\0\n", "\r\n": "\0"}[end]
    table = [[cell.translate(dict.fromkeys(map(ord, dropped))) for cell in row] for row in table]
    written = io.StringIO(newline="")
    writer = csv.writer(written, delimiter=delimiter, quotechar=quote, quoting=quoting, lineterminator=end)
    writer.writerows([["a", "b", "c"], *table])
    data = written.getvalue().encode(encoding)
    of = contract(
        {"a": StringField(), "b": StringField(), "c": StringField()},
        delimiter=delimiter,
        quote=quote,
        encoding=encoding,
    )
    chunks = [data[start : start + size] for start in range(0, len(data), size)]
    found = values(chunks, of)
    assert [tuple(cell or "" for cell in row) for row in found] == [tuple(row) for row in table]
    if quoting == csv.QUOTE_ALL:
        assert all(cell is not None for row in found for cell in row)


@given(st.binary(max_size=200), st.integers(1, 20))
def test_whatever_the_bytes_are_the_outcome_is_a_row_a_reject_or_a_file_s_error(data, size):
    of = contract({"a": StringField(), "b": LongField()}, header=False)

    def outcome(chunks):
        found = []
        try:
            found.extend(read(chunks, of))
        except (UnreadableFile, EmptyFile) as error:
            return str(error)
        return found

    whole = outcome([data])
    assert outcome([data[start : start + size] for start in range(0, len(data), size)]) == whole
    if isinstance(whole, list):
        assert [one.line for one in whole] == sorted({one.line for one in whole})
        for one in whole:
            if isinstance(one, Row) and one.rescued is not None:
                json.loads(one.rescued)
