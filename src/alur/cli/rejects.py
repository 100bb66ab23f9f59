"""`alur rejects`: the records of a table's files that could not be stored, as a run of EMR Serverless."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from alur.cli.arguments import FilePath
from alur.cli.deployed import Deployed, env_option, json_option
from alur.cli.following import Ended, run_to_its_end
from alur.cli.output import print_json
from alur.cli.words import say_number, say_time
from alur.clock import from_iso
from alur.delimited.rows import quoted
from alur.dispatch.task_runs import TaskRuns
from alur.dispatch.tasks import Task

_MOST = 10_000


@click.command()
@click.argument("table")
@click.option("--file", "path", type=FilePath(), help="Only those of this file, s3://bucket/key.")
@click.option("--limit", type=click.IntRange(1, _MOST), default=100, show_default=True, help="At most so many.")
@env_option
@json_option
def rejects(table: str, path: str | None, limit: int, environment: str | None, as_json: bool) -> None:
    """Show the records of TABLE's files that could not be stored: line, column, reason and record, by file.

    A run of EMR Serverless reads them; it changes nothing. The files whose records were read last come first. Rejects
    count as long as the rows are in the table that came with them; a file that failed has none: `alur files` says why.
    """
    deployed = Deployed.of(environment)
    key = deployed.contract(table).ingestion_key
    runs = TaskRuns(deployed.deployment, deployed.clock)
    aftermath = "it would have changed nothing: the same command again begins anew"
    ended = run_to_its_end(runs, Task.REJECTS, key, aftermath=aftermath, as_json=as_json, file=path, limit=limit)
    if as_json:
        print_json(ended.for_json())
    else:
        _show(ended, path)


def _show(ended: Ended, path: str | None) -> None:
    report = ended.document
    key = report["ingestion_key"]
    whose = key if path is None else f"{path} in {key}"
    if not report["total"]:
        click.echo(f"{whose}: every record of what is in the table could be stored")
        return
    for file in report["files"]:
        _show_file(file)
    records, files = say_number(report["total"], "reject"), say_number(report["file_count"], "file")
    shown = "" if report["shown"] == report["total"] else f", the newest {report['shown']:,} of them above"
    click.echo(f"{whose}: {records} of {files}{shown}")
    click.echo(f"all of them: the table {report['table']}")
    example = report["files"][0]["path"] if report["file_count"] == 1 else "s3://…"
    click.echo(
        f"what to do: correct the contract, deploy it, and `alur reprocess {example}`; "
        "or correct the file, and upload it again"
    )


def _show_file(file: Mapping[str, Any]) -> None:
    records = file["records"]
    shown = "" if len(records) == file["rejects"] else f", the first {len(records):,} of them here"
    count, when = say_number(file["rejects"], "reject"), say_time(from_iso(file["ingested_at"]))
    click.echo(f"{file['path']}: {count}{shown}; read {when} by batch {file['batch_id']}")
    for record in records:
        column = "" if record["column"] is None else f"column {record['column']}: "
        click.echo(f"  line {record['line']:,}: {column}{record['reason']}")
        click.echo(f"    {quoted(record['record'])}")
