"""`alur local`: the local stack."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from alur.cli.output import (
    EXIT_FAILED,
    EXIT_NOT_DEPLOYED,
    console,
    errors_to_exit_codes,
    print_json,
    print_table,
    say,
    stop,
)
from alur.cli.words import say_number
from alur.local.paths import find_paths
from alur.local.state import StackState, read_state


@click.group()
def local() -> None:
    """The whole of it on this machine: the same template, handlers and job."""


@local.command(context_settings={"ignore_unknown_options": True})
@click.argument("options", nargs=-1, type=click.UNPROCESSED)
@click.option("--section", help="The section of samconfig.toml that the stack is to be; the section default when none.")
@click.option("--json", "as_json", is_flag=True, help="Print what was started as JSON.")
def up(options: Sequence[str], section: str | None, as_json: bool) -> None:
    """Start the stack in the background and wait until it is ready; one that runs already is shown.

    OPTIONS are those of `alur local serve`.
    """
    from alur.local.background import up as start

    with errors_to_exit_codes():
        state = start(find_paths().local, [*options, *(["--section", section] if section else [])], say)
    if section and state.section != section:
        stop(f"the stack that runs is {state.section}, not {section}: end it with `alur local down`", EXIT_FAILED)
    _show(state, as_json)


@local.command()
def down() -> None:
    """Stop the stack and everything that it started."""
    from alur.local.background import down as end

    with errors_to_exit_codes():
        say("stopped" if end(find_paths().local) else "nothing runs")


@local.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def status(as_json: bool) -> None:
    """Show the stack that runs; exit code 3 where none does."""
    _show(_running(), as_json)


@local.command()
def env() -> None:
    """Print only export lines, endpoints, names and Spark's settings: eval "$(alur local env)"."""
    state = _running()
    for name, value in {**state.variables, **state.names, **state.spark}.items():
        click.echo(f"export {name}={shlex.quote(value)}")


@local.command(context_settings={"ignore_unknown_options": True, "help_option_names": []})
@click.argument("options", nargs=-1, type=click.UNPROCESSED)
def serve(options: Sequence[str]) -> None:
    """Run the stack in the foreground until Ctrl-C; `alur local serve --help` lists its options."""
    from alur.local.serve import main

    main.main(args=list(options), prog_name="alur local serve")


@local.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--table", required=True, help="The table's name in the ledger, for example orders.")
@click.option("--timeout", default=600, show_default=True, type=click.IntRange(1), help="Seconds to wait at most.")
@click.option("--json", "as_json", is_flag=True, help="Print the files' entries as JSON.")
def drop(files: tuple[Path, ...], table: str, timeout: int, as_json: bool) -> None:
    """Copy FILES to where the table's files land, and wait until each is completed or failed."""
    state = _running()
    # The stack's own variables, so that the clients of this process reach it.
    os.environ.update(state.variables)
    from alur.local.landing import drop_files

    with errors_to_exit_codes():
        entries = drop_files(files, table, state.outputs, timeout, say)
    failed = [entry for entry in entries if entry.status != "completed"]
    if as_json:
        print_json([entry.as_mapping() for entry in entries])
    else:
        rows = [(entry.path, entry.status, entry.rows, entry.note) for entry in entries]
        print_table(f"{table}: {say_number(len(entries), 'file')}", ("file", "status", "rows", "note"), rows, console())
    sys.exit(EXIT_FAILED if failed else 0)


@local.command()
@click.option("--keep", is_flag=True, help="Leave the stack running at the end.")
def demo(keep: bool) -> None:
    """Real files through the whole flow, counted, then all of it again: 0 new rows, 0 new jobs."""
    from alur.cli.demo import run_demo

    with errors_to_exit_codes():
        sys.exit(run_demo(find_paths(), keep))


@local.command()
@click.argument("event", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--function", "logical_id", default="DispatcherFunction", show_default=True, help="Its logical id.")
def invoke(event: Path, logical_id: str) -> None:
    """Run what `sam build` made of a function under the Lambda runtime emulator, with EVENT, against the stack."""
    state = _running()
    from alur.local.invoke import invoke_built

    with errors_to_exit_codes():
        answer = invoke_built(find_paths(), state, logical_id, event.read_text())
    say(answer.log.rstrip())
    click.echo(answer.payload)
    sys.exit(EXIT_FAILED if answer.failed else 0)


def _running() -> StackState:
    with errors_to_exit_codes():
        state = read_state(find_paths().local)
    if state is None:
        stop("no local stack runs: start one with `alur local up`", EXIT_NOT_DEPLOYED)
    return state


def _show(state: StackState, as_json: bool) -> None:
    if as_json:
        shown = {"pid": state.pid, "variables": state.variables, "outputs": dict(state.outputs), "logs": state.logs}
        which = {"section": state.section, "stack_name": state.stack_name}
        print_json({**shown, **which, "started_at": state.started_at})
        return
    for name, value in state.variables.items():
        click.echo(f"export {name}={shlex.quote(value)}")
    click.echo()
    own = {"Section": state.section, "Stack": f"{state.stack_name} in {state.endpoints.region}"}
    for name, value in {**own, **state.outputs, "Logs": state.logs}.items():
        click.echo(f"{name:<20} {value}")
    say('\nUse it from this shell: eval "$(alur local env)". Stop it: alur local down')
