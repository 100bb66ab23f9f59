"""Files that a command reads itself: here on this machine, or in S3."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from alur.aws.storage import Storage
from alur.cli.arguments import FilePath
from alur.cli.output import EXIT_FAILED, EXIT_NOT_DEPLOYED, stop
from alur.cli.progress import Ticker
from alur.ledger.paths import split_path

_SCHEME = "s3://"
_CHUNK_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file whose bytes can be gone through, again and again.

    Args:
        path: `s3://bucket/key`, or the path on this machine.
        size_bytes: how large it is.
        open: begins to yield its bytes.
    """

    path: str
    size_bytes: int
    open: Callable[[], Iterator[bytes]]

    def chunks(self, what: str = "reading") -> Iterator[bytes]:
        """Yield the bytes, and tell how far that is where it takes longer.

        Args:
            what: what is being done.
        """
        with Ticker(what, self.size_bytes) as ticker:
            done = 0
            for chunk in self.open():
                done += len(chunk)
                ticker.show(done, f"{done:,} of {self.size_bytes:,} bytes")
                yield chunk


class AnyFile(click.ParamType):
    """An argument that is a file: on this machine, or `s3://bucket/key`."""

    name = "FILE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return it as it is, if it is one."""
        text = str(value)
        if is_object(text):
            return FilePath().convert(text, param, ctx)
        file = Path(text)
        if not file.exists():
            self.fail(f"{text!r} is not there: name a file of this machine, or s3://bucket/key", param, ctx)
        if file.is_dir():
            self.fail(f"{text!r} is a folder: name a file of it", param, ctx)
        return text


def is_object(path: str) -> bool:
    """Whether a file is in S3, and not on this machine.

    Args:
        path: as `AnyFile` returns it.
    """
    return path.startswith(_SCHEME)


def open_source(path: str, storage: Callable[[], Storage]) -> SourceFile:
    """Find a file; a command whose file is not there, or may not be read, ends.

    Args:
        path: as `AnyFile` returns it.
        storage: makes what asks S3; called only where the file is there.

    Raises:
        StorageError: S3 cannot be asked.
    """
    if not is_object(path):
        return _local(path)
    store = storage()
    version = store.head(*split_path(path))
    if version is None:
        stop(f"{path}: there is no such object; `aws s3 ls {path}` lists what begins so", EXIT_FAILED)
    return SourceFile(path, version.size_bytes, lambda: store.stream(version))


def _local(path: str) -> SourceFile:
    file = Path(path)
    try:
        with file.open("rb"):
            size = file.stat().st_size
    except OSError as error:
        stop(f"{path}: it cannot be read: {error.strerror}; who are you, and may you read it?", EXIT_NOT_DEPLOYED)

    def chunks() -> Iterator[bytes]:
        with file.open("rb") as opened:
            while chunk := opened.read(_CHUNK_BYTES):
                yield chunk

    return SourceFile(path, size, chunks)
