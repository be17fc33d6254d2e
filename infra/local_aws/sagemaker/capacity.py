"""UpdateEndpointWeightsAndCapacities, which is also what autoscaling calls: the last machine really goes, and comes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from local_aws.sagemaker.endpoint import Endpoint
from local_aws.sagemaker.errors import refuse
from local_aws.sagemaker.hosting import Hosting
from local_aws.sagemaker.launch import LaunchError, launch_variant
from local_aws.sagemaker.model_data import remove_model
from local_aws.sagemaker.store import Store
from local_aws.sagemaker.traffic import Variant

_DRAIN_LIMIT_S: Final = 3600.0


def update_weights(hosting: Hosting, store: Store, request: dict[str, Any]) -> dict[str, Any]:
    """Answer UpdateEndpointWeightsAndCapacities."""
    wanted = {one["VariantName"]: one for one in request["DesiredWeightsAndCapacities"]}
    with store.lock:
        endpoint = store.endpoint(request["EndpointName"])
        known = {} if endpoint.fleet is None else endpoint.fleet.variants
        for name, desired in wanted.items():
            if name not in known and endpoint.status == "InService":
                refuse(f'Could not find variant "{name}" of endpoint "{endpoint.arn}".')
            if "ServerlessUpdateConfig" in desired:
                refuse("the local AWS does not model serverless variants")
            if desired.get("DesiredInstanceCount") == 0 and not endpoint.config.get("AsyncInferenceConfig"):
                refuse(
                    f'Cannot set the instance count of variant "{name}" of endpoint "{endpoint.arn}" to 0: only '
                    "asynchronous endpoints, and inference components, can go to none."
                )
        endpoint.begin_update()
    hosting.spawn(f"scale {endpoint.name}", lambda: _apply(hosting, store, endpoint, wanted))
    return {"EndpointArn": endpoint.arn}


def _apply(hosting: Hosting, store: Store, endpoint: Endpoint, wanted: Mapping[str, Mapping[str, Any]]) -> None:
    fleet, reason = endpoint.fleet, ""
    for variant in () if fleet is None else [fleet.variants[name] for name in wanted]:
        desired = wanted[variant.name]
        variant.weight = desired.get("DesiredWeight", variant.weight)
        count = desired.get("DesiredInstanceCount", variant.instances)
        try:
            if count and variant.container is None:
                _start(hosting, store, endpoint, variant, count)
        except LaunchError as error:
            reason = str(error)
            continue
        variant.instances = count
        if count == 0:
            _stop(endpoint, variant)
    if endpoint.queue is not None:
        endpoint.queue.look()  # before the status, so that who waits for it finds the queue as it will be
    endpoint.change("InService", reason)


def _start(hosting: Hosting, store: Store, endpoint: Endpoint, variant: Variant, count: int) -> None:
    """Start the container of a variant that had no machine.

    **Raises**: ``LaunchError``.
    """
    fleet = endpoint.fleet
    assert fleet is not None
    assert fleet.folder is not None
    (definition,) = (one for one in fleet.config["ProductionVariants"] if one["VariantName"] == variant.name)
    begun = launch_variant(hosting, store, endpoint.name, fleet.folder, {**definition, "InitialInstanceCount": count})
    variant.container, variant.instance_type = begun.container, begun.instance_type


def _stop(endpoint: Endpoint, variant: Variant) -> None:
    """End the container once it has answered what it has; what waits goes on waiting."""
    container, fleet = variant.container, endpoint.fleet
    if container is None or fleet is None or fleet.folder is None:
        return
    endpoint.traffic.drain([variant], _DRAIN_LIMIT_S)
    variant.container = None
    container.stop()
    remove_model(fleet.folder / variant.name / "model")


OPERATIONS: Final = {"UpdateEndpointWeightsAndCapacities": update_weights}
