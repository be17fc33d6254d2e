"""Whose an endpoint or a log group is: a configuration can name what another deployment has made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from botocore.exceptions import ClientError

from jina_v3_infra.config import Deployment
from jina_v3_infra.deploy.account import Account
from jina_v3_infra.deploy.failures import absent

STACK_TAG: Final = "aws:cloudformation:stack-name"
"""CloudFormation's own; not every kind of resource shows it."""

_DEPLOYMENT_TAG: Final = "deployment"


def find_endpoint_tags(account: Account, name: str) -> dict[str, str] | None:
    """Return the tags of an endpoint, ``None`` where there is no such endpoint."""
    sagemaker = account.client("sagemaker")
    try:
        return list_tags(sagemaker, sagemaker.describe_endpoint(EndpointName=name)["EndpointArn"])
    except ClientError as error:
        if absent(error):
            return None
        raise


def list_tags(sagemaker: Any, arn: str) -> dict[str, str]:
    """Return the tags of a resource of SageMaker's."""
    pages = sagemaker.get_paginator("list_tags").paginate(ResourceArn=arn)
    return {tag["Key"]: tag["Value"] for page in pages for tag in page["Tags"]}


def find_log_group_tags(logs: Any, name: str) -> dict[str, str] | None:
    """Return the tags of a log group, ``None`` where there is no such group."""
    groups = logs.describe_log_groups(logGroupNamePrefix=name)["logGroups"]  # in order: that very name is the first
    if not groups or groups[0]["logGroupName"] != name:
        return None
    arn = groups[0]["arn"].removesuffix(":*")
    return dict(logs.list_tags_for_resource(resourceArn=arn)["tags"])


def is_own(tags: Mapping[str, str], deployment: Deployment) -> bool | None:
    """Say whether tags are those that the deployment's stacks give; ``None`` where no stack has given any."""
    if STACK_TAG in tags:
        return tags[STACK_TAG] in (deployment.endpoint_stack, deployment.foundation_stack, deployment.batch_stack)
    if _DEPLOYMENT_TAG in tags:
        return tags[_DEPLOYMENT_TAG] == deployment.tags.get(_DEPLOYMENT_TAG, deployment.name)
    return None
