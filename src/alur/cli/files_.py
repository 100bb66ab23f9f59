"""`alur files`: a table's files, as the ledger has them, a page at a time."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator

import click

from alur.cli.deployed import Deployed, env_option
from alur.cli.output import say
from alur.cli.progress import Ticker
from alur.cli.words import file_document, message_of, say_number, say_time, time_of
from alur.ledger.files import FileLedger
from alur.ledger.model import LedgerItem, Status

_SCHEME = "s3://"


@click.command()
@click.argument("table")
@click.option("--status", type=click.Choice([status.value for status in Status]), help="Only files in this state.")
@click.option("--prefix", default="", help="Only files whose path, s3://bucket/key, begins with this.")
@click.option("--limit", type=click.IntRange(1), help="At most so many files.")
@env_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON Lines: an object a line for each file.")
def files(
    table: str, status: str | None, prefix: str, limit: int | None, environment: str | None, as_json: bool
) -> None:
    """List the files of TABLE with status, rows, attempts, time and error, in the order of their paths.

    They are printed as they are read, a page at a time, however many there are. With --json that is JSON Lines: one
    object a line, by the names that the ledger's items have. The time is when a file was completed, failed or claimed.
    """
    if prefix and not prefix.startswith(_SCHEME) and not _SCHEME.startswith(prefix):
        raise click.BadParameter(
            f"{prefix!r} begins no path: a path is s3://bucket/key, so write s3://bucket/{prefix.lstrip('/')}",
            param_hint="--prefix",
        )
    deployed = Deployed.of(environment)
    contract = deployed.contract(table)
    wanted = Status(status) if status else None
    shown = 0
    with Ticker(f"looking through {contract.ingestion_key}", has_bar=False) as ticker:
        found = matching(deployed.files, contract.ingestion_key, wanted, prefix, ticker)
        for item in itertools.islice(found, limit):
            if as_json:
                click.echo(json.dumps(file_document(item)))
            else:
                _print(item)
            shown += 1
    if not as_json:
        say(say_number(shown, "file") + (f", the first {limit:,} at most" if limit and shown == limit else ""))


def matching(
    ledger: FileLedger, ingestion_key: str, status: Status | None, prefix: str, ticker: Ticker | None = None
) -> Iterator[LedgerItem]:
    """Yield a table's entries, in the order of the paths' UTF-8 bytes; of a prefix only its own pages are read.

    Args:
        ledger: the ledger.
        ingestion_key: the table.
        status: only files in this state; None: in any.
        prefix: only paths that begin with this.
        ticker: told how many have been read.

    Raises:
        LedgerError: the ledger cannot be asked.
    """
    read = 0
    # A walk begins after a path: the one that is the prefix itself would be missed.
    first = tuple(ledger.read(ingestion_key, [prefix]).values()) if prefix else ()
    for page in itertools.chain([first], ledger.walk(ingestion_key, after=prefix or None)):
        for item in page:
            if not item.path.startswith(prefix):
                return
            if status in (None, item.status):
                yield item
        read += len(page)
        if ticker is not None:
            ticker.show(read, f"{read:,} read")


def _print(item: LedgerItem) -> None:
    rows = "-" if item.rows is None else f"{item.rows:,}"
    marks = " + newer" if item.waiting else ""
    since = say_time(time_of(item))
    click.echo(f"{item.status.value:<10}  {rows:>12} rows  try {item.attempt}  {since:<23}  {item.path}{marks}")
    if item.rejects:
        click.echo(f"            {say_number(item.rejects, 'record')} could not be stored: alur rejects shows them")
    if item.status is Status.FAILED:
        again = f"; tried again at {say_time(item.next_try_at)}" if item.next_try_at else ""
        click.echo(f"            {item.error_type}: {message_of(item)}{again}")
