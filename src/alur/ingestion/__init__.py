"""Reading files under a contract: `load_to_bronze`. Needs Spark."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from alur.ingestion.bronze import load_to_bronze as load_to_bronze

__all__ = ["load_to_bronze"]


def __getattr__(name: str) -> Any:
    # At its first use: a pipeline's module is imported where there is no Spark, to be listed and checked.
    if name == "load_to_bronze":
        from alur.ingestion.bronze import load_to_bronze

        return load_to_bronze
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
