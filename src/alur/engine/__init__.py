"""Tables, sessions and pipelines on Spark: `AWSAdapter`, `PipelineRunner`, `get_spark_session`."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from alur.engine.session import get_spark_session

if TYPE_CHECKING:
    from alur.engine.adapter import AWSAdapter as AWSAdapter
    from alur.engine.runner import PipelineRunner as PipelineRunner

__all__ = ["AWSAdapter", "PipelineRunner", "get_spark_session"]

_PLACES = {"AWSAdapter": "adapter", "PipelineRunner": "runner"}


def __getattr__(name: str) -> Any:
    # At its first use: a pipeline's module is imported where there is no Spark, to be listed and checked.
    if name in _PLACES:
        return getattr(import_module(f"alur.engine.{_PLACES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
