"""What is wrong with a project's declarations, or looks so. Pure: nothing is imported and nobody is asked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import combinations

from alur.cli.declarations import Declarations, DeclaredTable
from alur.contracts.contract import VARIABLE, Contract, Trigger
from alur.contracts.globs import Glob, compile_glob
from alur.contracts.overlaps import find_overlap
from alur.contracts.table import contract_of
from alur.decorators import Pipeline
from alur.errors import ContractError

KNOWN_VARIABLES = frozenset({"LandingBucket"})
"""What every environment has a value for (`Settings.variables`)."""


class Level(StrEnum):
    """How bad a finding is."""

    ERROR = "error"  # it fails when it is deployed, or at its first file
    WARNING = "warning"  # it works, and perhaps not as it was meant
    INFORMATION = "info"  # it works, and this comes of it


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that somebody should look at.

    Attributes:
        level: how bad it is.
        where: the module, the class or the pipeline.
        problem: the rule that it breaks, and the remedy.
    """

    level: Level
    where: str
    problem: str


@dataclass(frozen=True, slots=True)
class PlacedGlob:
    """A glob of a table, one of its braces' alternatives, ready to be compared.

    Attributes:
        table: whose it is.
        text: as it is written.
        glob: compiled; a variable that has no value stands for itself, by its name.
        unknown_bucket: its bucket, where a variable without a value names it.
    """

    table: DeclaredTable
    text: str
    glob: Glob
    unknown_bucket: str | None


def examine(declarations: Declarations, variables: Mapping[str, str]) -> list[Finding]:
    """Return all that is wrong with a project: errors first, each kind by name.

    Args:
        declarations: the project's.
        variables: the values of the globs' variables, as far as they are known.
    """
    found = [
        *_broken_modules(declarations),
        *_keys_twice(declarations.tables),
        *_unknown_variables(declarations.tables),
        *_unknown_tables(declarations),
        *_events_twice(declarations.pipelines),
        *_events_never(declarations.pipelines),
        *_never_taken_in(declarations),
        *_overlaps(declarations.tables, variables),
    ]
    return worst_first(found)


def worst_first(findings: Iterable[Finding]) -> list[Finding]:
    """Return errors, then warnings, then the rest, each kind in the order in which it was found.

    Args:
        findings: of any level.
    """
    order = list(Level)
    return sorted(findings, key=lambda finding: order.index(finding.level))


def placed_globs(table: DeclaredTable, variables: Mapping[str, str]) -> Iterator[PlacedGlob]:
    """Compile a table's globs; those with a variable that nobody has a value for are left out.

    Args:
        table: whose.
        variables: the values that are known.
    """
    # A stand-in that no bucket can be called: their names have no capitals.
    values = {**{name: name for name in KNOWN_VARIABLES}, **variables}
    for text in table.contract.source_paths:
        if unknown_variables(table.contract, text):
            continue
        bucket = text.removeprefix("s3://").partition("/")[0]
        is_unknown = any(match[1] not in variables for match in VARIABLE.finditer(bucket))
        for glob in compile_glob(VARIABLE.sub(lambda match: values[match[1]], text)):
            yield PlacedGlob(table, text, glob, bucket if is_unknown else None)


def unknown_variables(contract: Contract, text: str) -> list[str]:
    """Return the variables of a glob that no environment has a value for.

    Args:
        contract: whose glob it is.
        text: the glob.
    """
    return sorted({match[1] for match in VARIABLE.finditer(text)} - KNOWN_VARIABLES)


def _broken_modules(declarations: Declarations) -> Iterator[Finding]:
    for module in declarations.broken:
        # On Lambda no contract finds Spark either.
        if module.lacks_spark and not isinstance(module.error, ContractError):
            yield Finding(
                Level.WARNING, module.name, "not examined: it imports Spark, which is not installed here (`make setup`)"
            )
        else:
            yield Finding(Level.ERROR, module.name, str(module.error))


def _keys_twice(tables: Iterable[DeclaredTable]) -> Iterator[Finding]:
    earlier: dict[str, DeclaredTable] = {}
    for table in tables:
        first = earlier.setdefault(table.contract.ingestion_key, table)
        if first is not table:
            key = table.contract.ingestion_key
            problem = f"its ingestion key, {key}, is also that of {first.place}: rename one"
            yield Finding(Level.ERROR, table.place, problem)


def _unknown_variables(tables: Iterable[DeclaredTable]) -> Iterator[Finding]:
    for table in tables:
        for text in table.contract.source_paths:
            for name in unknown_variables(table.contract, text):
                known = ", ".join(f"${{{known}}}" for known in sorted(KNOWN_VARIABLES))
                problem = f"no environment has a value for ${{{name}}}; write it out, or use {known}"
                yield Finding(Level.ERROR, table.place, f"Meta.source_path {text}: {problem}")


def _unknown_tables(declarations: Declarations) -> Iterator[Finding]:
    known = {table.place for table in declarations.tables}
    broken = {module.name for module in declarations.broken}
    for declared in declarations.pipelines:
        used = {"target": declared.target, **{f"source {name}": table for name, table in declared.sources.items()}}
        for role, table in used.items():
            place = f"{table.__module__}.{table.__qualname__}"
            if place not in known and table.__module__ not in broken:
                yield Finding(
                    Level.ERROR,
                    declared.place,
                    f"its {role}, {place}, is no table of src/contracts/, the only ones that are known when it is "
                    "deployed: declare it there",
                )


def _events_twice(pipelines: Iterable[Pipeline]) -> Iterator[Finding]:
    earlier: dict[str, Pipeline] = {}
    for declared in pipelines:
        if not declared.on_event:
            continue
        first = earlier.setdefault(declared.contract.ingestion_key, declared)
        if first is not declared:
            yield Finding(
                Level.ERROR,
                declared.place,
                f"{first.place} says on_event=True for {declared.target.__name__} too, and one of a table may: take it "
                "away from one of them",
            )


def _events_never(pipelines: Iterable[Pipeline]) -> Iterator[Finding]:
    for declared in pipelines:
        if declared.on_event and declared.contract.trigger is Trigger.RUN:
            name = declared.target.__name__
            yield Finding(
                Level.WARNING,
                declared.place,
                f'it says on_event=True, and no event comes: {name} says trigger = "run"; take away one of the two',
            )


def _never_taken_in(declarations: Declarations) -> Iterator[Finding]:
    targets = {contract_of(declared.target).ingestion_key for declared in declarations.pipelines}
    for table in declarations.tables:
        if table.contract.trigger is Trigger.RUN and table.contract.ingestion_key not in targets:
            yield Finding(
                Level.WARNING,
                table.place,
                'nothing takes its files in: Meta.trigger is "run", and no pipeline of src/pipelines/ has it as its '
                'target; write one, or take trigger = "event"',
            )


def _overlaps(tables: Iterable[DeclaredTable], variables: Mapping[str, str]) -> Iterator[Finding]:
    globs = [(table, list(placed_globs(table, variables))) for table in tables]
    for (first, firsts), (second, seconds) in combinations(globs, 2):
        if first.contract.ingestion_key != second.contract.ingestion_key:
            yield from _overlap(first, firsts, second, seconds)


def _overlap(
    first: DeclaredTable, firsts: list[PlacedGlob], second: DeclaredTable, seconds: list[PlacedGlob]
) -> Iterator[Finding]:
    """Say of two tables whether a file may belong to both; one example for each bucket is enough."""
    told: set[str] = set()
    for one in firsts:
        for other in seconds:
            condition = _same_bucket(one, other)
            if condition is None or one.glob.bucket in told:
                continue
            overlap = find_overlap(one.glob, other.glob)
            bucket = one.unknown_bucket or one.glob.bucket
            if overlap.key is not None:
                told.add(one.glob.bucket)
                yield Finding(
                    Level.WARNING,
                    first.place,
                    f"{one.text} and {other.text} of {second.place} both mean files as "
                    f"s3://{bucket}/{overlap.key}{condition}: such a file goes into both tables; narrow one of the "
                    "globs if it is not meant so",
                )
            elif not overlap.is_decided:
                yield Finding(
                    Level.WARNING,
                    first.place,
                    f"whether {one.text} and {other.text} of {second.place} mean a common file could not be decided: "
                    "they are too long; use fewer stars",
                )


def _same_bucket(one: PlacedGlob, other: PlacedGlob) -> str | None:
    """Return under which condition two globs are of one bucket, in words that may be empty; None: they are not."""
    if one.glob.bucket == other.glob.bucket:
        return ""
    if one.unknown_bucket and not other.unknown_bucket:
        return f", if {one.unknown_bucket} is {other.glob.bucket} (--env says it)"
    if other.unknown_bucket and not one.unknown_bucket:
        return f", if {other.unknown_bucket} is {one.glob.bucket} (--env says it)"
    return None
