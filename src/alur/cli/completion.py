"""`alur completion`: the script by which a shell completes commands and options."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

_PROGRAM = "alur"
_VARIABLE = "_ALUR_COMPLETE"
"""By this variable click knows that a shell asks for completions."""


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the script that completes commands and options in SHELL.

    \b
    bash, in ~/.bashrc:   eval "$(alur completion bash)"
    zsh, in ~/.zshrc:     eval "$(alur completion zsh)"
    fish:                 alur completion fish > ~/.config/fish/completions/alur.fish
    """
    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"this version of click knows no {shell}")
    click.echo(kind(ctx.find_root().command, {}, _PROGRAM, _VARIABLE).source())
