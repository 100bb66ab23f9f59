"""`load_to_bronze`: files that nobody has ingested yet, as a DataFrame, claimed until it is written.

Light to import: a pipeline's module is imported where there is no Spark, to be listed and checked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from alur.aws.deployment import Deployment
    from alur.contracts.table import BronzeTable


def load_to_bronze(
    spark: SparkSession,
    source_path: str | Sequence[str],
    source_system: str,
    target: type[BronzeTable],
    *,
    validate: bool = True,
    strict_mode: bool = True,
    enable_idempotency: bool = True,
    options: Mapping[str, Any] | None = None,
    custom_metadata: Mapping[str, Any] | None = None,
    exclude_metadata: Sequence[str] | None = None,
    since: datetime | None = None,
    deployment: Deployment | None = None,
    format: str = "csv",
) -> DataFrame:
    """Return the rows of those files that are not in the table yet, claimed until `write_table` writes them.

    What is returned may be filtered, joined to other tables, given columns or united with another load: it is traced
    to its files by its plan. A session that dies before it writes leaves nothing behind; its files are free when its
    lease has passed.

    Args:
        spark: the session.
        source_path: a glob, `s3://bucket/orders/*.csv` (`alur.contracts.globs`; `**` for any depth), or several, of
            any buckets. `${LandingBucket}` stands for the deployment's.
        source_system: becomes `_source_system`.
        target: the table's class.
        validate: compare each file's header with the contract before reading; False: columns are taken by position.
        strict_mode: a file that breaks the contract raises, and nothing is written; False: it is failed with the
            reason, and the others go on.
        enable_idempotency: False: neither look nor note in the ledger: every file is read, and rows may double.
        options: of Spark's CSV reader: `sep`, `quote`, `escape`, `comment`, one character each.
        custom_metadata: constant values of columns of the contract that the files do not have.
        exclude_metadata: of Alur's own columns, those to leave out: `_ingested_at`, `_source_system`, `_rescued_data`.
        since: pass files over whose S3 date is earlier; None: those before the table's watermark.
        deployment: where the ledger and the lake are; None: as variables or samconfig.toml say.
        format: `csv`; nothing else is read.

    Returns:
        The rows, with the table's columns. Where nothing is new they are none, and nothing was read.

    Raises:
        StrictModeError: files break the contract; what was claimed is free again.
        ValueError: an argument cannot be.
        AlurError: S3 or the ledger cannot be asked; what was claimed is free again.
    """
    if format != "csv":
        raise ValueError(f"format={format!r}: only csv is read")
    from alur.ingestion.loading import Request, load_files

    return load_files(
        spark,
        Request(
            source_path=source_path,
            source_system=source_system,
            target=target,
            validate=validate,
            strict_mode=strict_mode,
            enable_idempotency=enable_idempotency,
            options=options,
            custom_metadata=custom_metadata,
            exclude_metadata=exclude_metadata,
            since=since,
            deployment=deployment,
        ),
    )
