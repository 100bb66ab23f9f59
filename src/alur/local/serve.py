"""`python -m alur.local.serve`: the stack in the foreground, until SIGTERM or Ctrl-C."""

from __future__ import annotations

import signal
import sys
import threading
from pathlib import Path
from typing import Any

import click

from alur.errors import LocalStackError
from alur.local.log import log_to
from alur.local.paths import find_paths
from alur.local.resources import Timings
from alur.local.stack import Options, running_stack


def serve(directory: Path | None, options: Options) -> None:
    """Run the stack until a signal asks for its end.

    Args:
        directory: where it writes; `.alur/local` of the checkout when None.
        options: how it is started.

    Raises:
        LocalStackError: it cannot start.
    """
    log_to(sys.stderr)
    stopping = threading.Event()

    def stop(number: int, frame: Any) -> None:
        # While it starts the exception unwinds the start; when it is up the event ends the wait.
        if stopping.is_set() or not ready.is_set():
            raise KeyboardInterrupt
        stopping.set()

    ready = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    with running_stack(find_paths(), options, _say, directory) as state:
        ready.set()
        _say(f"ready: {state.endpoints.aws}, logs in {state.logs}")
        # A wait with a time-out lets Python see signals on every platform.
        while not stopping.wait(1.0):
            pass
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
        _say("stopping")
    _say("stopped")


def _say(line: str) -> None:
    sys.stdout.write(f"> {line}\n")
    sys.stdout.flush()


@click.command()
@click.option("--directory", type=click.Path(path_type=Path), default=None, help="Where the stack writes.")
@click.option("--slots", type=click.IntRange(1, 8), default=2, show_default=True, help="Job runs that go at once.")
@click.option("--window", type=click.FloatRange(0), default=2.0, show_default=True, help="Batching window in seconds.")
@click.option("--section", default="default", show_default=True, help="Section of samconfig.toml.")
@click.option("--parameter", "parameters", multiple=True, metavar="NAME=VALUE", help="A template parameter.")
@click.option("--port", type=int, default=0, help="Port of the AWS endpoint; 0 takes a free one.")
@click.option("--dynamodb-port", type=int, default=0, help="Port of DynamoDB Local; 0 takes a free one.")
def main(
    directory: Path | None,
    slots: int,
    window: float,
    section: str,
    parameters: tuple[str, ...],
    port: int,
    dynamodb_port: int,
) -> None:
    """Run the local stack in the foreground."""
    given = {}
    for entry in parameters:
        name, equals, value = entry.partition("=")
        if not equals:
            raise click.BadParameter(f"{entry!r} is no NAME=VALUE")
        given[name] = value
    options = Options(given, section, slots, Timings(window_seconds=window), port, dynamodb_port)
    try:
        serve(directory, options)
    except LocalStackError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
