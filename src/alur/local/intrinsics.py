"""CloudFormation's intrinsic functions, as far as a template of ours uses them. Pure.

An unknown one is an error, never passed on: it would reach a server as if it were a value.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from alur.errors import LocalStackError

_NO_VALUE = "AWS::NoValue"
_PLACEHOLDER = re.compile(r"\$\{([^}]*)\}")


@dataclass(frozen=True, slots=True)
class Created:
    """A resource that exists.

    Args:
        reference: what `Ref` gives.
        attributes: what `Fn::GetAtt` gives.
    """

    reference: str
    attributes: Mapping[str, Any] = field(default_factory=dict)


class _NoValue:
    """Stands for AWS::NoValue until the property that holds it is left out."""


_ABSENT = _NoValue()


class Resolver:
    """Resolves values against parameters, conditions and what has been created so far.

    Args:
        parameters: parameters and pseudo parameters (`AWS::Region`).
        conditions: the template's Conditions.
    """

    def __init__(self, parameters: Mapping[str, Any], conditions: Mapping[str, Any]) -> None:
        self._parameters = dict(parameters)
        self._conditions = conditions
        self._known: dict[str, bool] = {}
        self._created: dict[str, Created] = {}
        self._functions: dict[str, Callable[[Any], Any]] = {
            "Ref": self._ref,
            "Fn::GetAtt": self._get_att,
            "Fn::Sub": self._sub,
            "Fn::If": self._if,
            "Fn::Join": self._join,
            "Fn::Select": self._select,
            "Fn::Split": self._split,
            "Fn::Equals": self._equals,
            "Fn::Not": lambda value: not self._truth(value[0]),
            "Fn::And": lambda values: all(self._truth(value) for value in values),
            "Fn::Or": lambda values: any(self._truth(value) for value in values),
            "Condition": self.condition,
        }

    def add(self, logical_id: str, created: Created) -> None:
        """Make a resource known to `Ref` and `Fn::GetAtt`."""
        self._created[logical_id] = created

    def condition(self, name: str) -> bool:
        """Evaluate a condition by its name.

        Raises:
            LocalStackError: there is none of this name.
        """
        if name not in self._known:
            if name not in self._conditions:
                raise LocalStackError("template", f"there is no condition {name}")
            self._known[name] = self._truth(self._conditions[name])
        return self._known[name]

    def resolve(self, value: Any) -> Any:
        """Return a value with every intrinsic function resolved, and without what is AWS::NoValue.

        Raises:
            LocalStackError: an intrinsic function or a name that is not known.
        """
        resolved = self._resolve(value)
        return None if resolved is _ABSENT else resolved

    def references(self, value: Any) -> set[str]:
        """Return the logical ids, and parameters, that a value refers to; only the branches that conditions choose."""
        found: set[str] = set()
        self._collect(value, found)
        return found

    def _resolve(self, value: Any) -> Any:
        if isinstance(value, Mapping):
            name = _function_name(value)
            if name is not None:
                if name not in self._functions:
                    raise LocalStackError("template", f"the local stack does not know {name}")
                return self._functions[name](value[name])
            resolved = {key: self._resolve(item) for key, item in value.items()}
            return {key: item for key, item in resolved.items() if item is not _ABSENT}
        if isinstance(value, list):
            return [item for item in (self._resolve(entry) for entry in value) if item is not _ABSENT]
        return value

    def _collect(self, value: Any, found: set[str]) -> None:
        if isinstance(value, list):
            for item in value:
                self._collect(item, found)
            return
        if not isinstance(value, Mapping):
            return
        name = _function_name(value)
        if name == "Ref":
            found.add(value[name])
        elif name == "Fn::GetAtt":
            found.add(_attribute(value[name])[0])
        elif name == "Fn::If":
            chosen = value[name][1] if self.condition(value[name][0]) else value[name][2]
            self._collect(chosen, found)
        elif name == "Fn::Sub":
            text, variables = _substitution(value[name])
            names = {placeholder for placeholder in _PLACEHOLDER.findall(text) if not placeholder.startswith("!")}
            found.update(item.split(".")[0] for item in names - set(variables))
            self._collect(dict(variables), found)
        else:
            for item in value.values():
                self._collect(item, found)

    def _truth(self, value: Any) -> bool:
        resolved = self._resolve(value)
        if not isinstance(resolved, bool):
            raise LocalStackError("template", f"a condition gives {resolved!r}, which is neither true nor false")
        return resolved

    def _ref(self, name: str) -> Any:
        if name == _NO_VALUE:
            return _ABSENT
        if name in self._parameters:
            return self._parameters[name]
        return self._resource(name).reference

    def _get_att(self, value: Any) -> Any:
        name, attribute = _attribute(value)
        attributes = self._resource(name).attributes
        if attribute not in attributes:
            raise LocalStackError("template", f"the local stack knows no attribute {attribute} of {name}")
        return attributes[attribute]

    def _sub(self, value: Any) -> str:
        text, variables = _substitution(value)
        values = {name: self._resolve(item) for name, item in variables.items()}

        def replace(found: re.Match[str]) -> str:
            name = found.group(1)
            if name.startswith("!"):
                return "${" + name[1:] + "}"
            if name in values:
                return str(values[name])
            return str(self._get_att(name) if "." in name else self._ref(name))

        return _PLACEHOLDER.sub(replace, text)

    def _if(self, value: Any) -> Any:
        name, then, otherwise = value
        return self._resolve(then if self.condition(name) else otherwise)

    def _join(self, value: Any) -> str:
        delimiter, parts = value
        return str(delimiter).join(str(part) for part in self._resolve(parts))

    def _select(self, value: Any) -> Any:
        index, choices = value
        return self._resolve(choices)[int(self._resolve(index))]

    def _split(self, value: Any) -> list[str]:
        delimiter, text = value
        return str(self._resolve(text)).split(delimiter)

    def _equals(self, value: Any) -> bool:
        left, right = (self._resolve(side) for side in value)
        return str(left) == str(right)

    def _resource(self, name: str) -> Created:
        if name not in self._created:
            raise LocalStackError("template", f"{name} is neither a parameter nor a resource that has been created")
        return self._created[name]


def _function_name(value: Mapping[str, Any]) -> str | None:
    if len(value) != 1:
        return None
    name = next(iter(value))
    # A policy's own `Condition` holds a mapping; the intrinsic function holds a name.
    if name == "Condition":
        return name if isinstance(value[name], str) else None
    return name if name == "Ref" or name.startswith("Fn::") else None


def _attribute(value: Any) -> tuple[str, str]:
    name, attribute = value.split(".", 1) if isinstance(value, str) else (value[0], ".".join(value[1:]))
    return name, attribute


def _substitution(value: Any) -> tuple[str, Mapping[str, Any]]:
    return (value, {}) if isinstance(value, str) else (value[0], value[1])
