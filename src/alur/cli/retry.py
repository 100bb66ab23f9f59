"""`alur retry`: failed files are tried again, because a person says so."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence

import click

from alur.cli.arguments import FilePath
from alur.cli.asking import Heard, make_asker, say_heard
from alur.cli.deployed import Deployed, env_option, json_option
from alur.cli.output import EXIT_FAILED, print_json, stop
from alur.cli.progress import Ticker
from alur.cli.words import say_number, say_status
from alur.contracts.contract import Contract
from alur.ledger.model import LedgerItem, Status


@click.command()
@click.argument("table")
@click.option("--file", "path", type=FilePath(), help="This file only: s3://bucket/key.")
@click.option("--all-failed", is_flag=True, help="Every failed file of the table.")
@env_option
@json_option
def retry(table: str, path: str | None, all_failed: bool, environment: str | None, as_json: bool) -> None:
    """Let failed files of TABLE be tried again, whatever they failed for.

    Where files are ingested when they land, an event is sent for each; else the next `alur run` takes them. The exit
    code is 1 where the file has not failed, or where objects are gone.
    """
    if bool(path) == all_failed:
        raise click.UsageError("say which files: either --file s3://bucket/key, or --all-failed")
    deployed = Deployed.of(environment)
    contract = deployed.contract(table)
    asker = make_asker(deployed, [contract])
    heard = Heard()
    with Ticker(f"asking for failed files of {contract.ingestion_key}") as ticker:
        for items in [_one(deployed, contract, path)] if path else _failed(deployed, contract):
            heard.add(asker.retry(contract, items))
            ticker.show(heard.asked, say_number(heard.asked, "file"))
    if as_json:
        print_json({"table": contract.ingestion_key, **heard.as_document()})
    else:
        say_heard(heard, "tried again")
    if heard.problems:
        sys.exit(EXIT_FAILED)


def _one(deployed: Deployed, contract: Contract, path: str) -> Sequence[LedgerItem]:
    item = deployed.files.read(contract.ingestion_key, [path]).get(path)
    if item is None:
        stop(
            f"{path}: {contract.ingestion_key} has no entry of it, so it never failed; "
            f"`alur show {path}` says who knows it",
            EXIT_FAILED,
        )
    if item.status is not Status.FAILED:
        more = f"; to have it read again: `alur reprocess {path}`" if item.status is Status.COMPLETED else ""
        stop(f"{path}: {say_status(item)}, and has not failed: nothing was changed{more}", EXIT_FAILED)
    return (item,)


def _failed(deployed: Deployed, contract: Contract) -> Iterable[Sequence[LedgerItem]]:
    for page in deployed.files.walk(contract.ingestion_key):
        if failed := [item for item in page if item.status is Status.FAILED]:
            yield failed
