"""What the suites of the ledger and of what stands on it share: tables of DynamoDB Local, versions, claimants."""

from __future__ import annotations

import itertools
import os
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

from alur.contracts.contract import OnOverwrite
from alur.ledger.model import FileVersion, LedgerItem, Status
from alur.ledger.transitions import Claimant

NOW = datetime(2026, 11, 23, 10, 0, 0, tzinfo=UTC)
BUCKET = "landing"
KEY = "orders"

_numbers = itertools.count()


class Ticking:
    """A clock that stands until it is moved."""

    def __init__(self, now: datetime = NOW) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **by: float) -> None:
        self.now += timedelta(**by)


def unique(prefix: str) -> str:
    """A name that no other test has, in this process or another."""
    return f"{prefix}-{os.getpid()}-{next(_numbers)}-{uuid.uuid4().hex[:6]}"


def create_state_table(dynamodb: Any) -> str:
    """Create a table as the template declares the state table, and return its name."""
    name = unique("state")
    dynamodb.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=_strings("ingestion_key", "file_path"),
        KeySchema=_key("ingestion_key", "file_path"),
    )
    return name


def create_batches_table(dynamodb: Any) -> str:
    """Create a table as the template declares the batches table, and return its name."""
    name = unique("batches")
    dynamodb.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=_strings("ingestion_key", "batch_id", "open_key"),
        KeySchema=_key("ingestion_key", "batch_id"),
        GlobalSecondaryIndexes=[
            {
                "IndexName": "open",
                "KeySchema": _key("open_key", "batch_id"),
                "Projection": {"ProjectionType": "ALL"},
            }
        ],
    )
    return name


def version(key: str = "orders/a.csv", etag: str = "e1", size_bytes: int = 10, bucket: str = BUCKET) -> FileVersion:
    return FileVersion(bucket, key, etag, size_bytes)


def item(status: Status = Status.PROCESSING, **changed: Any) -> LedgerItem:
    """An item of `version()`, owned by batch `b1` under fingerprint `f1`."""
    facts: dict[str, Any] = {
        "ingestion_key": KEY,
        "path": version().path,
        "etag": "e1",
        "size_bytes": 10,
        "status": status,
        "batch_id": "b1",
        "contract_fingerprint": "f1",
    }
    return LedgerItem(**{**facts, **changed})


def claimant(
    batch_id: str = "b2", on_overwrite: OnOverwrite = OnOverwrite.REPLACE, fingerprint: str = "f1", key: str = KEY
) -> Claimant:
    return Claimant(key, batch_id, on_overwrite, fingerprint, "sales_db")


def _strings(*names: str) -> list[dict[str, str]]:
    return [{"AttributeName": name, "AttributeType": "S"} for name in names]


def _key(partition: str, sort: str) -> list[dict[str, str]]:
    return [{"AttributeName": partition, "KeyType": "HASH"}, {"AttributeName": sort, "KeyType": "RANGE"}]
