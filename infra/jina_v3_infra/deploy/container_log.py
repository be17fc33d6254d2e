"""Why an endpoint failed: what SageMaker says, and the end of the container's log."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from botocore.exceptions import ClientError

from jina_v3_infra.config import Deployment
from jina_v3_infra.deploy.account import Account
from jina_v3_infra.deploy.failures import AWS_ERRORS, absent, explain
from jina_v3_infra.log_groups import endpoint_log_group

_LINES: Final = 20


def endpoint_failure(account: Account, deployment: Deployment) -> list[str]:
    """Say why an endpoint is not in service, as far as SageMaker and the container's log tell."""
    try:
        return [*_reason(account.client("sagemaker"), deployment.endpoint_name), *_tail(account, deployment)]
    except AWS_ERRORS as error:
        return [f"  why the endpoint failed could not be read: {explain(error)}"]


def _reason(sagemaker: Any, name: str) -> Iterator[str]:
    try:
        found = sagemaker.describe_endpoint(EndpointName=name)
    except ClientError as error:
        if absent(error):  # rolled back
            return
        raise
    if found.get("FailureReason"):
        yield f"  the endpoint {name} is {found['EndpointStatus']}: {found['FailureReason']}"


def _tail(account: Account, deployment: Deployment) -> Iterator[str]:
    logs, group = account.client("logs"), endpoint_log_group(deployment)
    try:
        streams = logs.describe_log_streams(logGroupName=group, orderBy="LastEventTime", descending=True, limit=1)
        for stream in streams["logStreams"]:
            events = logs.get_log_events(
                logGroupName=group, logStreamName=stream["logStreamName"], limit=_LINES, startFromHead=False
            )["events"]
            if events:
                yield f"  the end of its log, {group} {stream['logStreamName']}:"
            yield from (f"    {event['message'].rstrip()}" for event in events)
    except ClientError as error:
        if not absent(error):
            raise
