"""What CloudFormation remembers: stacks, their resources, events, change sets and exports.

It knows nothing of how resources are made.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from local_aws.cloudformation.intrinsics import Scope, TemplateError, pseudo_parameters
from local_aws.cloudformation.kinds import Physical
from local_aws.settings import ACCOUNT


def now() -> datetime:
    """Return the time, as events have it."""
    return datetime.now(UTC)


@dataclass(slots=True)
class Resource:
    """A resource of a stack, as it was last made or changed."""

    logical_id: str
    kind: str
    properties: dict[str, Any]
    physical: Physical
    needs: set[str]
    deletion_policy: str
    replace_policy: str
    metadata: Any = None
    status: str = ""
    reason: str | None = None
    updated: datetime = field(default_factory=now)


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What a stack is made from: the template, its parameters as given and as worked out, the tags."""

    body: str
    template: Mapping[str, Any]
    given: Mapping[str, str]
    parameters: Mapping[str, Any]
    tags: Mapping[str, str]


@dataclass(slots=True)
class Stack:
    """A stack; ``lock`` guards what requests read while an operation writes it, ``changed`` tells of a new status."""

    id: str
    name: str
    region: str
    status: str
    source: Source
    reason: str | None = None
    resources: dict[str, Resource] = field(default_factory=dict)
    outputs: dict[str, dict[str, Any]] = field(default_factory=dict)
    imports: set[str] = field(default_factory=set)
    events: list[dict[str, Any]] = field(default_factory=list)
    change_sets: dict[str, ChangeSet] = field(default_factory=dict)
    created: datetime = field(default_factory=now)
    updated: datetime | None = None
    deleted: datetime | None = None
    protected: bool = False
    rollback: bool = True
    role: str | None = None
    capabilities: list[str] = field(default_factory=list)
    lock: threading.RLock = field(default_factory=threading.RLock)
    changed: threading.Condition = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.changed = threading.Condition(self.lock)

    @property
    def busy(self) -> bool:
        """Whether an operation is under way."""
        return self.status.endswith("_IN_PROGRESS") and self.status != "REVIEW_IN_PROGRESS"

    @property
    def exports(self) -> dict[str, Any]:
        """The exported outputs."""
        return {
            output["ExportName"]: output["OutputValue"] for output in self.outputs.values() if "ExportName" in output
        }

    def set_status(self, status: str, reason: str | None = None) -> None:
        """Say how the stack is, in an event too."""
        with self.lock:
            self.status, self.reason = status, reason
            self.record(self.name, "AWS::CloudFormation::Stack", self.id, status, reason)
            self.changed.notify_all()

    def await_rest(self, limit_s: float) -> None:
        """Wait until no operation is under way, or that long."""
        with self.changed:
            self.changed.wait_for(lambda: not self.busy, limit_s)

    def record(
        self, logical_id: str, kind: str, physical_id: str, status: str, reason: str | None, properties: Any = None
    ) -> None:
        """Write an event."""
        event: dict[str, Any] = {
            "StackId": self.id,
            "EventId": str(uuid.uuid4()),
            "StackName": self.name,
            "LogicalResourceId": logical_id,
            "PhysicalResourceId": physical_id,
            "ResourceType": kind,
            "Timestamp": now(),
            "ResourceStatus": status,
        }
        if reason is not None:
            event["ResourceStatusReason"] = reason
        if properties is not None:
            event["ResourceProperties"] = properties
        with self.lock:
            self.events.append(event)

    def scope(
        self, source: Source, find_export: Callable[[str], Any], find: Callable[[str, str | None], Any] | None = None
    ) -> Scope:
        """Return what the source's values are worked out with."""
        values = {**pseudo_parameters(self.region, self.name, self.id), **source.parameters}
        return Scope(source.template, values, find or self.find, find_export)

    def find(self, name: str, attribute: str | None) -> Any:
        """Return what ``Ref`` or ``Fn::GetAtt`` gives of a resource that is there."""
        resource = self.resources.get(name)
        if resource is None:
            raise TemplateError(f"Template error: {name} is not there to be referred to; its condition does not hold")
        if attribute is None:
            return resource.physical.id
        if attribute not in resource.physical.attributes:
            raise TemplateError(
                f"Template error: resource {name} does not support attribute type {attribute} in Fn::GetAtt"
            )
        return resource.physical.attributes[attribute]


@dataclass(slots=True, kw_only=True)
class ChangeSet:
    """A change that was worked out, to be looked at and then executed."""

    id: str
    name: str
    kind: str
    source: Source
    changes: list[dict[str, Any]]
    description: str | None
    status: str = "CREATE_COMPLETE"
    reason: str | None = None
    execution: str = "AVAILABLE"
    created: datetime = field(default_factory=now)


class Region:
    """The stacks of one region, those that were deleted too."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.stacks: dict[str, Stack] = {}
        self.lock = threading.RLock()

    def find(self, name_or_id: str) -> Stack | None:
        """Return a stack by its id, or one that is not deleted by its name."""
        with self.lock:
            if name_or_id in self.stacks:
                return self.stacks[name_or_id]
            return next((stack for stack in self.living() if stack.name == name_or_id), None)

    def living(self) -> list[Stack]:
        """Return the stacks that are not deleted."""
        with self.lock:
            return [stack for stack in self.stacks.values() if stack.status != "DELETE_COMPLETE"]

    def add(self, name: str, status: str, source: Source) -> Stack:
        """Make a stack that has nothing yet."""
        identifier = f"arn:aws:cloudformation:{self.name}:{ACCOUNT}:stack/{name}/{uuid.uuid4()}"
        stack = Stack(identifier, name, self.name, status, source)
        with self.lock:
            self.stacks[identifier] = stack
        return stack

    def find_export(self, name: str) -> Any:
        """Return an exported value.

        **Raises**: ``TemplateError`` where nobody exports it.
        """
        for stack in self.living():
            if name in stack.exports:
                return stack.exports[name]
        raise TemplateError(f"No export named {name} found.")

    def importers(self, exports: Mapping[str, Any], exporter: Stack) -> list[str]:
        """Say which exports other stacks import."""
        return [
            f"Export {name} cannot be deleted as it is in use by {stack.name}"
            for stack in self.living()
            if stack is not exporter
            for name in sorted(stack.imports & exports.keys())
        ]
