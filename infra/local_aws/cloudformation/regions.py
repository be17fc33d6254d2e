"""The regions of this AWS, and what requests name in them."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from local_aws.cloudformation.stacks import ChangeSet, Region, Stack
from local_aws.errors import ServiceError


class Regions:
    """The regions that were asked for, each with its stacks."""

    def __init__(self) -> None:
        self._regions: dict[str, Region] = {}
        self._lock = threading.Lock()

    def get(self, name: str) -> Region:
        """Return a region."""
        with self._lock:
            return self._regions.setdefault(name, Region(name))


def find_stack(region: Region, name_or_id: str) -> Stack:
    """Return a stack, one that was deleted too by its id.

    **Raises**: ``ServiceError``.
    """
    stack = region.find(name_or_id)
    if stack is None:
        raise no_stack(name_or_id)
    return stack


def find_living(region: Region, name_or_id: str) -> Stack:
    """Return a stack that is not deleted.

    **Raises**: ``ServiceError``.
    """
    stack = find_stack(region, name_or_id)
    if stack.status == "DELETE_COMPLETE":
        raise no_stack(name_or_id)
    return stack


def find_change_set(region: Region, parameters: Mapping[str, Any]) -> tuple[Stack, ChangeSet]:
    """Return the change set that a request names, and its stack.

    **Raises**: ``ServiceError``.
    """
    name = parameters["ChangeSetName"]
    stacks = [find_stack(region, parameters["StackName"])] if parameters.get("StackName") else region.living()
    for stack in stacks:
        for change_set in list(stack.change_sets.values()):
            if name in {change_set.id, change_set.name}:
                return stack, change_set
    raise ServiceError("ChangeSetNotFound", f"ChangeSet [{name}] does not exist")


def no_stack(name: str) -> ServiceError:
    """Make the error of a stack that is not there."""
    return ServiceError("ValidationError", f"Stack with id {name} does not exist")
