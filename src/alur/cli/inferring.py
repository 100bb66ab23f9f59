"""`alur infer`: a contract's class for sample files."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any

import click

from alur.cli.collecting import infer_table
from alur.cli.deployed import Deployed, json_option
from alur.cli.inferred import InferredTable, class_name_of, source_of
from alur.cli.output import EXIT_FAILED, print_json, say
from alur.cli.sources import AnyFile, is_object, open_source
from alur.cli.words import say_number
from alur.contracts.table import CLASS_SUFFIX, ingestion_key_of
from alur.delimited.preview import Preview
from alur.errors import ContractError
from alur.ledger.paths import split_path

_LISTED = 10
_LANDING = "s3://${LandingBucket}"


@click.command()
@click.argument("files", nargs=-1, required=True, type=AnyFile(), metavar="FILE...")
@click.option("--name", help="The class's name, as OrdersBronze; by default after the first file.")
@click.option("--source-path", metavar="GLOB", help="Its Meta.source_path; by default the folder of its name.")
@click.option("--source-system", metavar="S", default="", help="Its Meta.source_system.")
@click.option("--output", type=click.Path(dir_okay=False), help="Write it to this file, which must not be there.")
@json_option
def infer(
    files: Sequence[str],
    name: str | None,
    source_path: str | None,
    source_system: str,
    output: str | None,
    as_json: bool,
) -> None:
    """Write a contract's class for the sample FILEs, which are read whole: on this machine, or s3://bucket/key.

    What could be meant otherwise is decided, and said in a comment. The exit code is 1 where records of the samples
    could not be stored under it.
    """
    target = _target(output)
    class_name = _class_name(name, files[0])
    deployed = Deployed.of(None)
    sources = [open_source(file, lambda: deployed.storage) for file in files]
    glob = source_path or _glob(class_name, files[0])
    try:
        table, previews = infer_table(sources, class_name=class_name, source_path=glob, source_system=source_system)
    except ContractError as error:
        raise click.UsageError(str(error)) from error
    source = source_of(table)
    if target is not None:
        # Exclusively: it may have been written meanwhile.
        with target.open("x", encoding="utf-8") as opened:
            opened.write(source)
    if as_json:
        print_json(_document(table, source, previews))
    elif target is None:
        click.echo(source, nl=False)
    problems = [line for preview in previews for line in _problems(preview)]
    for line in problems:
        say(line)
    rows = sum(preview.row_count for preview in previews)
    where = "" if target is None else f": {target}"
    say(f"{class_name}: {say_number(len(table.columns), 'column')} that fit {say_number(rows, 'row')}{where}")
    sys.exit(EXIT_FAILED if problems else 0)


def _problems(preview: Preview) -> list[str]:
    found = [(problem.line, problem.reason) for problem in preview.rejects]
    found += [(cell.line, cell.reason) for cell in preview.rescued]
    return [f"{preview.path}: line {line:,}: {reason}" for line, reason in sorted(found)[:_LISTED]]


def _class_name(name: str | None, first: str) -> str:
    chosen = name or class_name_of(PurePath(split_path(first)[1] if is_object(first) else first).name)
    if not chosen.isidentifier():
        raise click.BadParameter(f"{chosen!r} is no name of a class: write one as OrdersBronze", param_hint="--name")
    if not chosen.endswith(CLASS_SUFFIX):
        chosen += CLASS_SUFFIX
    try:
        ingestion_key_of(chosen)
    except ContractError as error:
        raise click.BadParameter(str(error), param_hint="--name") from error
    return chosen


def _glob(class_name: str, first: str) -> str:
    """The files of the folder that the samples lie in, in S3; else of the folder that is called as the table."""
    suffix = "".join(
        PurePath(first).suffixes[-2:] if first.lower().endswith((".gz", ".bz2")) else PurePath(first).suffixes[-1:]
    )
    if is_object(first):
        bucket, key = split_path(first)
        folder = "".join(f"{part}/" for part in PurePath(key).parts[:-1])
        return f"s3://{bucket}/{folder}*{suffix}"
    return f"{_LANDING}/{ingestion_key_of(class_name)}/**/*{suffix or '.csv'}"


def _target(output: str | None) -> Path | None:
    if output is None:
        return None
    target = Path(output)
    if target.exists():
        raise click.BadParameter(f"{output} is there already, and is not overwritten", param_hint="--output")
    if not target.parent.is_dir():
        raise click.BadParameter(f"the folder {target.parent} is not there", param_hint="--output")
    return target


def _document(table: InferredTable, source: str, previews: Sequence[Preview]) -> Mapping[str, Any]:
    return {
        "class": table.class_name,
        "source": source,
        "columns": [
            {
                "name": column.name,
                "type": column.guess.spark_type,
                "format": column.guess.format,
                "nullable": column.guess.nullable,
                "source_name": column.source_name,
                "note": column.guess.note,
            }
            for column in table.columns
        ],
        "dialect": table.dialect.differences,
        "null_values": list(table.null_values),
        "notes": list(table.notes),
        "rows": sum(preview.row_count for preview in previews),
        "rejects": sum(preview.reject_count for preview in previews),
        "rescued_cells": sum(preview.rescued_count for preview in previews),
    }
