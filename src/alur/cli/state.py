"""`alur state`: what the ledger keeps of a table's files, and forgetting it."""

from __future__ import annotations

import sys
from datetime import timedelta
from typing import Any

import click

from alur.cli.arguments import Age
from alur.cli.deployed import Deployed, env_option, json_option
from alur.cli.following import run_to_its_end
from alur.cli.output import EXIT_FAILED, confirm, print_json, say
from alur.cli.progress import Ticker
from alur.cli.rebuilding import show_rebuilt
from alur.cli.words import iso, say_number, say_time
from alur.contracts.contract import Contract, OnOverwrite
from alur.dispatch.task_runs import TaskRuns
from alur.dispatch.tasks import Task
from alur.ingestion.sources import list_sources
from alur.ledger.clearing import clear as clear_entries
from alur.ledger.purging import Plan, Purged, Purger
from alur.ledger.retention import MARGIN


@click.group()
def state() -> None:
    """What the ledger keeps: clear it, purge it, rebuild it."""


@state.command()
@click.argument("table")
@click.option("--yes", is_flag=True, help="Do not ask.")
@env_option
@json_option
def clear(table: str, yes: bool, environment: str | None, as_json: bool) -> None:
    """Delete every entry and the watermark of TABLE.

    The table itself is not touched. Its files count as never ingested: whoever names one next (`alur run`, `alur
    backfill`, an event) has it read again, and its rows replaced. Nothing doubles. Stopped and run again it goes on.
    """
    deployed = Deployed.of(environment)
    contract = deployed.contract(table)
    key = contract.ingestion_key
    next_step = "`alur backfill` sends their events" if deployed.takes_events(contract) else "`alur run` reads them"
    say(
        f"Every entry of {key} goes, and its watermark. The rows in the table stay. Its files count as never ingested: "
        f"{next_step}, each is read again, and its rows are replaced. Nothing doubles. Failed files lose their reasons."
    )
    if contract.on_overwrite is not OnOverwrite.REPLACE:
        say(_loses_rule(contract))
    if not yes:
        confirm(f"Delete every entry of {key}?")
    with Ticker(f"clearing {key}") as ticker:
        cleared = clear_entries(deployed.files, key, lambda removed: ticker.show(removed, _entries(removed)))
    if as_json:
        print_json({"table": key, "removed": cleared.removed, "left": cleared.left})
    else:
        click.echo(f"{key}: {_entries(cleared.removed)} removed")
    if cleared.left:
        say(f"{_entries(cleared.left)} changed whenever it was to go: run it again when nothing is being ingested")
        sys.exit(EXIT_FAILED)


@state.command()
@click.argument("table")
@click.option("--older-than", type=Age(), required=True, help="As 90d, 12w or 36h: completed longer ago than this.")
@click.option("--dry-run", is_flag=True, help="Only count; change nothing.")
@env_option
@json_option
def purge(table: str, older_than: timedelta, dry_run: bool, environment: str | None, as_json: bool) -> None:
    """Forget the entries of TABLE's files that were completed long ago.

    The table itself is not touched. In place of the entries there is a watermark: files that S3 dates before it are
    neither looked up nor read again by `alur run`, unless it is asked to with --since. It stays a week before every
    file that is kept or was never ingested, so that none is passed over. Stopped and run again it goes on.
    """
    deployed = Deployed.of(environment)
    contract = deployed.contract(table)
    key = contract.ingestion_key
    purger = Purger(deployed.files, contract)
    pages = (page.objects for page in list_sources(deployed.storage, contract.source_paths))
    with Ticker(f"looking at {key}") as ticker:
        plan = purger.plan(
            deployed.clock() - older_than,
            pages,
            lambda seen: ticker.show(seen, _entries(seen)),
            lambda seen: ticker.show(seen, f"{seen:,} objects in the bucket"),
        )
    with Ticker("counting" if dry_run else "removing", total=plan.entries) as ticker:
        purged = purger.rehearse(plan, ticker.show) if dry_run else purger.carry_out(plan, ticker.show)
    if as_json:
        print_json(_document(contract, plan, purged, dry_run))
        return
    for line in report(contract, plan, purged, dry_run):
        click.echo(line)


@state.command()
@click.argument("table")
@click.option("--dry-run", is_flag=True, help="Only say which; write nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@env_option
@json_option
def rebuild(table: str, dry_run: bool, yes: bool, environment: str | None, as_json: bool) -> None:
    """Write the entries of TABLE that are missing, from what the table itself proves.

    A run of EMR Serverless does it. An entry that is there stays as it is, and the table is not touched. Let no other
    run of the table be going meanwhile: what one publishes is named, and the exit code is 1. What cannot be restored
    (files that failed, claims) is in docs/audit.md. Afterwards: `alur audit TABLE`.
    """
    deployed = Deployed.of(environment)
    key = deployed.contract(table).ingestion_key
    if not dry_run and not yes:
        say("Entries that are there stay as they are; the table is not touched. No run of it should be going.")
        confirm(f"Write the missing entries of {key}?")
    ended = run_to_its_end(
        TaskRuns(deployed.deployment, deployed.clock),
        Task.REBUILD,
        key,
        aftermath="what it had written by then is right: the same command again writes the rest",
        as_json=as_json,
        dry_run=dry_run,
    )
    if as_json:
        print_json(ended.for_json())
    else:
        show_rebuilt(ended)
    if ended.document["overtaken"]:
        sys.exit(EXIT_FAILED)


def report(contract: Contract, plan: Plan, purged: Purged, dry_run: bool) -> list[str]:
    """Say what a purge did, or would do, and what that means.

    Args:
        contract: the table's.
        plan: what was decided.
        purged: what was done.
        dry_run: nothing was.
    """
    would = "would be " if dry_run else ""
    lines = [f"{contract.ingestion_key}: {_entries(purged.removed)} {would}removed, {purged.kept:,} {would}kept"]
    if purged.changed:
        lines.append(f"changed by somebody just then, and kept: {_entries(purged.changed)}")
    if purged.watermark is None:
        lines.append("There is no watermark: no entry was completed so long ago that it can be forgotten.")
        return lines
    moved = "as before" if purged.watermark == plan.before else f"before: {say_time(plan.before)}"
    lines.append(
        f"The watermark {'would be' if dry_run else 'is'} {say_time(purged.watermark)} ({moved}): files that S3 dates "
        "earlier are neither looked up nor read again, unless `alur run` is asked to with --since."
    )
    holder = plan.holder
    if holder is not None and purged.watermark == holder.date - MARGIN:
        lines.append(f"It is a week before {holder.path} of {say_time(holder.date)}, which is {holder.why}.")
    if contract.on_overwrite is not OnOverwrite.REPLACE and purged.removed:
        lines.append(_loses_rule(contract))
    return lines


def _entries(number: int) -> str:
    return say_number(number, "entry", "entries")


def _loses_rule(contract: Contract) -> str:
    if contract.on_overwrite is OnOverwrite.SKIP:
        return (
            f'{contract.class_name} says on_overwrite = "skip": without its entry a file counts as new, and another '
            "version of it is not skipped but read, and replaces its rows."
        )
    return (
        f'{contract.class_name} says on_overwrite = "append": rows of the same version are replaced, those of other '
        "versions stay, as ever."
    )


def _document(contract: Contract, plan: Plan, purged: Purged, dry_run: bool) -> dict[str, Any]:
    holder = plan.holder
    return {
        "table": contract.ingestion_key,
        "dry_run": dry_run,
        "older_than": iso(plan.cutoff),
        "removed": purged.removed,
        "kept": purged.kept,
        "changed": purged.changed,
        "watermark": iso(purged.watermark),
        "watermark_before": iso(plan.before),
        "held_by": holder and {"file_path": holder.path, "date": iso(holder.date), "why": holder.why},
    }
