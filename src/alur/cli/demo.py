"""`alur local demo`: real files through the whole flow, counted; then all of it again, for nothing.

Nothing here knows how Alur counts: the expected numbers come from Python's csv module, the rows in the tables from
Iceberg's own metadata, the jobs from EMR Serverless's API.
"""

from __future__ import annotations

import os
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from alur.cli.output import EXIT_FAILED, console, print_table, say
from alur.errors import LocalStackError
from alur.local.activity import Activity, observe
from alur.local.background import down, up
from alur.local.flights import count_rows, write_daily_files
from alur.local.landing import (
    Dropped,
    Entry,
    find_contract,
    is_done,
    landing_key,
    put_files,
    read_entries,
    send_notifications,
    summarize,
)
from alur.local.paths import Paths
from alur.local.state import StackState, is_held
from alur.local.warehouse import TableContent, table_content

_TIMEOUT_SECONDS = 900.0
_POLL_SECONDS = 0.5
_PLAIN_EVERY_SECONDS = 5.0

# How long the stack must have had nothing to do before that is believed: an event is under way for less than this.
_QUIET_SECONDS = 4.0

Outputs = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Delivery:
    """A table's files.

    Args:
        table: the ingestion key.
        files: bucket and key to local file.
        rows: the rows of each, counted without Alur, by key.
    """

    table: str
    files: Mapping[tuple[str, str], Path]
    rows: Mapping[str, int]

    @property
    def total(self) -> int:
        """The rows of all files."""
        return sum(self.rows.values())


def run_demo(paths: Paths, keep: bool) -> int:
    """Run the demo in a stack of its own, and stop it again.

    Args:
        paths: the checkout.
        keep: leave the stack running, in the place where `alur local` finds it.

    Returns:
        The exit code: 0 where every number is as it must be.

    Raises:
        LocalStackError: the stack does not start, or nothing comes of the files.
    """
    # Its own directory, so that a stack that the user has running is left alone.
    directory = paths.local if keep else paths.root / ".alur" / "demo"
    if keep:
        down(directory)
    elif is_held(directory):
        raise LocalStackError("demo", "another demo of this checkout runs just now: wait until it has ended")
    # A SIGTERM must not leave the stack behind: as an exception it passes the `finally` below.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    say("Starting the local stack ...")
    # A longer window than usual: the puts take some seconds, and each batch costs a commit.
    state = up(directory, ["--window", "5"], lambda line: say(f"  {line}"))
    before = dict(os.environ)
    os.environ.update(state.variables)
    try:
        return _demonstrate(paths, state)
    finally:
        os.environ.clear()
        os.environ.update(before)
        if keep:
            say("The stack is left running: alur local status; alur local down")
        else:
            down(directory)
            say("The stack is stopped; nothing is left running.")


def mismatches(
    deliveries: Sequence[Delivery],
    entries: Mapping[str, Sequence[Entry]],
    contents: Mapping[str, TableContent],
) -> list[str]:
    """Compare ledger and tables with what was counted without Alur; a sentence for each difference.

    Args:
        deliveries: what was dropped.
        entries: what the ledger says, by table.
        contents: what the tables hold, by table.
    """
    problems = []
    for delivery in deliveries:
        for entry in entries[delivery.table]:
            expected = delivery.rows[entry.path]
            if entry.status != "completed":
                problems.append(f"{entry.path} is {entry.status}: {entry.note}")
            elif entry.rows != expected:
                problems.append(f"{entry.path} has {expected} rows, the ledger says {entry.rows}")
        if contents[delivery.table].rows != delivery.total:
            rows = contents[delivery.table].rows
            problems.append(f"{delivery.table}: the files have {delivery.total} rows, the table has {rows}")
    return problems


def percentile(values: Sequence[float], percent: int) -> float:
    """Return the value below which `percent` of the values lie (nearest rank).

    Raises:
        ValueError: there are no values.
    """
    if not values:
        raise ValueError("no values")
    ordered = sorted(values)
    return ordered[max(0, -(-percent * len(ordered) // 100) - 1)]


def _demonstrate(paths: Paths, state: StackState) -> int:
    out, outputs = console(), state.outputs
    with tempfile.TemporaryDirectory() as scratch:
        deliveries = _deliveries(paths, Path(scratch), outputs["LandingBucket"])
        count = sum(len(delivery.files) for delivery in deliveries)
        say(f"Dropping {count} files into s3://{outputs['LandingBucket']} with plain S3 puts ...")
        started = time.monotonic()
        dropped = {delivery.table: put_files(delivery.files) for delivery in deliveries}
        entries = _follow(dropped, state)
        problems = _report(deliveries, entries, outputs, time.monotonic() - started)
        if not problems:
            problems = _again(deliveries, dropped, state)
    for problem in problems[:20]:
        say(f"MISMATCH: {problem}")
    if problems:
        say(f"The demo failed: {len(problems)} mismatches. Logs: {state.logs}")
        return EXIT_FAILED
    out.print("[bold]Every file's rows are in its table exactly once.[/bold]")
    return 0


def _deliveries(paths: Paths, scratch: Path, bucket: str) -> list[Delivery]:
    say("Writing the flights of 2013 as 365 daily files ...")
    daily = write_daily_files(scratch)
    orders = sorted((paths.root / "examples" / "orders").glob("*.csv"))
    tables = {
        "flights": [(file.relative_to(scratch).as_posix(), file) for file in daily],
        "orders": [(file.name, file) for file in orders],
    }
    deliveries = []
    for table, files in tables.items():
        contract = find_contract(table, bucket)
        targets = {landing_key(contract, name): file for name, file in files}
        rows = {f"s3://{place[0]}/{place[1]}": count_rows(file) for place, file in targets.items()}
        deliveries.append(Delivery(table, targets, rows))
    return deliveries


def _follow(dropped: Mapping[str, Sequence[Dropped]], state: StackState) -> dict[str, list[Entry]]:
    """Wait until every file is done, and show how far it is."""
    outputs = state.outputs
    contracts = {table: find_contract(table, outputs["LandingBucket"]) for table in dropped}
    total = sum(len(files) for files in dropped.values())
    deadline = time.monotonic() + _TIMEOUT_SECONDS
    with _Display(total) as display:
        while True:
            entries = {
                table: read_entries(outputs["StateTable"], contracts[table], files) for table, files in dropped.items()
            }
            flat = [entry for listed in entries.values() for entry in listed]
            activity = observe(outputs)
            display.show(sum(is_done(entry) for entry in flat), _status(flat, activity))
            if all(is_done(entry) for entry in flat):
                return entries
            if activity.failed_runs and activity.is_idle:
                run = activity.failed_runs[0]
                raise LocalStackError("demo", f"job run {run.run_id} is {run.state}: {run.details}\nLogs: {state.logs}")
            if activity.dead_letters:
                problem = (
                    f"{activity.dead_letters} events went to the dead-letter queue; the functions' logs: {state.logs}"
                )
                raise LocalStackError("demo", problem)
            if time.monotonic() > deadline:
                raise LocalStackError("demo", f"not done in {_TIMEOUT_SECONDS:.0f} s: {summarize(flat)}; {state.logs}")
            time.sleep(_POLL_SECONDS)


def _status(entries: Sequence[Entry], activity: Activity) -> str:
    states: dict[str, int] = {}
    for run in activity.runs:
        states[run.state] = states.get(run.state, 0) + 1
    runs = ", ".join(f"{count} {state}" for state, count in states.items())
    return f"{summarize(entries)}; queue {activity.messages}; job runs: {runs or 'none yet'}"


def _report(
    deliveries: Sequence[Delivery], entries: Mapping[str, Sequence[Entry]], outputs: Outputs, seconds: float
) -> list[str]:
    out = console()
    contents = {delivery.table: table_content(outputs["Database"], delivery.table) for delivery in deliveries}
    tables: list[tuple[object, ...]] = []
    ledger: list[tuple[object, ...]] = []
    for delivery in deliveries:
        listed, content = entries[delivery.table], contents[delivery.table]
        agrees = "yes" if content.rows == delivery.total else "NO"
        tables.append((delivery.table, len(listed), content.rows, delivery.total, agrees, content.data_files))
        waits = [entry.seconds for entry in listed if entry.seconds is not None]
        ledger.append(
            (
                delivery.table,
                summarize(listed),
                sum(entry.rows for entry in listed),
                f"{statistics.median(waits):.1f} s" if waits else "-",
                f"{percentile(waits, 95):.1f} s" if waits else "-",
            )
        )
    columns = ("table", "files", "rows in Iceberg", "rows counted by csv", "the same", "data files")
    print_table("In the tables", columns, tables, out)
    ledger_columns = ("table", "files by status", "rows ingested", "arrival to queryable, median", "95th percentile")
    print_table("In the ledger", ledger_columns, ledger, out)
    shown = [
        (entry.path, entry.status, entry.rows, f"{entry.seconds or 0:.1f} s")
        for delivery in deliveries
        for entry in [*entries[delivery.table][:2], *entries[delivery.table][2:][-1:]]
    ]
    print_table("Some of its files", ("file", "status", "rows", "to queryable"), shown, out)
    runs = observe(outputs).runs
    out.print(f"{len(runs)} job runs, {seconds:.0f} s from the first put to the last row.\n")
    return mismatches(deliveries, entries, contents)


def _again(deliveries: Sequence[Delivery], dropped: Mapping[str, Sequence[Dropped]], state: StackState) -> list[str]:
    """Send the same events once more, then drop the same bytes once more, and count what came of it: nothing."""
    outputs = state.outputs
    tables = [delivery.table for delivery in deliveries]
    before = _settle(outputs)
    rows = {table: table_content(outputs["Database"], table) for table in tables}
    problems = []
    steps: tuple[tuple[str, Callable[[], object]], ...] = (
        ("The same events once more", lambda: _replay(dropped, state)),
        ("The same bytes dropped once more", lambda: [put_files(delivery.files) for delivery in deliveries]),
    )
    for name, act in steps:
        say(f"{name} ...")
        act()
        after = _settle(outputs)
        now = {table: table_content(outputs["Database"], table) for table in tables}
        new_rows = sum(now[table].rows - rows[table].rows for table in tables)
        new_jobs = len(after.runs) - len(before.runs)
        console().print(f"{name}: {new_rows} new rows, {new_jobs} new jobs.")
        if now != rows or new_jobs:
            problems.append(f"{name}: {new_rows} new rows and {new_jobs} new jobs, both must be 0")
        if after.dead_letters:
            problems.append(f"{name}: {after.dead_letters} messages in the dead-letter queue")
    return problems


def _replay(dropped: Mapping[str, Sequence[Dropped]], state: StackState) -> None:
    flat = [file for files in dropped.values() for file in files]
    send_notifications(flat, state.outputs["EventQueueUrl"], state.endpoints.region)


def _settle(outputs: Outputs) -> Activity:
    """Wait until the stack has had nothing to do for a while.

    Raises:
        LocalStackError: it never has.
    """
    deadline = time.monotonic() + _TIMEOUT_SECONDS
    quiet_since: float | None = None
    while time.monotonic() < deadline:
        activity = observe(outputs)
        if not activity.is_idle:
            quiet_since = None
        elif quiet_since is None:
            quiet_since = time.monotonic()
        elif time.monotonic() - quiet_since > _QUIET_SECONDS:
            return activity
        time.sleep(_POLL_SECONDS)
    raise LocalStackError("demo", "the stack does not come to rest")


class _Display:
    """A progress bar on a terminal, and a line now and then elsewhere."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._console = console(stderr=True)
        self._told_at = 0.0
        self._told = ""
        self._progress = Progress(
            BarColumn(30),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.description}"),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
        )
        self._task = self._progress.add_task("", total=total)

    def __enter__(self) -> _Display:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def show(self, done: int, status: str) -> None:
        """Show how many files are done."""
        self._progress.update(self._task, completed=done, description=status)
        due = time.monotonic() - self._told_at > _PLAIN_EVERY_SECONDS
        if not self._console.is_terminal and status != self._told and (due or done == self._total):
            say(f"  {done}/{self._total} files; {status}")
            self._told, self._told_at = status, time.monotonic()
