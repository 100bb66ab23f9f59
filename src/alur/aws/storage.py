"""S3: what an object is now, listings, and the small documents that Alur keeps beside the tables."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from alur.errors import FileChanged, FileVanished, StorageRefused, StorageUnavailable
from alur.ledger.model import FileVersion
from alur.ledger.paths import split_path

_NOT_FOUND = frozenset({"404", "NoSuchKey", "NotFound"})
_NOT_THAT_VERSION = frozenset({"412", "PreconditionFailed"})
_PERMANENT = _NOT_THAT_VERSION | {
    "400",
    "403",
    "AccessDenied",
    "EntityTooLarge",
    "InvalidBucketName",
    "InvalidRequest",
    "NoSuchBucket",
    "PermanentRedirect",
}


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a listing.

    Attributes:
        objects: what is there, in the order of the keys' UTF-8 bytes.
        has_folders: the listing was cut at `/`, and there are keys below.
        is_last: nothing comes after it.
        listed_at: S3's own time of the answer; it dates objects by the same clock.
    """

    objects: tuple[FileVersion, ...]
    has_folders: bool
    is_last: bool
    listed_at: datetime


class Storage:
    """S3 over a boto3 client.

    Every method raises `StorageUnavailable` or `StorageRefused` when S3 cannot be asked.

    Args:
        client: a boto3 `s3` client.
    """

    def __init__(self, client: Any) -> None:
        self._client = client

    @property
    def region(self) -> str | None:
        """The Region that S3 is asked in."""
        region: str | None = self._client.meta.region_name
        return region

    def head(self, bucket: str, key: str) -> FileVersion | None:
        """Return what the object is now; None: there is none.

        Needs `s3:ListBucket`: without it a missing object is a 403, which raises.
        """
        seen = self.see(bucket, key)
        return seen[0] if seen else None

    def see(self, bucket: str, key: str) -> tuple[FileVersion, datetime] | None:
        """Return what the object is now, and S3's own time of the answer; None: there is none."""
        try:
            with _translated("HeadObject", f"s3://{bucket}/{key}"):
                answer = self._client.head_object(Bucket=bucket, Key=key)
        except _NotFound:
            return None
        version = FileVersion(
            bucket,
            key,
            answer["ETag"].strip('"'),
            answer["ContentLength"],
            _version(answer.get("VersionId")),
            answer["LastModified"],
        )
        return version, _date(answer)

    def pages(
        self, bucket: str, prefix: str, *, start_after: str = "", delimiter: str = "", page_size: int = 1000
    ) -> Iterator[Page]:
        """Yield the pages of a listing: up to 1,000 objects a call.

        Args:
            bucket: which bucket.
            prefix: what every key begins with.
            start_after: only keys after this one.
            delimiter: `/` for the objects of one folder only.
            page_size: objects a call, at most 1,000.
        """
        arguments: dict[str, Any] = {"Bucket": bucket, "Prefix": prefix, "MaxKeys": page_size}
        if start_after:
            arguments["StartAfter"] = start_after
        if delimiter:
            arguments["Delimiter"] = delimiter
        while True:
            with _translated("ListObjectsV2", f"s3://{bucket}/{prefix}"):
                answer = self._client.list_objects_v2(**arguments)
            objects = tuple(
                FileVersion(bucket, found["Key"], found["ETag"].strip('"'), found["Size"], None, found["LastModified"])
                for found in answer.get("Contents", ())
            )
            is_last = not answer.get("IsTruncated", False)
            yield Page(objects, bool(answer.get("CommonPrefixes")), is_last, _date(answer))
            if is_last:
                return
            arguments["ContinuationToken"] = answer["NextContinuationToken"]

    def read(self, bucket: str, key: str, *, first_bytes: int | None = None) -> bytes | None:
        """Return an object's bytes, or the first of them; None: there is no such object.

        Args:
            bucket: which bucket.
            key: which object.
            first_bytes: at most so many; None: all.
        """
        arguments: dict[str, Any] = {"Bucket": bucket, "Key": key}
        if first_bytes is not None:
            arguments["Range"] = f"bytes=0-{first_bytes - 1}"
        try:
            with _translated("GetObject", f"s3://{bucket}/{key}"):
                body: bytes = self._client.get_object(**arguments)["Body"].read()
                return body
        except _NotFound:
            return None
        except _EmptyRange:
            return b""

    def stream(self, version: FileVersion, *, chunk_bytes: int = 1024 * 1024) -> Iterator[bytes]:
        """Yield an object's bytes, of that version and of no other.

        Args:
            version: the version.
            chunk_bytes: how many at a time, at most.

        Raises:
            FileVanished: there is no such object.
            FileChanged: it is not that version any more.
        """
        try:
            with _translated("GetObject", version.path):
                answer = self._client.get_object(Bucket=version.bucket, Key=version.key, IfMatch=version.etag)
                body = answer["Body"]
                while chunk := body.read(chunk_bytes):
                    yield chunk
        except _NotFound:
            raise FileVanished(version.path) from None
        except StorageRefused as refusal:
            if refusal.code in _NOT_THAT_VERSION:
                raise FileChanged(version.path, version.etag, "another") from None
            raise

    def copy(self, source: FileVersion, bucket: str, key: str) -> bool:
        """Copy one version of an object, and no other; False: the object is not that version any more.

        Args:
            source: the version.
            bucket: whither.
            key: under which name.
        """
        try:
            with _translated("CopyObject", source.path):
                self._client.copy_object(
                    Bucket=bucket,
                    Key=key,
                    CopySource={"Bucket": source.bucket, "Key": source.key},
                    CopySourceIfMatch=source.etag,
                    # To copy the source's tags would need permissions on them.
                    TaggingDirective="REPLACE",
                )
        except _NotFound:
            return False
        except StorageRefused as refusal:
            if refusal.code in _NOT_THAT_VERSION:
                return False
            raise
        return True

    def put_document(self, uri: str, document: Mapping[str, Any]) -> None:
        """Write a JSON document.

        Args:
            uri: `s3://bucket/key`.
            document: JSON's own types.
        """
        bucket, key = split_path(uri)
        body = json.dumps(document, separators=(",", ":"), sort_keys=True).encode()
        with _translated("PutObject", uri):
            self._client.put_object(Bucket=bucket, Key=key, Body=body, ContentType="application/json")

    def get_document(self, uri: str) -> Any:
        """Read a JSON document.

        Args:
            uri: `s3://bucket/key`.

        Raises:
            StorageRefused: there is none (code `NoSuchKey`).
        """
        bucket, key = split_path(uri)
        body = self.read(bucket, key)
        if body is None:
            raise StorageRefused("GetObject", uri, "NoSuchKey")
        return json.loads(body)


class _NotFound(Exception):
    """S3 says there is no such object."""


class _EmptyRange(Exception):
    """A range was asked of an object without bytes."""


@contextmanager
def _translated(operation: str, uri: str) -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "unknown")
        if code in _NOT_FOUND:
            raise _NotFound from error
        if code == "InvalidRange":
            raise _EmptyRange from error
        raise (StorageRefused if code in _PERMANENT else StorageUnavailable)(operation, uri, code) from error
    except BotoCoreError as error:
        raise StorageUnavailable(operation, uri, type(error).__name__) from error


def _version(version_id: str | None) -> str | None:
    # A bucket that never kept versions, or does not any more, calls its only one "null".
    return None if version_id in (None, "null") else version_id


def _date(answer: Mapping[str, Any]) -> datetime:
    return parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"])
