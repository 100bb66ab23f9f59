"""Buckets of a name that a test has fixed, on the server that every suite of the process shares."""

from __future__ import annotations

from typing import Any


def delete_bucket(s3: Any, name: str) -> None:
    """Delete a bucket with all that it holds."""
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=name):
        for found in page.get("Contents", ()):
            s3.delete_object(Bucket=name, Key=found["Key"])
    s3.delete_bucket(Bucket=name)
