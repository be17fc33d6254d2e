"""What a stack operation does to one resource, with its events: make, replace, change, change back, delete.

It knows nothing of the order of resources, nor of what becomes of the stack.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from local_aws.cloudformation.kinds import KINDS, Calls, Physical, ResourceError
from local_aws.cloudformation.stacks import Resource, Stack, now
from local_aws.cloudformation.table import RESOURCE_TYPES

if TYPE_CHECKING:
    from local_aws.server import LocalAws


class OperationFailedError(Exception):
    """An operation cannot go on; the reason is in the events."""


@dataclass(slots=True)
class Step:
    """What an operation did to a resource, so that it can be undone: ``before`` is none for one that was made."""

    before: Resource | None
    after: Resource
    replaced: bool


class ResourceWork:
    """The work on single resources, until ``stopping``."""

    def __init__(self, aws: LocalAws, stopping: threading.Event) -> None:
        self._aws = aws
        self._stopping = stopping

    def make(self, stack: Stack, made: Resource, steps: list[Step], old: Resource | None) -> None:
        """Make a resource, in the place of an old one where there is one.

        **Raises**: ``OperationFailedError``.
        """
        verb = "CREATE" if old is None else "UPDATE"
        stack.record(made.logical_id, made.kind, "", f"{verb}_IN_PROGRESS", None, str(made.properties))
        kind, calls = KINDS[made.kind], self._calls(stack, made)
        try:
            self._check_running()
            made.physical = kind.create(calls, effective(made))
            stack.resources[made.logical_id] = made  # from here on a rollback deletes it
            steps.append(Step(old, made, replaced=old is not None))
            stack.record(
                made.logical_id, made.kind, made.physical.id, f"{verb}_IN_PROGRESS", "Resource creation Initiated"
            )
            kind.set_up(calls, made.physical, effective(made))
            kind.settle(calls, made.physical, effective(made))
        except (ResourceError, KeyError) as error:
            raise self.fail(stack, made.logical_id, made.kind, made.physical.id, verb, _reason(error)) from None
        self._complete(stack, made, verb)

    def replace(self, stack: Stack, old: Resource, made: Resource, steps: list[Step]) -> None:
        """Make a resource anew; the old one is left for the clean-up."""
        name = RESOURCE_TYPES[made.kind].name
        given = made.properties.get(name)
        if given is not None and old.kind == made.kind and old.properties.get(name) == given:
            reason = (
                "CloudFormation cannot update a stack when a custom-named resource requires replacing. "
                f"Rename {given} and update the stack again."
            )
            raise self.fail(stack, made.logical_id, made.kind, old.physical.id, "UPDATE", reason)
        reason = "Requested update requires the creation of a new physical resource; hence creating one."
        stack.record(made.logical_id, made.kind, old.physical.id, "UPDATE_IN_PROGRESS", reason)
        self.make(stack, made, steps, old)

    def change(self, stack: Stack, old: Resource, made: Resource, steps: list[Step]) -> None:
        """Change a resource where it is."""
        kind, calls = KINDS[made.kind], self._calls(stack, made)
        made.physical = Physical(old.physical.id, dict(old.physical.attributes))
        stack.record(made.logical_id, made.kind, old.physical.id, "UPDATE_IN_PROGRESS", None, str(made.properties))
        steps.append(Step(old, made, replaced=False))
        stack.resources[made.logical_id] = made
        try:
            self._check_running()
            kind.update(calls, made.physical, effective(old), effective(made))
            kind.settle(calls, made.physical, effective(made))
        except (ResourceError, KeyError) as error:
            raise self.fail(stack, made.logical_id, made.kind, made.physical.id, "UPDATE", _reason(error)) from None
        self._complete(stack, made, "UPDATE")

    def change_back(self, stack: Stack, before: Resource, after: Resource) -> bool:
        """Change a resource back to what it was; tell whether that worked."""
        kind, calls = KINDS[before.kind], self._calls(stack, before)
        stack.record(before.logical_id, before.kind, before.physical.id, "UPDATE_IN_PROGRESS", None)
        try:
            kind.update(calls, before.physical, effective(after), effective(before))
            kind.settle(calls, before.physical, effective(before))
        except (ResourceError, KeyError) as error:
            self.fail(stack, before.logical_id, before.kind, before.physical.id, "UPDATE", _reason(error))
            return False
        self._complete(stack, before, "UPDATE")
        return True

    def delete(self, stack: Stack, resource: Resource) -> bool:
        """Delete a resource; tell whether that worked."""
        stack.record(resource.logical_id, resource.kind, resource.physical.id, "DELETE_IN_PROGRESS", None)
        try:
            KINDS[resource.kind].delete(self._calls(stack, resource), resource.physical, effective(resource))
        except (ResourceError, KeyError) as error:
            self.fail(stack, resource.logical_id, resource.kind, resource.physical.id, "DELETE", _reason(error))
            resource.status, resource.reason = "DELETE_FAILED", _reason(error)
            return False
        self._complete(stack, resource, "DELETE")
        return True

    def _calls(self, stack: Stack, resource: Resource) -> Calls:
        return Calls(
            aws=self._aws,
            region=stack.region,
            stack_name=stack.name,
            logical_id=resource.logical_id,
            stopping=self._stopping,
        )

    def _check_running(self) -> None:
        if self._stopping.is_set():
            raise ResourceError("the local AWS was stopped")

    def _complete(self, stack: Stack, resource: Resource, verb: str) -> None:
        resource.status, resource.reason, resource.updated = f"{verb}_COMPLETE", None, now()
        stack.record(resource.logical_id, resource.kind, resource.physical.id, resource.status, None)

    def fail(
        self, stack: Stack, name: str, kind: str, physical_id: str, verb: str, reason: str
    ) -> OperationFailedError:
        """Write down that a resource failed, and return what ends the operation."""
        stack.record(name, kind, physical_id, f"{verb}_FAILED", reason)
        resource = stack.resources.get(name)
        if resource is not None:
            resource.status, resource.reason = f"{verb}_FAILED", reason
        return OperationFailedError(f"The following resource(s) failed to {verb.lower()}: [{name}]. ")


def effective(resource: Resource) -> dict[str, Any]:
    """Return the properties that do something: without those that are only recorded."""
    recorded = RESOURCE_TYPES[resource.kind].recorded
    return {name: value for name, value in resource.properties.items() if name not in recorded}


def must_replace(old_kind: str, kind: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    """Tell whether a change needs a new physical resource."""
    if old_kind != kind:
        return True
    return any(old.get(name) != new.get(name) for name in RESOURCE_TYPES[kind].replaced_by)


def _reason(error: Exception) -> str:
    return f"property {error.args[0]} is missing" if isinstance(error, KeyError) else str(error)
