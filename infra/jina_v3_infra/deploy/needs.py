"""Which machines a deployment takes, and how many: counted from the configuration alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from jina_v3_infra.config import Deployment

ENDPOINT_USAGE: Final = "endpoint usage"
TRANSFORM_USAGE: Final = "transform job usage"


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """How many machines of one type.

    ``most`` is the sum of the variants' maxima. ``surplus`` are those that an update has beside them for a while: the
    new fleet is as large as the old one. ``spare`` are those that are only taken where another type has no capacity.
    ``usage`` is for what, as Service Quotas names it: the account has a quota for each.
    """

    instance_type: str
    usage: str = ENDPOINT_USAGE
    most: int = 0
    surplus: int = 0
    spare: int = 0

    @property
    def quota(self) -> str:
        """The name of the account's quota for it."""
        return f"{self.instance_type} for {self.usage}"


def all_needs(deployment: Deployment) -> list[Need]:
    """Return the needs of the endpoint and of batch transform."""
    return [*(instance_needs(deployment) if deployment.endpoint.enabled else ()), *transform_needs(deployment)]


def transform_needs(deployment: Deployment) -> list[Need]:
    """Return what runs take together: as many jobs at a time, each with as many machines, as they may have."""
    batch = deployment.batch
    if batch is None:
        return []
    return [Need(instance_type=batch.instance_type, usage=TRANSFORM_USAGE, most=batch.jobs * batch.instances)]


def instance_needs(deployment: Deployment) -> list[Need]:
    """Return one need of the endpoint for each instance type, in the configuration's order."""
    most: dict[str, int] = {}
    spare: dict[str, int] = {}
    for variant in deployment.endpoint.variants:
        most[variant.instance_type] = most.get(variant.instance_type, 0) + variant.scaling.max
        for name in variant.instance_pool:
            spare[name] = spare.get(name, 0) + variant.scaling.max
    # components are updated copy by copy, so that one machine more is enough
    whole_fleet = deployment.endpoint.inference_component is None
    return [
        Need(
            instance_type=name,
            most=most.get(name, 0),
            surplus=most.get(name, 0) if whole_fleet else min(most.get(name, 0), 1),
            spare=spare.get(name, 0),
        )
        for name in {**most, **spare}
    ]
