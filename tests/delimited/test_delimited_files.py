"""What a file becomes: rows with what they could not keep, rejects, a verdict, or an error that names the remedy."""

from __future__ import annotations

import bz2
import gzip
import itertools
import json
import tracemalloc
import zipfile
from io import BytesIO

import pytest

from alur.contracts import DecimalField, LongField, StringField
from alur.delimited import ENOUGH_HEAD_BYTES, Head, Layout, Reject, Row, judge, read_file, read_head
from alur.errors import EmptyFile, HeaderMismatch, UnreadableFile, UnstorableRecords
from delimited_support import PATH, contract, read, values

FIELDS = {"id": LongField(nullable=False), "amount": DecimalField(9, 2), "note": StringField()}


def of(**meta):
    return contract(FIELDS, **meta)


def one(text: str, header: str = "id,amount,note", **meta) -> Row | Reject:
    (found,) = read(f"{header}\n{text}\n", of(**meta))
    return found


def rescued(found: Row | Reject) -> object:
    assert isinstance(found, Row)
    return None if found.rescued is None else json.loads(found.rescued)


class TestRows:
    def test_columns_are_found_by_their_names_and_those_that_lack_are_null(self):
        assert values("NOTE, id\nx,7\n", of()) == [(7, None, "x")]
        assert values("id\n7\n", of()) == [(7, None, None)]

    def test_a_single_column_is_found_by_its_name(self):
        assert values("x,a\n1,2\n", contract({"a": LongField()}, extra_columns="ignore")) == [(2,)]

    def test_a_bad_cell_of_a_column_that_may_be_null_is_kept_beside_the_row(self):
        found = one("7, 12x ,ok")
        assert found == Row(
            2,
            (7, None, "ok"),
            '{"columns":{"amount":{"text":" 12x ","reason":"not a decimal number"}}}',
        )

    def test_the_text_is_kept_whole_and_as_it_is(self):
        assert rescued(one('7,"ü""\n\0' + "x" * 500 + '",ok'))["columns"]["amount"]["text"] == 'ü"\n\0' + "x" * 500
        assert "ü" in one("7,ü,ok").rescued

    def test_a_bad_or_missing_cell_of_a_required_column_rejects_the_record(self):
        assert one("7x,1,ok") == Reject(2, "7x,1,ok", "id", 'not a whole number: "7x"')
        assert one(",1,ok") == Reject(2, ",1,ok", "id", "no value, and the column is required")
        assert one('"",1,ok').reason == "no value, and the column is required"
        assert one("NA,1,ok", null_values=["NA"]).reason == 'no value, and the column is required: "NA"'
        assert one("x", header="note,id").reason == "the record has no such cell, and the column is required"

    def test_a_reason_shows_a_hundred_characters_of_the_cell_on_one_line(self):
        reason = one('"a\n' + "x" * 500 + '",1,ok').reason
        assert reason == 'not a whole number: "a\\n' + "x" * 98 + '…"'

    def test_a_reject_holds_the_record_as_it_stands_in_the_file(self):
        assert one('x,"1",\'"y\nz"\r\n'.replace("'", "")).record == 'x,"1","y\nz"'

    def test_other_columns_are_kept_beside_the_row_unless_they_are_empty(self):
        header = "id,x,note,,amount"
        assert rescued(one("7,hello,ok,y,1", header)) == {
            "columns": {
                "x": {"text": "hello", "reason": "no column of the contract"},
                "_c3": {"text": "y", "reason": "no column of the contract"},
            }
        }
        assert rescued(one("7,,ok,,1", header)) is None
        assert rescued(one('7,"",ok,,1', header)) is None
        assert rescued(one("7,hello,ok,y,1", header, extra_columns="ignore")) is None

    def test_another_column_does_not_hide_a_bad_cell_of_the_same_name(self):
        fields = {"amount": LongField(source_name="Amt"), "id": LongField()}
        (row,) = read("Amt,amount,id\nx,y,1\n", contract(fields))
        assert {key: value["text"] for key, value in rescued(row)["columns"].items()} == {
            "amount": "x",
            "amount_c1": "y",
        }

    def test_cells_beyond_the_header_are_kept_unless_all_are_empty(self):
        assert rescued(one("7,1,ok,a,,b")) == {"surplus": ["a", "", "b"]}
        assert rescued(one("7,1,ok,,")) is None
        assert rescued(one("7,1,ok,", "id,amount,note,")) is None
        assert rescued(one("7,1,ok", "id,amount,note,")) is None
        assert rescued(one("7,1,ok,a", "id,amount,note,")) == {"surplus": ["a"]}

    def test_cells_that_the_record_lacks_are_null_and_counted(self):
        found = one("7")
        assert found.values == (7, None, None)
        assert rescued(found) == {"missing_cells": 2}

    def test_all_that_a_row_could_not_keep_is_said_together(self):
        assert one("7,x,ok,y,z", "id,amount,note,other").rescued == (
            '{"columns":{"amount":{"text":"x","reason":"not a decimal number"},'
            '"other":{"text":"y","reason":"no column of the contract"}},"surplus":["z"]}'
        )

    def test_nul_in_a_text_cannot_be_stored(self):
        assert rescued(one("7,1,a\0b"))["columns"]["note"] == {"text": "a\0b", "reason": "holds NUL"}

    def test_what_stands_for_null_is_null_quoted_or_not(self):
        assert one('7,"NA","NA"', null_values=["NA"]).values == (7, None, None)

    def test_without_a_header_the_cells_are_the_fields(self):
        assert values("7,1,x\n8,,\n", of(header=False)) == [(7, 1, "x"), (8, None, None)]

    def test_a_header_that_is_not_checked_is_skipped(self):
        assert values("x,y,z\n7,1,x\n", of(), checks_header=False) == [(7, 1, "x")]


class TestEncodings:
    TEXT = "id,amount,note\n7,1,ü€\n8,2,\N{GRINNING FACE}\n"
    ROWS = [(7, 1, "ü€"), (8, 2, "\N{GRINNING FACE}")]

    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
    @pytest.mark.parametrize("size", [1, 2, 3, 1000])
    def test_a_file_is_read_in_its_encoding_however_it_is_cut(self, encoding, size):
        data = self.TEXT.encode(encoding)
        chunks = [data[start : start + size] for start in range(0, len(data), size)]
        assert values(chunks, of(encoding=encoding)) == self.ROWS

    @pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
    @pytest.mark.parametrize("declared", ["utf-8", "utf-16-be", "windows-1252"])
    def test_a_byte_order_mark_counts_more_than_the_declaration(self, encoding, declared):
        assert values(self.TEXT.encode(encoding), of(encoding=declared)) == self.ROWS

    @pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
    def test_utf_16_without_a_mark_is_found_out_where_it_is_declared(self, encoding):
        assert values(self.TEXT.encode(encoding), of(encoding="utf-16")) == self.ROWS

    @pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
    def test_utf_16_without_a_mark_is_told_where_it_is_not(self, encoding):
        with pytest.raises(UnreadableFile, match=f'write Meta.encoding = "{encoding}"'):
            read(self.TEXT.encode(encoding), of())

    @pytest.mark.parametrize("encoding", ["latin-1", "windows-1252"])
    def test_the_encodings_of_one_byte_are_read(self, encoding):
        assert values("id,amount,note\n7,1,ü\n".encode(encoding), of(encoding=encoding)) == [(7, 1, "ü")]

    @pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
    @pytest.mark.parametrize("size", [1, 2, 7, 1000])
    def test_a_byte_that_is_not_of_the_encoding_is_told_with_its_line_and_place_and_the_remedy(self, end, size):
        data = end.join([b"id,amount,note", b"7,1,ue", b"8,2,caf\xe9 x", b""])
        chunks = [data[start : start + size] for start in range(0, len(data), size)]
        with pytest.raises(UnreadableFile) as caught:
            read(chunks, of())
        assert f"line 3, byte {data.index(0xE9)}: 0xE9 is not utf-8" in caught.value.problem
        assert 'write Meta.encoding = "windows-1252"' in caught.value.problem

    def test_a_bad_byte_at_the_beginning_of_a_line_is_on_that_line(self):
        with pytest.raises(UnreadableFile, match="line 2, byte 15: 0xFF"):
            read(b"id,amount,note\n\xff", of())

    def test_the_remedy_is_an_encoding_that_decodes(self):
        with pytest.raises(UnreadableFile, match=r'write Meta\.encoding = "latin-1"'):
            read(b"id,amount,note\n7,1,\x81\n", of())

    @pytest.mark.parametrize(("data", "encoding"), [(b"id\n7\n\xc3", "utf-8"), ("id\n7\n".encode("utf-16") + b"x", "")])
    def test_a_file_that_ends_inside_a_character_is_unreadable(self, data, encoding):
        with pytest.raises(UnreadableFile, match="line 3, byte"):
            read(data, of(encoding=encoding or "utf-16"))

    @pytest.mark.parametrize(("note", "is_utf_8"), [("ü", True), ("ue", False)])
    def test_a_file_that_ends_inside_a_character_is_to_be_uploaded_whole(self, note, is_utf_8):
        with pytest.raises(UnreadableFile, match=r"if the file is cut here, .* upload it whole; else") as caught:
            read(f"id,amount,note\n7,1,{note}\n8,2,".encode() + b"\xc3", of())
        assert ("Meta.encoding" in caught.value.problem) is not is_utf_8

    @pytest.mark.parametrize("size", [1, 2, 7, 1000])
    def test_where_letters_have_been_utf_8_no_other_encoding_is_advised(self, size):
        data = "id,amount,note\n7,1,ü\n8,2,caf".encode() + b"\xe9 x\n"
        with pytest.raises(UnreadableFile, match="the letters before it are UTF-8: write this one so too"):
            read([data[start : start + size] for start in range(0, len(data), size)], of())

    @pytest.mark.parametrize("data", [b"\xed\xa0\xbd\xed\xb8\x80", b"x\xed\xb8\x80", b"a\xc0\x80"])
    def test_an_utf_8_of_somebodys_own_is_told(self, data):
        with pytest.raises(UnreadableFile, match=r"Java's modified UTF-8\): convert the file"):
            read(b"id,amount,note\n7,1," + data + b"\n", of())

    def test_letters_of_another_encoding_are_not_taken_for_it(self):
        with pytest.raises(UnreadableFile, match="where it is í"):
            read("id,amount,note\n7,1,aquí»\n".encode("windows-1252"), of())

    def test_utf_32_is_told(self):
        with pytest.raises(UnreadableFile, match="UTF-32"):
            read("id\n7\n".encode("utf-32"), of())


class TestCompression:
    DATA = b"id,amount,note\n" + b"".join(b"%d,1,x\n" % number for number in range(1000))

    @pytest.mark.parametrize("compress", [gzip.compress, bz2.compress])
    @pytest.mark.parametrize("size", [1, 100, 10_000_000])
    @pytest.mark.parametrize("members", [1, 3])
    def test_a_file_is_decompressed_by_its_first_bytes(self, compress, size, members):
        step = len(self.DATA) // members + 1
        data = b"".join(compress(self.DATA[start : start + step]) for start in range(0, len(self.DATA), step))
        chunks = [data[start : start + size] for start in range(0, len(data), size)]
        assert values(chunks, of()) == [(number, 1, "x") for number in range(1000)]

    @pytest.mark.parametrize(
        ("compress", "name"), [(gzip.compress, "gzip"), (bz2.compress, "bzip2")], ids=["gzip", "bzip2"]
    )
    def test_what_is_declared_must_be_so(self, compress, name):
        packed = compress(self.DATA)
        assert len(values(packed, of(compression=name))) == 1000
        with pytest.raises(UnreadableFile, match=f"it is {name}, and Meta.compression says none; write auto"):
            read(packed, of(compression="none"))
        with pytest.raises(UnreadableFile, match=f"it is not {name}, as Meta.compression says"):
            read(self.DATA, of(compression=name))
        with pytest.raises(UnreadableFile, match="compress the file once only"):
            read(compress(packed), of())

    @pytest.mark.parametrize("compress", [gzip.compress, bz2.compress])
    def test_a_broken_archive_is_unreadable(self, compress):
        packed = compress(self.DATA)
        with pytest.raises(UnreadableFile, match="ends too early; upload it whole"):
            read(packed[:-10], of())
        with pytest.raises(UnreadableFile, match="corrupt"):
            read(packed[:-20] + b"\xff" * 20, of())
        with pytest.raises(UnreadableFile, match="corrupt"):
            read(packed + b"rubbish", of())

    @pytest.mark.parametrize("compress", [gzip.compress, bz2.compress])
    def test_zeros_behind_an_archive_mean_nothing(self, compress):
        assert len(values(compress(self.DATA) + b"\0" * 500, of())) == 1000

    @pytest.mark.parametrize("compress", [gzip.compress, bz2.compress])
    def test_an_empty_archive_is_an_empty_file(self, compress):
        with pytest.raises(EmptyFile):
            read(compress(b""), of())

    @pytest.mark.parametrize("compress", [gzip.compress, bz2.compress])
    def test_an_archive_that_holds_too_much_costs_no_memory(self, compress):
        bomb = compress(b"id,amount,note\n" + (b"7,1," + b"x" * 2000 + b"\n") * 30_000)
        tracemalloc.start()
        try:
            with pytest.raises(UnreadableFile, match=r"more than 2 MB, decompressed; set Meta\.max_uncompressed_mb"):
                for _ in read_file(PATH, [bomb], of(max_uncompressed_mb=2)):
                    pass
            assert tracemalloc.get_traced_memory()[1] < 40_000_000
        finally:
            tracemalloc.stop()

    def test_zstd_is_left_to_others(self):
        with pytest.raises(UnreadableFile, match="it is zstd under another name"):
            read(b"\x28\xb5\x2f\xfd" + b"x" * 20, of())

    def test_what_is_no_text_is_told_by_name(self):
        packed = BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr("a.csv", self.DATA)
        workbook = BytesIO()
        with zipfile.ZipFile(workbook, "w") as archive:
            archive.writestr("[Content_Types].xml", "<x/>")
        for data, name in (
            (packed.getvalue(), "a zip archive"),
            (workbook.getvalue(), "an Excel workbook"),
            (b"PAR1\x15\x04\x15\x00" + b"x" * 50, "a Parquet file"),
            (b"%PDF-1.7\n", "a PDF document"),
            (b"x" * 257 + b"ustar" + b"\0" * 300, "a tar archive"),
        ):
            with pytest.raises(UnreadableFile, match=f"it is {name}, not delimited text"):
                read(data, of())

    def test_a_text_may_begin_like_an_archive(self):
        assert values("BZh9,PAR1\n1,2\n", contract({"a": LongField(source_name="BZh9")}, extra_columns="ignore"))
        assert values("PAR1,x\n1,2\n", contract({"a": LongField(source_name="PAR1")}, extra_columns="ignore"))


def test_the_memory_does_not_grow_with_the_file():
    line = b"7,1," + b"x" * 1000 + b"\n"
    chunk = line * 1000
    chunks = itertools.chain([b"id,amount,note\n"], itertools.repeat(chunk, 15))
    tracemalloc.start()
    try:
        assert sum(1 for _ in read_file(PATH, chunks, of())) == 15_000
        assert tracemalloc.get_traced_memory()[1] < 12_000_000
    finally:
        tracemalloc.stop()


class TestHeads:
    def test_a_head_says_what_the_file_is(self):
        contract_ = of(delimiter=";")
        data = "\ufeff id;Note;other\r\n7;x;y\r\n".encode("utf-16-le")
        head = read_head(PATH, data, contract_)
        assert head == Head(
            (" id", "Note", "other"), " id;Note;other", Layout((0, None, 1), ((2, "other"),), 3), head.dialect
        )
        assert head.dialect.encoding == "utf-16-le"
        assert head.dialect.delimiter == ";"

    TEXT = "id,amount,note\n" + "".join(f"{number},1,ü{number * 7919}\n" for number in range(50_000))

    @pytest.mark.parametrize("compress", [bytes, gzip.compress])
    @pytest.mark.parametrize("size", [30_000, 30_001, 131_072])
    def test_it_may_be_cut_anywhere_behind_the_header(self, compress, size):
        data = compress(self.TEXT.encode())
        assert read_head(PATH, data[:size], of()).layout == Layout((0, 1, 2), (), 3)

    def test_of_bzip2_a_whole_block_is_needed(self):
        data = bz2.compress(self.TEXT.encode())
        assert read_head(PATH, data[:ENOUGH_HEAD_BYTES], of()).layout == Layout((0, 1, 2), (), 3)
        with pytest.raises(UnreadableFile, match="hold no whole block of bzip2"):
            read_head(PATH, data[:10_000], of())

    def test_a_header_without_a_line_end_is_a_header(self):
        assert read_head(PATH, b"id,amount,note", of()).raw_header == "id,amount,note"

    def test_a_header_of_several_lines_has_no_raw_line(self):
        head = read_head(PATH, b'id,amount,note,"x\ny"\n', of())
        assert head.header == ("id", "amount", "note", "x\ny")
        assert head.raw_header is None

    def test_without_a_header_there_is_none(self):
        head = read_head(PATH, b"7,1,x\n", of(header=False))
        assert (head.header, head.raw_header, head.layout) == (None, None, Layout((0, 1, 2), (), 3))

    def test_it_raises_what_reading_the_file_would(self):
        for data, error in ((b"", EmptyFile), (b"x,y\n", HeaderMismatch), (b"%PDF-1.7\n", UnreadableFile)):
            with pytest.raises(error):
                read_head(PATH, data, of())
            with pytest.raises(error):
                read(data, of())


class TestVerdicts:
    REJECTS = [Reject(line, "r", "amount", f'not a whole number: "{line}x"') for line in range(2, 20)]

    @pytest.mark.parametrize(
        ("meta", "good", "bad", "limit"),
        [
            ({}, 5, 0, None),
            ({}, 0, 0, None),
            ({}, 1, 1000, None),
            ({}, 0, 1, "and so none is left"),
            ({"max_bad_rows": 2}, 5, 2, None),
            ({"max_bad_rows": 2}, 5, 3, "more than Meta.max_bad_rows = 2"),
            ({"max_bad_rows": 0}, 5, 1, "more than Meta.max_bad_rows = 0"),
            ({"max_bad_fraction": 0.25}, 3, 1, None),
            ({"max_bad_fraction": 0.25}, 2, 1, "a larger part than Meta.max_bad_fraction = 0.25"),
            ({"max_bad_fraction": 0}, 2, 1, "a larger part than Meta.max_bad_fraction = 0"),
            ({"max_bad_fraction": 1}, 0, 1, "and so none is left"),
        ],
    )
    def test_a_file_fails_when_a_limit_breaks_or_no_record_is_left(self, meta, good, bad, limit):
        error = judge(PATH, of(**meta), good, bad, self.REJECTS)
        assert (error is None) == (limit is None)
        if error is not None:
            assert isinstance(error, UnstorableRecords)
            assert (error.bad_records, error.all_records, error.limit) == (bad, good + bad, limit)

    def test_the_message_lists_the_first_ten(self):
        error = judge(PATH, of(max_bad_rows=1), 5, 18, self.REJECTS)
        assert str(error).startswith(
            f"{PATH}: 18 of 23 records cannot be stored under the contract, more than Meta.max_bad_rows = 1; "
            'the first of them: line 2: column amount: not a whole number: "2x"; line 3: column amount: '
        )
        assert "line 11:" in str(error)
        assert "line 12:" not in str(error)

    def test_a_reject_is_listed_short_and_without_a_column_where_the_record_is_at_fault(self):
        error = judge(PATH, of(), 0, 1, [Reject(2, "r", None, "x" * 500)])
        assert f"line 2: {'x' * 142}…" in str(error)
