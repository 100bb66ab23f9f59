"""The stack of the guide's environment, started as a user starts it, in a project of its own."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from acceptance import commands
from acceptance.notebook import Notebook, open_notebook
from acceptance.terminal import Terminal
from acceptance.world import World
from alur.local.paths import Paths

# What a shell may know of another deployment.
_FOREIGN = ("AWS_", "ALUR_", "SPARK_", "PYSPARK_", "PYTHONPATH")

# All that a user edits or starts from; what is generated the stack makes anew.
_PARTS = ("pyproject.toml", "samconfig.toml", "template.yaml", "src", "functions", "spark_app", "ivy", "examples")


@pytest.fixture(scope="package")
def project(paths: Paths, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout in which no stack runs."""
    directory = tmp_path_factory.mktemp("project")
    for part in _PARTS:
        (directory / part).symlink_to(paths.root / part)
    (directory / ".alur").mkdir()
    (directory / ".alur" / "jars").symlink_to(paths.jars)
    return directory


@pytest.fixture(scope="package")
def terminal(paths: Paths, project: Path) -> Iterator[Terminal]:
    """A shell in the project that was told of the stack, which runs."""
    cli = paths.root / ".alur" / "tools" / "awscli" / "bin"
    if not (cli / "aws").is_file():
        pytest.fail("there is no AWS CLI for these tests: make awscli")
    own = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}
    own["PATH"] = os.pathsep.join([str(cli), str(Path(sys.executable).parent), own["PATH"]])
    # A profile of the developer's could name another Region, or another output.
    own |= {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
    shell = Terminal(project, own)
    shell.succeeds(commands.LAY_OUT)
    try:
        shell.succeeds(commands.START)
        told = shell.succeeds(f"{commands.TELL}\nenv -0").stdout
        variables = dict(entry.split("=", 1) for entry in told.split("\0") if entry)
        yield Terminal(project, variables, shell.typed)
    finally:
        shell.type(commands.STOP)


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
