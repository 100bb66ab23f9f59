"""Alur: files in, bronze rows out, exactly once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from alur.decorators import pipeline as pipeline

__all__ = ["pipeline"]


def __getattr__(name: str) -> Any:
    # At its first use: every Lambda function imports this package, and none of them a pipeline.
    if name == "pipeline":
        from alur.decorators import pipeline

        return pipeline
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
