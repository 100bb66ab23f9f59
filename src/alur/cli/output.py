"""How commands speak: data to stdout, progress and complaints to stderr, JSON when asked for."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn

import click
from rich.console import Console
from rich.table import Table

from alur.errors import AlurError

EXIT_FAILED = 1
EXIT_NOT_DEPLOYED = 3


def console(stderr: bool = False) -> Console:
    """Return a console; colours and redrawing only where the stream is a terminal."""
    return Console(stderr=stderr, highlight=False)


def say(line: str) -> None:
    """Tell a step of progress, on stderr."""
    click.echo(line, err=True)


def print_json(value: Any) -> None:
    """Print a value as JSON."""
    click.echo(json.dumps(value, indent=2, default=str))


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]], out: Console) -> None:
    """Print rows; columns whose values are all numbers stand to the right."""
    table = Table(title=title, title_justify="left")
    for number, name in enumerate(columns):
        numeric = bool(rows) and all(isinstance(row[number], int | float) for row in rows)
        table.add_column(name, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*(f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in row))
    out.print(table)


def stop(message: str, code: int) -> NoReturn:
    """End the command with a message on stderr."""
    say(message)
    sys.exit(code)


@contextmanager
def errors_to_exit_codes() -> Iterator[None]:
    """Say Alur's own errors without a traceback, and exit 1."""
    try:
        yield
    except AlurError as error:
        stop(f"error: {error}", EXIT_FAILED)
