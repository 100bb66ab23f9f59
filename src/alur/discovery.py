"""Importing every module of a user's package: contracts and pipelines are found, never listed."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Iterator
from types import ModuleType

from alur.errors import AlurError


def import_all(package: str, failed: Callable[[str, Exception], AlurError]) -> Iterator[ModuleType]:
    """Import a package and every module below it, parents first; folders need no `__init__.py`.

    Args:
        package: its name.
        failed: makes the error to raise for a module that cannot be imported.

    Raises:
        AlurError: what a module raised of Alur's own, or what `failed` made of anything else.
    """
    for _, found in import_each(package, failed):
        if isinstance(found, AlurError):
            raise found
        yield found


def import_each(
    package: str, failed: Callable[[str, Exception], AlurError]
) -> Iterator[tuple[str, ModuleType | AlurError]]:
    """Do as `import_all`, and go on after a module that cannot be imported: its error comes in its place, by its name.

    Args:
        package: its name.
        failed: makes the error of a module that cannot be imported.
    """
    try:
        module = _import(package, failed)
    except AlurError as error:
        # Nothing below it can be imported either.
        yield package, error
        return
    yield package, module
    # Not pkgutil: it passes over folders without __init__.py, and a table in one would be missed without a word.
    for folder in getattr(module, "__path__", ()):
        for child in _children(folder):
            yield from import_each(f"{package}.{child}", failed)


def _children(folder: str) -> list[str]:
    """Return the names of the modules and packages in a folder, sorted."""
    names: set[str] = set()
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_file() and entry.name.endswith(".py") and entry.name != "__init__.py":
                names.add(entry.name.removesuffix(".py"))
            elif entry.is_dir() and entry.name.isidentifier() and entry.name != "__pycache__":
                names.add(entry.name)
    return sorted(names)


def _import(name: str, failed: Callable[[str, Exception], AlurError]) -> ModuleType:
    try:
        return importlib.import_module(name)
    except AlurError:
        raise
    except Exception as error:
        raise failed(name, error) from error
