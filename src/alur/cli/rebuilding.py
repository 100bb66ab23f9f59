"""What `alur state rebuild` says of a ledger that was rebuilt from its table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from alur.cli.following import Ended, show_first
from alur.cli.words import say_number

_LISTS: Mapping[str, str] = {
    "removed": "not restored, because somebody removed its rows from the table",
    "unknown": "in the bucket, and neither the table nor the ledger know it: it is read when it is named next",
    "overtaken": "published by a run meanwhile: delete its entry, and rebuild again",
}


def show_rebuilt(ended: Ended) -> None:
    """Print what a rebuild did, or would do.

    Args:
        ended: the task; its document is the report's.
    """
    report = ended.document
    would = "would be " if report["is_dry_run"] else ""
    restored = report["restored"]
    click.echo(
        f"{report['ingestion_key']}: {say_number(len(restored), 'entry', 'entries')} {would}restored from snapshot "
        f"{report['snapshot_id']} of {report['table']}, {len(report['kept']):,} there already"
    )
    show_first(restored, _restored, ended.uri)
    for name, meaning in _LISTS.items():
        if report[name]:
            click.echo(f"{say_number(len(report[name]), 'file')}: {meaning}")
            show_first(report[name], "  {}".format, ended.uri)
    if not report["history_is_whole"]:
        click.echo(
            "older snapshots have expired, or their records are lost: files without rows may be among those that "
            "nobody knows, and what is read again brings nothing again"
        )
    click.echo(f"the whole report: {ended.uri}")


def _restored(file: Mapping[str, Any]) -> str:
    return f"  {file['path']}: {say_number(file['rows'], 'row')} of version {file['etag']} by batch {file['batch_id']}"
