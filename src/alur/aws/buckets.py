"""Whether a bucket is there."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from alur.aws.asking import Refusal, ask


class BucketState(StrEnum):
    """What is known of a bucket."""

    THERE = "there"
    ABSENT = "absent"
    DENIED = "denied"  # there, and somebody else's, or not to be seen by the one who asks
    UNKNOWN = "unknown"  # S3 could not be asked


def bucket_state(client: Any, name: str) -> tuple[BucketState, str]:
    """Return what is known of a bucket, and what S3 said.

    Args:
        client: a boto3 `s3` client.
        name: the bucket's.
    """
    answer = ask(lambda: client.head_bucket(Bucket=name))
    if not isinstance(answer, Refusal):
        return BucketState.THERE, ""
    if answer.code in ("404", "NoSuchBucket"):
        return BucketState.ABSENT, str(answer)
    return (BucketState.DENIED if answer.is_denied else BucketState.UNKNOWN), str(answer)
