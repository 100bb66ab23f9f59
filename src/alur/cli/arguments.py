"""The kinds of arguments that commands take: ages and paths of files."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import click

from alur.ledger.paths import MAX_PATH_BYTES, split_path

_UNITS = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}
_AGE = re.compile(r"([0-9]{1,6})([hdw])")
_LONGEST = timedelta(days=36_500)


class Age(click.ParamType):
    """An option's value that is an age: `90d`, `12w`, `36h`."""

    name = "AGE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """Return it as a timedelta."""
        if isinstance(value, timedelta):
            return value
        age = parse_age(str(value))
        if age is None:
            self.fail(f"{value!r} is no age: write hours, days or weeks, as 36h, 90d or 12w", param, ctx)
        return age


def parse_age(text: str) -> timedelta | None:
    """Read an age; None: it is none, or longer than a century.

    Args:
        text: as `90d`.
    """
    match = _AGE.fullmatch(text.strip())
    if match is None:
        return None
    age = int(match[1]) * _UNITS[match[2]]
    return age if age <= _LONGEST else None


class FilePath(click.ParamType):
    """An argument that is a file's path, as the ledger has it: `s3://bucket/key`, not encoded."""

    name = "s3://bucket/key"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return it as it is, if it is one."""
        path = str(value)
        try:
            _, key = split_path(path)
        except ValueError:
            self.fail(f"{path!r} is no file's path: write s3://bucket/key, the key as S3 has it", param, ctx)
        if not key:
            self.fail(f"{path!r} names a bucket and no file: write s3://bucket/key", param, ctx)
        if len(path.encode()) > MAX_PATH_BYTES:
            self.fail(f"{path!r} is longer than {MAX_PATH_BYTES} bytes, the most that the ledger holds", param, ctx)
        return path
