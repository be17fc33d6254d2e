"""The inference routers of a deployment: made, changed and deleted by SageMaker's API.

CloudFormation has no type for them (docs/adr/0010-second-region.md), so that their tags say whose they are. There is
one in each region, of the same name and with the same destinations: a router is its region's, and goes with it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, Final

from botocore.exceptions import ClientError

from jina_v3_infra.config import Deployment
from jina_v3_infra.deploy.account import Account
from jina_v3_infra.deploy.failures import AWS_ERRORS, CommandError, absent
from jina_v3_infra.deploy.findings import Finding, right, wrong
from jina_v3_infra.deploy.ownership import is_own, list_tags

ROUTER: Final = "router"
TARGET: Final = "jina-embeddings-v3"
"""The name of the one routing target, which callers give with the router's."""

_POLL_S: Final = 2.0
_LIMIT_S: Final = 900.0
"""AWS says of an update that it typically takes effect in two minutes, and of a creation nothing."""

Router = dict[str, Any]
"""The answer of DescribeInferenceRouter."""


def find_router(account: Account, name: str) -> Router | None:
    """Return the router of a name in the account's region, ``None`` where there is none."""
    try:
        found: Router = account.client("sagemaker").describe_inference_router(InferenceRouterName=name)
    except ClientError as error:
        if absent(error):
            return None
        raise
    return found


def owns_router(account: Account, deployment: Deployment, router: Router) -> bool:
    """Say whether this deployment has made a router; one without tags is somebody else's."""
    return is_own(list_tags(account.client("sagemaker"), router["InferenceRouterArn"]), deployment) is True


def forgotten_regions(account: Account, deployment: Deployment) -> list[str]:
    """Return the regions that the deployment's router sends calls to and the configuration does not name (any more).

    Nothing where the caller may not look: then there is nothing to go by.
    """
    try:
        router = find_router(account, deployment.router_name)
        if router is None or not owns_router(account, deployment, router):
            return []
    except AWS_ERRORS:
        return []
    arns = [one["ResourceArn"] for target in router["RoutingTargets"] for one in target["Destinations"]]
    named = {deployment.region, deployment.router and deployment.router.second_region}
    return [region for region in dict.fromkeys(arn.split(":")[3] for arn in arns) if region not in named]


def check_router(account: Account, deployment: Deployment) -> Iterator[Finding]:
    """Look whether the name of the routers is free in a region, or this deployment's."""
    name = deployment.router_name
    router = find_router(account, name)
    if router is None:
        yield right(ROUTER, f"{name} will be made in {account.region}")
    elif owns_router(account, deployment, router):
        yield right(ROUTER, f"{name} in {account.region} is this deployment's own ({router['Status']})")
    else:
        yield wrong(
            ROUTER,
            f"there is an inference router {name} in {account.region} that this deployment has not made",
            "set router.name to another, or delete that router",
        )


def destination(account: Account, deployment: Deployment) -> str:
    """Return the ARN that a region's calls go to: its endpoint, or its inference component.

    **Raises**: ``CommandError`` where it is not there yet.
    """
    sagemaker, name = account.client("sagemaker"), deployment.endpoint_name
    try:
        if deployment.endpoint.inference_component is None:
            return str(sagemaker.describe_endpoint(EndpointName=name)["EndpointArn"])
        # the stacks call it like the endpoint
        return str(sagemaker.describe_inference_component(InferenceComponentName=name)["InferenceComponentArn"])
    except ClientError as error:
        if not absent(error):
            raise
        raise CommandError(
            f"there is no endpoint {name} in {account.region} to route to; run deploy without --from"
        ) from error


def ensure_router(account: Account, deployment: Deployment, destinations: list[str]) -> str:
    """Make the router of a region, or change it to what it should be, and say what was done.

    **Raises**: ``CommandError`` where the name is somebody else's, or SageMaker fails to make it.
    """
    name, targets = deployment.router_name, _targets(destinations)
    router = _await_rest(account, name)
    if router is not None and not owns_router(account, deployment, router):
        raise CommandError(
            f"there is an inference router {name} in {account.region} that this deployment has not made; set "
            "router.name to another"
        )
    if router is not None and router["Status"] == "Failed":
        _delete(account, name)
        router = None
    sagemaker = account.client("sagemaker")
    if router is None:
        sagemaker.create_inference_router(InferenceRouterName=name, RoutingTargets=targets, Tags=_tags(deployment))
        done = "made"
    elif _plain(router["RoutingTargets"]) != targets:
        sagemaker.update_inference_router(InferenceRouterName=name, RoutingTargets=targets)
        done = "changed"
    else:
        done = "as it should be"
    router = _await_rest(account, name)
    if router is None or router["Status"] == "Failed":
        reason = "it is gone" if router is None else router.get("StatusReason", "no reason is given")
        raise CommandError(f"the inference router {name} in {account.region} has failed: {reason}")
    return done


def delete_router(account: Account, deployment: Deployment) -> str | None:
    """Delete the router of a region and say what was done, ``None`` where there is none."""
    name = deployment.router_name
    router = _await_rest(account, name)
    if router is None:
        return None
    if not owns_router(account, deployment, router):
        return "belongs to another deployment and was left alone"
    _delete(account, name)
    return "is deleted"


def _delete(account: Account, name: str) -> None:
    account.client("sagemaker").delete_inference_router(InferenceRouterName=name)
    _await_rest(account, name)


def _await_rest(account: Account, name: str) -> Router | None:
    """Wait until a router takes changes, or is gone.

    **Raises**: ``CommandError`` where that takes too long.
    """
    deadline_s = time.monotonic() + _LIMIT_S
    while (router := find_router(account, name)) is not None and router["Status"] not in ("InService", "Failed"):
        if time.monotonic() > deadline_s:
            raise CommandError(
                f"the inference router {name} in {account.region} is {router['Status']} since more than "
                f"{_LIMIT_S / 60:.0f} minutes; run the same command again later"
            )
        time.sleep(_POLL_S)
    return router


def _targets(destinations: list[str]) -> list[dict[str, Any]]:
    return [
        {
            "Name": TARGET,
            "Destinations": [{"ResourceArn": arn} for arn in destinations],
            "RoutingPreference": "LocalRegionFirst",
        }
    ]


def _plain(targets: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return described targets without the destinations' status, as they were given."""
    return [
        {**target, "Destinations": [{"ResourceArn": one["ResourceArn"]} for one in target["Destinations"]]}
        for target in targets
    ]


def _tags(deployment: Deployment) -> list[dict[str, str]]:
    """Return the tags that the stacks give to theirs."""
    tags = {"project": "jina-embeddings-v3", "deployment": deployment.name} | deployment.tags
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def describe_router(account: Account, deployment: Deployment) -> Iterator[str]:
    """Yield a line on the router of a region, and one on each of its destinations."""
    name = deployment.router_name
    router = find_router(account, name)
    if router is None:
        yield f"inference router {name} in {account.region}: not there"
        return
    yield f"inference router {name} in {account.region}: {router['Status']}"
    if router.get("StatusReason"):
        yield f"reason: {router['StatusReason']}"
    for target in router["RoutingTargets"]:
        yield from (f"{target['Name']}: {one['ResourceArn']}: {one['RoutingStatus']}" for one in target["Destinations"])
