"""The recount from the bytes, which everything is measured by."""

from __future__ import annotations

import pytest
from recount import COLUMNS, Recount, recount

HEADER = ",".join(COLUMNS) + "\n"
RECORD = "7,8,2026-01-02,paid,3,4.5,EUR,a note,2026-01-02T03:04:05Z\n"
ROW = ("7", "8", "2026-01-02", "paid", "3", "4.50", "EUR", "a note", "2026-01-02 03:04:05")


def test_a_good_file_is_its_rows():
    assert recount((HEADER + RECORD).encode()) == Recount((ROW,), None)


def test_an_empty_cell_is_null_where_it_may_be():
    body = HEADER + "7,8,2026-01-02,paid,,,,,2026-01-02T03:04:05Z\n"
    assert recount(body.encode()).rows == (("7", "8", "2026-01-02", "paid", None, None, None, None, ROW[-1]),)


@pytest.mark.parametrize("name", ["order_id", "customer_id", "order_date", "status", "created_at"])
def test_an_empty_cell_spoils_the_file_where_something_must_be(name):
    cells = RECORD.strip().split(",")
    cells[COLUMNS.index(name)] = ""
    assert recount((HEADER + RECORD + ",".join(cells)).encode()).problem == f"record 2: {name} is empty"


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
        ((HEADER + "1,2,3\n").encode(), "record 1 has 3 cells"),
        ((HEADER + RECORD.replace("7,", "seven,")).encode(), "record 1: 'seven' is no whole number"),
        ((HEADER + RECORD.replace("4.5", "4.567")).encode(), "record 1: '4.567' is no amount"),
        ((HEADER + RECORD.replace("2026-01-02,", "2026-02-30,")).encode(), "record 1: "),
        ((HEADER + RECORD.replace("a note", "Grüße")).encode("latin-1"), "not UTF-8"),
        ((HEADER + RECORD.replace("a note", "a\x00b")).encode(), "NUL"),
    ],
)
def test_a_bad_file_has_no_rows_and_a_reason(body, problem):
    counted = recount(body)
    assert counted.rows == ()
    assert problem in str(counted.problem)
