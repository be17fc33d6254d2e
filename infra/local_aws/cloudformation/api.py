"""CloudFormation's API: what the CDK, boto3 and the AWS CLI ask.

It checks requests, starts the engine's operations and describes what there is.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from local_aws.cloudformation.changes import list_changes
from local_aws.cloudformation.descriptions import (
    describe_change_set,
    describe_resource,
    describe_stack,
    pairs,
    summarize,
)
from local_aws.cloudformation.engine import Engine
from local_aws.cloudformation.intrinsics import TemplateError
from local_aws.cloudformation.sources import Sources, parse_body
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
_PAGE: Final = 100  # events a page, so that a client's paging is needed where AWS's is


class CloudFormation:
    """The operations, on the stacks of every region."""

    def __init__(self, aws: LocalAws) -> None:
        self._engine = Engine(aws)
        self._sources = Sources(aws)
        self._regions: dict[str, Region] = {}
        self._lock = threading.Lock()
        aws.on_stop(self._engine.stop)

    @property
    def operations(self) -> dict[str, Operation]:
        """Every operation that there is, by its name in the API."""
        return {
            "CreateChangeSet": self.create_change_set,
            "CreateStack": self.create_stack,
            "DeleteChangeSet": self.delete_change_set,
            "DeleteStack": self.delete_stack,
            "DescribeChangeSet": self.describe_change_set,
            "DescribeStackEvents": self.describe_stack_events,
            "DescribeStackResource": self.describe_stack_resource,
            "DescribeStackResources": self.describe_stack_resources,
            "DescribeStacks": self.describe_stacks,
            "ExecuteChangeSet": self.execute_change_set,
            "GetTemplate": self.get_template,
            "GetTemplateSummary": self.get_template_summary,
            "ListChangeSets": self.list_change_sets,
            "ListExports": self.list_exports,
            "ListStackResources": self.list_stack_resources,
            "ListStacks": self.list_stacks,
            "UpdateStack": self.update_stack,
            "UpdateTerminationProtection": self.update_termination_protection,
            "ValidateTemplate": self.validate_template,
        }

    # --- stacks

    def create_stack(self, region_name: str, parameters: Parameters) -> Parameters:
        """Begin to create a stack."""
        region, name = self._region(region_name), parameters["StackName"]
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
        region = self._region(region_name)
        stack = self._living(region, parameters["StackName"])
        self._check_updatable(stack)
        source = self._sources.read(region, parameters, stack)
        if _same(stack.source, source):
            raise ServiceError("ValidationError", "No updates are to be performed.")
        self._begin(stack, parameters, "UPDATE_IN_PROGRESS")
        self._engine.run(lambda: self._engine.update(region, stack, source), stack)
        return {"StackId": stack.id}

    def delete_stack(self, region_name: str, parameters: Parameters) -> Mapping[str, Any]:
        """Begin to delete a stack; one that is not there is deleted."""
        region = self._region(region_name)
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
        stack = self._living(self._region(region_name), parameters["StackName"])
        stack.protected = bool(parameters["EnableTerminationProtection"])
        return {"StackId": stack.id}

    def describe_stacks(self, region_name: str, parameters: Parameters) -> Parameters:
        """Describe one stack, or all."""
        region = self._region(region_name)
        if parameters.get("StackName"):
            return {"Stacks": [describe_stack(self._find(region, parameters["StackName"]))]}
        return {"Stacks": [describe_stack(stack) for stack in region.living()]}

    def list_stacks(self, region_name: str, parameters: Parameters) -> Parameters:
        """List the stacks, those that were deleted too."""
        statuses = parameters.get("StackStatusFilter") or ()
        described = [describe_stack(stack) for stack in list(self._region(region_name).stacks.values())]
        return {"StackSummaries": [stack for stack in described if not statuses or stack["StackStatus"] in statuses]}

    def describe_stack_events(self, region_name: str, parameters: Parameters) -> Parameters:
        """Return a stack's events, the latest first."""
        stack = self._find(self._region(region_name), parameters["StackName"])
        events = stack.events[::-1]
        start = next(
            (index for index, event in enumerate(events) if event["EventId"] == parameters.get("NextToken")), 0
        )
        page, rest = events[start : start + _PAGE], events[start + _PAGE :]
        return {"StackEvents": page, **({"NextToken": rest[0]["EventId"]} if rest else {})}

    def describe_stack_resources(self, region_name: str, parameters: Parameters) -> Parameters:
        """Describe a stack's resources."""
        stack = self._find(self._region(region_name), parameters["StackName"])
        wanted = parameters.get("LogicalResourceId")
        described = [describe_resource(stack, resource) for resource in list(stack.resources.values())]
        return {"StackResources": [one for one in described if wanted in {None, one["LogicalResourceId"]}]}

    def describe_stack_resource(self, region_name: str, parameters: Parameters) -> Parameters:
        """Describe one of a stack's resources."""
        found = self.describe_stack_resources(region_name, parameters)["StackResources"]
        if not found:
            name, stack = parameters["LogicalResourceId"], parameters["StackName"]
            raise ServiceError("ValidationError", f"Resource {name} does not exist for stack {stack}")
        return {"StackResourceDetail": {**found[0], "LastUpdatedTimestamp": found[0]["Timestamp"]}}

    def list_stack_resources(self, region_name: str, parameters: Parameters) -> Parameters:
        """List a stack's resources."""
        found = self.describe_stack_resources(region_name, parameters)["StackResources"]
        return {"StackResourceSummaries": [{**one, "LastUpdatedTimestamp": one["Timestamp"]} for one in found]}

    def list_exports(self, region_name: str, _parameters: Parameters) -> Parameters:
        """List what stacks export."""
        stacks = self._region(region_name).living()
        return {
            "Exports": [
                {"ExportingStackId": stack.id, "Name": name, "Value": value}
                for stack in stacks
                for name, value in stack.exports.items()
            ]
        }

    # --- templates

    def get_template(self, region_name: str, parameters: Parameters) -> Parameters:
        """Return the template that a stack or a change set is made from."""
        region = self._region(region_name)
        if parameters.get("ChangeSetName"):
            body = self._change_set(region, parameters)[1].source.body
        else:
            body = self._find(region, parameters["StackName"]).source.body
        return {"TemplateBody": body, "StagesAvailable": ["Original", "Processed"]}

    def get_template_summary(self, region_name: str, parameters: Parameters) -> Parameters:
        """Describe a template."""
        region = self._region(region_name)
        body = self._sources.read_body(region, parameters, region.find(parameters.get("StackName", "")))
        template = parse_body(body)
        types = sorted({resource["Type"] for resource in template["Resources"].values()})
        return {**summarize(template), "ResourceTypes": types}

    def validate_template(self, region_name: str, parameters: Parameters) -> Parameters:
        """Check that a template is one."""
        return summarize(parse_body(self._sources.read_body(self._region(region_name), parameters, None)))

    # --- change sets

    def create_change_set(self, region_name: str, parameters: Parameters) -> Parameters:
        """Work out what a change would do."""
        region, kind = self._region(region_name), parameters.get("ChangeSetType", "UPDATE")
        # ``ImportExistingResources``, which bootstrapping gives, allows it only: what exists fails by its name later
        if kind == "IMPORT" or parameters.get("ResourcesToImport"):
            raise ServiceError("ValidationError", "the local AWS cannot import resources that exist into a stack")
        stack = region.find(parameters["StackName"])
        if stack is not None and stack.status == "DELETE_COMPLETE":
            stack = None
        if kind == "UPDATE" and stack is None:
            raise _no_stack(parameters["StackName"])
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

    def describe_change_set(self, region_name: str, parameters: Parameters) -> Parameters:
        """Describe a change set."""
        stack, change_set = self._change_set(self._region(region_name), parameters)
        return {
            **describe_change_set(stack, change_set),
            "Changes": change_set.changes,
            "Parameters": pairs("Parameter", change_set.source.given),
            "Tags": pairs("", change_set.source.tags),
            "Capabilities": stack.capabilities,
        }

    def list_change_sets(self, region_name: str, parameters: Parameters) -> Parameters:
        """List a stack's change sets."""
        stack = self._find(self._region(region_name), parameters["StackName"])
        return {"Summaries": [describe_change_set(stack, one) for one in list(stack.change_sets.values())]}

    def delete_change_set(self, region_name: str, parameters: Parameters) -> Mapping[str, Any]:
        """Forget a change set; one that is not there is deleted."""
        try:
            stack, change_set = self._change_set(self._region(region_name), parameters)
        except ServiceError:
            return _EMPTY
        stack.change_sets.pop(change_set.id, None)
        return _EMPTY

    def execute_change_set(self, region_name: str, parameters: Parameters) -> Mapping[str, Any]:
        """Begin to do what a change set says."""
        region = self._region(region_name)
        stack, change_set = self._change_set(region, parameters)
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

    def _region(self, name: str) -> Region:
        with self._lock:
            return self._regions.setdefault(name, Region(name))

    def _begin(self, stack: Stack, parameters: Parameters, status: str) -> None:
        stack.rollback = not parameters.get("DisableRollback")
        stack.role = parameters.get("RoleARN", stack.role)
        stack.capabilities = list(parameters.get("Capabilities") or stack.capabilities)
        stack.set_status(status, "User Initiated")

    def _find(self, region: Region, name_or_id: str) -> Stack:
        stack = region.find(name_or_id)
        if stack is None:
            raise _no_stack(name_or_id)
        return stack

    def _living(self, region: Region, name_or_id: str) -> Stack:
        stack = self._find(region, name_or_id)
        if stack.status == "DELETE_COMPLETE":
            raise _no_stack(name_or_id)
        return stack

    def _check_updatable(self, stack: Stack) -> None:
        if stack.status not in _UPDATABLE:
            raise ServiceError(
                "ValidationError", f"Stack:{stack.id} is in {stack.status} state and can not be updated."
            )

    def _change_set(self, region: Region, parameters: Parameters) -> tuple[Stack, ChangeSet]:
        name = parameters["ChangeSetName"]
        stacks = [self._find(region, parameters["StackName"])] if parameters.get("StackName") else region.living()
        for stack in stacks:
            for change_set in list(stack.change_sets.values()):
                if name in {change_set.id, change_set.name}:
                    return stack, change_set
        raise ServiceError("ChangeSetNotFound", f"ChangeSet [{name}] does not exist")


def _no_stack(name: str) -> ServiceError:
    return ServiceError("ValidationError", f"Stack with id {name} does not exist")


def _same(before: Source, after: Source) -> bool:
    return (before.template, before.parameters, before.tags) == (after.template, after.parameters, after.tags)
