"""Orders, and how to add a table of your own.

1. Copy this file, or write another class into it. The class's name makes the table's: `OrdersBronze` is the table
   `orders`, `OrderItemsBronze` would be `order_items`.
2. Declare one field for each column of the files, by the name in their header and in its order. A field may be
   left empty unless it says `nullable=False`.
3. Say in `Meta.source_path` which files belong to the table. `${LandingBucket}` is the landing bucket of whichever
   environment runs; `**` stands for any number of folders, `*` for any name, `{csv,txt}` for either, `[0-9]` for a
   digit. A list takes several such globs.

A mistake is named when the class is loaded, with what to write instead. Then drop a file: its rows arrive once.
"""

from __future__ import annotations

from alur.contracts import (
    BronzeTable,
    DateField,
    DecimalField,
    IntegerField,
    LongField,
    StringField,
    TimestampField,
)


class OrdersBronze(BronzeTable):
    """The shop's orders, one row for each."""

    order_id = LongField(nullable=False, description="the shop's number of the order")
    customer_id = LongField(nullable=False, description="who ordered")
    order_date = DateField(nullable=False, description="the day of the order, in the shop's time zone")
    status = StringField(nullable=False, description="pending, paid, shipped, delivered, returned or cancelled")
    quantity = IntegerField(description="how many pieces")
    amount = DecimalField(12, 2, description="what the customer pays, in the order's currency")
    currency = StringField(description="ISO 4217, as EUR")
    notes = StringField(description="what the customer wrote, line breaks and all")
    created_at = TimestampField(nullable=False, description="when the shop wrote the order down, UTC")

    class Meta:
        source_path = "s3://${LandingBucket}/orders/**/*.csv"
        source_system = "sales_db"
        description = "Orders as the shop's database exports them"
