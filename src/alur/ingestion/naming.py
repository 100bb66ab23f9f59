"""How an object is named to Spark, so that it reads this object and no other. Pure.

Spark skips names that begin with `_` or `.`, and Hadoop's paths know neither an empty segment nor `.` and `..`: such a
key would be 0 rows without an error, or another file's rows. One that Hadoop takes for a pattern reads other files;
and where Spark is told not to expand patterns (`__globPaths__`), each such path brings every other path of the read
once more (Spark 4.1.1, DataSource.checkAndGlobPathIfNecessary). The object is then copied to a plain name first.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from alur.ledger.model import FileVersion

_PATTERN_CHARACTERS = frozenset("{}[]*?\\")
"""What makes a path a pattern: Spark's SparkHadoopUtil.isGlobPath."""


@dataclass(frozen=True, slots=True)
class Source:
    """A file version and the URI under which Spark reads its bytes.

    Attributes:
        version: what is read.
        uri: `s3://bucket/key`, not encoded: the object itself, or its copy.
    """

    version: FileVersion
    uri: str


def needs_copy(key: str) -> bool:
    """Whether Spark would not read an object of this name, or would read another.

    Args:
        key: the object's key.
    """
    return any(_is_unreadable(segment) for segment in key.split("/")) or key != key.strip()


def copy_key(batch_id: str, number: int) -> str:
    """Return the plain key that a copy gets in the lake bucket, where a lifecycle rule expires it.

    Args:
        batch_id: of the batch that reads it.
        number: of the file in the batch.
    """
    return f"staging/{batch_id}/{number:06d}.csv"


def folder_of(uri: str) -> str:
    """Return the folder of a URI, with its slash at the end."""
    return posixpath.dirname(uri) + "/"


def by_folder(versions: Iterable[FileVersion]) -> dict[tuple[str, str], list[FileVersion]]:
    """Group objects by (bucket, folder with its slash), each group sorted as S3 lists.

    Args:
        versions: the objects.
    """
    groups: dict[tuple[str, str], list[FileVersion]] = {}
    for version in versions:
        head, slash, _ = version.key.rpartition("/")
        groups.setdefault((version.bucket, head + slash), []).append(version)
    for group in groups.values():
        group.sort(key=lambda version: version.key.encode())
    return groups


def paths_to_read(sources: Sequence[Source], whole_folders: Iterable[str]) -> list[str]:
    """Return the paths to give to Spark: a folder once where the batch has most of it, else each file.

    Args:
        sources: what is read.
        whole_folders: the URIs of folders that are cheaper to read as a whole.
    """
    whole = set(whole_folders)
    named: dict[str, None] = {}
    for source in sources:
        folder = folder_of(source.uri)
        named[folder if folder in whole else source.uri] = None
    return list(named)


def _is_unreadable(segment: str) -> bool:
    return (
        segment in ("", ".", "..")
        or segment.startswith(("_", "."))
        or segment.endswith("._COPYING_")
        or not segment.isprintable()
        or not _PATTERN_CHARACTERS.isdisjoint(segment)
    )
