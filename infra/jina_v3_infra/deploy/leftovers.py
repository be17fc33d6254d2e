"""What is left of a deployment, found by looking: nobody shall pay for what they believe is gone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from botocore.exceptions import ClientError

from jina_v3_infra.config import Deployment
from jina_v3_infra.deploy.account import Account
from jina_v3_infra.deploy.batch.runs import running_jobs
from jina_v3_infra.deploy.failures import AWS_ERRORS, absent, explain
from jina_v3_infra.deploy.ownership import STACK_TAG, find_log_group_tags, is_own
from jina_v3_infra.deploy.stack_state import GONE, Resource, Stack, find_stack, left_out

_TAGGED: Final = {
    "endpoint": "AWS::SageMaker::Endpoint",
    "endpoint-config": "AWS::SageMaker::EndpointConfig",
    "model": "AWS::SageMaker::Model",
    "inference-component": "AWS::SageMaker::InferenceComponent",
}
"""The middle part of SageMaker's ARNs, and CloudFormation's name of it."""


@dataclass(slots=True)
class Record:
    """What the stacks held before they were deleted, and which of them was kept on purpose."""

    stacks: dict[str, str] = field(default_factory=dict)  # name → id
    resources: dict[str, list[Resource]] = field(default_factory=dict)
    kept: set[str] = field(default_factory=set)
    foreign_endpoint: str | None = None
    """One of the deployment's name that another has made."""

    def note(self, stack: Stack, resources: list[Resource]) -> None:
        """Remember a stack."""
        self.stacks[stack.name] = stack.identity
        self.resources[stack.name] = resources

    def keep(self, stack: Stack) -> None:
        """Remember that a stack is kept on purpose."""
        self.kept.add(stack.name)

    def deleted_resources(self) -> Iterator[Resource]:
        """Yield the resources that ought to be gone."""
        for stack, resources in self.resources.items():
            if stack not in self.kept:
                yield from resources

    def held_endpoint(self, name: str) -> bool:
        """Say whether a stack that was deleted had an endpoint of a name."""
        return any(one.kind == _TAGGED["endpoint"] and _plain(one.name) == name for one in self.deleted_resources())

    def kept_names(self) -> set[str]:
        """Return the names of the resources that are kept."""
        return {one.name for stack in self.kept for one in self.resources[stack]}


@dataclass(slots=True)
class Leftovers:
    """What is still there, and where it could not be looked."""

    found: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)

    def look(self, what: str, search: Callable[[], Iterable[str]]) -> None:
        """Take up what a search finds; one that AWS refuses is told, not passed over."""
        try:
            self.found += [one for one in dict.fromkeys(search()) if one not in self.found]
        except AWS_ERRORS as error:
            self.unknown.append(f"{what}: {explain(error)}")


def find_leftovers(account: Account, deployment: Deployment, record: Record) -> Leftovers:
    """Look for everything of a deployment that bills."""
    cloudformation = account.client("cloudformation")
    left = Leftovers()

    def stacks() -> Iterator[str]:
        for name in (deployment.foundation_stack, deployment.endpoint_stack, deployment.batch_stack):
            stack = find_stack(cloudformation, name)
            if stack is not None and name not in record.kept:
                yield f"stack {name} ({stack.status})"

    def skipped() -> Iterator[str]:
        for name, identity in record.stacks.items():
            if name not in record.kept:
                yield from left_out(cloudformation, identity)

    def named() -> Iterator[str]:
        candidates = [*record.deleted_resources()]
        if record.foreign_endpoint != deployment.endpoint_name:
            # by its name too: a stack that is gone already has left no record
            candidates.append(Resource(kind=_TAGGED["endpoint"], name=deployment.endpoint_name, status=""))
        yield from (f"{one.kind} {_plain(one.name)}" for one in candidates if _exists(account, one))

    left.look("stacks", stacks)
    left.look("what the stacks left out", skipped)
    left.look("SageMaker, S3 and ECR", named)
    left.look("SageMaker's tags", lambda: _tagged(account, deployment))
    left.look("transform jobs", lambda: (f"transform job {one}" for one in running_jobs(account, deployment)))
    return left


def _tagged(account: Account, deployment: Deployment) -> Iterator[str]:
    """Yield what is in SageMaker with the stack's tag; tags outlive their resource a while, so each is looked up."""
    filters = [{"Key": STACK_TAG, "Values": [deployment.endpoint_stack, deployment.batch_stack]}]
    pages = account.client("resourcegroupstaggingapi").get_paginator("get_resources")
    for page in pages.paginate(TagFilters=filters, ResourceTypeFilters=["sagemaker"]):
        for entry in page["ResourceTagMappingList"]:
            kind, _, name = entry["ResourceARN"].split(":", 5)[5].partition("/")
            resource = Resource(kind=_TAGGED.get(kind, kind), name=name, status="")
            if kind in _TAGGED and _exists(account, resource):
                yield f"{resource.kind} {name}"


def _exists(account: Account, resource: Resource) -> bool:
    """Ask for a resource of the kinds that bill, or hold up something that does; others are their stack's to tell."""
    if resource.status == GONE:
        return False
    name = _plain(resource.name)
    calls: dict[str, tuple[str, str, dict[str, Any]]] = {
        "AWS::SageMaker::Endpoint": ("sagemaker", "describe_endpoint", {"EndpointName": name}),
        "AWS::SageMaker::EndpointConfig": ("sagemaker", "describe_endpoint_config", {"EndpointConfigName": name}),
        "AWS::SageMaker::Model": ("sagemaker", "describe_model", {"ModelName": name}),
        "AWS::SageMaker::InferenceComponent": (
            "sagemaker",
            "describe_inference_component",
            {"InferenceComponentName": name},
        ),
        "AWS::StepFunctions::StateMachine": (
            "stepfunctions",
            "describe_state_machine",
            {"stateMachineArn": resource.name},
        ),
        "AWS::S3::Bucket": ("s3", "head_bucket", {"Bucket": name}),
        "AWS::ECR::Repository": ("ecr", "describe_repositories", {"repositoryNames": [name]}),
    }
    if resource.kind not in calls:
        return False
    service, operation, arguments = calls[resource.kind]
    try:
        getattr(account.client(service), operation)(**arguments)
    except ClientError as error:
        if absent(error):
            return False
        raise
    return True


def _plain(name: str) -> str:
    """Return the name in an ARN."""
    return name.rpartition("/")[2] if name.startswith("arn:") else name


def remove_log_groups(account: Account, deployment: Deployment, names: Iterable[str], record: Record) -> list[str]:
    """Delete log groups that services left behind, and return those that were there.

    A kept stack's own stay, and so do those that another stack has made.
    """
    logs = account.client("logs")
    removed = []
    for name in names:
        if name in record.kept_names():
            continue
        tags = find_log_group_tags(logs, name)
        if tags is None or is_own(tags, deployment) is False:
            continue
        try:
            logs.delete_log_group(logGroupName=name)
        except ClientError as error:
            if absent(error):
                continue
            raise
        removed.append(name)
    return removed
