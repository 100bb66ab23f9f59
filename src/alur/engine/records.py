"""The record: what a commit holds, path by path, in a document that the snapshot names. It is kept for ever."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from alur.clock import to_iso
from alur.ledger.model import SCHEMA_VERSION


@dataclass(frozen=True, slots=True)
class RecordedFile:
    """What a commit says of one path.

    Attributes:
        path: `s3://bucket/key`.
        etag: of the version that was claimed.
        verdict: `published`, or the type of the error for which the file was left out.
        rows: its rows in the commit.
        rejects: its rejected rows.
    """

    path: str
    etag: str
    verdict: str
    rows: int
    rejects: int = 0


PUBLISHED = "published"
"""The verdict of a path that the commit names."""


def record_uri(lake_bucket: str, ingestion_key: str, batch_id: str, nonce: str) -> str:
    """Say where the record of one attempt to publish a batch is."""
    return f"s3://{lake_bucket}/alur/records/{ingestion_key}/{batch_id}/{nonce}.json"


def attempt_of(uri: str) -> str:
    """Return the nonce of the attempt whose record this is.

    Args:
        uri: what `record_uri` said.
    """
    return uri.rpartition("/")[2].removesuffix(".json")


def record_document(
    *,
    ingestion_key: str,
    batch_id: str,
    token: str,
    pin: int,
    contract_fingerprint: str,
    created_at: datetime,
    files: list[RecordedFile],
) -> dict[str, Any]:
    """Render a record as JSON's own types."""
    return {
        "schema_version": SCHEMA_VERSION,
        "ingestion_key": ingestion_key,
        "batch_id": batch_id,
        "token": token,
        "looked_at_snapshot": str(pin),
        "contract_fingerprint": contract_fingerprint,
        "created_at": to_iso(created_at),
        "files": [
            {
                "path": file.path,
                "etag": file.etag,
                "verdict": file.verdict,
                "rows": file.rows,
                "rejects": file.rejects,
            }
            for file in sorted(files, key=lambda file: file.path)
        ],
    }


def recorded_files(document: Mapping[str, Any]) -> tuple[RecordedFile, ...]:
    """Read the files of a record, published and left out.

    Args:
        document: what `record_document` rendered.
    """
    return tuple(
        RecordedFile(file["path"], file["etag"], file["verdict"], int(file["rows"]), int(file.get("rejects", 0)))
        for file in document["files"]
    )


def published_paths(document: Mapping[str, Any]) -> frozenset[str]:
    """Return the paths that a commit with this record has published."""
    return frozenset(file["path"] for file in document["files"] if file["verdict"] == PUBLISHED)
