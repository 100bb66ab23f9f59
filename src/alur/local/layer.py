"""The Lambda layer's directory for the local stack: what `sam build` would make of `src/`, without building.

The pinned dependencies are copied once for each state of `src/requirements.txt`; the project's own packages at every
start. They come from this environment, where the lock has put the same versions.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import re
import shutil
from pathlib import Path

from alur.errors import LocalStackError
from alur.local.paths import Paths

_PINNED = re.compile(r"^([A-Za-z0-9._-]+)==([^ \\;]+)", re.MULTILINE)
_LEFT_OUT = shutil.ignore_patterns("__pycache__", "*.pyc", "*.egg-info", "requirements.txt")


def pinned_versions(requirements: str) -> dict[str, str]:
    """Return name and version of every pin in a requirements file."""
    return dict(_PINNED.findall(requirements))


def assemble_layer(paths: Paths, target: Path) -> None:
    """Put the layer's `python` folder together.

    Args:
        paths: where the sources are.
        target: the folder; what it held of an earlier start is replaced.

    Raises:
        LocalStackError: a dependency is not installed in the pinned version.
    """
    requirements = (paths.source / "requirements.txt").read_text()
    stamp = target / ".requirements"
    digest = hashlib.sha256(requirements.encode()).hexdigest()
    if not stamp.is_file() or stamp.read_text() != digest:
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(parents=True)
        for name, version in pinned_versions(requirements).items():
            _copy_distribution(name, version, target)
        stamp.write_text(digest)
    for package in sorted(paths.source.iterdir()):
        if package.is_dir() and package.name.isidentifier():
            shutil.rmtree(target / package.name, ignore_errors=True)
            shutil.copytree(package, target / package.name, ignore=_LEFT_OUT)


def _copy_distribution(name: str, version: str, target: Path) -> None:
    try:
        distribution = importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError:
        raise LocalStackError("layer", f"{name} {version} is not installed: run `make setup`") from None
    if distribution.version != version:
        problem = f"{name} is {distribution.version}, src/requirements.txt pins {version}: run `make setup`"
        raise LocalStackError("layer", problem)
    for file in distribution.files or []:
        # Scripts lie outside of the folder (../../../bin), and compiled bytecode depends on the machine.
        if ".." in file.parts or "__pycache__" in file.parts:
            continue
        destination = target / file
        destination.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(str(file.locate()), destination)
