"""The reader that Spark is: files under a contract, onto a scratch branch."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from alur.contracts.contract import Contract
from alur.engine.iceberg import IcebergTable
from alur.errors import ReadFailed
from alur.ingestion.naming import Source
from alur.ingestion.reader import read_rows
from alur.ingestion.reading import first_line

_BYTES_AT_FAULT = ("TextParsingException", "MalformedInputException", "CharacterCodingException", "CSV header")
"""What Spark says when a file's bytes, and not the way to them, are at fault."""


class SparkReader:
    """`FileReader` over a session.

    Args:
        spark: the session.
        contract: how to read.
        table: whither.
    """

    def __init__(self, spark: SparkSession, contract: Contract, table: IcebergTable) -> None:
        self._spark = spark
        self._contract = contract
        self._table = table

    def append(
        self, branch: str, sources: Sequence[Source], *, whole_folders: set[str], batch_id: str, now: datetime
    ) -> None:
        """See `FileReader.append`."""
        rows = read_rows(self._spark, self._contract, sources, whole_folders=whole_folders, batch_id=batch_id, now=now)
        try:
            self._table.append(branch, rows)
        except (PySparkException, Py4JJavaError) as error:
            raise read_failed(error) from error


def read_failed(error: BaseException) -> ReadFailed:
    """Say in Alur's words why Spark could not read.

    Args:
        error: what Spark raised.
    """
    chain = _chain(error)
    return ReadFailed(first_line(error), bytes_at_fault=any(sign in chain for sign in _BYTES_AT_FAULT))


def _chain(error: BaseException) -> str:
    texts: list[str] = []
    cause: BaseException | None = error
    while cause is not None and len(texts) < 20:
        texts.append(f"{type(cause).__name__}: {cause}")
        cause = getattr(cause, "_cause", None) or cause.__cause__
    return "\n".join(texts)
