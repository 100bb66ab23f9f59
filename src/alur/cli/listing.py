"""`alur list`: the tables and pipelines of the project, without Spark and without AWS."""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
from collections.abc import Mapping
from typing import Any

import click

from alur.cli.declarations import DeclaredTable, load_declarations
from alur.cli.findings import KNOWN_VARIABLES
from alur.cli.output import EXIT_FAILED, print_json, say
from alur.contracts.contract import VARIABLE
from alur.contracts.table import contract_of
from alur.decorators import Pipeline

_LANDING_VARIABLE = "ALUR_LANDING_BUCKET"
_INDENT = 16


@click.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, with the columns' types.")
def list_(as_json: bool) -> None:
    """List what the project declares: its tables, and its pipelines.

    ${LandingBucket} stands as it is, unless ALUR_LANDING_BUCKET says which bucket that is.
    """
    declarations = load_declarations()
    variables = known_variables(os.environ)
    if as_json:
        print_json(
            {
                "contracts": [table_document(table, variables) for table in declarations.tables],
                "pipelines": [pipeline_document(declared) for declared in declarations.pipelines],
            }
        )
    else:
        width = shutil.get_terminal_size().columns
        for table in declarations.tables:
            click.echo(render_table(table, variables, width))
        for declared in declarations.pipelines:
            click.echo(render_pipeline(declared))
    for module in declarations.broken:
        say(f"not listed: {module.name}: {module.error}")
    if declarations.broken:
        say("`alur validate` names everything that is wrong")
        sys.exit(EXIT_FAILED)


def known_variables(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the values of the globs' variables that a process's environment says.

    Args:
        environment: `os.environ`, or a mapping like it.
    """
    landing = environment.get(_LANDING_VARIABLE)
    return {name: landing for name in KNOWN_VARIABLES if landing}


def render_table(table: DeclaredTable, variables: Mapping[str, str], width: int) -> str:
    """Render a table for people: globs are never broken, for they are copied.

    Args:
        table: which.
        variables: the values of the globs' variables that are known.
        width: of the terminal.
    """
    contract = table.contract
    # A column and its type stay on one line: the space between them is one that is not broken at.
    columns = ", ".join(f"{field.name}\u00a0{field.spark_type}" for field in contract.fields)
    wrapped = textwrap.wrap(columns, max(width - _INDENT, 40), break_long_words=False)
    return "\n".join(
        [
            f"table {contract.ingestion_key}: {table.place}",
            *_lines("files", _globs(table, variables)),
            *_lines("trigger", [contract.trigger.value]),
            *_lines("on_overwrite", [contract.on_overwrite.value]),
            *_lines("columns", [line.replace("\u00a0", " ") for line in wrapped]),
        ]
    )


def render_pipeline(declared: Pipeline) -> str:
    """Render a pipeline for people.

    Args:
        declared: which.
    """
    sources = [f"{name}: {contract_of(table).ingestion_key}" for name, table in sorted(declared.sources.items())]
    return "\n".join(
        [
            f"pipeline {declared.name}: {declared.place}",
            *_lines("target", [declared.contract.ingestion_key]),
            *_lines("sources", sources),
            *_lines("on_event", [str(declared.on_event).lower()]),
        ]
    )


def table_document(table: DeclaredTable, variables: Mapping[str, str]) -> dict[str, Any]:
    """Render a table for JSON.

    Args:
        table: which.
        variables: the values of the globs' variables that are known.
    """
    contract = table.contract
    return {
        "table": contract.ingestion_key,
        "class": contract.class_name,
        "module": table.place.removesuffix(f".{contract.class_name}"),
        "description": contract.description,
        "trigger": contract.trigger.value,
        "on_overwrite": contract.on_overwrite.value,
        "source_system": contract.source_system,
        "source_paths": _globs(table, variables),
        "null_values": list(contract.null_values),
        "partition_by": [part.sql.replace("`", "") for part in contract.partition_by],
        "fingerprint": contract.fingerprint,
        "columns": [
            {
                "name": field.name,
                "type": field.spark_type,
                "nullable": field.nullable,
                "description": field.description,
            }
            for field in contract.fields
        ],
    }


def pipeline_document(declared: Pipeline) -> dict[str, Any]:
    """Render a pipeline for JSON.

    Args:
        declared: which.
    """
    return {
        "name": declared.name,
        "module": declared.function.__module__,
        "target": declared.contract.ingestion_key,
        "target_class": declared.target.__name__,
        "sources": {name: contract_of(table).ingestion_key for name, table in sorted(declared.sources.items())},
        "on_event": declared.on_event,
    }


def _lines(label: str, values: list[str]) -> list[str]:
    return [f"  {label if number == 0 else '':<{_INDENT - 2}}{value}" for number, value in enumerate(values)]


def _globs(table: DeclaredTable, variables: Mapping[str, str]) -> list[str]:
    return [VARIABLE.sub(lambda match: variables.get(match[1], match[0]), text) for text in table.contract.source_paths]
