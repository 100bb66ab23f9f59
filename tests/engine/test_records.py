"""The record of a commit."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from alur.engine.records import PUBLISHED, RecordedFile, published_paths, record_document, record_uri


def document(*files: RecordedFile):
    return record_document(
        ingestion_key="orders",
        batch_id="20260101t000000000z-00000001",
        token="token",
        pin=7_245_364_354_646_213_511,
        contract_fingerprint="0123456789abcdef",
        created_at=datetime(2026, 1, 1, 12, tzinfo=UTC),
        files=list(files),
    )


def test_a_record_names_every_path_with_its_verdict_in_the_order_of_the_paths():
    made = document(
        RecordedFile("s3://b/b.csv", "e2", "HeaderMismatch", 0), RecordedFile("s3://b/a.csv", "e1", PUBLISHED, 3, 1)
    )
    assert made["files"] == [
        {"path": "s3://b/a.csv", "etag": "e1", "verdict": "published", "rows": 3, "rejects": 1},
        {"path": "s3://b/b.csv", "etag": "e2", "verdict": "HeaderMismatch", "rows": 0, "rejects": 0},
    ]
    assert made["created_at"] == "2026-01-01T12:00:00.000Z"


def test_a_record_survives_json_even_where_numbers_are_doubles():
    made = document()
    assert json.loads(json.dumps(made), parse_int=float) == {**made, "schema_version": float(made["schema_version"])}
    assert made["looked_at_snapshot"] == "7245364354646213511"


def test_only_published_paths_shut_others_out_one_without_rows_too():
    made = document(
        RecordedFile("s3://b/full.csv", "e", PUBLISHED, 3),
        RecordedFile("s3://b/bare.csv", "e", PUBLISHED, 0),
        RecordedFile("s3://b/failed.csv", "e", "EmptyFile", 0),
    )
    assert published_paths(made) == {"s3://b/full.csv", "s3://b/bare.csv"}


def test_each_attempt_has_a_record_of_its_own():
    uris = {record_uri("lake", "orders", "batch", nonce) for nonce in ("one", "two")}
    assert uris == {f"s3://lake/alur/records/orders/batch/{nonce}.json" for nonce in ("one", "two")}
