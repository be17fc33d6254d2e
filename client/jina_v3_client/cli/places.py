"""Who is to be asked, as the words and the environment say; looks nothing up."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from jina_v3_client.errors import ConfigurationError
from jina_v3_client.routing.targets import Endpoint, InferenceRouter, Target

ENDPOINT_VARIABLE: Final = "JINA_V3_ENDPOINT"
DEPLOYMENT_VARIABLE: Final = "JINA_V3_DEPLOYMENT"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """At most one of endpoint, deployment and router, and how to get there.

    **Raises**: ``ConfigurationError``.
    """

    endpoint: str | None = None
    deployment: str | None = None
    router: str | None = None
    variant: str | None = None
    inference_component: str | None = None
    region: str | None = None
    profile: str | None = None

    def __post_init__(self) -> None:
        named = [f"{kind} {name!r}" for kind, name in self._kinds.items() if name]
        if len(named) > 1:
            raise ConfigurationError(f"{' and '.join(named)} are both given; give one")
        if self.endpoint is None and (self.variant or self.inference_component):
            raise ConfigurationError("--variant and --inference-component are of an endpoint; give --endpoint too")
        _ = self.target

    @property
    def _kinds(self) -> dict[str, str | None]:
        return {"endpoint": self.endpoint, "deployment": self.deployment, "router": self.router}

    @property
    def target(self) -> Target | None:
        """The endpoint or router that was named; ``None`` where a deployment was, or nothing."""
        if self.endpoint is not None:
            return Endpoint(
                self.endpoint,
                region=self.region,
                variant=self.variant,
                inference_component=self.inference_component,
                profile=self.profile,
            )
        if self.router is not None:
            return InferenceRouter(self.router, region=self.region, profile=self.profile)
        return None

    @property
    def aws_region(self) -> str | None:
        """The region that was said, or that an ARN has in it."""
        return self.target.region if self.target is not None else self.region


def read_place(words: argparse.Namespace, environment: Mapping[str, str]) -> Place:
    """Take what the words say; what they leave open the environment may say.

    **Raises**: ``ConfigurationError``.
    """
    endpoint, deployment = words.endpoint, words.deployment
    if not (endpoint or deployment or words.router):
        endpoint = environment.get(ENDPOINT_VARIABLE) or None
        deployment = environment.get(DEPLOYMENT_VARIABLE) or None
        if endpoint and deployment:
            raise ConfigurationError(
                f"{ENDPOINT_VARIABLE} is {endpoint!r} and {DEPLOYMENT_VARIABLE} is {deployment!r}; unset one, or give "
                "--endpoint or --deployment"
            )
    return Place(
        endpoint=endpoint,
        deployment=deployment,
        router=words.router,
        variant=words.variant,
        inference_component=words.inference_component,
        region=words.region,
        profile=words.profile,
    )
