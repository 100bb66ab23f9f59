"""A file's path, as the ledger and the table write it: `s3://bucket/key`, never encoded."""

from __future__ import annotations

MAX_PATH_BYTES = 1024
"""The longest path that an item can have, in UTF-8: DynamoDB's sort key ends there. A key of S3 alone may be as long.

Source: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html.
"""


def split_path(path: str) -> tuple[str, str]:
    """Split `s3://bucket/key` into bucket and key; the key may be anything, and may begin with a slash.

    Args:
        path: the path.

    Raises:
        ValueError: it is no such path.
    """
    scheme, _, rest = path.partition("://")
    bucket, slash, key = rest.partition("/")
    if scheme != "s3" or not bucket or not slash:
        raise ValueError(f"{path!r} is not s3://bucket/key")
    return bucket, key
