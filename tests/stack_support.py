"""A stack of CloudFormation on moto, as the template leaves it, and a samconfig.toml that names it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from alur.aws.clients import client

SAMCONFIG = """\
version = 0.1

[{env}.deploy.parameters]
stack_name = "{stack}"
region = "us-east-1"
resolve_s3 = true
capabilities = "CAPABILITY_IAM"
parameter_overrides = ["Environment={env}"]

[{env}.delete.parameters]
stack_name = "{stack}"
"""


def write_samconfig(directory: Path, env: str, stack: str) -> None:
    """Write a samconfig.toml with one section."""
    (directory / "samconfig.toml").write_text(SAMCONFIG.format(env=env, stack=stack))


def create_stack(
    name: str,
    *,
    outputs: Mapping[str, str],
    parameters: Mapping[str, str] = {},
    resources: Mapping[str, Mapping[str, Any]] = {},
) -> None:
    """Create a stack that moto answers for."""
    template = {
        "Parameters": {key: {"Type": "String"} for key in parameters},
        "Resources": resources,
        "Outputs": {key: {"Value": value} for key, value in outputs.items()},
    }
    client("cloudformation").create_stack(
        StackName=name,
        TemplateBody=json.dumps(template),
        Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
    )
