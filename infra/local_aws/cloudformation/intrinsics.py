"""CloudFormation's functions: references found, and values worked out.

It knows nothing of stacks or of resource types: what a reference stands for is asked of the scope.
"""

from __future__ import annotations

import base64
import ipaddress
import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from local_aws.settings import ACCOUNT

NO_VALUE: Final = object()
"""What ``AWS::NoValue`` stands for: the property is not there."""

UNKNOWN: Final = "{{changeSet:KNOWN_AFTER_APPLY}}"
"""What stands in a change set for a value that only the deployment will tell."""

_PLACEHOLDER: Final = re.compile(r"\$\{(!?)([^}]+)\}")
_CONDITIONS: Final = ("Fn::And", "Fn::Or", "Fn::Not", "Fn::Equals", "Fn::Contains", "Condition")


class TemplateError(Exception):
    """A template that CloudFormation would refuse; the message is the reason."""


def references(value: Any) -> Iterator[tuple[str, str | None]]:
    """Yield what a value refers to: a name, and the attribute where one is asked for."""
    if isinstance(value, list):
        for item in value:
            yield from references(item)
    elif isinstance(value, Mapping):
        for key, item in value.items():
            if key == "Ref" and isinstance(item, str):
                yield item, None
            elif key == "Fn::GetAtt":
                yield _attribute_of(item)
            elif key == "Fn::Sub":
                yield from _substituted(item)
            else:
                yield from references(item)


def _attribute_of(value: Any) -> tuple[str, str]:
    name, _, attribute = value.partition(".") if isinstance(value, str) else (value[0], ".", value[1])
    return name, attribute


def _substituted(value: Any) -> Iterator[tuple[str, str | None]]:
    text, given = (value, {}) if isinstance(value, str) else value
    yield from references(given)
    for literal, name in _PLACEHOLDER.findall(text):
        if not literal and name not in given:
            yield _attribute_of(name) if "." in name else (name, None)


class Scope:
    """The names that a template's values are worked out with.

    ``find`` answers for resources: a name, and an attribute or ``None`` for what ``Ref`` gives.
    """

    def __init__(
        self,
        template: Mapping[str, Any],
        values: Mapping[str, Any],
        find: Callable[[str, str | None], Any],
        find_export: Callable[[str], Any],
    ) -> None:
        self._template = template
        self._values = values
        self._find = find
        self._find_export = find_export
        self._region = str(values["AWS::Region"])

    def resolve(self, value: Any) -> Any:
        """Work out a value; ``NO_VALUE`` where there is to be none."""
        if isinstance(value, list):
            return [item for item in map(self.resolve, value) if item is not NO_VALUE]
        if not isinstance(value, Mapping):
            return value
        if len(value) == 1:
            (name, argument), *_ = value.items()
            if name == "Ref":
                return self._refer(argument)
            if name in _CONDITIONS[:-1]:
                return self.holds(value)
            if name.startswith("Fn::"):
                return self._call(name, argument)
        resolved = {key: self.resolve(item) for key, item in value.items()}
        return {key: item for key, item in resolved.items() if item is not NO_VALUE}

    def includes(self, definition: Mapping[str, Any]) -> bool:
        """Tell whether a resource or an output is there, by its condition."""
        condition = definition.get("Condition")
        return condition is None or self.holds({"Condition": condition})

    def holds(self, condition: Any) -> bool:
        """Work out a condition."""
        (name, argument), *_ = condition.items()
        if name == "Condition":
            conditions = self._template.get("Conditions", {})
            if argument not in conditions:
                raise TemplateError(f"Template error: unresolved condition dependency {argument}")
            return self.holds(conditions[argument])
        if name == "Fn::And":
            return all(self.holds(item) for item in argument)
        if name == "Fn::Or":
            return any(self.holds(item) for item in argument)
        if name == "Fn::Not":
            return not self.holds(argument[0])
        if name == "Fn::Equals":
            first, second = (self.resolve(item) for item in argument)
            return bool(first == second)
        if name == "Fn::Contains":
            return self.resolve(argument[1]) in self.resolve(argument[0])
        raise TemplateError(f"Template error: {name} is no condition that the local AWS knows")

    def _refer(self, name: str) -> Any:
        if name == "AWS::NoValue":
            return NO_VALUE
        return self._values[name] if name in self._values else self._find(name, None)

    def _call(self, name: str, argument: Any) -> Any:
        function = _FUNCTIONS.get(name)
        if function is None:
            raise TemplateError(f"Template error: the local AWS does not know the function {name}")
        return function(self, argument)

    def _if(self, argument: Any) -> Any:
        condition, then, otherwise = argument
        return self.resolve(then if self.holds({"Condition": condition}) else otherwise)

    def _join(self, argument: Any) -> Any:
        return argument[0].join(_text(item) for item in self.resolve(argument[1]))

    def _split(self, argument: Any) -> Any:
        return self.resolve(argument[1]).split(argument[0])

    def _select(self, argument: Any) -> Any:
        items = self.resolve(argument[1])
        if items == UNKNOWN:
            return UNKNOWN
        index = int(self.resolve(argument[0]))
        if index >= len(items):
            raise TemplateError(f"Template error: Fn::Select cannot select nonexistent value at index {index}")
        return items[index]

    def _sub(self, argument: Any) -> Any:
        text, given = (argument, {}) if isinstance(argument, str) else argument

        def put(match: re.Match[str]) -> str:
            literal, name = match.groups()
            if literal:
                return f"${{{name}}}"
            if name in given:
                return _text(self.resolve(given[name]))
            return _text(self._find(*_attribute_of(name)) if "." in name else self._refer(name))

        return _PLACEHOLDER.sub(put, text)

    def _look_up(self, argument: Any) -> Any:
        found: Any = self._template.get("Mappings", {})
        for key in argument[:3]:
            part = self.resolve(key)
            if not isinstance(found, Mapping) or part not in found:
                raise TemplateError(f"Template error: Unable to get mapping for {'::'.join(map(str, argument[:3]))}")
            found = found[part]
        return found

    def _import(self, argument: Any) -> Any:
        return self._find_export(self.resolve(argument))

    def _zones(self, argument: Any) -> list[str]:
        return [f"{self.resolve(argument) or self._region}{letter}" for letter in "abc"]


_FUNCTIONS: Final[dict[str, Callable[[Scope, Any], Any]]] = {
    "Fn::If": Scope._if,
    "Fn::Join": Scope._join,
    "Fn::Split": Scope._split,
    "Fn::Select": Scope._select,
    "Fn::Sub": Scope._sub,
    "Fn::FindInMap": Scope._look_up,
    "Fn::ImportValue": Scope._import,
    "Fn::GetAZs": Scope._zones,
    "Fn::GetAtt": lambda scope, argument: scope._find(*_attribute_of(argument)),
    "Fn::Base64": lambda scope, argument: base64.b64encode(scope.resolve(argument).encode()).decode(),
    "Fn::ToJsonString": lambda scope, argument: json.dumps(scope.resolve(argument)),
    "Fn::Cidr": lambda scope, argument: _cidr(*scope.resolve(argument)),
}


def _cidr(block: str, count: Any, bits: Any) -> list[str]:
    subnets = ipaddress.ip_network(block).subnets(new_prefix=32 - int(bits))
    return [str(next(subnets)) for _ in range(int(count))]


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def pseudo_parameters(region: str, stack_name: str, stack_id: str) -> dict[str, Any]:
    """Return the parameters that every template has."""
    return {
        "AWS::AccountId": ACCOUNT,
        "AWS::NotificationARNs": [],
        "AWS::Partition": "aws",
        "AWS::Region": region,
        "AWS::StackId": stack_id,
        "AWS::StackName": stack_name,
        "AWS::URLSuffix": "amazonaws.com",
    }
