"""The manifest: the list of a batch's candidates in S3, written before they are claimed, never changed.

It names who may be in the batch; which of them the batch owns, and in which version, the ledger says.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from alur.clock import from_iso, to_iso
from alur.ledger.model import SCHEMA_VERSION, FileVersion


@dataclass(frozen=True, slots=True)
class Candidate:
    """A file version that an event named.

    Attributes:
        version: what the event says it is.
        event_at: when the event happened.
    """

    version: FileVersion
    event_at: datetime


@dataclass(frozen=True, slots=True)
class Manifest:
    """A batch's candidates, each path once.

    Attributes:
        contract_fingerprint: of the contract as the dispatcher knew it.
    """

    ingestion_key: str
    batch_id: str
    created_at: datetime
    contract_fingerprint: str
    candidates: tuple[Candidate, ...]

    @property
    def paths(self) -> tuple[str, ...]:
        """The candidates' paths."""
        return tuple(candidate.version.path for candidate in self.candidates)

    def to_document(self) -> dict[str, Any]:
        """Render as JSON's own types."""
        return {
            "schema_version": SCHEMA_VERSION,
            "ingestion_key": self.ingestion_key,
            "batch_id": self.batch_id,
            "created_at": to_iso(self.created_at),
            "contract_fingerprint": self.contract_fingerprint,
            "files": [
                {
                    "bucket": candidate.version.bucket,
                    "key": candidate.version.key,
                    "etag": candidate.version.etag,
                    "size_bytes": candidate.version.size_bytes,
                    "version_id": candidate.version.version_id,
                    "event_at": to_iso(candidate.event_at),
                }
                for candidate in self.candidates
            ],
        }

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Manifest:
        """Read what `to_document` rendered."""
        return cls(
            ingestion_key=document["ingestion_key"],
            batch_id=document["batch_id"],
            created_at=from_iso(document["created_at"]),
            contract_fingerprint=document["contract_fingerprint"],
            candidates=tuple(
                Candidate(
                    FileVersion(file["bucket"], file["key"], file["etag"], file["size_bytes"], file.get("version_id")),
                    from_iso(file["event_at"]),
                )
                for file in document["files"]
            ),
        )


def manifest_uri(lake_bucket: str, ingestion_key: str, batch_id: str) -> str:
    """Say where a batch's manifest is."""
    return f"s3://{lake_bucket}/alur/batches/{ingestion_key}/{batch_id}/manifest.json"
