"""What a change set says will be done: each resource that is added, changed, replaced or removed.

It makes nothing; a value that only the deployment will tell is ``UNKNOWN``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from local_aws.cloudformation.intrinsics import UNKNOWN
from local_aws.cloudformation.resource_work import must_replace
from local_aws.cloudformation.stacks import Resource, Source, Stack
from local_aws.cloudformation.table import RESOURCE_TYPES
from local_aws.cloudformation.template import dependencies, order


def list_changes(stack: Stack, source: Source, find_export: Callable[[str], Any]) -> list[dict[str, Any]]:
    """Return the changes that take a stack to a source, as the API describes them.

    **Raises**: ``TemplateError`` for a template that cannot be worked out.
    """
    fresh: set[str] = set()  # made anew, so that what refers to them changes too

    def find(name: str, attribute: str | None) -> Any:
        return UNKNOWN if name in fresh or name not in stack.resources else stack.find(name, attribute)

    scope = stack.scope(source, find_export, find)
    wanted = {name: item for name, item in source.template["Resources"].items() if scope.includes(item)}
    changes = []
    for name in order({name: dependencies(item) for name, item in wanted.items()}):
        kind, old = wanted[name]["Type"], stack.resources.get(name)
        properties = scope.resolve(wanted[name].get("Properties", {}))
        if old is None:
            changes.append(_change("Add", name, kind, {}))
        elif old.kind != kind or old.properties != properties:
            change = _modification(old, kind, properties)
            if change["ResourceChange"]["Replacement"] != "False":
                fresh.add(name)
            changes.append(change)
    removed = [resource for name, resource in stack.resources.items() if name not in wanted]
    for resource in removed:
        policy = {"PolicyAction": "Retain" if resource.deletion_policy == "Retain" else "Delete"}
        changes.append(_change("Remove", resource.logical_id, resource.kind, policy, resource.physical.id))
    return changes


def _change(
    action: str, name: str, kind: str, more: Mapping[str, Any], physical_id: str | None = None
) -> dict[str, Any]:
    change = {"Action": action, "LogicalResourceId": name, "ResourceType": kind, "Scope": [], "Details": [], **more}
    if physical_id is not None:
        change["PhysicalResourceId"] = physical_id
    return {"Type": "Resource", "ResourceChange": change}


def _modification(old: Resource, kind: str, properties: Mapping[str, Any]) -> dict[str, Any]:
    replacing = RESOURCE_TYPES[kind].replaced_by if kind in RESOURCE_TYPES else frozenset()
    differing = [
        name
        for name in sorted(old.properties.keys() | properties.keys())
        if old.properties.get(name) != properties.get(name)
    ]
    details = [
        {
            "Target": {
                "Attribute": "Properties",
                "Name": name,
                "RequiresRecreation": "Always" if name in replacing else "Never",
            },
            "Evaluation": "Dynamic" if UNKNOWN in str(properties.get(name)) else "Static",
            "ChangeSource": "DirectModification",
        }
        for name in differing
    ]
    replaced = old.kind != kind or (kind in RESOURCE_TYPES and must_replace(old.kind, kind, old.properties, properties))
    more: dict[str, Any] = {"Replacement": str(replaced), "Scope": ["Properties"], "Details": details}
    if replaced:
        more["PolicyAction"] = "ReplaceAndRetain" if old.replace_policy == "Retain" else "ReplaceAndDelete"
    return _change("Modify", old.logical_id, kind, more, old.physical.id)
