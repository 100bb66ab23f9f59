"""What a section of samconfig.toml says to `sam deploy`, and whether SAM can do with it."""

from __future__ import annotations

import re
import shlex
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from alur.aws.deployment import Section

TEMPLATE = "template.yaml"

_TOP_LEVEL = re.compile(r"^([A-Za-z]\w*):", re.MULTILINE)
_PARAMETER = re.compile(r"^ {2}(\w+):\s*$", re.MULTILINE)


def read_deploy_parameters(section: Section) -> Mapping[str, Any]:
    """Return what a section says to `sam deploy`.

    Args:
        section: which; it was read before, and so can be.
    """
    content = tomllib.loads(section.file.read_text())
    parameters: Mapping[str, Any] = content[section.environment].get("deploy", {}).get("parameters", {})
    return parameters


def overrides_of(parameters: Mapping[str, Any]) -> dict[str, str]:
    """Return the template parameters that a section sets: a list of `Name=value`, or a text of such.

    Args:
        parameters: what the section says to `sam deploy`.
    """
    given = parameters.get("parameter_overrides", [])
    texts = shlex.split(given) if isinstance(given, str) else [str(one) for one in given]
    return {name: value for name, equals, value in (text.partition("=") for text in texts) if equals}


def template_parameters(template: Path) -> frozenset[str]:
    """Return the names of a template's parameters; none where it cannot be read.

    Args:
        template: a SAM template in YAML, as this project's.
    """
    if not template.is_file():
        return frozenset()
    text = template.read_text()
    parts = [(match[1], match.end()) for match in _TOP_LEVEL.finditer(text)]
    for number, (name, begin) in enumerate(parts):
        if name == "Parameters":
            end = parts[number + 1][1] if number + 1 < len(parts) else len(text)
            return frozenset(_PARAMETER.findall(text[begin:end]))
    return frozenset()


def section_problems(parameters: Mapping[str, Any], known: frozenset[str]) -> list[str]:
    """Return why `sam deploy` would stop at a section, before it comes to AWS.

    Args:
        parameters: what the section says to `sam deploy`.
        known: the template's parameters; none: not known.
    """
    problems = []
    if not parameters.get("resolve_s3") and not parameters.get("s3_bucket"):
        problems.append("it names no bucket for the code: resolve_s3 = true")
    capabilities = parameters.get("capabilities", "")
    given = capabilities.split() if isinstance(capabilities, str) else [str(one) for one in capabilities]
    if not {"CAPABILITY_IAM", "CAPABILITY_NAMED_IAM"} & set(given):
        problems.append('it lets CloudFormation make no roles: capabilities = "CAPABILITY_IAM"')
    unknown = sorted(set(overrides_of(parameters)) - known) if known else []
    if unknown:
        problems.append(f"the template has no parameter {', '.join(unknown)}: correct parameter_overrides")
    return problems
