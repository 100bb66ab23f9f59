"""zstd, for which Python 3.11 has no decompressor: Spark's own unpacks such a file, from S3 to S3, before it is read.

It streams inside the JVM; the copy is plain text under `staging/` of the lake bucket, which a lifecycle rule expires.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from py4j.protocol import Py4JJavaError
from pyspark.sql import SparkSession

from alur.aws.storage import Storage
from alur.contracts.contract import Contract
from alur.delimited.compression import is_zstd
from alur.errors import FileError, FileVanished, UnreadableFile
from alur.ingestion.failures import first_line
from alur.ingestion.jvm import java_class
from alur.ingestion.naming import Source
from alur.ledger.model import FileVersion
from alur.ledger.paths import split_path

_MEGABYTE = 1024 * 1024


def unpack(
    spark: SparkSession,
    storage: Storage,
    contract: Contract,
    sources: Sequence[Source],
    *,
    lake_bucket: str,
    batch_id: str,
) -> tuple[dict[str, FileVersion], dict[str, FileError]]:
    """Unpack those files that have to be.

    Args:
        spark: the session.
        storage: S3.
        contract: of their table.
        sources: files.
        lake_bucket: where the unpacked ones go.
        batch_id: of the batch that reads them.

    Returns:
        The unpacked objects, and why others could not be unpacked, by the files' paths.
    """
    unpacked: dict[str, FileVersion] = {}
    failed: dict[str, FileError] = {}
    for number, source in enumerate(sources):
        if not is_zstd(contract, source.version.key):
            continue
        path, uri = source.version.path, f"s3://{lake_bucket}/staging/{batch_id}/unpacked-{number:06d}.csv"
        limit = contract.dialect.max_uncompressed_mb
        try:
            size = _unpack(spark, source.uri, uri, limit * _MEGABYTE + 1)
        except Py4JJavaError as error:
            said = first_line(Exception(str(error.java_exception)))
            gone = "FileNotFoundException" in said
            failed[path] = FileVanished(path) if gone else UnreadableFile(path, f"its zstd cannot be unpacked: {said}")
            continue
        if size > limit * _MEGABYTE:
            failed[path] = UnreadableFile(
                path,
                f"it holds more than {limit} MB unpacked (Meta.max_uncompressed_mb); raise that, or send it in parts",
            )
            continue
        found = storage.head(*split_path(uri))
        if found is None:
            failed[path] = UnreadableFile(path, f"its unpacked copy {uri} is gone; upload it again")
        else:
            unpacked[path] = found
    return unpacked, failed


def as_text(contract: Contract) -> Contract:
    """Return the contract of a file that has been unpacked.

    Args:
        contract: of the file as it was.
    """
    return replace(contract, dialect=replace(contract.dialect, compression="none"))


def _unpack(spark: SparkSession, uri: str, to: str, most_bytes: int) -> int:
    settings: Any = spark.sparkContext._jsc.hadoopConfiguration()
    path = java_class(spark, "org.apache.hadoop.fs.Path")
    source, target = path(uri), path(to)
    packed = java_class(spark, "com.github.luben.zstd.ZstdInputStream")(source.getFileSystem(settings).open(source))
    files = target.getFileSystem(settings)
    java_class(spark, "org.apache.hadoop.io.IOUtils").copyBytes(packed, files.create(target), most_bytes, True)
    return int(files.getFileStatus(target).getLen())
