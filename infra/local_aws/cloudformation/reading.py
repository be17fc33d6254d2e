"""The operations of CloudFormation's API that only read: stacks, resources, events, change sets and templates."""

from __future__ import annotations

from typing import Any, Final

from local_aws.cloudformation.descriptions import (
    describe_change_set,
    describe_resource,
    describe_stack,
    pairs,
    summarize,
)
from local_aws.cloudformation.regions import Regions, find_change_set, find_stack
from local_aws.cloudformation.sources import Sources, parse_body
from local_aws.errors import ServiceError
from local_aws.services import Operation

Parameters = dict[str, Any]

_PAGE: Final = 100  # events a page, so that a client's paging is needed where AWS's is
_HELD_S: Final = 20.0  # an answer about a stack that is being worked on; clients wait a minute for one


class Reading:
    """The operations, on the stacks of every region."""

    def __init__(self, regions: Regions, sources: Sources) -> None:
        self._regions = regions
        self._sources = sources

    @property
    def operations(self) -> dict[str, Operation]:
        """Every operation that only reads, by its name in the API."""
        return {
            "DescribeChangeSet": self.describe_change_set,
            "DescribeStackEvents": self.describe_stack_events,
            "DescribeStackResource": self.describe_stack_resource,
            "DescribeStackResources": self.describe_stack_resources,
            "DescribeStacks": self.describe_stacks,
            "GetTemplate": self.get_template,
            "GetTemplateSummary": self.get_template_summary,
            "ListChangeSets": self.list_change_sets,
            "ListExports": self.list_exports,
            "ListStackResources": self.list_stack_resources,
            "ListStacks": self.list_stacks,
            "ValidateTemplate": self.validate_template,
        }

    def describe_stacks(self, region_name: str, parameters: Parameters) -> Parameters:
        """Describe one stack, or all.

        Who asks by a stack's id is waiting for its operation's end: the answer is held until then, as the CDK's command
        line would otherwise ask again after five seconds, whatever takes one here.
        """
        region = self._regions.get(region_name)
        if parameters.get("StackName"):
            stack = find_stack(region, parameters["StackName"])
            if parameters["StackName"] == stack.id:
                stack.await_rest(_HELD_S)
            return {"Stacks": [describe_stack(stack)]}
        return {"Stacks": [describe_stack(stack) for stack in region.living()]}

    def list_stacks(self, region_name: str, parameters: Parameters) -> Parameters:
        """List the stacks, those that were deleted too."""
        statuses = parameters.get("StackStatusFilter") or ()
        described = [describe_stack(stack) for stack in list(self._regions.get(region_name).stacks.values())]
        return {"StackSummaries": [stack for stack in described if not statuses or stack["StackStatus"] in statuses]}

    def describe_stack_events(self, region_name: str, parameters: Parameters) -> Parameters:
        """Return a stack's events, the latest first."""
        stack = find_stack(self._regions.get(region_name), parameters["StackName"])
        events = stack.events[::-1]
        start = next(
            (index for index, event in enumerate(events) if event["EventId"] == parameters.get("NextToken")), 0
        )
        page, rest = events[start : start + _PAGE], events[start + _PAGE :]
        return {"StackEvents": page, **({"NextToken": rest[0]["EventId"]} if rest else {})}

    def describe_stack_resources(self, region_name: str, parameters: Parameters) -> Parameters:
        """Describe a stack's resources."""
        stack = find_stack(self._regions.get(region_name), parameters["StackName"])
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
        stacks = self._regions.get(region_name).living()
        return {
            "Exports": [
                {"ExportingStackId": stack.id, "Name": name, "Value": value}
                for stack in stacks
                for name, value in stack.exports.items()
            ]
        }

    def get_template(self, region_name: str, parameters: Parameters) -> Parameters:
        """Return the template that a stack or a change set is made from."""
        region = self._regions.get(region_name)
        if parameters.get("ChangeSetName"):
            body = find_change_set(region, parameters)[1].source.body
        else:
            body = find_stack(region, parameters["StackName"]).source.body
        return {"TemplateBody": body, "StagesAvailable": ["Original", "Processed"]}

    def get_template_summary(self, region_name: str, parameters: Parameters) -> Parameters:
        """Describe a template."""
        region = self._regions.get(region_name)
        body = self._sources.read_body(region, parameters, region.find(parameters.get("StackName", "")))
        template = parse_body(body)
        types = sorted({resource["Type"] for resource in template["Resources"].values()})
        return {**summarize(template), "ResourceTypes": types}

    def validate_template(self, region_name: str, parameters: Parameters) -> Parameters:
        """Check that a template is one."""
        return summarize(parse_body(self._sources.read_body(self._regions.get(region_name), parameters, None)))

    def describe_change_set(self, region_name: str, parameters: Parameters) -> Parameters:
        """Describe a change set."""
        stack, change_set = find_change_set(self._regions.get(region_name), parameters)
        return {
            **describe_change_set(stack, change_set),
            "Changes": change_set.changes,
            "Parameters": pairs("Parameter", change_set.source.given),
            "Tags": pairs("", change_set.source.tags),
            "Capabilities": stack.capabilities,
        }

    def list_change_sets(self, region_name: str, parameters: Parameters) -> Parameters:
        """List a stack's change sets."""
        stack = find_stack(self._regions.get(region_name), parameters["StackName"])
        return {"Summaries": [describe_change_set(stack, one) for one in list(stack.change_sets.values())]}
