"""`@pipeline`: a function that loads files and returns the rows to be written into one table.

Light to import: neither Spark nor AWS is touched before a pipeline runs.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from alur.contracts.contract import Contract
from alur.contracts.table import BronzeTable, contract_of
from alur.discovery import import_all
from alur.errors import PipelineError

_Function = TypeVar("_Function", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Pipeline:
    """A pipeline that was declared.

    Attributes:
        name: the function's name.
        function: takes the DataFrames of `sources`, by name, and returns the DataFrame that is written.
        sources: bronze tables that are read for it, by the name of the function's argument.
        target: the table that it writes.
        on_event: it runs in place of the plain read when files of its table land.
        place: `module.function`, for messages.
    """

    name: str
    function: Callable[..., Any]
    sources: Mapping[str, type[BronzeTable]]
    target: type[BronzeTable]
    on_event: bool
    place: str

    @property
    def contract(self) -> Contract:
        """The target's contract, the variables of its globs not replaced."""
        return contract_of(self.target)


_registered: dict[str, Pipeline] = {}


def pipeline(
    sources: Mapping[str, type[BronzeTable]],
    target: type[BronzeTable],
    *,
    on_event: bool = False,
    resource_profile: str | None = None,
) -> Callable[[_Function], _Function]:
    """Declare a function as a pipeline; the function stays as it is and may be called.

        @pipeline(sources={}, target=OrdersBronze)
        def ingest_orders():
            return load_to_bronze(get_spark_session(), "s3://${LandingBucket}/orders/*.csv", "sales_db", OrdersBronze)

    Args:
        sources: bronze tables that the function gets as DataFrames, by the name of its argument.
        target: the table that is written.
        on_event: run it also when files of the table land, on exactly those files; one pipeline of a table at most.
        resource_profile: taken for those who come from `alur-framework`, and of no effect: a run's size follows its
            files.

    Raises:
        PipelineError: the arguments do not fit the function, or another function has its name.
    """

    def declare(function: _Function) -> _Function:
        name = function.__name__
        place = f"{function.__module__}.{function.__qualname__}"
        if not (isinstance(target, type) and issubclass(target, BronzeTable)):
            raise PipelineError(name, f"target is {target!r}; name a class that derives from BronzeTable")
        contract_of(target)
        parameters = set(inspect.signature(function).parameters)
        if parameters != set(sources):
            raise PipelineError(
                name,
                f"its arguments are {_listed(parameters)}, and sources names {_listed(set(sources))}; "
                "give it one argument for each source",
            )
        earlier = _registered.get(name)
        if earlier is not None and earlier.place != place:
            raise PipelineError(name, f"{place} and {earlier.place} have one name; rename one of them")
        _registered[name] = Pipeline(name, function, dict(sources), target, on_event, place)
        return function

    return declare


def declared_pipelines() -> tuple[Pipeline, ...]:
    """Return the pipelines that this process has declared so far, sorted by name; nothing is imported or checked."""
    return tuple(_registered[name] for name in sorted(_registered))


def load_pipelines(package: str = "pipelines") -> tuple[Pipeline, ...]:
    """Import every module of a package and return all pipelines that are declared, sorted by name.

    Args:
        package: the package's name; where there is none, nothing is imported.

    Raises:
        PipelineError: a module cannot be imported, or two pipelines of one table say `on_event=True`.
    """
    for _ in import_all(package, _unimportable) if _exists(package) else ():
        pass
    found = declared_pipelines()
    by_table: dict[str, Pipeline] = {}
    for declared in found:
        if declared.on_event:
            earlier = by_table.setdefault(declared.contract.ingestion_key, declared)
            if earlier is not declared:
                raise PipelineError(
                    declared.name,
                    f"{earlier.place} says on_event=True for {declared.target.__name__} too; one of a table may",
                )
    return found


def find_pipeline(name: str, package: str = "pipelines") -> Pipeline:
    """Return a pipeline by its name.

    Args:
        name: the function's name.
        package: where pipelines are declared, beside those that this process has declared already.

    Raises:
        PipelineError: there is none, or the package cannot be imported.
    """
    found = {declared.name: declared for declared in load_pipelines(package)}
    if name not in found:
        raise PipelineError(name, f"there is none of this name; {package} declares {_listed(set(found))}")
    return found[name]


def pipeline_on_event(ingestion_key: str, package: str = "pipelines") -> Pipeline | None:
    """Return the pipeline that runs when files of a table land; None: they are read plainly.

    Args:
        ingestion_key: the table.
        package: where pipelines are declared.

    Raises:
        PipelineError: the package cannot be imported, or there are two.
    """
    for declared in load_pipelines(package):
        if declared.on_event and declared.contract.ingestion_key == ingestion_key:
            return declared
    return None


def _unimportable(name: str, error: Exception) -> PipelineError:
    return PipelineError(name, f"the module cannot be imported: {type(error).__name__}: {error}")


def _exists(package: str) -> bool:
    # Imported here: declaring a pipeline needs none of it.
    from importlib.util import find_spec

    return find_spec(package) is not None


def _listed(names: set[str]) -> str:
    return ", ".join(sorted(names)) or "none"
