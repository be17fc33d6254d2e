"""CreateEndpointConfig and the operations on endpoint configurations, with the rules between their members."""

from __future__ import annotations

import re
from typing import Any, Final

from local_aws.sagemaker.errors import refuse
from local_aws.sagemaker.hosting import Hosting
from local_aws.sagemaker.listing import list_page
from local_aws.sagemaker.models import check_role
from local_aws.sagemaker.store import Record, Store, prune

_NOT_MODELLED: Final = ("ShadowProductionVariants", "ExplainerConfig", "CrossRegionTrafficConfig")
_NOT_MODELLED_OF_VARIANTS: Final = (
    "ServerlessConfig",
    "AcceleratorType",
    "CoreDumpConfig",
    "CapacityReservationConfig",
)
# g4dn to g7e, p4 and later, trn, inf1 to inf2, and whatever has a d after its generation: c5d, m6gd, r7gd
_LOCAL_STORAGE: Final = re.compile(r"ml\.(g\d\w*|p[4-9][\w-]*|trn\d\w*|dl\d\w*|[a-z]+\d[a-z]*d)\..+")


def create_endpoint_config(_hosting: Hosting, store: Store, request: dict[str, Any]) -> dict[str, Any]:
    """Answer CreateEndpointConfig."""
    name = request["EndpointConfigName"]
    for member in _NOT_MODELLED:
        if request.get(member):
            refuse(f"the local AWS does not model {member} of an endpoint configuration")
    check_role(request.get("ExecutionRoleArn"))
    variants = request["ProductionVariants"]
    names = [variant["VariantName"] for variant in variants]
    if len(set(names)) < len(names):
        refuse(f"Two ProductionVariants have the same VariantName: {', '.join(names)}.")
    for variant in variants:
        _check_variant(store, variant, volume_key=bool(request.get("KmsKeyId")))
    _check_components(request, variants)
    if request.get("AsyncInferenceConfig"):
        _check_async(request, variants)
    arn = store.arn("endpoint-config", name)
    with store.lock:
        if name in store.configs:
            refuse(f'Cannot create already existing endpoint configuration "{arn}".')
        for variant in variants:
            variant.setdefault("InitialVariantWeight", 1.0)
        definition = prune({key: value for key, value in request.items() if key != "Tags"})
        store.configs[name] = Record(name=name, arn=arn, definition=definition)
        store.set_tags(arn, request.get("Tags", []))
    return {"EndpointConfigArn": arn}


def instance_pools(variant: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the machines that a variant can have, the preferred one first."""
    pools = variant.get("InstancePools") or [{"InstanceType": variant["InstanceType"], "Priority": 1}]
    return sorted(pools, key=lambda pool: pool["Priority"])


def has_local_storage(instance_type: str) -> bool:
    """Say whether a machine has disks of its own, which the hardware encrypts."""
    return _LOCAL_STORAGE.fullmatch(instance_type) is not None


def _check_variant(store: Store, variant: dict[str, Any], *, volume_key: bool) -> None:
    name = variant["VariantName"]
    for member in _NOT_MODELLED_OF_VARIANTS:
        if variant.get(member):
            refuse(f"the local AWS does not model {member} of a production variant")
    if bool(variant.get("InstanceType")) == bool(variant.get("InstancePools")):
        refuse(f"ProductionVariant {name} must have either an InstanceType or InstancePools.")
    if not variant.get("InitialInstanceCount"):
        refuse(f"ProductionVariant {name} must have an InitialInstanceCount.")
    if "ModelName" in variant:
        store.model(variant["ModelName"])
    priorities = [pool["Priority"] for pool in instance_pools(variant)]
    if len(set(priorities)) < len(priorities):
        refuse(f"Two InstancePools of ProductionVariant {name} have the same Priority.")
    for pool in instance_pools(variant):
        if "ModelNameOverride" in pool:
            store.model(pool["ModelNameOverride"])
        if volume_key and has_local_storage(pool["InstanceType"]):
            refuse(
                f"KmsKeyId can not be given: instance type {pool['InstanceType']} of ProductionVariant {name} has "
                "local storage, which is encrypted by a key of the hardware."
            )
    scaling = variant.get("ManagedInstanceScaling", {})
    if scaling.get("MinInstanceCount", 0) > scaling.get("MaxInstanceCount", float("inf")):
        refuse(f"ManagedInstanceScaling of ProductionVariant {name}: MinInstanceCount exceeds MaxInstanceCount.")


def _check_components(request: dict[str, Any], variants: list[dict[str, Any]]) -> None:
    """Check a configuration for inference components, which is one whose variants name no model."""
    without_model = [variant["VariantName"] for variant in variants if "ModelName" not in variant]
    if not without_model:
        managed = [variant["VariantName"] for variant in variants if variant.get("ManagedInstanceScaling")]
        if managed:
            refuse(
                f"ManagedInstanceScaling of ProductionVariant {managed[0]} needs inference components: no ModelName."
            )
        return
    if len(variants) > 1:
        refuse("An endpoint with inference components can have only one ProductionVariant.")
    if not request.get("ExecutionRoleArn"):
        refuse(f"ExecutionRoleArn is required: ProductionVariant {without_model[0]} names no model.")
    if request.get("AsyncInferenceConfig") or request.get("DataCaptureConfig"):
        refuse("AsyncInferenceConfig and DataCaptureConfig are not supported with inference components.")


def _check_async(request: dict[str, Any], variants: list[dict[str, Any]]) -> None:
    if request.get("DataCaptureConfig"):
        refuse("DataCaptureConfig is not supported with AsyncInferenceConfig.")
    if not request["AsyncInferenceConfig"]["OutputConfig"].get("S3OutputPath"):
        refuse("S3OutputPath of AsyncInferenceConfig's OutputConfig is required.")
    if len(variants) > 1:
        refuse("An asynchronous endpoint can have only one ProductionVariant.")


def describe_endpoint_config(_hosting: Hosting, store: Store, request: dict[str, Any]) -> dict[str, Any]:
    """Answer DescribeEndpointConfig."""
    config = store.config(request["EndpointConfigName"])
    isolated = config.definition.get("EnableNetworkIsolation", False)
    return {
        **config.definition,
        "EnableNetworkIsolation": isolated,
        "EndpointConfigArn": config.arn,
        "CreationTime": config.created,
    }


def list_endpoint_configs(_hosting: Hosting, store: Store, request: dict[str, Any]) -> dict[str, Any]:
    """Answer ListEndpointConfigs."""
    with store.lock:
        configs = list(store.configs.values())
    rows = [
        {"EndpointConfigName": config.name, "EndpointConfigArn": config.arn, "CreationTime": config.created}
        for config in configs
    ]
    return list_page(rows, request, noun="EndpointConfig")


def delete_endpoint_config(_hosting: Hosting, store: Store, request: dict[str, Any]) -> dict[str, Any]:
    """Answer DeleteEndpointConfig; endpoints that run it go on, as in the service."""
    with store.lock:
        config = store.config(request["EndpointConfigName"])
        del store.configs[config.name]
        store.tags.pop(config.arn, None)
    return {}


OPERATIONS: Final = {
    "CreateEndpointConfig": create_endpoint_config,
    "DescribeEndpointConfig": describe_endpoint_config,
    "ListEndpointConfigs": list_endpoint_configs,
    "DeleteEndpointConfig": delete_endpoint_config,
}
