"""What a region has: endpoints, inference components, routers, and the deployments of this model among them.

It reads and shows nothing: each kind is listed and described by SageMaker or CloudFormation, many at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from botocore.exceptions import ClientError

from jina_v3.contract import MODEL_NAME
from jina_v3_client.cli.failures import absent, denied

_AT_A_TIME: Final = 8

Seen = TypeVar("Seen")


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenVariant:
    """A variant: machines that run, of those that are wanted; ``None`` where SageMaker counts none (serverless)."""

    name: str
    instance_types: tuple[str, ...]
    instances: int | None
    wanted_instances: int | None
    weight: float | None

    def __str__(self) -> str:
        count = "?" if self.instances is None else str(self.instances)
        if self.wanted_instances not in (None, self.instances):
            count += f" of {self.wanted_instances}"
        return f"{self.name}: {count} × {' or '.join(self.instance_types) or 'no machine'}"


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenEndpoint:
    """An endpoint; ``deployment`` is its name among this model's, ``None`` of another's endpoint."""

    name: str
    status: str
    reason: str
    asynchronous: bool
    variants: tuple[SeenVariant, ...]
    deployment: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenComponent:
    """An inference component and how many copies of it run."""

    name: str
    endpoint: str
    variant: str | None
    status: str
    reason: str
    copies: int | None
    wanted_copies: int | None
    deployment: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenRouter:
    """An inference router, its targets, and the endpoints that it asks (their ARNs)."""

    name: str
    status: str
    routing_targets: tuple[str, ...]
    destinations: tuple[str, ...]
    deployment: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenDeployment:
    """A deployment of jina-v3-infra: the status of its stacks by their names."""

    name: str
    stacks: Mapping[str, str]


class Region:
    """Looks at one region. **Raises**: botocore's errors."""

    def __init__(self, sagemaker: Any, cloudformation: Any) -> None:
        self._sagemaker = sagemaker
        self._cloudformation = cloudformation

    def endpoints(self) -> list[SeenEndpoint]:
        """List the endpoints."""
        return self._each("list_endpoints", "Endpoints", lambda listed: self.endpoint(listed["EndpointName"]))

    def components(self, endpoint: str | None = None) -> list[SeenComponent]:
        """List the inference components, all or those of an endpoint."""
        wanted = {} if endpoint is None else {"EndpointNameEquals": endpoint}
        return self._each(
            "list_inference_components",
            "InferenceComponents",
            lambda listed: self._component(listed["InferenceComponentName"]),
            **wanted,
        )

    def routers(self) -> list[SeenRouter]:
        """List the inference routers."""
        return self._each(
            "list_inference_routers", "InferenceRouters", lambda listed: self.router(listed["InferenceRouterName"])
        )

    def deployments(self) -> list[SeenDeployment]:
        """List the deployments, by the tags of their stacks."""
        found: dict[str, dict[str, str]] = {}
        for page in self._cloudformation.get_paginator("describe_stacks").paginate():
            for stack in page["Stacks"]:
                name = _deployment(stack.get("Tags", ()))
                if name is not None:
                    found.setdefault(name, {})[stack["StackName"]] = stack["StackStatus"]
        return [
            SeenDeployment(name=name, stacks=dict(sorted(stacks.items()))) for name, stacks in sorted(found.items())
        ]

    def endpoint(self, name: str) -> SeenEndpoint:
        """Describe an endpoint."""
        described = self._sagemaker.describe_endpoint(EndpointName=name)
        settings = self._sagemaker.describe_endpoint_config(EndpointConfigName=described["EndpointConfigName"])
        machines = {variant["VariantName"]: _machines(variant) for variant in settings["ProductionVariants"]}
        return SeenEndpoint(
            name=name,
            status=described["EndpointStatus"],
            reason=described.get("FailureReason", ""),
            asynchronous="AsyncInferenceConfig" in settings,
            variants=tuple(
                SeenVariant(
                    name=variant["VariantName"],
                    instance_types=machines.get(variant["VariantName"], ()),
                    instances=variant.get("CurrentInstanceCount"),
                    wanted_instances=variant.get("DesiredInstanceCount"),
                    weight=variant.get("CurrentWeight"),
                )
                for variant in described.get("ProductionVariants", ())
            ),
            deployment=self._deployment_of(described["EndpointArn"]),
        )

    def _component(self, name: str) -> SeenComponent:
        described = self._sagemaker.describe_inference_component(InferenceComponentName=name)
        copies = described.get("RuntimeConfig", {})
        return SeenComponent(
            name=name,
            endpoint=described["EndpointName"],
            variant=described.get("VariantName"),
            status=described["InferenceComponentStatus"],
            reason=described.get("FailureReason", ""),
            copies=copies.get("CurrentCopyCount"),
            wanted_copies=copies.get("DesiredCopyCount"),
            deployment=self._deployment_of(described["InferenceComponentArn"]),
        )

    def router(self, name: str) -> SeenRouter:
        """Describe a router."""
        described = self._sagemaker.describe_inference_router(InferenceRouterName=name)
        targets = described.get("RoutingTargets", ())
        return SeenRouter(
            name=name,
            status=described["Status"],
            routing_targets=tuple(target["Name"] for target in targets),
            destinations=tuple(one["ResourceArn"] for target in targets for one in target["Destinations"]),
            deployment=self._deployment_of(described["InferenceRouterArn"]),
        )

    def _deployment_of(self, arn: str) -> str | None:
        try:
            return _deployment(self._sagemaker.list_tags(ResourceArn=arn)["Tags"])
        except ClientError as error:
            if not denied(error):
                raise
            return None

    def _each(
        self, operation: str, members: str, describe: Callable[[dict[str, Any]], Seen], **wanted: str
    ) -> list[Seen]:
        listed = list(self._pages(operation, members, **wanted))

        def look(one: dict[str, Any]) -> Seen | None:
            try:
                return describe(one)
            except ClientError as error:
                if not absent(error):  # deleted since it was listed
                    raise
                return None

        with ThreadPoolExecutor(_AT_A_TIME) as threads:
            return [seen for seen in threads.map(look, listed) if seen is not None]

    def _pages(self, operation: str, members: str, **wanted: str) -> Iterator[dict[str, Any]]:
        """Page by hand: botocore has no paginator for all of them."""
        token: dict[str, str] = {}
        while True:
            page = getattr(self._sagemaker, operation)(**wanted, **token)
            yield from page[members]
            if not page.get("NextToken"):
                return
            token = {"NextToken": page["NextToken"]}


def _machines(variant: Mapping[str, Any]) -> tuple[str, ...]:
    if "ServerlessConfig" in variant:
        return ("serverless",)
    pools = [pool["InstanceType"] for pool in variant.get("InstancePools", ())]
    return tuple(dict.fromkeys([*([variant["InstanceType"]] if variant.get("InstanceType") else []), *pools]))


def _deployment(tags: Any) -> str | None:
    """Return the name of a deployment of this model, as jina-v3-infra tags what it makes."""
    by_key = {tag["Key"]: tag["Value"] for tag in tags}
    return by_key.get("deployment") if by_key.get("project") == MODEL_NAME else None
