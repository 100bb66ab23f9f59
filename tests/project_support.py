"""A project of a test's own: packages `contracts` and `pipelines` in a folder, instead of this checkout's."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent

import boto3
import pytest
from click.testing import CliRunner, Result

from alur import decorators
from alur.aws.clients import client
from alur.cli import main

TABLE = """
    from alur.contracts import BronzeTable, DecimalField, LongField


    class {name}Bronze(BronzeTable):
        id = LongField(nullable=False, description="its number")
        price = DecimalField(12, 2)

        class Meta:
            source_path = {globs}
            source_system = "shop"
            {more}
"""


def table(name: str, *globs: str, more: str = "") -> str:
    """The source of a contract."""
    return TABLE.format(name=name, globs=list(globs), more=more)


def make_project(directory: Path, monkeypatch: pytest.MonkeyPatch, files: Mapping[str, str]) -> Path:
    """Write a project, and let this process import it, and no other, until the test ends.

    Args:
        directory: where; it becomes the current one.
        files: source by path below `src/`.
    """
    # Both with an __init__: else the checkout's own packages would be found before these.
    for name, source in {"contracts/__init__.py": "", "pipelines/__init__.py": "", **files}.items():
        file = directory / "src" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(dedent(source))
    for name in list(sys.modules):
        if name.partition(".")[0] in ("contracts", "pipelines"):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(decorators, "_registered", {})
    # No file of bytecode: a test may write a module of the same name and size within a second.
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.syspath_prepend(directory / "src")
    monkeypatch.chdir(directory)
    return directory


def forget_project() -> None:
    """Let the checkout's own packages be found again, also by what a test imported under their names."""
    for name in list(sys.modules):
        if name.partition(".")[0] in ("contracts", "pipelines"):
            del sys.modules[name]


def forget_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave this process without any credentials; clear `client`'s cache afterwards."""
    for name in list(os.environ):
        if name.startswith("AWS_"):
            monkeypatch.delenv(name)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, os.devnull)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    # What a session has found once it keeps.
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    client.cache_clear()


def call(*arguments: str, answer: str | None = None) -> Result:
    """Run a command; whatever is no clean exit is raised here."""
    result = CliRunner(mix_stderr=False).invoke(main, list(arguments), input=answer)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result
