"""The template as CloudFormation would see it: translated by SAM, with parameters and conditions resolved."""

from __future__ import annotations

import copy
import re
import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import boto3
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator
from samtranslator.yaml_helper import yaml_parse

ROOT = Path(__file__).parents[2]
TEMPLATE = ROOT / "template.yaml"
SAMCONFIG = ROOT / "samconfig.toml"
SECTIONS = ("default", "dev", "e2e-test", "prod")
_NOTHING = object()


@cache
def source() -> dict[str, Any]:
    """The template as it is written."""
    return yaml_parse(TEMPLATE.read_text(encoding="utf-8"))


@cache
def samconfig() -> dict[str, Any]:
    return tomllib.loads(SAMCONFIG.read_text(encoding="utf-8"))


@cache
def _translated() -> dict[str, Any]:
    template = copy.deepcopy(source())
    for name, resource in template["Resources"].items():
        # What `sam package` does.
        for where in ("CodeUri", "ContentUri"):
            if where in resource.get("Properties", {}):
                resource["Properties"][where] = f"s3://packages/{name}"
    session = boto3.Session(region_name="us-east-1")
    return Translator({}, Parser(), boto_session=session).translate(template, {})


def translated() -> dict[str, Any]:
    """The template after SAM's transform, nothing resolved."""
    return copy.deepcopy(_translated())


def parameters_of(section: str) -> dict[str, str]:
    pairs = samconfig()[section]["deploy"]["parameters"]["parameter_overrides"]
    return dict(pair.split("=", 1) for pair in pairs)


class Rendered:
    """One deployment's resources, by logical id; those that no condition makes are left out."""

    def __init__(self, parameters: Mapping[str, str], *, stack_part: str = "1a2b3c4d") -> None:
        template = translated()
        unknown = parameters.keys() - template["Parameters"].keys()
        assert not unknown, f"the template has no parameters {unknown}"
        self._values: dict[str, Any] = {
            name: parameters.get(name, declared.get("Default")) for name, declared in template["Parameters"].items()
        }
        self._values |= {
            "AWS::AccountId": "123456789012",
            "AWS::Partition": "aws",
            "AWS::Region": "ap-southeast-5",
            "AWS::StackId": f"arn:aws:cloudformation:ap-southeast-5:123456789012:stack/alur/{stack_part}-11-22-33-44",
            "AWS::StackName": "alur",
            "AWS::URLSuffix": "amazonaws.com",
        }
        self._conditions = template.get("Conditions", {})
        self._declared = template["Resources"]
        self.resources: dict[str, Any] = {
            name: self._resolve(resource)
            for name, resource in template["Resources"].items()
            if "Condition" not in resource or self._holds(resource["Condition"])
        }
        self.outputs = self._resolve(template["Outputs"])

    def properties(self, logical_id: str) -> dict[str, Any]:
        return self.resources[logical_id]["Properties"]

    def of_type(self, kind: str) -> dict[str, Any]:
        return {name: found["Properties"] for name, found in self.resources.items() if found["Type"] == kind}

    def _holds(self, condition: str) -> bool:
        return self._resolve(self._conditions[condition])

    def _resolve(self, value: Any) -> Any:
        if isinstance(value, list):
            return [item for item in map(self._resolve, value) if item is not _NOTHING]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            (name, argument), *_ = value.items()
            if name == "Condition" and isinstance(argument, str):
                return self._holds(argument)
            if name == "Ref" or name.startswith("Fn::"):
                return self._intrinsic(name, argument)
        resolved = {key: self._resolve(item) for key, item in value.items() if key not in ("Condition",) or item}
        return {key: item for key, item in resolved.items() if item is not _NOTHING}

    def _intrinsic(self, name: str, argument: Any) -> Any:
        match name:
            case "Ref":
                return self._ref(argument)
            case "Fn::GetAtt":
                path = argument if isinstance(argument, str) else ".".join(argument)
                return self._attribute(path)
            case "Fn::If":
                condition, yes, no = argument
                return self._resolve(yes if self._holds(condition) else no)
            case "Fn::Equals":
                left, right = self._resolve(argument)
                return str(left) == str(right)
            case "Fn::Not":
                return not self._resolve(argument)[0]
            case "Fn::And":
                return all(self._resolve(argument))
            case "Fn::Join":
                separator, parts = argument
                return separator.join(map(str, self._resolve(parts)))
            case "Fn::Split":
                separator, text = argument
                return self._resolve(text).split(separator)
            case "Fn::Select":
                index, parts = argument
                return self._resolve(parts)[int(index)]
            case "Fn::Sub":
                text, own = (argument, {}) if isinstance(argument, str) else argument
                own = self._resolve(own)
                return re.sub(
                    r"\$\{([^}]+)\}",
                    lambda found: str(
                        own[found[1]]
                        if found[1] in own
                        else self._attribute(found[1])
                        if "." in found[1]
                        else self._ref(found[1])
                    ),
                    text,
                )
        raise AssertionError(f"{name}: the local stack does not resolve this, use another function")

    def _ref(self, name: str) -> Any:
        if name == "AWS::NoValue":
            return _NOTHING
        if name in self._values:
            return self._values[name]
        resource = self._declared[name]
        assert "Condition" not in resource or self._holds(resource["Condition"]), f"{name} is not made here"
        properties = resource.get("Properties", {})
        for named in ("BucketName", "TableName"):
            if named in properties:
                return self._resolve(properties[named])
        if resource["Type"] == "AWS::Glue::Database":
            return self._resolve(properties["DatabaseInput"]["Name"])
        return f"<{name}>"

    def _attribute(self, path: str) -> str:
        name = path.split(".", 1)[0]
        resource = self._declared[name]
        assert "Condition" not in resource or self._holds(resource["Condition"]), f"{name} is not made here"
        return f"<{path}>"


def rendered(section: str, **more: str) -> Rendered:
    """A section of samconfig.toml, with further parameters."""
    return Rendered({**parameters_of(section), **more})


def statements(properties: Mapping[str, Any]) -> list[dict[str, Any]]:
    """All statements of a role's policies."""
    return [one for policy in properties["Policies"] for one in policy["PolicyDocument"]["Statement"]]


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def allowed(properties: Mapping[str, Any]) -> set[tuple[str, str]]:
    """What a role may do: pairs of action and resource."""
    return {
        (action, resource)
        for one in statements(properties)
        if one["Effect"] == "Allow"
        for action in as_list(one["Action"])
        for resource in as_list(one["Resource"])
    }


def references(value: Any) -> Iterator[str]:
    """The logical ids and parameters that an unresolved value names."""
    if isinstance(value, list):
        for item in value:
            yield from references(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            if key == "Ref":
                yield item
            elif key == "Fn::GetAtt":
                yield item.split(".")[0] if isinstance(item, str) else item[0]
            elif key == "Fn::Sub":
                text, own = (item, {}) if isinstance(item, str) else item
                yield from (found.split(".")[0] for found in re.findall(r"\$\{([^}]+)\}", text) if found not in own)
                yield from references(own)
            else:
                yield from references(item)
