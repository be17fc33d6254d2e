"""CreateInferenceRouter and the operations on routers."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any, Final

from local_aws.errors import ServiceError
from local_aws.sagemaker.errors import refuse
from local_aws.sagemaker.hosting import Hosting
from local_aws.sagemaker.listing import list_page
from local_aws.sagemaker.routing import Router, find_destination, routing_status
from local_aws.sagemaker.store import Store, now

_CREATE_S: Final = 30.0
_UPDATE_S: Final = 120.0
"""As long as AWS says that an update typically takes; that of a creation is not published."""


def create_router(hosting: Hosting, store: Store, request: dict[str, Any]) -> dict[str, Any]:
    """Answer CreateInferenceRouter."""
    name, token = request["InferenceRouterName"], request.get("ClientToken")
    targets = _check_targets(hosting, request["RoutingTargets"])
    with store.lock:
        standing = store.routers.get(name)
        if standing is not None:
            if (standing.token, standing.targets) == (token, targets):
                return {"InferenceRouterArn": standing.arn}
            raise ServiceError("ResourceAlreadyExists", f'Inference router "{standing.arn}" already exists.')
        router = Router(
            name=name,
            arn=store.arn("inference-router", name),
            region=store.region,
            targets=targets,
            token=token,
            chance=random.Random(hosting.settings.seed),  # noqa: S311  # to be repeated, not to be secret
        )
        store.routers[name] = router
        store.set_tags(router.arn, request.get("Tags", []))
    hosting.spawn(f"create router {name}", lambda: _settle(hosting, router, targets, _CREATE_S))
    return {"InferenceRouterArn": router.arn}


def _check_targets(hosting: Hosting, given: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Hold targets to the rules that the API's model does not have, and return them as they are kept."""
    names = [target["Name"] for target in given]
    if len(set(names)) < len(names):
        refuse("The names of routing targets must be unique within the inference router.")
    for target in given:
        if "AsyncInferenceConfig" in target:
            message = "the local AWS does not model asynchronous routing targets"
            raise ServiceError("NotImplemented", message, 501)
        if target.get("RoutingPreference") == "InstancePoolOrder":
            refuse("RoutingPreference InstancePoolOrder is supported for asynchronous routing targets only.")
        arns = [destination["ResourceArn"] for destination in target["Destinations"]]
        if len({arn.lower() for arn in arns}) < len(arns):
            refuse(f"Each destination can appear only once in routing target {target['Name']}.")
        for arn in arns:
            if not arn.startswith("arn:aws:"):
                refuse(f"Destination {arn} is not in the partition of the inference router.")
            found = find_destination(hosting, arn)
            if found is not None and "AsyncInferenceConfig" in found.endpoint.config:
                refuse(f"Destination {arn} is an asynchronous endpoint, and the routing target is real-time.")
    return [
        {
            "Name": target["Name"],
            "Destinations": [{"ResourceArn": one["ResourceArn"]} for one in target["Destinations"]],
            "RoutingPreference": target.get("RoutingPreference", "LocalRegionFirst"),
        }
        for target in given
    ]


def _settle(hosting: Hosting, router: Router, targets: list[dict[str, Any]], wait_s: float) -> None:
    """Have targets take effect after a while; until then requests use those of before."""
    hosting.pause(wait_s)
    with router.lock:
        router.targets, router.status, router.modified = targets, "InService", now()


def describe_router(hosting: Hosting, store: Store, request: dict[str, Any]) -> dict[str, Any]:
    """Answer DescribeInferenceRouter."""
    router = store.router(request["InferenceRouterName"])
    with router.lock:
        targets = [
            {
                **target,
                "Destinations": [
                    {**one, "RoutingStatus": routing_status(hosting, one["ResourceArn"])}
                    for one in target["Destinations"]
                ],
            }
            for target in router.targets
        ]
        return {**_summarise(router), "Status": router.status, "RoutingTargets": targets}


def _summarise(router: Router) -> dict[str, Any]:
    return {
        "InferenceRouterName": router.name,
        "InferenceRouterArn": router.arn,
        "CreationTime": router.created,
        "LastModifiedTime": router.modified,
    }


def list_routers(_hosting: Hosting, store: Store, request: dict[str, Any]) -> dict[str, Any]:
    """Answer ListInferenceRouters."""
    with store.lock:
        routers = list(store.routers.values())
    return list_page([_summarise(router) for router in routers], request, noun="InferenceRouter")


def update_router(hosting: Hosting, store: Store, request: dict[str, Any]) -> dict[str, Any]:
    """Answer UpdateInferenceRouter."""
    router = store.router(request["InferenceRouterName"])
    targets = _check_targets(hosting, request["RoutingTargets"])
    with router.lock:
        _require_rest(router, "update")
        router.status, router.modified = "Updating", now()
    hosting.spawn(f"update router {router.name}", lambda: _settle(hosting, router, targets, _UPDATE_S))
    return {"InferenceRouterArn": router.arn}


def delete_router(hosting: Hosting, store: Store, request: dict[str, Any]) -> Mapping[str, Any]:
    """Answer DeleteInferenceRouter."""
    router = store.router(request["InferenceRouterName"])
    with router.lock:
        _require_rest(router, "delete")
        router.status, router.modified = "Deleting", now()

    def remove() -> None:
        hosting.pause(_CREATE_S)
        with store.lock:
            del store.routers[router.name]
            store.tags.pop(router.arn, None)

    hosting.spawn(f"delete router {router.name}", remove)
    return {}


def _require_rest(router: Router, change: str) -> None:
    if router.status not in ("InService", "Failed"):
        message = f'Cannot {change} inference router "{router.arn}" while its status is {router.status}.'
        raise ServiceError("ConflictException", message)


OPERATIONS: Final = {
    "CreateInferenceRouter": create_router,
    "DescribeInferenceRouter": describe_router,
    "ListInferenceRouters": list_routers,
    "UpdateInferenceRouter": update_router,
    "DeleteInferenceRouter": delete_router,
}
