"""Reading files under a contract: `load_to_bronze`."""

from __future__ import annotations

from alur.ingestion.bronze import load_to_bronze

__all__ = ["load_to_bronze"]
