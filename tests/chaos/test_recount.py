"""The recount from the bytes, which everything is measured by."""

from __future__ import annotations

import gzip

import pytest
from recount import COLUMNS, Recount, recount

HEADER = ",".join(COLUMNS) + "\n"
RECORD = "7,8,2026-01-02,paid,3,4.5,EUR,a note,2026-01-02T03:04:05Z\n"
ROW = ("7", "8", "2026-01-02", "paid", "3", "4.50", "EUR", "a note", "2026-01-02 03:04:05", None)


def test_a_good_file_is_its_rows():
    assert recount((HEADER + RECORD).encode()) == Recount((ROW,), (), None)


def test_an_empty_cell_is_null_where_it_may_be():
    body = HEADER + "7,8,2026-01-02,paid,,,,,2026-01-02T03:04:05Z\n"
    assert recount(body.encode()).rows == (("7", "8", "2026-01-02", "paid", None, None, None, None, *ROW[-2:]),)


@pytest.mark.parametrize("name", ["order_id", "customer_id", "order_date", "status", "created_at"])
@pytest.mark.parametrize("text", ["", "word"])
def test_a_cell_that_is_none_costs_its_record_where_something_must_be(name, text):
    cells = RECORD.strip().split(",")
    cells[COLUMNS.index(name)] = text
    record = ",".join(cells)
    rejects = () if (name, text) == ("status", "word") else ((3, record),)
    assert recount((HEADER + RECORD + record + "\n").encode()).rejects == rejects


@pytest.mark.parametrize(
    ("record", "values", "rescued"),
    [
        (
            RECORD.replace(",3,", ",many,"),
            {"quantity": None},
            '{"columns":{"quantity":{"text":"many","reason":"not a whole number"}}}',
        ),
        (
            RECORD.replace("4.5", "4.567"),
            {"amount": None},
            '{"columns":{"amount":{"text":"4.567","reason":"not a decimal number"}}}',
        ),
        (RECORD.replace("\n", ",more,cells\n"), {}, '{"surplus":["more","cells"]}'),
        (RECORD.replace("\n", ",\n"), {}, None),
    ],
)
def test_what_its_column_cannot_hold_is_rescued_where_it_may_be_null(record, values, rescued):
    expected = dict(zip([*COLUMNS, "_rescued_data"], ROW, strict=True)) | values | {"_rescued_data": rescued}
    assert recount((HEADER + record).encode()) == Recount((tuple(expected.values()),), (), None)


def test_columns_are_known_by_their_names_and_others_are_rescued():
    header = "notes,created_at,order_id,gift,customer_id,status,order_date\n"
    (row,) = recount((header + "a note,2026-01-02T03:04:05Z,7,red,8,paid,2026-01-02\n").encode()).rows
    assert row == (
        *ROW[:4],
        *(None,) * 3,
        *ROW[7:9],
        '{"columns":{"gift":{"text":"red","reason":"no column of the contract"}}}',
    )
    (cut,) = recount(
        (
            HEADER.replace("notes,created_at", "created_at,notes") + "7,8,2026-01-02,paid,,,,2026-01-02T03:04:05Z"
        ).encode()
    ).rows
    assert cut[-1] == '{"missing_cells":1}'


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_reject_begins_on_a_line_of_the_file_however_lines_end(end):
    noted = RECORD.replace("a note", '"three\r\nlines\rof it"')
    bad = noted.replace("7,", "seven,", 1).strip()
    body = f"{HEADER}{noted}\r\n{RECORD.strip()}\r{bad}{end}{RECORD}"
    counted = recount(body.encode())
    assert (len(counted.rows), counted.rejects) == (3, ((7, bad),))


def test_a_compressed_file_is_what_it_holds():
    body = (HEADER + RECORD).encode()
    assert recount(gzip.compress(body)) == recount(body)


@pytest.mark.parametrize(
    ("body", "rows"),
    [
        (HEADER, 0),
        (HEADER.strip(), 0),
        ("\ufeff" + HEADER + RECORD, 1),
        ((HEADER + RECORD).replace("\n", "\r\n"), 1),
        (HEADER + RECORD.strip(), 1),
        (HEADER + "\n" + RECORD + "\n" + RECORD, 2),
        (HEADER.upper() + RECORD, 1),
        (HEADER + RECORD.replace("a note", '"two lines:\nand a ""quote"", so"'), 1),
    ],
)
def test_what_is_spelled_otherwise_is_the_same_file(body, rows):
    counted = recount(body.encode())
    assert counted.problem is None
    assert len(counted.rows) == rows


def test_a_quoted_line_break_stays_in_its_cell():
    body = HEADER + RECORD.replace("a note", '"two\nlines, ""quoted"""')
    assert recount(body.encode()).rows[0][7] == 'two\nlines, "quoted"'


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"", "it is empty"),
        (b"\n\n", "it is empty"),
        (b"id,name\n1,a\n", "its header is id,name"),
        (RECORD.encode(), "its header is 7,8"),
        ((HEADER + "1,2,3\n").encode(), "nothing but rejects"),
        ((HEADER + RECORD.replace("a note", '"never closed')).encode(), "no CSV"),
        (gzip.compress((HEADER + RECORD).encode())[:-5], "no gzip"),
        ((HEADER + RECORD.replace("a note", "Grüße")).encode("latin-1"), "not UTF-8"),
        ((HEADER + RECORD.replace("a note", "a\x00b")).encode(), "NUL"),
    ],
)
def test_a_bad_file_has_no_rows_and_a_reason(body, problem):
    counted = recount(body)
    assert counted.rows == counted.rejects == ()
    assert problem in str(counted.problem)
