"""From `template.yaml` and a section of `samconfig.toml` to resources in the order in which they can be created."""

from __future__ import annotations

import contextlib
import copy
import os
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse

from alur.errors import LocalStackError
from alur.local.environment import ACCOUNT, REGION
from alur.local.intrinsics import Resolver

# CloudFormation makes a new one for each stack. A machine has one stack, whose derived names are better known before.
_STACK_UUID = "00000000-0000-0000-0000-000000000000"

# Where SAM's own build would put an S3 address; the translator takes nothing else.
_CODE_PROPERTIES = {"AWS::Serverless::Function": "CodeUri", "AWS::Serverless::LayerVersion": "ContentUri"}
_CODE_PREFIX = "s3://sam-code/"


@dataclass(frozen=True, slots=True)
class Section:
    """What a section of samconfig.toml says.

    Args:
        name: the section's name.
        stack_name: the name of its CloudFormation stack.
        region: the Region.
        parameters: the template parameters that it sets.
    """

    name: str
    stack_name: str
    region: str
    parameters: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class StackIdentity:
    """Which stack a template is deployed as.

    Args:
        name: what `AWS::StackName` gives.
        region: what `AWS::Region` gives.
    """

    name: str = "alur-local"
    region: str = REGION

    @property
    def stack_id(self) -> str:
        """What `AWS::StackId` gives: the same at every start."""
        return f"arn:aws:cloudformation:{self.region}:{ACCOUNT}:stack/{self.name}/{_STACK_UUID}"


@dataclass(frozen=True, slots=True)
class Resource:
    """A resource that is to be created.

    Args:
        logical_id: its name in the template.
        kind: its type, for example `AWS::S3::Bucket`.
        properties: its properties, not yet resolved.
    """

    logical_id: str
    kind: str
    properties: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Plan:
    """A template, ready to be carried out.

    Args:
        resources: in an order in which each comes after those that it refers to.
        resolver: resolves their properties as resources come to exist.
        code: the directory of each function's code, relative to the template, by logical id.
        outputs: the template's outputs, not yet resolved.
        parameters: the value of each parameter.
        stack: which stack it is.
    """

    resources: tuple[Resource, ...]
    resolver: Resolver
    code: Mapping[str, str]
    outputs: Mapping[str, Any]
    parameters: Mapping[str, str]
    stack: StackIdentity


def read_section(samconfig: Path, section: str) -> Section:
    """Read a section of samconfig.toml; one that names no Region is in us-east-1.

    Args:
        samconfig: the file.
        section: the section's name.

    Raises:
        LocalStackError: there is no such section, it names no stack, or an override is no Name=value.
    """
    sections = tomllib.loads(samconfig.read_text())
    if section not in sections:
        raise LocalStackError("template", f"{samconfig.name} has no section {section}")
    given = sections[section].get("deploy", {}).get("parameters", {})
    if not given.get("stack_name"):
        raise LocalStackError("template", f"{samconfig.name}, section {section}: [deploy.parameters] has no stack_name")
    listed = given.get("parameter_overrides", [])
    overrides = {}
    for entry in listed.split() if isinstance(listed, str) else listed:
        name, equals, value = str(entry).partition("=")
        if not equals:
            raise LocalStackError("template", f"{samconfig.name}, section {section}: {entry!r} is no Name=value")
        overrides[name] = value
    return Section(section, str(given["stack_name"]), str(given.get("region") or REGION), overrides)


def plan_template(text: str, overrides: Mapping[str, str], stack: StackIdentity | None = None) -> Plan:
    """Translate a SAM template and order its resources.

    Args:
        text: the template.
        overrides: parameter values that replace the defaults.
        stack: which stack it is to be; `alur-local` in us-east-1 when None.

    Raises:
        LocalStackError: a parameter that is unknown or has no value, a circular dependency, an invalid template.
    """
    identity = stack or StackIdentity()
    sam = yaml_parse(text)
    declared: Mapping[str, Any] = sam.get("Parameters", {})
    unknown = sorted(set(overrides) - set(declared))
    if unknown:
        raise LocalStackError("template", f"there is no parameter {', '.join(unknown)}")
    parameters: dict[str, str] = {}
    for name, declaration in declared.items():
        value = overrides.get(name, declaration.get("Default"))
        if value is None:
            raise LocalStackError("template", f"parameter {name} has neither a default nor a value")
        parameters[name] = str(value)
    code = _take_code(sam)
    # The translator writes the values that it is given for parameters into the template it is given, too.
    template = _translate(copy.deepcopy(sam), parameters, identity.region)
    resolver = Resolver({**parameters, **_pseudo_parameters(identity)}, template.get("Conditions", {}))
    resources = _in_order(template["Resources"], resolver)
    return Plan(resources, resolver, code, template.get("Outputs", {}), parameters, identity)


def _pseudo_parameters(stack: StackIdentity) -> dict[str, Any]:
    return {
        "AWS::AccountId": ACCOUNT,
        "AWS::Region": stack.region,
        "AWS::Partition": "aws",
        "AWS::StackName": stack.name,
        "AWS::StackId": stack.stack_id,
        "AWS::URLSuffix": "amazonaws.com",
        "AWS::NotificationARNs": [],
    }


def _take_code(sam: dict[str, Any]) -> dict[str, str]:
    code = {}
    for logical_id, resource in sam["Resources"].items():
        name = _CODE_PROPERTIES.get(resource["Type"])
        if name is not None:
            code[logical_id] = str(resource["Properties"][name])
            resource["Properties"][name] = _CODE_PREFIX + logical_id
    return code


def _translate(sam: dict[str, Any], parameters: Mapping[str, str], region: str) -> dict[str, Any]:
    try:
        with _default_region(region):
            template: dict[str, Any] = transform(sam, dict(parameters), _NoManagedPolicies())
    except Exception as error:  # its exceptions share no base below Exception
        causes = getattr(error, "causes", [error])
        raise LocalStackError(
            "template", "; ".join(getattr(cause, "message", str(cause)) for cause in causes)
        ) from error
    return template


@contextlib.contextmanager
def _default_region(region: str) -> Iterator[None]:
    # The translator asks boto3's default session for the Region, and knows no other way.
    before = os.environ.get("AWS_DEFAULT_REGION")
    os.environ["AWS_DEFAULT_REGION"] = region
    try:
        yield
    finally:
        if before is None:
            del os.environ["AWS_DEFAULT_REGION"]
        else:
            os.environ["AWS_DEFAULT_REGION"] = before


class _NoManagedPolicies:
    def load(self) -> dict[str, str]:
        """Return no managed policy: roles are not enforced here."""
        return {}


def _in_order(resources: Mapping[str, Any], resolver: Resolver) -> tuple[Resource, ...]:
    chosen = {
        name: resource
        for name, resource in resources.items()
        if "Condition" not in resource or resolver.condition(resource["Condition"])
    }
    graph: dict[str, set[str]] = {}
    for name, resource in chosen.items():
        listed = resource.get("DependsOn", [])
        explicit = {listed} if isinstance(listed, str) else set(listed)
        graph[name] = (resolver.references(resource.get("Properties", {})) | explicit) & set(chosen)
    try:
        order = list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        raise LocalStackError("template", f"circular dependency: {' -> '.join(error.args[1])}") from error
    return tuple(Resource(name, chosen[name]["Type"], chosen[name].get("Properties", {})) for name in order)
