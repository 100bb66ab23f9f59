"""Files of orders, as the contract `OrdersBronze` has them. Pure."""

from __future__ import annotations

from collections.abc import Iterator

HEADER = "order_id,customer_id,order_date,status,quantity,amount,currency,notes,created_at"


def orders(rows: int, first_id: int, notes: str) -> str:
    """Return a file of orders.

    Args:
        rows: how many.
        first_id: the first order's number.
        notes: what is noted in each, without commas and quotation marks.
    """
    return "\n".join([HEADER, *_rows(rows, first_id, notes)]) + "\n"


def _rows(rows: int, first_id: int, notes: str) -> Iterator[str]:
    for number in range(rows):
        day = f"2026-03-{1 + number % 28:02}"
        cells = (
            first_id + number,
            2000 + number % 97,
            day,
            "paid",
            1 + number % 5,
            f"{10 + number % 90}.50",
            "EUR",
            notes,
            f"{day}T{number % 24:02}:15:00Z",
        )
        yield ",".join(map(str, cells))
