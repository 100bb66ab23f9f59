"""A `sam` that writes down how it was called and does to moto's stacks what it is told to."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

_SCRIPT = """\
#!{python}
import json, os, sys
with open({log!r}, "a") as log:
    log.write(json.dumps({{"argv": sys.argv[1:], "cwd": os.getcwd(), "env": dict(os.environ)}}) + "\\n")
told = json.load(open({orders!r})).get(sys.argv[1], {{}})
print("sam says", sys.argv[1], flush=True)
if "stack" in told:
    import boto3
    cloudformation = boto3.client("cloudformation", region_name="us-east-1")
    if sys.argv[1] == "delete":
        cloudformation.delete_stack(StackName=told["stack"])
    else:
        outputs = {{name: {{"Value": value}} for name, value in told["outputs"].items()}}
        template = json.dumps({{"Resources": {{}}, "Outputs": outputs}})
        cloudformation.create_stack(StackName=told["stack"], TemplateBody=template)
sys.exit(told.get("exit", 0))
"""


@dataclass(frozen=True, slots=True)
class FakeSam:
    """The folder of an interpreter that has a `sam` beside it."""

    folder: Path

    def told(self, **orders: Mapping[str, Any]) -> None:
        """Say what a subcommand does: `exit`, its exit code; `stack` and `outputs`, what it makes or deletes."""
        (self.folder / "orders.json").write_text(json.dumps(orders))

    @property
    def calls(self) -> list[dict[str, Any]]:
        """How it was called, in order."""
        log = self.folder / "log"
        return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []

    @property
    def commands(self) -> list[list[str]]:
        """The arguments of each call."""
        return [call["argv"] for call in self.calls]


def install_sam(directory: Path, monkeypatch: pytest.MonkeyPatch) -> FakeSam:
    """Make this process believe that its interpreter lies beside a fake sam and a python3.11."""
    folder = directory / "bin"
    folder.mkdir()
    script = folder / "sam"
    script.write_text(
        _SCRIPT.format(python=sys.executable, log=str(folder / "log"), orders=str(folder / "orders.json"))
    )
    for name in ("python", "python3.11"):
        (folder / name).write_text("#!/bin/sh\n")
    for file in folder.iterdir():
        file.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(folder / "python"))
    fake = FakeSam(folder)
    fake.told()
    return fake


def without(name: str, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Take a tool away, wherever it is."""
    (directory / "bin" / name).unlink(missing_ok=True)
    folders = [folder for folder in os.environ["PATH"].split(":") if not (Path(folder) / name).exists()]
    monkeypatch.setenv("PATH", ":".join(folders))
