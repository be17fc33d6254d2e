"""The machines of an endpoint's variants, as they stand and as they are configured, to be compared."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jina_v3_infra.config import Deployment

Machines = dict[str, list[str]]
"""By variant, its machine types, the preferred one first."""


def standing_machines(settings: Mapping[str, Any]) -> Machines:
    """Return the machines of an endpoint configuration, by the answer of DescribeEndpointConfig."""
    return {one["VariantName"]: _types(one) for one in settings["ProductionVariants"]}


def configured_machines(deployment: Deployment) -> Machines:
    """Return the machines that a deployment asks for."""
    return {one.name: [one.instance_type, *one.instance_pool] for one in deployment.endpoint.variants}


def tell_machines(machines: Machines) -> str:
    """Say them in one line."""
    return "; ".join(f"{name} {', '.join(types)}" for name, types in machines.items())


def _types(variant: Mapping[str, Any]) -> list[str]:
    pools = [pool["InstanceType"] for pool in variant.get("InstancePools", ())]
    return pools or [variant["InstanceType"]]
