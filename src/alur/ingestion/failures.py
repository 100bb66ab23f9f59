"""What Spark says when a read fails, in Alur's words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException

from alur.errors import ReadFailed

_BYTES_AT_FAULT = ("TextParsingException", "MalformedInputException", "CharacterCodingException", "CSV header")
"""What Spark says when a file's bytes, and not the way to them, are at fault."""


@contextmanager
def failing_as_read() -> Iterator[None]:
    """Let what Spark raises be `ReadFailed`."""
    try:
        yield
    except (PySparkException, Py4JJavaError) as error:
        raise read_failed(error) from error


def read_failed(error: BaseException) -> ReadFailed:
    """Say why Spark could not read.

    Args:
        error: what Spark raised.
    """
    chain = _chain(error)
    return ReadFailed(first_line(error), bytes_at_fault=any(sign in chain for sign in _BYTES_AT_FAULT))


def first_line(error: BaseException) -> str:
    """Return what an error of Spark says in its first line."""
    text = str(error).strip()
    return text.splitlines()[0] if text else type(error).__name__


def _chain(error: BaseException) -> str:
    texts: list[str] = []
    cause: BaseException | None = error
    while cause is not None and len(texts) < 20:
        texts.append(f"{type(cause).__name__}: {cause}")
        cause = getattr(cause, "_cause", None) or cause.__cause__
    return "\n".join(texts)
