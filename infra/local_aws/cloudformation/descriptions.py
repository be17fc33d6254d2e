"""Stacks, resources, change sets and templates as the API describes them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from local_aws.cloudformation.stacks import ChangeSet, Resource, Stack


def pairs(prefix: str, values: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Write values as the API's lists of keys and values."""
    return [{f"{prefix}Key": key, f"{prefix}Value": value} for key, value in values.items()]


def summarize(template: Mapping[str, Any]) -> dict[str, Any]:
    """Describe a template."""
    parameters = [
        {
            "ParameterKey": name,
            "DefaultValue": str(slot["Default"]) if "Default" in slot else None,
            "ParameterType": slot["Type"],
            "NoEcho": bool(slot.get("NoEcho", False)),
            "Description": slot.get("Description"),
        }
        for name, slot in template.get("Parameters", {}).items()
    ]
    summary = {"Description": template.get("Description"), "Parameters": parameters}
    return summary if "Metadata" not in template else {**summary, "Metadata": json.dumps(template["Metadata"])}


def describe_stack(stack: Stack) -> dict[str, Any]:
    """Describe a stack."""
    with stack.lock:
        described = {
            "StackId": stack.id,
            "StackName": stack.name,
            "StackStatus": stack.status,
            "StackStatusReason": stack.reason,
            "CreationTime": stack.created,
            "LastUpdatedTime": stack.updated,
            "DeletionTime": stack.deleted,
            "Description": stack.source.template.get("Description"),
            "TemplateDescription": stack.source.template.get("Description"),
            "Parameters": [
                {"ParameterKey": name, "ParameterValue": ",".join(value) if isinstance(value, list) else str(value)}
                for name, value in stack.source.parameters.items()
            ],
            "Outputs": list(stack.outputs.values()),
            "Tags": pairs("", stack.source.tags),
            "Capabilities": stack.capabilities,
            "RoleARN": stack.role,
            "NotificationARNs": [],
            "DisableRollback": not stack.rollback,
            "EnableTerminationProtection": stack.protected,
            "DriftInformation": {"StackDriftStatus": "NOT_CHECKED"},
        }
    return {key: value for key, value in described.items() if value is not None}


def describe_resource(stack: Stack, resource: Resource) -> dict[str, Any]:
    """Describe a resource of a stack."""
    described = {
        "StackId": stack.id,
        "StackName": stack.name,
        "LogicalResourceId": resource.logical_id,
        "PhysicalResourceId": resource.physical.id,
        "ResourceType": resource.kind,
        "Timestamp": resource.updated,
        "ResourceStatus": resource.status or "CREATE_IN_PROGRESS",
        "ResourceStatusReason": resource.reason,
        "Metadata": None if resource.metadata is None else json.dumps(resource.metadata),
    }
    return {key: value for key, value in described.items() if value is not None}


def describe_change_set(stack: Stack, change_set: ChangeSet) -> dict[str, Any]:
    """Describe a change set, without its changes."""
    described = {
        "StackId": stack.id,
        "StackName": stack.name,
        "ChangeSetId": change_set.id,
        "ChangeSetName": change_set.name,
        "Status": change_set.status,
        "StatusReason": change_set.reason,
        "ExecutionStatus": change_set.execution,
        "CreationTime": change_set.created,
        "Description": change_set.description,
        "IncludeNestedStacks": False,
    }
    return {key: value for key, value in described.items() if value is not None}
