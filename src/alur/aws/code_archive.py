"""The code as one archive for Spark: the same bytes from the same files, wherever and whenever it is packed."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
from dataclasses import dataclass
from pathlib import Path

from alur.errors import DeployError

_COMPILED_SUFFIXES = frozenset({".so", ".pyd", ".dylib", ".dll"})
_CACHED_SUFFIXES = frozenset({".pyc", ".pyo"})


@dataclass(frozen=True, slots=True)
class PackedCode:
    """What a run needs of ours.

    Attributes:
        archive: the library, the contracts and their packages, as a `.tar.gz`.
        entry_point: the script that Spark starts.
        digest: SHA-256 of what both hold, in hexadecimal. It does not depend on how zlib compresses.
    """

    archive: bytes
    entry_point: bytes
    digest: str


def pack(layer: Path, entry_point: Path) -> PackedCode:
    """Pack a layer's folder and the entry point.

    Args:
        layer: the folder whose content is put at the top of the archive; on Lambda `/opt/python`.
        entry_point: the script.

    Raises:
        DeployError: the folder or the script is missing or empty, or a file in it is compiled for one processor.
    """
    if not entry_point.is_file():
        raise DeployError("packing the code", f"there is no {entry_point}; is the entry point's layer attached?")
    tar = _tar(layer)
    script = entry_point.read_bytes()
    digest = hashlib.sha256(hashlib.sha256(tar).digest() + hashlib.sha256(script).digest()).hexdigest()
    return PackedCode(gzip.compress(tar, compresslevel=6, mtime=0), script, digest)


def _tar(layer: Path) -> bytes:
    names = sorted(
        path.relative_to(layer).as_posix() for path in layer.rglob("*") if path.is_file() and not _is_cache(path)
    )
    if not names:
        raise DeployError("packing the code", f"{layer} holds no file; is the code's layer attached?")
    compiled = [name for name in names if Path(name).suffix in _COMPILED_SUFFIXES]
    if compiled:
        raise DeployError(
            "packing the code",
            f"{', '.join(compiled[:5])}: compiled for one processor, and the code must run on Lambda's and on EMR's; "
            "use packages of pure Python",
        )
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name in names:
            content = (layer / name).read_bytes()
            # All that a file system adds (owner, time, mode) stays at TarInfo's own constants.
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def _is_cache(path: Path) -> bool:
    return path.suffix in _CACHED_SUFFIXES or "__pycache__" in path.parts
