"""A project of the user's, and a shell in it that was told of the stack."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from acceptance import commands
from acceptance.terminal import Terminal
from alur.local.paths import Paths

# What a shell may know of another deployment.
_FOREIGN = ("AWS_", "ALUR_", "SPARK_", "PYSPARK_", "PYTHONPATH")

# All that a user edits or starts from; what is generated the stack makes anew.
_PARTS = ("pyproject.toml", "samconfig.toml", "template.yaml", "src", "functions", "spark_app", "ivy", "examples")


def lay_out(paths: Paths, directory: Path) -> Path:
    """Make a checkout in which no stack runs, of links to this one.

    Args:
        paths: this one.
        directory: the other.
    """
    for part in _PARTS:
        (directory / part).symlink_to(paths.root / part)
    (directory / ".alur").mkdir()
    (directory / ".alur" / "jars").symlink_to(paths.jars)
    return directory


def aws_cli(paths: Paths) -> Path:
    """Return the directory in which `make awscli` puts the AWS CLI."""
    return paths.root / ".alur" / "tools" / "awscli" / "bin"


@contextlib.contextmanager
def open_shell(paths: Paths, project: Path) -> Iterator[Terminal]:
    """Lay out the guide's files, start the stack, and give a shell that was told of it; end the stack with the block.

    Args:
        paths: this checkout.
        project: that of the user.
    """
    own = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}
    own["PATH"] = os.pathsep.join([str(aws_cli(paths)), str(Path(sys.executable).parent), own["PATH"]])
    # A profile of the developer's could name another Region, or another format of what is printed.
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
