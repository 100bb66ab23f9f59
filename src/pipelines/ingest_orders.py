"""Orders, by `alur run ingest_orders`, and how to write a pipeline of your own.

A pipeline loads files that nobody has ingested yet and returns the rows to be written; in between it may do what it
likes with them, as long as the columns `_source_file`, `_source_etag` and `_batch_id` stay as they are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from alur import pipeline
from alur.engine import get_spark_session
from alur.ingestion import load_to_bronze
from contracts.orders import OrdersBronze

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


@pipeline(sources={}, target=OrdersBronze)
def ingest_orders() -> DataFrame:
    """Every new file of orders, as it is."""
    return load_to_bronze(
        get_spark_session(),
        source_path="s3://${LandingBucket}/orders/**/*.csv",
        source_system="sales_db",
        target=OrdersBronze,
        strict_mode=False,
    )
