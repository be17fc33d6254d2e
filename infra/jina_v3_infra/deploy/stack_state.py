"""What CloudFormation knows of a stack: its status, its resources, and why its last change failed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from botocore.exceptions import ClientError

from jina_v3_infra.deploy.failures import absent

GONE: Final = "DELETE_COMPLETE"
_CAUSES: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """A resource of a stack; ``name`` is empty where it was never made."""

    kind: str
    name: str
    status: str
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """A stack; its id stays valid when it has been deleted."""

    identity: str
    name: str
    status: str
    outputs: dict[str, str]


def find_stack(cloudformation: Any, name: str) -> Stack | None:
    """Return a stack by name (or id), ``None`` where there is none."""
    try:
        (found,) = cloudformation.describe_stacks(StackName=name)["Stacks"]
    except ClientError as error:
        if absent(error):
            return None
        raise
    if found["StackStatus"] == GONE:
        return None
    return Stack(
        identity=found["StackId"],
        name=found["StackName"],
        status=found["StackStatus"],
        outputs={one["OutputKey"]: one["OutputValue"] for one in found.get("Outputs", ())},
    )


def list_resources(cloudformation: Any, stack: str) -> list[Resource]:
    """Return the resources of a stack that were made."""
    found = []
    for page in cloudformation.get_paginator("list_stack_resources").paginate(StackName=stack):
        found += [
            Resource(
                kind=one["ResourceType"],
                name=one["PhysicalResourceId"],
                status=one["ResourceStatus"],
                reason=one.get("ResourceStatusReason", ""),
            )
            for one in page["StackResourceSummaries"]
            if one.get("PhysicalResourceId")
        ]
    return found


def newest_event(cloudformation: Any, stack: str) -> str | None:
    """Return the id of a stack's latest event, ``None`` where there is no such stack."""
    return next((event["EventId"] for event in _events(cloudformation, stack)), None)


def failure_causes(cloudformation: Any, stack: str, since: str | None) -> list[str]:
    """Say what failed first in a stack after an event, the first failure first.

    What was only cancelled because of another's failure is left out.
    """
    failed = []
    for event in _events(cloudformation, stack):
        if event["EventId"] == since:
            break
        reason = event.get("ResourceStatusReason", "")
        if event["ResourceStatus"].endswith("_FAILED") and reason and "cancelled" not in reason:
            failed.append(f"{event['LogicalResourceId']} ({event['ResourceType']}): {' '.join(reason.split())}")
    return failed[::-1][:_CAUSES]


def left_out(cloudformation: Any, stack: str) -> list[str]:
    """Return what a stack's deletion has left standing, by the id of the deleted stack."""
    return [
        f"{event['ResourceType']} {event.get('PhysicalResourceId', event['LogicalResourceId'])}"
        for event in _events(cloudformation, stack)
        if event["ResourceStatus"] == "DELETE_SKIPPED"
    ]


def _events(cloudformation: Any, stack: str) -> Iterator[Any]:
    """Yield a stack's events, the newest first."""
    try:
        for page in cloudformation.get_paginator("describe_stack_events").paginate(StackName=stack):
            yield from page["StackEvents"]
    except ClientError as error:
        if not absent(error):
            raise
