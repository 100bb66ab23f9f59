"""Find the contracts of a package: every table class of every module below it."""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType

from alur.contracts.contract import Contract
from alur.contracts.table import BronzeTable
from alur.discovery import import_all
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
    for module in import_all(package, _unimportable):
        for table in tables_of(module):
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


def tables_of(module: ModuleType) -> list[type[BronzeTable]]:
    """Return the classes of tables and of abstract bases that a module declares, and not those that it imports.

    Args:
        module: imported.
    """
    declared = (
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, BronzeTable) and value.__module__ == module.__name__
    )
    return list(dict.fromkeys(declared))


def _unimportable(name: str, error: Exception) -> ContractError:
    return ContractError(name, f"the module cannot be imported: {type(error).__name__}: {error}")
