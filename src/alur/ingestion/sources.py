"""What lies under some globs: listings, streamed, each object once."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from alur.aws.storage import Page, Storage
from alur.contracts.contract import VARIABLE
from alur.contracts.globs import Glob, compile_glob, listing_prefixes
from alur.errors import ContractError


def resolve_sources(source_path: str | Sequence[str], variables: Mapping[str, str] | None) -> tuple[str, ...]:
    """Return the globs that a caller names, as a tuple, the variables replaced.

    Args:
        source_path: `s3://bucket/…`, or several.
        variables: values of `${…}`; None where none is named.

    Raises:
        ContractError: a glob is not one, names a variable without a value, or there is none at all.
    """
    globs = (source_path,) if isinstance(source_path, str) else tuple(source_path)
    if not globs:
        raise ContractError("source_path", 'it names nothing; write a glob, as "s3://bucket/orders/*.csv"')

    def value_of(match: re.Match[str]) -> str:
        value = (variables or {}).get(match[1])
        if not value:
            raise ContractError(match.string, f"${{{match[1]}}} has no value")
        return value

    resolved = tuple(dict.fromkeys(VARIABLE.sub(value_of, glob) for glob in globs))
    for glob in resolved:
        compile_glob(glob)
    return resolved


def list_sources(storage: Storage, globs: Sequence[str]) -> Iterator[Page]:
    """Yield what the globs mean, as pages of S3's listings: 1,000 objects a call at most, no object twice.

    Args:
        storage: S3.
        globs: `s3://bucket/…`, all variables replaced.

    Raises:
        StorageError: S3 cannot be asked.
        ContractError: a glob is not one.
    """
    compiled: dict[str, list[Glob]] = {}
    for text in globs:
        for glob in compile_glob(text):
            compiled.setdefault(glob.bucket, []).append(glob)
    for bucket, prefix in listing_prefixes(globs):
        for page in storage.pages(bucket, prefix):
            meant = tuple(
                version for version in page.objects if any(glob.matches(version.key) for glob in compiled[bucket])
            )
            if meant:
                yield Page(meant, page.has_folders, page.is_last, page.listed_at)
