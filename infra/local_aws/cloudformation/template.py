"""Templates: read, with their parameters worked out, and their resources put in order.

It knows nothing of resource types.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from graphlib import CycleError, TopologicalSorter
from typing import Any, Final

import yaml

from local_aws.cloudformation.intrinsics import Scope, TemplateError, references

_SECTIONS: Final = frozenset(
    {
        "AWSTemplateFormatVersion",
        "Conditions",
        "Description",
        "Mappings",
        "Metadata",
        "Outputs",
        "Parameters",
        "Resources",
        "Rules",
    }
)
_RESOURCE_KEYS: Final = frozenset(
    {"Condition", "DeletionPolicy", "DependsOn", "Metadata", "Properties", "Type", "UpdateReplacePolicy"}
)
_POLICIES: Final = ("Delete", "Retain", "RetainExceptOnCreate")


class _Loader(yaml.SafeLoader):
    """YAML with CloudFormation's short forms, and dates left as text."""


def _short_form(loader: Any, suffix: str, node: Any) -> dict[str, Any]:
    if isinstance(node, yaml.ScalarNode):
        value: Any = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)
    return {suffix if suffix in {"Ref", "Condition"} else f"Fn::{suffix}": value}


_Loader.add_multi_constructor("!", _short_form)
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def parse_template(body: str) -> dict[str, Any]:
    """Read a template, JSON or YAML.

    **Raises**: ``TemplateError`` for what is no template, or has a part that the local AWS does not know.
    """
    try:
        template = json.loads(body) if body.lstrip().startswith("{") else yaml.load(body, _Loader)  # noqa: S506  # safe
    except (ValueError, yaml.YAMLError) as error:
        raise TemplateError(f"Template format error: {error}") from None
    if not isinstance(template, dict) or not isinstance(template.get("Resources"), dict) or not template["Resources"]:
        raise TemplateError("Template format error: At least one Resources member must be defined.")
    unknown = sorted(template.keys() - _SECTIONS)
    if unknown:
        raise TemplateError(f"Template format error: the local AWS does not know the sections {', '.join(unknown)}")
    for name, resource in template["Resources"].items():
        _check_resource(name, resource)
    _check_references(template)
    return template


def _check_resource(name: str, resource: Any) -> None:
    if not isinstance(resource, dict) or not isinstance(resource.get("Type"), str):
        raise TemplateError(
            f"Template format error: [/Resources/{name}] Every Resources object must contain a Type member."
        )
    unknown = sorted(resource.keys() - _RESOURCE_KEYS)
    if unknown:
        raise TemplateError(f"Invalid template resource property {', '.join(map(repr, unknown))} of {name}")
    for key in ("DeletionPolicy", "UpdateReplacePolicy"):
        if resource.get(key, "Delete") not in _POLICIES:
            raise TemplateError(f"Template error: {key} {resource[key]!r} of {name}: the local AWS knows {_POLICIES}")


def _check_references(template: Mapping[str, Any]) -> None:
    known = {*template["Resources"], *template.get("Parameters", {})}
    for section in ("Resources", "Outputs"):
        used = {name for name, _ in references(template.get(section, {})) if not name.startswith("AWS::")}
        for resource in template["Resources"].values() if section == "Resources" else ():
            used.update(_depends_on(resource))
        missing = sorted(used - known)
        if missing:
            raise TemplateError(
                f"Template format error: Unresolved resource dependencies [{', '.join(missing)}] "
                f"in the {section} block of the template"
            )


def _depends_on(resource: Mapping[str, Any]) -> list[str]:
    named = resource.get("DependsOn", [])
    return [named] if isinstance(named, str) else list(named)


def dependencies(resource: Mapping[str, Any]) -> set[str]:
    """Return the names that must be there before a resource."""
    return {name for name, _ in references(resource.get("Properties", {}))} | set(_depends_on(resource))


def order(resources: Mapping[str, set[str]]) -> list[str]:
    """Return names so that each comes after those it depends on.

    **Raises**: ``TemplateError`` where they depend on each other in a ring.
    """
    graph = {name: sorted(needed & resources.keys()) for name, needed in resources.items()}
    try:
        return list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        raise TemplateError(f"Circular dependency between resources: [{', '.join(error.args[1])}]") from None


def resolve_parameters(
    template: Mapping[str, Any], given: Mapping[str, str], read_parameter: Callable[[str], str]
) -> dict[str, Any]:
    """Work out a template's parameters; ``read_parameter`` reads one of Systems Manager's.

    **Raises**: ``TemplateError`` for a missing, unknown or disallowed one.
    """
    declared: Mapping[str, Any] = template.get("Parameters", {})
    unknown = sorted(given.keys() - declared.keys())
    if unknown:
        raise TemplateError(f"Parameters: [{', '.join(unknown)}] do not exist in the template")
    missing = [name for name, slot in declared.items() if name not in given and "Default" not in slot]
    if missing:
        raise TemplateError(f"Parameters: [{', '.join(missing)}] must have values")
    return {
        name: _typed(name, slot, str(given.get(name, slot.get("Default"))), read_parameter)
        for name, slot in declared.items()
    }


def _typed(name: str, slot: Mapping[str, Any], text: str, read_parameter: Callable[[str], str]) -> Any:
    allowed = slot.get("AllowedValues")
    if allowed is not None and text not in map(str, allowed):
        raise TemplateError(f"Parameter '{name}' must be one of AllowedValues")
    pattern = slot.get("AllowedPattern")
    if pattern is not None and not re.fullmatch(pattern, text):
        raise TemplateError(slot.get("ConstraintDescription") or f"Parameter '{name}' must match pattern {pattern}")
    kind = slot["Type"]
    if kind.startswith("AWS::SSM::Parameter::Value<"):
        text = read_parameter(text)
        kind = kind.removeprefix("AWS::SSM::Parameter::Value<").removesuffix(">")
    if kind == "CommaDelimitedList" or kind.startswith("List<"):
        return [part.strip() for part in text.split(",")] if text else [""]
    return text


def check_rules(template: Mapping[str, Any], scope: Scope) -> None:
    """Check a template's rules.

    **Raises**: ``TemplateError`` with the description of the first assertion that does not hold.
    """
    for name, rule in template.get("Rules", {}).items():
        if "RuleCondition" in rule and not scope.holds(rule["RuleCondition"]):
            continue
        for assertion in rule["Assertions"]:
            if not scope.holds(assertion["Assert"]):
                raise TemplateError(assertion.get("AssertDescription", f"Rule {name} does not hold"))
