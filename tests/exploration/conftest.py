"""What every exploration needs: a prepared process, and a line on the terminal."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest

from exploration.world import exploring


@pytest.fixture(autouse=True)
def _explores() -> Iterator[None]:
    with exploring():
        yield


@pytest.fixture(scope="session")
def say(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Writes a line to the terminal, whatever pytest captures."""
    plugins = request.config.pluginmanager
    reporter, capture = plugins.get_plugin("terminalreporter"), plugins.get_plugin("capturemanager")

    def write(line: str) -> None:
        if capture is None:
            return
        with capture.global_and_fixture_disabled():
            if reporter is not None:
                reporter.ensure_newline()
                reporter.write_line(line)
            else:
                # A worker of pytest-xdist has no reporter; what it writes here comes through.
                os.write(2, f"{line}\n".encode())

    return write
