"""`alur preview`: what a file would come to if it landed, without Spark, and without writing anything."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import PurePath

import click

from alur.aws.storage import Storage
from alur.cli.declarations import load_declarations
from alur.cli.deployed import Deployed, env_option, json_option
from alur.cli.guessing import tables_meant
from alur.cli.output import EXIT_FAILED, console, print_json, say, stop
from alur.cli.previewed import Previewed, previewed_document, print_previewed
from alur.cli.sources import AnyFile, SourceFile, is_object, open_source
from alur.contracts.contract import Contract
from alur.contracts.routing import Router
from alur.delimited.preview import preview_file
from alur.ledger.paths import split_path


@click.command()
@click.argument("file", type=AnyFile())
@click.option("--table", help="Read it as this table's; by default as that of every table whose contract means it.")
@click.option("--rows", type=click.IntRange(0), default=10, show_default=True, help="Show so many of its first rows.")
@env_option
@json_option
def preview(file: str, table: str | None, rows: int, environment: str | None, as_json: bool) -> None:
    """Say what would become of FILE if it landed: its columns, first rows, rejects, and the verdict.

    FILE is on this machine, or s3://bucket/key. It is read whole, by the definition that the job has too; nothing is
    written, and Spark does not start. Of a file of this machine the name or --table says which table it is for. The
    exit code is 1 where it would fail.
    """
    source, contracts = _in_s3(file, table, environment) if is_object(file) else _here(file, table)
    told = [_look(source, contract, claims, rows) for contract, claims in contracts]
    if as_json:
        tables = [previewed_document(one) for one in told]
        print_json({"file_path": source.path, "size_bytes": source.size_bytes, "tables": tables})
    else:
        click.echo(f"{source.path}: {source.size_bytes:,} bytes")
        out = console()
        for one in told:
            print_previewed(one, out)
    sys.exit(0 if all(one.would_complete for one in told) else EXIT_FAILED)


def _look(source: SourceFile, contract: Contract, is_claimed: bool | None, rows: int) -> Previewed:
    chunks = source.chunks(f"reading as {contract.ingestion_key}")
    key = split_path(source.path)[1] if is_object(source.path) else PurePath(source.path).name
    return Previewed(contract, is_claimed, key, preview_file(source.path, chunks, contract, rows=rows))


def _in_s3(
    path: str, table: str | None, environment: str | None
) -> tuple[SourceFile, Sequence[tuple[Contract, bool | None]]]:
    """Return an object, and the tables that it is for."""
    deployed = Deployed.of(environment)
    contracts = (deployed.contract(table),) if table else deployed.contracts
    claiming = Router(contracts).route(*split_path(path))
    if not claiming and not table:
        globs = ", ".join(glob for contract in contracts for glob in contract.source_paths)
        stop(
            f"{path}: nothing would become of it: no contract claims it ({globs or 'no globs'}); "
            "widen a Meta.source_path, or say with --table as which table's it is to be read",
            EXIT_FAILED,
        )
    source = open_source(path, lambda: deployed.storage)
    return source, [(contract, contract in claiming) for contract in (contracts if table else claiming)]


def _here(path: str, table: str | None) -> tuple[SourceFile, Sequence[tuple[Contract, bool | None]]]:
    """Return a file of this machine, and the table that it is for."""
    declarations = load_declarations()
    for module in declarations.broken:
        say(f"not looked at: {module.name}: {module.error}")
    contracts = [declared.contract for declared in declarations.tables]
    known = ", ".join(f"{contract.ingestion_key} ({contract.class_name})" for contract in contracts) or "none"
    if table is None:
        meant = tables_meant(path, contracts)
        if len(meant) != 1:
            raise click.UsageError(f"say with --table which table {path} is for; src/contracts/ declares {known}")
        return open_source(path, _no_storage), [(meant[0], None)]
    found = [contract for contract in contracts if table in (contract.ingestion_key, contract.class_name)]
    if not found:
        raise click.BadParameter(f"there is no table {table}; src/contracts/ declares {known}", param_hint="--table")
    return open_source(path, _no_storage), [(found[0], None)]


def _no_storage() -> Storage:
    raise AssertionError("a file of this machine is not in S3")
