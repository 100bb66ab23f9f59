"""`alur backfill`: the events of files that were in the bucket before anybody listened."""

from __future__ import annotations

from dataclasses import asdict

import click

from alur.cli.deployed import Deployed, env_option, json_option
from alur.cli.output import EXIT_FAILED, print_json, say, stop
from alur.cli.progress import Ticker
from alur.cli.words import say_number
from alur.contracts.contract import Contract, Trigger
from alur.dispatch.backfilling import Backfiller, Progress
from alur.errors import ContractError
from alur.ingestion.sources import list_sources, resolve_sources


@click.command()
@click.argument("table")
@click.option(
    "--source", required=True, metavar="GLOB", help="Which files: a glob, as s3://${LandingBucket}/orders/**."
)
@click.option("--dry-run", is_flag=True, help="Only count; send nothing.")
@env_option
@json_option
def backfill(table: str, source: str, dry_run: bool, environment: str | None, as_json: bool) -> None:
    """Have files that are in the bucket already ingested into TABLE, as if they had just landed.

    What the ledger has in the same version, completed or processing, is left out. It may be stopped and run again.
    The exit code is 1 where no file of the source is the table's.
    """
    deployed = Deployed.of(environment)
    contract = deployed.contract(table)
    _refuse_without_events(deployed, contract)
    try:
        globs = resolve_sources(source, deployed.deployment.contract_variables)
    except ContractError as error:
        raise click.BadParameter(str(error), param_hint="--source") from error
    notify = (lambda _: None) if dry_run else deployed.notifier.notify
    backfiller = Backfiller(contract, deployed.files, notify)
    progress = Progress()
    with Ticker(f"backfilling {contract.ingestion_key}") as ticker:
        for progress in backfiller.run(page.objects for page in list_sources(deployed.storage, globs)):
            ticker.show(progress.listed, _counts(progress, dry_run))
    if as_json:
        print_json({"table": contract.ingestion_key, "source": globs[0], "dry_run": dry_run, **_document(progress)})
    else:
        click.echo(_counts(progress, dry_run))
    _explain(progress, contract, globs[0])


def _refuse_without_events(deployed: Deployed, contract: Contract) -> None:
    if contract.trigger is not Trigger.EVENT:
        why = f'the contract of {contract.ingestion_key} says trigger = "run"'
    elif not deployed.takes_events(contract):
        why = "this environment was deployed with EventIngestion=off"
    else:
        return
    stop(f"{why}, so that nobody takes events: `alur run` finds these files by itself", EXIT_FAILED)


def _counts(progress: Progress, dry_run: bool) -> str:
    done = "would be sent" if dry_run else "sent"
    return (
        f"{say_number(progress.listed, 'file')} listed: {progress.sent:,} {done}, {progress.known:,} known already, "
        f"{progress.unclaimed + progress.unstorable:,} not the table's"
    )


def _document(progress: Progress) -> dict[str, object]:
    return {"matched": progress.matched, **asdict(progress)}


def _explain(progress: Progress, contract: Contract, glob: str) -> None:
    """Say what was left out and why; exit 1 where nothing was the table's."""
    if progress.unclaimed:
        say(
            f"not meant by {', '.join(contract.source_paths)}: {say_number(progress.unclaimed, 'file')}; nobody would "
            f"know whose they are: widen Meta.source_path of {contract.class_name} and deploy, or narrow --source"
        )
        for path in progress.examples_unclaimed:
            say(f"  {path}")
    if progress.unstorable:
        say(f"longer paths than the ledger holds: {say_number(progress.unstorable, 'file')}; rename them:")
        for path in progress.examples_unstorable:
            say(f"  {path}")
    if not progress.matched:
        stop(f"no file of {contract.ingestion_key} matches {glob}", EXIT_FAILED)
