"""The `alur` command: one module for each group, loaded when it is asked for, so that `--help` is quick.

Exit codes: 0 done, 1 something failed, 2 wrong usage, 3 nothing is deployed or running.
"""

from __future__ import annotations

import importlib

import click

_GROUPS = {
    "local": ("alur.cli.local", "local", "The whole of it on this machine: start, use and stop the local stack.")
}


class _LazyGroup(click.Group):
    """A group whose commands are imported when they are used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the commands."""
        return sorted(_GROUPS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command."""
        if cmd_name not in _GROUPS:
            return None
        module, attribute, _ = _GROUPS[cmd_name]
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, _GROUPS[name][2]) for name in self.list_commands(ctx)])


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="alur", prog_name="alur")
def main() -> None:
    """Files in, bronze rows out, exactly once."""
