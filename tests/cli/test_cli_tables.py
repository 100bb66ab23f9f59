"""How rows are printed: a table where there is room, else a value a line; nothing is broken or taken for markup."""

from __future__ import annotations

from io import StringIO

import pytest
from rich.console import Console

from alur.cli.output import print_table

COLUMNS = ("table", "completed", "oldest processing")
ROWS = [("orders[a]/x", 1_234, "3 d 4 h"), ("items", 0, "-")]


def printed(width: int, rows: list[tuple[object, ...]] = ROWS) -> str:
    out = StringIO()
    print_table("Files [now]", COLUMNS, rows, Console(file=out, width=width, highlight=False))
    return out.getvalue()


def test_where_there_is_room_it_is_a_table():
    assert [line.rstrip() for line in printed(80).splitlines()] == [
        "Files [now]",
        "┏━━━━━━━━━━━━━┳━━━━━━━━━━━┳━━━━━━━━━━━━━━━━━━━┓",
        "┃ table       ┃ completed ┃ oldest processing ┃",
        "┡━━━━━━━━━━━━━╇━━━━━━━━━━━╇━━━━━━━━━━━━━━━━━━━┩",
        "│ orders[a]/x │     1,234 │ 3 d 4 h           │",
        "│ items       │         0 │ -                 │",
        "└─────────────┴───────────┴───────────────────┘",
    ]


def test_where_there_is_none_it_is_a_value_a_line():
    assert printed(36).splitlines() == [
        "Files [now]",
        "orders[a]/x",
        "  completed: 1,234",
        "  oldest processing: 3 d 4 h",
        "items",
        "  completed: 0",
        "  oldest processing: -",
    ]


@pytest.mark.parametrize("width", range(20, 60))
def test_at_no_width_a_word_of_a_heading_is_broken(width):
    text = printed(width)
    assert all(word in text for column in COLUMNS for word in column.split() if column != "table")


def test_a_long_cell_is_folded_and_the_table_stays():
    text = printed(50, [("x" * 60, 1, "-")])
    assert "┃ table" in text
    assert text.count("x") == 60
