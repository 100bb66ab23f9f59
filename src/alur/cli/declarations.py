"""What a project declares, found by importing it: contracts, pipelines, and every module that cannot be imported."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

from alur.contracts.contract import Contract
from alur.contracts.loading import tables_of
from alur.decorators import Pipeline, declared_pipelines
from alur.discovery import import_each
from alur.errors import AlurError, ContractError, PipelineError

CONTRACTS = "contracts"
PIPELINES = "pipelines"

_SPARK = frozenset({"pyspark", "py4j"})


@dataclass(frozen=True, slots=True)
class DeclaredTable:
    """A table of the project.

    Attributes:
        contract: what its class declares, the variables of its globs not replaced.
        place: `module.Class`.
    """

    contract: Contract
    place: str


@dataclass(frozen=True, slots=True)
class BrokenModule:
    """A module that cannot be imported.

    Attributes:
        name: the module's.
        error: why.
        lacks_spark: it imports Spark, which is not installed here.
    """

    name: str
    error: AlurError
    lacks_spark: bool


@dataclass(frozen=True, slots=True)
class Declarations:
    """All that a project declares.

    Attributes:
        tables: by ingestion key, and where two have one, by place.
        pipelines: by name.
        broken: modules that cannot be imported, each error once.
    """

    tables: tuple[DeclaredTable, ...]
    pipelines: tuple[Pipeline, ...]
    broken: tuple[BrokenModule, ...]


def load_declarations(contracts: str = CONTRACTS, pipelines: str = PIPELINES) -> Declarations:
    """Import every module of a project's two packages, and go on after one that cannot be.

    Args:
        contracts: the package of the contracts.
        pipelines: the package of the pipelines; there need not be one.
    """
    broken: list[BrokenModule] = []
    modules: list[ModuleType] = []
    with _without_spark():
        for name, found in import_each(contracts, _contract_error):
            if isinstance(found, AlurError):
                broken.append(_broken(name, found))
            else:
                modules.append(found)
    for name, found in import_each(pipelines, _pipeline_error) if _exists(pipelines) else ():
        if isinstance(found, AlurError):
            broken.append(_broken(name, found))
    tables = (
        DeclaredTable(table.__alur_contract__, f"{module.__name__}.{table.__qualname__}")
        for module in modules
        for table in tables_of(module)
        if table.__alur_contract__ is not None
    )
    return Declarations(
        tuple(sorted(tables, key=lambda table: (table.contract.ingestion_key, table.place))),
        # Others may have declared some in this process, which are not the project's.
        tuple(found for found in declared_pipelines() if _is_below(found.function.__module__, pipelines)),
        _each_once(broken),
    )


class _NoSpark(MetaPathFinder):
    """Says of Spark that it is not there, as it is not on Lambda."""

    def find_spec(self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None) -> None:
        """Refuse a module of Spark, and leave all others to the next finder."""
        if fullname.partition(".")[0] in _SPARK:
            raise ModuleNotFoundError(
                f"No module named {fullname!r} on Lambda, which imports every contract: use it in a pipeline",
                name=fullname,
            )


@contextmanager
def _without_spark() -> Iterator[None]:
    # Contracts are imported by the dispatcher: one that needs Spark works here, and stops all tables there.
    finder = _NoSpark()
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


def _exists(package: str) -> bool:
    spec: ModuleSpec | None = importlib.util.find_spec(package)
    return spec is not None


def _is_below(module: str, package: str) -> bool:
    return module == package or module.startswith(f"{package}.")


def _contract_error(name: str, error: Exception) -> AlurError:
    return ContractError(name, f"the module cannot be imported: {type(error).__name__}: {error}")


def _pipeline_error(name: str, error: Exception) -> AlurError:
    return PipelineError(name, f"the module cannot be imported: {type(error).__name__}: {error}")


def _broken(name: str, error: AlurError) -> BrokenModule:
    cause = error.__cause__
    missing = cause.name if isinstance(cause, ModuleNotFoundError) else None
    return BrokenModule(name, error, lacks_spark=(missing or "").partition(".")[0] in _SPARK)


def _each_once(broken: list[BrokenModule]) -> tuple[BrokenModule, ...]:
    # A module that imports a broken one breaks of the same error.
    kept = {_origin(module.error): module for module in reversed(broken)}
    return tuple(module for module in broken if module in kept.values())


def _origin(error: AlurError) -> tuple[str, str, int]:
    cause = error.__cause__ or error
    trace = cause.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = ("", 0) if trace is None else (trace.tb_frame.f_code.co_filename, trace.tb_lineno)
    return (str(cause), *place)
