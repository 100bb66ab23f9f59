"""`alur audit`: bucket against ledger against table, file by file, as a run of EMR Serverless."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

import click

from alur.cli.deployed import Deployed, env_option, json_option
from alur.cli.following import Ended, run_to_its_end, show_first
from alur.cli.output import EXIT_FAILED, print_json
from alur.cli.words import say_number, say_time
from alur.clock import from_iso
from alur.dispatch.task_runs import TaskRuns
from alur.dispatch.tasks import Task

DIFFERENCES = frozenset(
    {
        "rows-missing",
        "rows-doubled",
        "wrong-version",
        "wrong-batch",
        "rows-though-failed",
        "no-entry",
        "rejects-differ",
        "unknown",
    }
)
"""The verdicts under which an audit does not agree. The engine's own: here, where there is no Spark, by name."""

_UNOWNED = {
    "unmanaged": "written with enable_idempotency=False",
    "foreign": "that no batch has brought: other people's",
}


@click.command()
@click.argument("table")
@click.option("--all", "shows_all", is_flag=True, help="List every file, and not only those that differ.")
@env_option
@json_option
def audit(table: str, shows_all: bool, environment: str | None, as_json: bool) -> None:
    """Compare bucket, ledger and table TABLE, file by file, at one snapshot. Changes nothing.

    A run of EMR Serverless does it. Of each difference it is said what the places say and which commit proves it;
    docs/audit.md says what to do about each verdict. The exit code is 1 where something differs. --json has every
    difference, with --all every file.
    """
    deployed = Deployed.of(environment)
    key = deployed.contract(table).ingestion_key
    runs = TaskRuns(deployed.deployment, deployed.clock)
    aftermath = "an audit changes nothing: the same command again begins anew"
    ended = run_to_its_end(runs, Task.AUDIT, key, aftermath=aftermath, as_json=as_json)
    files: Sequence[Mapping[str, Any]] = ended.document["files"]
    differing = [file for file in files if file["verdict"] in DIFFERENCES]
    if as_json:
        print_json({**ended.for_json(), "files": files if shows_all else differing, "differences": len(differing)})
    else:
        _show(ended, differing, shows_all)
    sys.exit(0 if ended.document["agrees"] else EXIT_FAILED)


def describe(file: Mapping[str, Any]) -> str:
    """Say what each place says of a file, and the proof, a line each.

    Args:
        file: of the report's document.
    """
    bucket, ledger, proof = file["bucket"], file["ledger"], file["proof"]
    held = [
        f"{say_number(rows['rows'], 'row')} of version {rows['etag']} by batch {rows['batch_id']}"
        for rows in file["table"]
    ]
    rejected = [
        f"{group['rejects']:,} of version {group['etag']} by batch {group['batch_id']}, attempt {group['attempt']}"
        for group in file["rejects"]
    ]
    lines = [
        f"{file['path']}: {file['verdict']}",
        f"  bucket  {_bucket(bucket) if bucket else 'no such object'}",
        f"  ledger  {_ledger(ledger) if ledger else 'no entry'}",
        f"  table   {' and '.join(held) or 'no rows'}",
        f"  rejects {' and '.join(rejected) or 'none'}",
        f"  proof   {_proof(proof) if proof else 'none: no commit that is still told says so'}",
    ]
    return "\n".join(lines)


def _bucket(current: Mapping[str, Any]) -> str:
    return f"version {current['etag']}, {current['size_bytes']:,} bytes"


def _ledger(entry: Mapping[str, Any]) -> str:
    rows = "" if entry["rows"] is None else f", {say_number(entry['rows'], 'row')}{_beside(entry)}"
    return f"{entry['status']}{rows} of version {entry['etag']} by batch {entry['batch_id']}"


def _proof(proof: Mapping[str, Any]) -> str:
    return (
        f"snapshot {proof['snapshot_id']} of {say_time(from_iso(proof['committed_at']))}: "
        f"{say_number(proof['rows'], 'row')}{_beside(proof)} of version {proof['etag']} by batch {proof['batch_id']}; "
        f"{proof['record']}"
    )


def _beside(counts: Mapping[str, Any]) -> str:
    return f" and {say_number(counts['rejects'], 'reject')}" if counts["rejects"] else ""


def _show(ended: Ended, differing: Sequence[Mapping[str, Any]], shows_all: bool) -> None:
    report = ended.document
    click.echo(f"{report['table']} at snapshot {report['snapshot_id']}, {say_time(from_iso(report['audited_at']))}")
    for verdict, number in report["counts"].items():
        click.echo(f"  {number:>9,}  {verdict}{' (differs)' if verdict in DIFFERENCES else ''}")
    rejects = report["rejects"]
    if rejects:
        held = say_number(rejects["count"], "reject")
        click.echo(f"  {held} in {rejects['table']} at snapshot {rejects['snapshot_id']}")
    if shows_all:
        for file in report["files"]:
            click.echo(f"{file['verdict']:<18}  {file['path']}: {file['sentence']}")
    show_first(differing, describe, ended.uri)
    for kind, meaning in _UNOWNED.items():
        _show_unowned(kind, meaning, report[kind], ended.uri)
    if not report["history_is_whole"]:
        click.echo("older snapshots have expired, or their records are lost: of files from then no proof is left")
    total = say_number(sum(report["counts"].values()), "file")
    if report["agrees"]:
        click.echo(f"{total}: bucket, ledger and table agree")
    else:
        click.echo(f"{say_number(len(differing), 'difference')} in {total}; docs/audit.md says what to do about each")
    click.echo(f"the whole report: {ended.uri}")


def _show_unowned(kind: str, meaning: str, groups: Sequence[Mapping[str, Any]], uri: str) -> None:
    if groups:
        rows = sum(group["rows"] for group in groups)
        click.echo(f"{kind}, which is no difference: {say_number(rows, 'row')} {meaning}")
        show_first(groups, _unowned, uri)


def _unowned(group: Mapping[str, Any]) -> str:
    return f"  {group['rows']:,} of {group['source_file'] or 'no file'} by {group['batch_id'] or 'no batch'}"
