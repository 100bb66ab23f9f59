"""The `alur` command: one module for each command or group, loaded when it is asked for, so that `--help` is quick."""

from __future__ import annotations

import importlib
from typing import Any

import click

_COMMANDS = {
    "audit": ("alur.cli.audit", "audit", "Compare bucket, ledger and table, file by file."),
    "completion": ("alur.cli.completion", "completion", "Print the script that completes commands in a shell."),
    "deploy": ("alur.cli.deploying", "deploy", "Check, build and deploy an environment."),
    "destroy": ("alur.cli.destroying", "destroy", "Delete an environment; its data only where that is said."),
    "doctor": ("alur.cli.doctoring", "doctor", "Say what would fail, before it does."),
    "list": ("alur.cli.listing", "list_", "List the project's tables and pipelines."),
    "logs": ("alur.cli.logs", "logs", "Show a run's log."),
    "validate": ("alur.cli.validating", "validate", "Check contracts and pipelines."),
    "backfill": ("alur.cli.backfill", "backfill", "Send the events of files that are in the bucket already."),
    "preview": ("alur.cli.preview", "preview", "Say what would become of a file if it landed."),
    "infer": ("alur.cli.inferring", "infer", "Write a contract for sample files."),
    "rejects": ("alur.cli.rejects", "rejects", "Show the records of a table's files that could not be stored."),
    "files": ("alur.cli.files_", "files", "List a table's files, as the ledger has them."),
    "reprocess": ("alur.cli.reprocess", "reprocess", "Read files again and replace their rows."),
    "retry": ("alur.cli.retry", "retry", "Let failed files be tried again."),
    "run": ("alur.cli.run", "run", "Run a pipeline: ingest what is new."),
    "show": ("alur.cli.show", "show", "Tell one file's whole story."),
    "state": ("alur.cli.state", "state", "What the ledger keeps: clear it, purge it, rebuild it."),
    "status": ("alur.cli.status", "status", "Count files, rows and what waits, by table."),
    "local": ("alur.cli.local", "local", "The whole of it on this machine: start, use and stop the local stack."),
}
"""Name to module, attribute, and the line that `alur --help` shows: commands and groups alike."""


class _LazyGroup(click.Group):
    """A group whose commands are imported when they are used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the commands."""
        return sorted(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command."""
        if cmd_name not in _COMMANDS:
            return None
        module, attribute, _ = _COMMANDS[cmd_name]
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command, and make exit codes of its errors."""
        from alur.cli.output import errors_to_exit_codes

        with errors_to_exit_codes():
            return super().invoke(ctx)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, _COMMANDS[name][2]) for name in self.list_commands(ctx)])


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="alur", prog_name="alur")
def main() -> None:
    """Files in, bronze rows out, exactly once.

    Commands that take --env find what they work on by that section of samconfig.toml; without it by the variables
    ALUR_STATE_TABLE and so on, or by the section that ALUR_ENV names. TABLE is a class (OrdersBronze) or its name in
    the ledger (orders).

    \b
    Exit codes:
      0    done
      1    files failed, something differs, or another error, which is said
      2    wrong usage
      3    nothing is deployed or running there, or there is no access
      130  interrupted; what was done by then stands, and the same command goes on from there
    """
