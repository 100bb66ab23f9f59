"""`alur status`: how many files of each table are in which state, and what waits."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import click

from alur.cli.deployed import Deployed, env_option, json_option
from alur.cli.output import console, print_json, print_table, say
from alur.cli.progress import Ticker
from alur.cli.words import iso, say_age, say_number, say_time
from alur.contracts.contract import Contract
from alur.ledger.counting import Tally
from alur.ledger.model import Status


@dataclass(frozen=True, slots=True)
class TableStatus:
    """What is known of one table.

    Attributes:
        contract: the table's.
        takes_events: its files are ingested when they land; else by `alur run` only.
        tally: its files, counted.
        open_batches: batches that somebody has to look at, by state.
        watermark: the moment before which listings pass its files over; None: there is none.
    """

    contract: Contract
    takes_events: bool
    tally: Tally
    open_batches: Counter[str]
    watermark: datetime | None

    def as_document(self) -> dict[str, Any]:
        """Return it for JSON."""
        tally = self.tally
        oldest = tally.oldest_processing
        return {
            "table": self.contract.ingestion_key,
            "class": self.contract.class_name,
            "trigger": self.contract.trigger.value,
            "takes_events": self.takes_events,
            "files": {status.value: tally.by_status[status] for status in Status},
            "rows": tally.rows,
            "rows_of_earlier_versions": tally.earlier_rows,
            "failed_with_earlier_rows": tally.failed_with_earlier_rows,
            "oldest_processing": oldest
            and {
                "file_path": oldest.path,
                "batch_id": oldest.batch_id,
                "claimed_at": iso(oldest.claimed_at),
                "age_seconds": int((tally.now - (oldest.claimed_at or tally.now)).total_seconds()),
            },
            "failure_reasons": [
                {"error_type": one.error_type, "files": one.files, "file_path": one.example, "message": one.message}
                for one in tally.reasons
            ],
            "waiting": {
                "due": tally.due,
                "scheduled": tally.scheduled,
                "next_try_at": iso(tally.next_try_at),
                "newer_versions": tally.newer,
            },
            "open_batches": dict(self.open_batches),
            "watermark": iso(self.watermark),
        }


@click.command()
@click.argument("table", required=False)
@env_option
@json_option
def status(table: str | None, environment: str | None, as_json: bool) -> None:
    """Count files by status, rows, failures and what waits, of TABLE or of every table.

    Reads every entry of the tables. The exit code is 0 whatever it shows; --json prints a list with one object a table.
    """
    deployed = Deployed.of(environment)
    contracts = (deployed.contract(table),) if table else deployed.contracts
    found = [_look(deployed, contract) for contract in contracts]
    if as_json:
        print_json([one.as_document() for one in found])
        return
    if not found:
        say("no tables: declare one in src/contracts/")
        return
    out = console()
    columns = ("table", "completed", "processing", "failed", "rows", "oldest processing", "waits", "open batches")
    print_table(f"Files at {say_time(found[0].tally.now)}", columns, [_row(one) for one in found], out)
    for one in found:
        for line in notes(one):
            click.echo(f"{one.contract.ingestion_key}: {line}")


def notes(one: TableStatus) -> list[str]:
    """Say what somebody may have to know of a table beside its numbers, a sentence each.

    Args:
        one: what is known of it.
    """
    tally = one.tally
    lines = []
    for number, reason in enumerate(tally.reasons[:3]):
        what = "failed most often with" if number == 0 else "then with"
        example = _short(reason.message or reason.example)
        lines.append(f"{what} {reason.error_type} ({say_number(reason.files, 'file')}): {example}")
    if tally.failed_with_earlier_rows:
        lines.append(
            f"of {say_number(tally.failed_with_earlier_rows, 'failed file')} the table has an earlier version; "
            f"{say_number(tally.earlier_rows, 'row')} in it are of versions that are to be replaced"
        )
    if tally.due and not one.takes_events:
        lines.append(f"due: {say_number(tally.due, 'failed file')}; the next `alur run` takes them")
    if tally.next_try_at is not None:
        lines.append(f"the next try of a failed file is at {say_time(tally.next_try_at)}")
    if one.watermark is not None:
        lines.append(f"files that S3 dates before {say_time(one.watermark)} are passed over: their entries were purged")
    return lines


def _look(deployed: Deployed, contract: Contract) -> TableStatus:
    tally = Tally(deployed.clock(), contract.fingerprint)
    with Ticker(f"counting {contract.ingestion_key}") as ticker:
        for page in deployed.files.walk(contract.ingestion_key):
            for item in page:
                tally.add(item)
            ticker.show(tally.files, say_number(tally.files, "file"))
    batches = deployed.batches.open(contract.ingestion_key).batches
    return TableStatus(
        contract,
        deployed.takes_events(contract),
        tally,
        Counter(batch.state.value for batch in batches),
        deployed.files.watermark(contract.ingestion_key),
    )


def _row(one: TableStatus) -> tuple[object, ...]:
    tally = one.tally
    oldest = tally.oldest_processing
    waits = [
        f"{number:,} {what}"
        for number, what in ((tally.due, "due"), (tally.scheduled, "later"), (tally.newer, "newer"))
        if number
    ]
    batches = [f"{number} {state}" for state, number in sorted(one.open_batches.items())]
    return (
        one.contract.ingestion_key,
        tally.by_status[Status.COMPLETED],
        tally.by_status[Status.PROCESSING],
        tally.by_status[Status.FAILED],
        tally.rows,
        "-" if oldest is None else say_age(tally.now - (oldest.claimed_at or tally.now)),
        ", ".join(waits) or "-",
        ", ".join(batches) or "-",
    )


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 300 else f"{line[:300]} ..."
