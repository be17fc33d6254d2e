"""CreateEndpoint and the operations on endpoints; what takes time goes on in ``deployment``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from local_aws.sagemaker import deployment
from local_aws.sagemaker.endpoint import Endpoint
from local_aws.sagemaker.endpoint_configs import instance_pools
from local_aws.sagemaker.errors import refuse
from local_aws.sagemaker.hosting import Hosting
from local_aws.sagemaker.listing import list_page
from local_aws.sagemaker.store import Store, now


def create_endpoint(hosting: Hosting, store: Store, request: dict[str, Any]) -> dict[str, Any]:
    """Answer CreateEndpoint."""
    name = request["EndpointName"]
    _check_deployment(request.get("DeploymentConfig", {}))
    with store.lock:
        config = store.config(request["EndpointConfigName"])
        arn = store.arn("endpoint", name)
        if name in store.endpoints:
            refuse(f'Cannot create already existing endpoint "{arn}".')
        endpoint = Endpoint(name, arn, config.name, config.definition, hosting.settings.seed)
        endpoint.deployment = request.get("DeploymentConfig", {})
        store.endpoints[name] = endpoint
        store.set_tags(arn, request.get("Tags", []))
    hosting.spawn(f"create {name}", lambda: deployment.bring_up(hosting, store, endpoint))
    return {"EndpointArn": arn}


def _check_deployment(config: Mapping[str, Any]) -> None:
    routing = config.get("BlueGreenUpdatePolicy", {}).get("TrafficRoutingConfiguration", {})
    for kind, member in (("CANARY", "CanarySize"), ("LINEAR", "LinearStepSize")):
        if (routing.get("Type") == kind) != (member in routing):
            refuse(f"{member} must be given where the traffic routing's Type is {kind}, and only there.")
        size = routing.get(member, {})
        if size.get("Type") == "CAPACITY_PERCENT" and size["Value"] > 50:
            refuse(
                f"{member} of {size['Value']} percent is too large; at most 50 percent of the capacity can be given."
            )
    if "BlueGreenUpdatePolicy" in config and "RollingUpdatePolicy" in config:
        refuse("BlueGreenUpdatePolicy and RollingUpdatePolicy can not be given together.")


def describe_endpoint(_hosting: Hosting, store: Store, request: dict[str, Any]) -> dict[str, Any]:
    """Answer DescribeEndpoint."""
    return store.endpoint(request["EndpointName"]).describe()


def list_endpoints(_hosting: Hosting, store: Store, request: dict[str, Any]) -> dict[str, Any]:
    """Answer ListEndpoints."""
    with store.lock:
        endpoints = list(store.endpoints.values())
    return list_page([endpoint.summarise() for endpoint in endpoints], request, noun="Endpoint")


def update_endpoint(hosting: Hosting, store: Store, request: dict[str, Any]) -> dict[str, Any]:
    """Answer UpdateEndpoint."""
    _check_deployment(request.get("DeploymentConfig", {}))
    scaled = _scaled_variants(hosting, store, store.endpoint(request["EndpointName"]))
    with store.lock:
        endpoint = store.endpoint(request["EndpointName"])
        config = store.config(request["EndpointConfigName"])
        _check_kind(endpoint, config.definition)
        _check_scaled(endpoint, config.definition, scaled)
        endpoint.begin_update()
        excluded = {item["VariantPropertyType"] for item in request.get("ExcludeRetainedVariantProperties", [])}
        definition = dict(config.definition)
        retained = {}
        if request.get("RetainAllVariantProperties"):
            retained = _retained(endpoint, excluded)
            if "DataCaptureConfig" not in excluded and "DataCaptureConfig" in endpoint.config:
                definition["DataCaptureConfig"] = endpoint.config["DataCaptureConfig"]
        if not request.get("RetainDeploymentConfig"):
            endpoint.deployment = request.get("DeploymentConfig", {})
        endpoint.pending = (config.name, definition, now())
        endpoint.generation += 1
    hosting.spawn(
        f"update {endpoint.name}",
        lambda: deployment.update(hosting, store, endpoint, config.name, definition, retained),
    )
    return {"EndpointArn": endpoint.arn}


def _check_kind(endpoint: Endpoint, config: Mapping[str, Any]) -> None:
    """Refuse to make an asynchronous endpoint a real-time one, or the other way round.

    **Source**: github.com/aws/sagemaker-python-sdk/pull/3124 has the error of the removal; the addition's is ours.
    """
    member = "AsyncInferenceConfig"
    if (member in endpoint.config) != (member in config):
        done = "added to" if member in config else "removed from"
        refuse(
            f"The {member} parameter cannot be {done} this endpoint {endpoint.name}. To change the endpoint type, "
            "create a new endpoint."
        )


def _scaled_variants(hosting: Hosting, store: Store, endpoint: Endpoint) -> set[str]:
    """Return the variants that are registered with Application Auto Scaling."""
    ids = {
        f"endpoint/{endpoint.name}/variant/{variant['VariantName']}": variant["VariantName"]
        for variant in endpoint.config["ProductionVariants"]
    }
    found = hosting.client("application-autoscaling", store.region).describe_scalable_targets(
        ServiceNamespace="sagemaker", ResourceIds=list(ids)
    )
    return {ids[target["ResourceId"]] for target in found["ScalableTargets"]}


def _check_scaled(endpoint: Endpoint, config: Mapping[str, Any], scaled: set[str]) -> None:
    """Refuse to change the machine of a scaled variant, or to remove it.

    **Source**: docs.aws.amazon.com/sagemaker/latest/dg/endpoint-scaling-update.html
    """
    before, after = _machines(endpoint.config), _machines(config)
    for name in sorted(scaled):
        if before[name] != after.get(name):
            change = "remove" if name not in after else "change the instance type of"
            refuse(
                f'Cannot {change} variant "{name}" of endpoint "{endpoint.arn}": it is registered as a scalable target '
                f"with Application Auto Scaling. Deregister endpoint/{endpoint.name}/variant/{name} first."
            )


def _machines(config: Mapping[str, Any]) -> dict[str, list[str]]:
    return {
        variant["VariantName"]: [pool["InstanceType"] for pool in instance_pools(variant)]
        for variant in config["ProductionVariants"]
    }


def _retained(endpoint: Endpoint, excluded: set[str]) -> dict[str, dict[str, Any]]:
    kept: dict[str, dict[str, Any]] = {}
    for variant in endpoint.fleet.variants.values() if endpoint.fleet is not None else ():
        kept[variant.name] = {}
        if "DesiredInstanceCount" not in excluded:
            kept[variant.name]["InitialInstanceCount"] = variant.instances
        if "DesiredWeight" not in excluded:
            kept[variant.name]["InitialVariantWeight"] = variant.weight
    return kept


def delete_endpoint(hosting: Hosting, store: Store, request: dict[str, Any]) -> dict[str, Any]:
    """Answer DeleteEndpoint."""
    with store.lock:
        endpoint = store.endpoint(request["EndpointName"])
        with endpoint.lock:
            if endpoint.status not in ("InService", "Failed", "OutOfService"):
                refuse(f'Cannot update in-progress endpoint "{endpoint.arn}".')
            if any(component.endpoint is endpoint for component in store.components.values()):
                refuse(f'Cannot delete endpoint "{endpoint.arn}": delete its inference components first.')
            endpoint.change("Deleting")
    hosting.spawn(f"delete {endpoint.name}", lambda: deployment.take_down(hosting, store, endpoint))
    return {}


OPERATIONS: Final = {
    "CreateEndpoint": create_endpoint,
    "DescribeEndpoint": describe_endpoint,
    "ListEndpoints": list_endpoints,
    "UpdateEndpoint": update_endpoint,
    "DeleteEndpoint": delete_endpoint,
}
