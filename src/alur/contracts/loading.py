"""Find the contracts of a package: every table class of every module below it."""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterator, Mapping
from types import ModuleType

from alur.contracts.contract import Contract
from alur.contracts.table import BronzeTable
from alur.errors import ContractError


def load_contracts(package: str = "contracts", *, variables: Mapping[str, str]) -> tuple[Contract, ...]:
    """Import every module of a package and return the contracts that they declare, sorted by ingestion key.

    A class that a module merely imports belongs to the module that declares it.

    Args:
        package: the package's name; folders below it need no `__init__.py`.
        variables: what replaces the `${Name}` of the globs, as `{"LandingBucket": "…"}`.

    Raises:
        ContractError: a module cannot be imported, two classes have one ingestion key, a contract breaks a rule, or a
            variable has no value.
    """
    found: dict[str, tuple[str, Contract]] = {}
    for module in _modules(package):
        for table in _tables(module):
            contract = table.__alur_contract__
            if contract is None:
                continue
            place = f"{module.__name__}.{table.__qualname__}"
            earlier = found.get(contract.ingestion_key)
            if earlier is not None:
                raise ContractError(
                    place, f"its ingestion key, {contract.ingestion_key}, is also that of {earlier[0]}; rename one"
                )
            found[contract.ingestion_key] = (place, contract.with_variables(variables))
    return tuple(found[key][1] for key in sorted(found))


def _tables(module: ModuleType) -> list[type[BronzeTable]]:
    declared = (
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, BronzeTable) and value.__module__ == module.__name__
    )
    return list(dict.fromkeys(declared))


def _modules(name: str) -> Iterator[ModuleType]:
    module = _import(name)
    yield module
    # Not pkgutil: it passes over folders without __init__.py, and a table in one would be missed without a word.
    for folder in getattr(module, "__path__", ()):
        for child in _children(folder):
            yield from _modules(f"{name}.{child}")


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


def _import(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ContractError:
        raise
    except Exception as error:
        raise ContractError(name, f"the module cannot be imported: {type(error).__name__}: {error}") from error
