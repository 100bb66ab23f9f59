"""`alur reprocess`: files are read again and their rows replaced, the same bytes too."""

from __future__ import annotations

import sys
from typing import Any

import click

from alur.cli.arguments import FilePath
from alur.cli.asking import Heard, make_asker, say_heard
from alur.cli.deployed import Deployed, env_option, json_option
from alur.cli.output import EXIT_FAILED, confirm, print_json, say
from alur.cli.words import iso, say_number, say_status
from alur.dispatch.asking import Refusal, Request


@click.command()
@click.argument("paths", metavar="PATH...", nargs=-1, required=True, type=FilePath())
@click.option("--table", help="For this table only; by default for every table whose contract claims the file.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@env_option
@json_option
def reprocess(paths: tuple[str, ...], table: str | None, yes: bool, environment: str | None, as_json: bool) -> None:
    """Read each file PATH (s3://bucket/key) again and replace its rows, even if its bytes are the same.

    Its rows stay in the table until the new ones come, in one commit. Where one of the files cannot be read again now
    (it is being processed, or its object is gone), nothing at all is changed, and the exit code is 1.
    """
    deployed = Deployed.of(environment)
    contracts = (deployed.contract(table),) if table else deployed.contracts
    asker = make_asker(deployed, contracts)
    requests, refusals = asker.prepare(contracts, paths)
    if refusals:
        _refuse(refusals, as_json)
    if not yes:
        confirm(_question(requests))
    heard = Heard()
    heard.add(asker.reprocess(requests))
    if as_json:
        files = [{"table": one.contract.ingestion_key, "file_path": one.current.path} for one in requests]
        print_json({"files": files, **heard.as_document(), "refused": []})
    else:
        say_heard(heard, "read again")
    if heard.problems:
        sys.exit(EXIT_FAILED)


def _refuse(refusals: tuple[Refusal, ...], as_json: bool) -> None:
    for refusal in refusals:
        table = f" ({refusal.table})" if refusal.table else ""
        held = f"{say_status(refusal.held)}; " if refusal.held else ""
        say(f"{refusal.path}{table}: {held}{refusal.reason}")
    say("nothing was changed")
    if as_json:
        print_json({"files": [], **Heard().as_document(), "refused": [_document(refusal) for refusal in refusals]})
    sys.exit(EXIT_FAILED)


def _document(refusal: Refusal) -> dict[str, Any]:
    held = refusal.held
    return {
        "file_path": refusal.path,
        "table": refusal.table,
        "reason": refusal.reason,
        "batch_id": held.batch_id if held else None,
        "claimed_at": iso(held.claimed_at) if held else None,
    }


def _question(requests: tuple[Request, ...]) -> str:
    tables = ", ".join(dict.fromkeys(request.contract.ingestion_key for request in requests))
    paths = len({request.current.path for request in requests})
    return f"Read {say_number(paths, 'file')} again and replace the rows in {tables}?"
