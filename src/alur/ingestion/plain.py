"""The plain reading: the engine's own, one pass for all files at once, exact where every line is a plain record.

A physical line is a plain record if its quotes are closed on it and stand around whole cells, if it has as many cells
as the header, and if each of them has a value under the contract. A file of which every line is that holds no quoted
line end, so that its lines are its records, and may be read in pieces by many at once. Any other line is only marked:
it is for the careful reading (`alur.delimited`), which defines what a file means, to say what becomes of it.

The engine splits lines, compares the header with the heading and drops it. To that end it reads each file as text of
one column, whose name is the heading, with a quote and a delimiter that stand in no line; and each byte of it as one
character, so that nothing is lost before the line is looked at: of UTF-8 it would replace what is malformed, and end
the line at U+FFFF.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import StringType, StructField, StructType

from alur.contracts.contract import Contract
from alur.contracts.fields import Field
from alur.delimited.cells import null_texts
from alur.errors import ReadNotExact
from alur.ingestion.columns import OWN_COLUMNS
from alur.ingestion.headings import Heading
from alur.ingestion.jvm import few_rows
from alur.ingestion.naming import Source, paths_to_read
from alur.ingestion.spellings import ABSENT, BETWEEN, ZONED, is_spelled, joined_pattern

UNCLEAR = "to be read carefully"
"""What `_rescued_data` says of a line that is no plain record. No published row has it."""

# The contract's columns, each with the place of its cell.
_Placed = Sequence[tuple[Field, int | None]]

_CORRUPT = "_corrupt_record"
# No header's line.
_TORN = "\ntorn"

_LINES = {
    "mode": "PERMISSIVE",
    "columnNameOfCorruptRecord": _TORN,
    "encoding": "ISO-8859-1",
    "columnPruning": "false",
    # Neither can stand in a line.
    "sep": "\r",
    "quote": "\n",
    "escape": "\n",
    "nullValue": "\n",
    "emptyValue": "",
}

_CELLS = {
    "mode": "PERMISSIVE",
    "columnNameOfCorruptRecord": _CORRUPT,
    # What stands for a cell without anything in it; by default a quoted empty one would be null too.
    "nullValue": "\n",
    "emptyValue": "",
}

_LONGEST_QUOTED_CHARACTERS = 1_000_000
"""A longer line with quotes in it is left to the careful reading: the pattern is tried on it as a whole."""


def read_plainly(
    spark: SparkSession,
    contract: Contract,
    sources: Sequence[Source],
    *,
    heading: Heading,
    whole_folders: set[str],
    batch_id: str,
    now: datetime,
    checks_header: bool = True,
) -> DataFrame:
    """Return the rows of some files, as the bronze table stores them. Lazy: nothing is read yet.

    A line that is no plain record has `UNCLEAR` in `_rescued_data`; of every other that column is null.

    Args:
        spark: the session.
        contract: how to read.
        sources: the files, each with the URI under which Spark finds its bytes.
        heading: what stands above their records.
        whole_folders: folders that are read as a whole; of what else is in them nothing is kept.
        batch_id: of the batch.
        now: becomes `_ingested_at`.
        checks_header: the files' header must be the heading's line; else it is dropped, whatever it is.

    Raises:
        ReadNotExact: Spark would read a file twice.
    """
    name = heading.line.encode().decode("latin-1") if heading.line is not None else "line"
    text = StructType([StructField(name, StringType()), StructField(_TORN, StringType())])
    header = {
        "header": "true" if heading.line is not None else "false",
        "enforceSchema": "false" if checks_header else "true",
        # Without an end the engine would put a line of any length into memory, several times.
        "maxCharsPerColumn": str(contract.dialect.max_record_mb * 1024 * 1024),
    }
    raw = spark.read.schema(text).options(**{**_LINES, **header}).csv(paths_to_read(sources, whole_folders))
    check_each_once(_planned_files(raw))
    files = few_rows(
        spark,
        [("uri", "string"), ("_source_file", "string"), ("_source_etag", "string")],
        [(source.uri, source.version.path, source.version.etag) for source in sources],
    )
    line = F.col(f"`{name.replace('`', '``')}`")
    # `file_path` is percent-encoded; url_decode would also make a blank of a plus.
    uri = F.url_decode(F.replace(F.col("_metadata.file_path"), F.lit("+"), F.lit("%2B")))
    lines = raw.select(
        F.encode(line, "ISO-8859-1").cast("string").alias("__line"),
        F.col(f"`{_TORN}`").alias("__torn"),
        uri.alias("__uri"),
    )
    named = lines.join(F.broadcast(files), F.col("__uri") == F.col("uri"))
    told = named.withColumn("__odd", _is_odd(contract))
    cells = told.withColumn("__cells", _cells(contract, heading))
    placed = list(zip(contract.fields, heading.layout.positions, strict=True))
    typed = cells.withColumn("__typed", F.col("__cells").try_cast(_types(placed, heading)))
    zone = spark.conf.get("spark.sql.session.timeZone") or ""
    values = [_value(contract, field, position, zone) for field, position in placed]
    own: dict[str, Column] = {
        "_ingested_at": F.lit(now),
        "_source_system": F.lit(contract.source_system),
        "_source_file": F.col("_source_file"),
        "_source_etag": F.col("_source_etag"),
        "_batch_id": F.lit(batch_id),
        "_rescued_data": F.when(_is_unclear(contract, placed), F.lit(UNCLEAR)),
    }
    return typed.select(
        *[value.alias(field.name) for field, value in zip(contract.fields, values, strict=True)],
        *[own[name].cast(spark_type).alias(name) for name, spark_type in OWN_COLUMNS],
    )


@dataclass(frozen=True, slots=True)
class Lines:
    """What a file's lines came to.

    Attributes:
        rows: how many there are.
        unclear: how many of them are no plain records.
    """

    rows: int
    unclear: int = 0


def count_by_path(rows: DataFrame) -> dict[str, Lines]:
    """Count rows by their file, and the marks of unclear lines among them.

    Args:
        rows: with `_source_file` and `_rescued_data`.
    """
    counted = (
        rows.groupBy("_source_file")
        .agg(F.count("*").alias("rows"), F.count_if(F.col("_rescued_data") == UNCLEAR).alias("unclear"))
        .collect()
    )
    return {row["_source_file"]: Lines(row["rows"], row["unclear"]) for row in counted}


def plain_line(delimiter: str, quote: str) -> str:
    """Return the pattern of a line whose quotes are closed on it and stand around whole cells.

    Possessive throughout, so that the engine's matcher neither goes back nor recurses on long lines.

    Args:
        delimiter: between cells.
        quote: around them.
    """
    d, q = re.escape(delimiter), re.escape(quote)
    cell = f"(?:{q}(?:[^{q}]++|{q}{q})*+{q}|[^{d}{q}]*+)"
    return rf"^{cell}(?:{d}{cell})*+\z"


def check_each_once(planned: Iterable[str]) -> None:
    """Refuse a read in which a file comes twice: how Spark resolves paths decides that, not what it was told.

    Args:
        planned: the files that Spark is going to read.

    Raises:
        ReadNotExact: one of them is there more than once.
    """
    seen: set[str] = set()
    for file in planned:
        if file in seen:
            raise ReadNotExact(file)
        seen.add(file)


def _planned_files(rows: DataFrame) -> list[str]:
    # DataFrame.inputFiles() would leave out what comes twice.
    relation: Any = rows._jdf.queryExecution().analyzed().relation()
    return [str(file) for file in relation.inputFiles()]


def _types(placed: _Placed, heading: Heading) -> str:
    """Return the type of a record's cells. Converted one by one, a wide table's make a method that no JVM compiles."""
    types = ["string"] * heading.layout.width
    for field, position in placed:
        if position is not None:
            types[position] = field.spark_type
    return f"struct<{','.join(f'c{number}:{one}' for number, one in enumerate(types))},{_CORRUPT}:string>"


def _cells(contract: Contract, heading: Heading) -> Column:
    names = [*(f"c{number}" for number in range(heading.layout.width)), _CORRUPT]
    schema = ", ".join(f"{name} string" for name in names)
    quote = contract.dialect.quote or ""
    options = {**_CELLS, "sep": contract.dialect.delimiter, "quote": quote, "escape": quote}
    # One odd line would cost the parser the beginning of the next one.
    return F.from_csv(F.when(~F.col("__odd"), F.col("__line")), schema, options)


def _is_odd(contract: Contract) -> Column:
    """Whether the line, before it is parted into cells, is no plain record."""
    quote, line = contract.dialect.quote or "", F.col("__line")
    is_closed = line.rlike(plain_line(contract.dialect.delimiter, quote))
    return (
        F.col("__torn").isNotNull()
        | line.isNull()
        | ~F.is_valid_utf8(line)
        | line.contains("\x00")
        # The parser takes it for the end of its input.
        | line.contains("\uffff")
        | (line.contains(quote) & ((F.length(line) > _LONGEST_QUOTED_CHARACTERS) | ~is_closed))
    )


def _is_unclear(contract: Contract, placed: _Placed) -> Column:
    """Whether a line is no plain record, or has a cell without a value."""
    unclear = F.col("__odd") | F.col(f"__cells.{_CORRUPT}").isNotNull()
    kinds: dict[tuple[str, bool], dict[int, Field]] = {}
    for field, position in placed:
        if position is not None:
            kinds.setdefault((field.spark_type, field.nullable), {})[position] = field
        elif not field.nullable:
            unclear = F.lit(True)
    for fields in kinds.values():
        pattern = joined_pattern(list(fields.values()), contract.null_values)
        if pattern is not None:
            cells = [F.coalesce(F.col(f"__cells.c{position}"), F.lit(ABSENT)) for position in fields]
            unclear |= ~F.concat_ws(BETWEEN, *cells).rlike(pattern)
    return unclear


def _value(contract: Contract, field: Field, position: int | None, zone: str) -> Column:
    if position is None:
        return F.lit(None)
    cell, value = F.col(f"__cells.c{position}"), F.col(f"__typed.c{position}")
    if field.spark_type == "string":
        return F.when(~cell.isin(*contract.null_values), cell) if contract.null_values else cell
    if field.spark_type == "timestamp" and zone != "UTC":
        # The engine reads the clock of the session.
        in_utc = F.concat(cell.try_cast("timestamp_ntz").cast("string"), F.lit("Z")).try_cast("timestamp")
        value = F.when(cell.rlike(ZONED), value).otherwise(in_utc)
    nulls = [text for text in sorted(null_texts(contract.null_values)) if is_spelled(field.spark_type, text)]
    return F.when(~F.trim(cell).isin(*nulls), value) if nulls else value
