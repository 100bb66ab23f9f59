"""The stack of the guide's environment, started as a user starts it, in a project of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from acceptance.notebook import Notebook, open_notebook
from acceptance.project import aws_cli, lay_out, open_shell
from acceptance.terminal import Terminal
from acceptance.world import World
from alur.local.paths import Paths


@pytest.fixture(scope="package")
def project(paths: Paths, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout in which no stack runs."""
    return lay_out(paths, tmp_path_factory.mktemp("project"))


@pytest.fixture(scope="package")
def terminal(paths: Paths, project: Path) -> Iterator[Terminal]:
    """A shell in the project that was told of the stack, which runs."""
    if not (aws_cli(paths) / "aws").is_file():
        pytest.fail("there is no AWS CLI for these tests: make awscli")
    with open_shell(paths, project) as shell:
        yield shell


@pytest.fixture(scope="package")
def stack(terminal: Terminal) -> World:
    """The stack, with the buckets that the guide names."""
    world = World(terminal.variables)
    world.create_buckets()
    return world


@pytest.fixture
def world(stack: World) -> World:
    """The stack, with nothing in it."""
    stack.empty()
    return stack


@pytest.fixture(scope="package")
def session(terminal: Terminal, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Notebook]:
    """A Python session that was told of the stack."""
    with open_notebook(terminal, tmp_path_factory.mktemp("session")) as notebook:
        yield notebook


@pytest.fixture
def notebook(session: Notebook) -> Notebook:
    """The session, with nothing defined."""
    session.begin()
    return session
