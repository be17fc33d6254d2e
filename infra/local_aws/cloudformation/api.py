"""CloudFormation's API: what the CDK, boto3 and the AWS CLI ask.

Here is what checks requests and starts the engine's operations; what describes what there is, is in ``reading``.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from local_aws.cloudformation.changes import list_changes
from local_aws.cloudformation.engine import Engine
from local_aws.cloudformation.intrinsics import TemplateError
from local_aws.cloudformation.reading import Reading
from local_aws.cloudformation.regions import Regions, find_change_set, find_living, no_stack
from local_aws.cloudformation.sources import Sources
from local_aws.cloudformation.stacks import ChangeSet, Region, Source, Stack
from local_aws.errors import ServiceError
from local_aws.services import Operation
from local_aws.settings import ACCOUNT

if TYPE_CHECKING:
    from local_aws.server import LocalAws

Parameters = dict[str, Any]

_EMPTY: Final[Mapping[str, Any]] = {}
_NO_CHANGES: Final = (
    "The submitted information didn't contain changes. Submit different information to create a change set."
)
_UPDATABLE: Final = (
    "CREATE_COMPLETE",
    "IMPORT_COMPLETE",
    "UPDATE_COMPLETE",
    "UPDATE_FAILED",
    "UPDATE_ROLLBACK_COMPLETE",
)


class CloudFormation:
    """The operations that change something, and all others, on the stacks of every region."""

    def __init__(self, aws: LocalAws) -> None:
        self._engine = Engine(aws)
        self._sources = Sources(aws)
        self._regions = Regions()
        aws.on_stop(self._engine.stop)

    @property
    def operations(self) -> dict[str, Operation]:
        """Every operation that there is, by its name in the API."""
        return {
            **Reading(self._regions, self._sources).operations,
            "CreateChangeSet": self.create_change_set,
            "CreateStack": self.create_stack,
            "DeleteChangeSet": self.delete_change_set,
            "DeleteStack": self.delete_stack,
            "ExecuteChangeSet": self.execute_change_set,
            "UpdateStack": self.update_stack,
            "UpdateTerminationProtection": self.update_termination_protection,
        }

    # --- stacks

    def create_stack(self, region_name: str, parameters: Parameters) -> Parameters:
        """Begin to create a stack."""
        region, name = self._regions.get(region_name), parameters["StackName"]
        found = region.find(name)
        if found is not None and found.status != "DELETE_COMPLETE":
            raise ServiceError("AlreadyExistsException", f"Stack [{name}] already exists")
        source = self._sources.read(region, parameters, None)
        stack = region.add(name, "CREATE_IN_PROGRESS", source)
        on_failure = parameters.get("OnFailure") or ("DO_NOTHING" if parameters.get("DisableRollback") else "ROLLBACK")
        stack.protected = bool(parameters.get("EnableTerminationProtection"))
        self._begin(stack, parameters, "CREATE_IN_PROGRESS")
        self._engine.run(lambda: self._engine.create(region, stack, on_failure=on_failure), stack)
        return {"StackId": stack.id}

    def update_stack(self, region_name: str, parameters: Parameters) -> Parameters:
        """Begin to update a stack."""
        region = self._regions.get(region_name)
        stack = find_living(region, parameters["StackName"])
        self._check_updatable(stack)
        source = self._sources.read(region, parameters, stack)
        if _same(stack.source, source):
            raise ServiceError("ValidationError", "No updates are to be performed.")
        self._begin(stack, parameters, "UPDATE_IN_PROGRESS")
        self._engine.run(lambda: self._engine.update(region, stack, source), stack)
        return {"StackId": stack.id}

    def delete_stack(self, region_name: str, parameters: Parameters) -> Mapping[str, Any]:
        """Begin to delete a stack; one that is not there is deleted."""
        region = self._regions.get(region_name)
        stack = region.find(parameters["StackName"])
        if stack is None or stack.status == "DELETE_COMPLETE":
            return _EMPTY
        if stack.protected:
            raise ServiceError(
                "ValidationError",
                f"Stack [{stack.name}] cannot be deleted while TerminationProtection is enabled",
            )
        if stack.busy:
            raise ServiceError(
                "ValidationError", f"Stack {stack.name} is in {stack.status} state and can not be deleted."
            )
        retained = frozenset(parameters.get("RetainResources") or ())
        stack.set_status("DELETE_IN_PROGRESS", "User Initiated")
        self._engine.run(lambda: self._engine.delete(region, stack, retained), stack)
        return _EMPTY

    def update_termination_protection(self, region_name: str, parameters: Parameters) -> Parameters:
        """Set whether a stack may be deleted."""
        stack = find_living(self._regions.get(region_name), parameters["StackName"])
        stack.protected = bool(parameters["EnableTerminationProtection"])
        return {"StackId": stack.id}

    # --- change sets

    def create_change_set(self, region_name: str, parameters: Parameters) -> Parameters:
        """Work out what a change would do."""
        region, kind = self._regions.get(region_name), parameters.get("ChangeSetType", "UPDATE")
        # ``ImportExistingResources``, which bootstrapping gives, allows it only: what exists fails by its name later
        if kind == "IMPORT" or parameters.get("ResourcesToImport"):
            raise ServiceError("ValidationError", "the local AWS cannot import resources that exist into a stack")
        stack = region.find(parameters["StackName"])
        if stack is not None and stack.status == "DELETE_COMPLETE":
            stack = None
        if kind == "UPDATE" and stack is None:
            raise no_stack(parameters["StackName"])
        if kind == "CREATE" and stack is not None and stack.status != "REVIEW_IN_PROGRESS":
            raise ServiceError("AlreadyExistsException", f"Stack [{stack.name}] already exists")
        source = self._sources.read(region, parameters, stack)
        if stack is None:
            stack = region.add(parameters["StackName"], "REVIEW_IN_PROGRESS", source)
            stack.set_status("REVIEW_IN_PROGRESS", "User Initiated")
        change_set = self._work_out(region, stack, source, kind, parameters)
        stack.change_sets[change_set.id] = change_set
        return {"Id": change_set.id, "StackId": stack.id}

    def _work_out(self, region: Region, stack: Stack, source: Source, kind: str, parameters: Parameters) -> ChangeSet:
        name = parameters["ChangeSetName"]
        if any(existing.name == name for existing in stack.change_sets.values()):
            raise ServiceError("AlreadyExistsException", f"ChangeSet {name} already exists")
        try:
            changes = list_changes(stack, source, region.find_export)
        except TemplateError as error:
            raise ServiceError("ValidationError", str(error)) from None
        change_set = ChangeSet(
            id=f"arn:aws:cloudformation:{region.name}:{ACCOUNT}:changeSet/{name}/{uuid.uuid4()}",
            name=name,
            kind=kind,
            source=source,
            changes=changes,
            description=parameters.get("Description"),
        )
        if kind == "UPDATE" and not changes and _same(stack.source, source):
            change_set.status, change_set.execution, change_set.reason = "FAILED", "UNAVAILABLE", _NO_CHANGES
        return change_set

    def delete_change_set(self, region_name: str, parameters: Parameters) -> Mapping[str, Any]:
        """Forget a change set; one that is not there is deleted."""
        try:
            stack, change_set = find_change_set(self._regions.get(region_name), parameters)
        except ServiceError:
            return _EMPTY
        stack.change_sets.pop(change_set.id, None)
        return _EMPTY

    def execute_change_set(self, region_name: str, parameters: Parameters) -> Mapping[str, Any]:
        """Begin to do what a change set says."""
        region = self._regions.get(region_name)
        stack, change_set = find_change_set(region, parameters)
        if change_set.execution != "AVAILABLE":
            raise ServiceError(
                "InvalidChangeSetStatus",
                f"ChangeSet [{change_set.id}] cannot be executed in its current status of [{change_set.status}]",
            )
        source, create = change_set.source, change_set.kind == "CREATE"
        if not create:
            self._check_updatable(stack)
        stack.change_sets.clear()  # the others were worked out against what will be no more
        if create:
            stack.source = source
            on_failure = "DO_NOTHING" if parameters.get("DisableRollback") else "ROLLBACK"
            self._begin(stack, parameters, "CREATE_IN_PROGRESS")
            self._engine.run(lambda: self._engine.create(region, stack, on_failure=on_failure), stack)
        else:
            self._begin(stack, parameters, "UPDATE_IN_PROGRESS")
            self._engine.run(lambda: self._engine.update(region, stack, source), stack)
        return _EMPTY

    # --- small things

    def _begin(self, stack: Stack, parameters: Parameters, status: str) -> None:
        stack.rollback = not parameters.get("DisableRollback")
        stack.role = parameters.get("RoleARN", stack.role)
        stack.capabilities = list(parameters.get("Capabilities") or stack.capabilities)
        stack.set_status(status, "User Initiated")

    def _check_updatable(self, stack: Stack) -> None:
        if stack.status not in _UPDATABLE:
            raise ServiceError(
                "ValidationError", f"Stack:{stack.id} is in {stack.status} state and can not be updated."
            )


def _same(before: Source, after: Source) -> bool:
    return (before.template, before.parameters, before.tags) == (after.template, after.parameters, after.tags)
