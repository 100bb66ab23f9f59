"""`alur show`: one file's whole story, for each table that knows it."""

from __future__ import annotations

import sys

import click

from alur.aws.storage import Storage
from alur.cli.arguments import FilePath
from alur.cli.deployed import Deployed, env_option, json_option
from alur.cli.output import EXIT_FAILED, print_json, say
from alur.cli.story import Told, object_document, table_document, tell
from alur.contracts.contract import Contract
from alur.contracts.routing import Router
from alur.errors import StorageError
from alur.ledger.model import FileVersion
from alur.ledger.paths import split_path


@click.command()
@click.argument("path", type=FilePath())
@click.option("--table", help="Only what this table knows of it.")
@env_option
@json_option
def show(path: str, table: str | None, environment: str | None, as_json: bool) -> None:
    """Tell the whole story of the file PATH (s3://bucket/key) for each table that has it or whose contract claims it.

    The exit code is 1 where nobody knows the file: no table has it, and there is no such object that one would claim.
    """
    deployed = Deployed.of(environment)
    contracts = (deployed.contract(table),) if table else deployed.contracts
    told = [one for one in (_ask(deployed, contract, path) for contract in contracts) if one.item or one.is_claimed]
    current = _head(deployed.storage, path)
    is_known = any(one.item for one in told) or (bool(told) and current is not None)
    if as_json:
        print_json(
            {
                "file_path": path,
                "object": object_document(current),
                "tables": [table_document(one) for one in told],
            }
        )
    elif is_known:
        for line in tell(path, current, told, deployed.clock()):
            click.echo(line)
    if not is_known:
        globs = ", ".join(glob for contract in contracts for glob in contract.source_paths)
        there = "the object is there" if isinstance(current, FileVersion) else "there is no such object"
        claimed = "" if told else f", and no contract claims it ({globs or 'no globs'})"
        say(f"nobody knows {path}: the ledger has no entry of it, {there}{claimed}")
        sys.exit(EXIT_FAILED)


def _ask(deployed: Deployed, contract: Contract, path: str) -> Told:
    item = deployed.files.read(contract.ingestion_key, [path]).get(path)
    batch = None
    if item is not None and item.batch_id is not None:
        batch = deployed.batches.read(contract.ingestion_key, item.batch_id)
    is_claimed = bool(Router([contract]).route(*split_path(path)))
    return Told(contract, is_claimed, deployed.takes_events(contract), item, batch)


def _head(storage: Storage, path: str) -> FileVersion | StorageError | None:
    """Look at the object; that S3 refuses is part of the story."""
    try:
        return storage.head(*split_path(path))
    except StorageError as error:
        return error
