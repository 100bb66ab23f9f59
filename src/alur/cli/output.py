"""How commands speak: data to stdout, progress and complaints to stderr, JSON when asked for."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from alur.errors import AlurError, DeploymentUnknown, LedgerError, QueueError, StorageError, SubmitError

EXIT_FAILED = 1
EXIT_NOT_DEPLOYED = 3
EXIT_INTERRUPTED = 130

_BORDER_PER_COLUMN = 3
_MOST_UNBROKEN = 16

_NOT_THERE = frozenset(
    {"AWS.SimpleQueueService.NonExistentQueue", "NoSuchBucket", "QueueDoesNotExist", "ResourceNotFoundException"}
)
_NO_ACCESS = frozenset({"403", "AccessDenied", "AccessDeniedException", "AllAccessDisabled"})
_NOBODY = frozenset(
    {
        "CredentialRetrievalError",
        "ExpiredToken",
        "ExpiredTokenException",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "NoAuthTokenError",
        "NoCredentialsError",
        "PartialCredentialsError",
        "SSOTokenLoadError",
        "SignatureDoesNotMatch",
        "TokenRetrievalError",
        "UnauthorizedSSOTokenError",
        "UnrecognizedClientException",
    }
)
_NO_WAY = frozenset({"ConnectTimeoutError", "EndpointConnectionError", "ProxyConnectionError"})


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
    """Print rows as a table; where it would break words, a value a line.

    Args:
        title: above it.
        columns: the headings.
        rows: the values; columns whose values are all numbers stand to the right.
        out: where to.
    """
    texts = [[f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in row] for row in rows]
    if _table_width(columns, texts) > out.width:
        out.print(Text(title, style="italic"))
        for first, *rest in texts:
            out.print(Text(first), soft_wrap=True)
            for name, text in zip(columns[1:], rest, strict=True):
                out.print(Text(f"  {name}: {text}"), soft_wrap=True)
        return
    table = Table(title=Text(title), title_justify="left")
    for number, name in enumerate(columns):
        numeric = bool(rows) and all(isinstance(row[number], int | float) for row in rows)
        table.add_column(name, justify="right" if numeric else "left", overflow="fold", min_width=_longest_word([name]))
    for row in texts:
        # As a text, for in a string rich takes what stands in brackets for its markup: a key may hold such.
        table.add_row(*map(Text, row))
    out.print(table)


def _table_width(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> int:
    """Return how wide a table must be so that no heading breaks, and of the cells long ones only."""
    widths = [
        max(_longest_word([name]), min(_longest_word([row[number] for row in rows]), _MOST_UNBROKEN))
        for number, name in enumerate(columns)
    ]
    return sum(widths) + _BORDER_PER_COLUMN * len(columns) + 1


def _longest_word(texts: Iterable[str]) -> int:
    return max((len(word) for text in texts for word in text.split()), default=0)


def stop(message: str, code: int) -> NoReturn:
    """End the command with a message on stderr."""
    say(message)
    sys.exit(code)


def confirm(question: str) -> None:
    """Ask on stderr, and end the command unless the answer is yes.

    Args:
        question: what is going to happen, as a question.
    """
    try:
        agreed = click.confirm(question, err=True)
    except click.Abort as abort:
        say("")
        if isinstance(abort.__context__, KeyboardInterrupt):
            stop("interrupted: nothing was changed", EXIT_INTERRUPTED)
        stop("nobody answered, and nothing was changed: --yes answers it beforehand", EXIT_FAILED)
    if not agreed:
        stop("nothing was changed", EXIT_FAILED)


def access_problem(error: AlurError) -> str | None:
    """Say what to do about an error that means: nothing is deployed there, or it cannot be reached; None: it does not.

    Args:
        error: any of Alur's.
    """
    if isinstance(error, DeploymentUnknown):
        # It says itself what is missing.
        return ""
    if not isinstance(error, LedgerError | StorageError | QueueError | SubmitError):
        return None
    if error.code in _NOT_THERE:
        return "it is not there: is this the Region and the account of the deployment? `alur deploy` makes it"
    if error.code in _NO_ACCESS:
        return "there is no access: `aws sts get-caller-identity` says who you are; grant that identity the call"
    if error.code in _NOBODY:
        return "AWS takes no call from here: sign in (`aws sso login`, AWS_PROFILE, or new keys)"
    if error.code in _NO_WAY:
        return "nobody answers there: check the network and AWS_ENDPOINT_URL; a local stack may have been stopped"
    return None


@contextmanager
def errors_to_exit_codes() -> Iterator[None]:
    """Say Alur's own errors without a traceback: exit 3 where nothing is deployed or reached, else 1; Ctrl-C is 130."""
    try:
        yield
    except AlurError as error:
        remedy = access_problem(error)
        say(f"error: {error}")
        if remedy:
            say(remedy)
        sys.exit(EXIT_FAILED if remedy is None else EXIT_NOT_DEPLOYED)
    except KeyboardInterrupt:
        stop("\ninterrupted: what was done stands; the same command goes on from there", EXIT_INTERRUPTED)
