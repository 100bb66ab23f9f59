"""The SAM CLI: where it is, how it is called, and what it needs."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from alur.aws.deployment import Section
from alur.errors import DeployError

PYTHON = "python3.11"
"""The interpreter that `sam build` looks for: the functions' own."""

_STDERR = 2


@dataclass(frozen=True, slots=True)
class Tools:
    """What a deploy calls on this machine.

    Attributes:
        sam: the SAM CLI; None: there is none.
        python: python3.11; None: there is none.
        path: the PATH that SAM gets.
    """

    sam: str | None
    python: str | None
    path: str


def find_tools(environment: Mapping[str, str], beside: Path | None = None) -> Tools:
    """Find SAM and its python3.11: beside this interpreter first, where `make setup` puts them, then on the PATH.

    Args:
        environment: `os.environ`, or a mapping like it.
        beside: the folder to look in first; by default that of the running interpreter.
    """
    folder = beside if beside is not None else Path(sys.executable).parent
    path = f"{folder}:{environment.get('PATH', '')}".rstrip(":")
    return Tools(shutil.which("sam", path=path), shutil.which(PYTHON, path=path), path)


def require_tools(tools: Tools) -> str:
    """Return the SAM CLI.

    Args:
        tools: what was found.

    Raises:
        DeployError: it, or python3.11, is missing.
    """
    if tools.sam is None:
        raise DeployError("sam", SAM_MISSING)
    if tools.python is None:
        raise DeployError("sam build", PYTHON_MISSING)
    return tools.sam


SAM_MISSING = (
    "the SAM CLI is neither beside this Python nor on the PATH: `make setup` puts it into .venv, or "
    "`pip install aws-sam-cli`"
)
PYTHON_MISSING = (
    f"{PYTHON} is not on the PATH, and `sam build` builds the functions with it: `make setup` puts it into .venv; "
    "README.md says how to install it"
)


def build_command(sam: str, section: Section) -> list[str]:
    """Return the command that builds functions and layers.

    Args:
        sam: the SAM CLI.
        section: the environment's.
    """
    return [sam, "build", "--config-env", section.environment]


def deploy_command(sam: str, section: Section, region: str | None, more: Sequence[str] = ()) -> list[str]:
    """Return the command that deploys what was built.

    Args:
        sam: the SAM CLI.
        section: the environment's.
        region: where; None: as the AWS configuration says.
        more: what the user adds; it has the last word.
    """
    return [sam, "deploy", "--config-env", section.environment, *_region(region), *more]


def delete_command(sam: str, section: Section, region: str | None) -> list[str]:
    """Return the command that deletes the stack without asking.

    Args:
        sam: the SAM CLI.
        section: the environment's.
        region: where; None: as the AWS configuration says.
    """
    # The stack by its name: not every samconfig.toml has a section for delete, and SAM then asks, or stops.
    named = ["--config-env", section.environment, "--stack-name", section.stack]
    return [sam, "delete", *named, *_region(region), "--no-prompts"]


def run_sam(
    command: Sequence[str], section: Section, tools: Tools, environment: Mapping[str, str], *, to_stderr: bool
) -> None:
    """Run SAM in the project's folder, and let it speak and ask for itself.

    Args:
        command: what to run.
        section: the environment's; its samconfig.toml lies in the project's folder.
        tools: what was found.
        environment: `os.environ`, or a mapping like it.
        to_stderr: stdout is kept for data, and SAM speaks on stderr.

    Raises:
        DeployError: it failed, or it cannot be run.
    """
    variables = {"SAM_CLI_TELEMETRY": "0", **environment, "PATH": tools.path}
    what = shlex.join(["sam", *command[1:]])
    try:
        done = subprocess.run(
            command, cwd=section.file.parent, env=variables, check=False, stdout=_STDERR if to_stderr else None
        )
    except OSError as error:
        raise DeployError(what, f"it cannot be run: {error}") from error
    if done.returncode != 0:
        raise DeployError(what, f"it ended with {done.returncode}; what it says above is the reason")


def _region(region: str | None) -> list[str]:
    # Said aloud, because SAM does not know the variable AWS_REGION, and this command looks where SAM deploys.
    return ["--region", region] if region else []
