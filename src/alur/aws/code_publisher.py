"""The job's code in the artifacts bucket, under the hash of its content.

Code that a run may still need is never deleted here. What a deploy supersedes is written anew with a tag, by which a
lifecycle rule of the bucket expires it later. A rule by age alone would also expire code that is in use, if nobody
deployed for long enough; and the age that S3 counts is that of the object, so that the tag alone, on an old object,
would expire it at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from alur.aws.code_archive import PackedCode
from alur.errors import DeployError

ARCHIVE_NAME = "alur.tar.gz"
"""The archive's name under its hash."""

ENTRY_POINT_NAME = "main.py"
"""The entry point's name under its hash."""

SUPERSEDED = "alur-superseded"
"""The tag, with the value `true`, by which the bucket's lifecycle rule knows old code; and the metadata's name."""

_PREFIX = "code/"


@dataclass(frozen=True, slots=True)
class PublishedCode:
    """Where the code is.

    Attributes:
        archive_uri: `s3://…/code/<digest>/alur.tar.gz`.
        entry_point_uri: `s3://…/code/<digest>/main.py`.
    """

    archive_uri: str
    entry_point_uri: str


class CodePublisher:
    """The artifacts bucket over a boto3 client.

    Every method raises `DeployError` when S3 refuses or cannot be asked.

    Args:
        client: a boto3 `s3` client.
        bucket: the artifacts bucket.
    """

    def __init__(self, client: Any, bucket: str) -> None:
        self._client = client
        self._bucket = bucket

    def publish(self, code: PackedCode) -> PublishedCode:
        """Upload the code, unless it is there already, and say where it is.

        Args:
            code: what `code_archive.pack` made.
        """
        for name, body in ((ARCHIVE_NAME, code.archive), (ENTRY_POINT_NAME, code.entry_point)):
            key = f"{_PREFIX}{code.digest}/{name}"
            # Superseded, and back after a roll-back: a new object has no tag, and its age begins again.
            if self._is_superseded(key) is not False:
                with _translated(f"uploading s3://{self._bucket}/{key}"):
                    self._client.put_object(Bucket=self._bucket, Key=key, Body=body)
        where = f"s3://{self._bucket}/{_PREFIX}{code.digest}"
        return PublishedCode(f"{where}/{ARCHIVE_NAME}", f"{where}/{ENTRY_POINT_NAME}")

    def supersede_others(self, digest: str) -> tuple[str, ...]:
        """Mark all other code as superseded: the bucket's lifecycle rule counts from now. Return those digests.

        Args:
            digest: the code that stays.
        """
        marked: list[str] = []
        for other in self._digests():
            if other == digest:
                continue
            keys = [f"{_PREFIX}{other}/{name}" for name in (ARCHIVE_NAME, ENTRY_POINT_NAME)]
            current = [key for key in keys if self._is_superseded(key) is False]
            for key in current:
                with _translated(f"marking s3://{self._bucket}/{key}"):
                    self._client.copy_object(
                        Bucket=self._bucket,
                        Key=key,
                        CopySource={"Bucket": self._bucket, "Key": key},
                        MetadataDirective="REPLACE",
                        Metadata={SUPERSEDED: "true"},
                        TaggingDirective="REPLACE",
                        Tagging=f"{SUPERSEDED}=true",
                    )
            if current:
                marked.append(other)
        return tuple(marked)

    def _digests(self) -> Iterator[str]:
        with _translated(f"listing s3://{self._bucket}/{_PREFIX}"):
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._bucket, Prefix=_PREFIX, Delimiter="/"
            )
            for page in pages:
                for folder in page.get("CommonPrefixes", ()):
                    yield folder["Prefix"].removeprefix(_PREFIX).rstrip("/")

    def _is_superseded(self, key: str) -> bool | None:
        """Say whether an object is marked; None: there is none."""
        with _translated(f"looking for s3://{self._bucket}/{key}"):
            try:
                answer = self._client.head_object(Bucket=self._bucket, Key=key)
            except ClientError as error:
                if error.response.get("Error", {}).get("Code") in ("404", "NoSuchKey", "NotFound"):
                    return None
                raise
        return SUPERSEDED in answer.get("Metadata", {})


@contextmanager
def _translated(step: str) -> Iterator[None]:
    try:
        yield
    except (ClientError, BotoCoreError) as error:
        raise DeployError(step, str(error)) from error
