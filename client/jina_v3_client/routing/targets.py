"""Who can be asked: an endpoint (with a variant or an inference component), or an inference router of SageMaker's."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from jina_v3.contract import MODEL_NAME
from jina_v3_client.errors import ConfigurationError

_NAME: Final = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}")
_ARN: Final = re.compile(
    r"arn:(?P<partition>aws[a-z-]*):sagemaker:(?P<region>[a-z0-9-]+):(?P<account>\d{12}):(?P<kind>[a-z-]+)/(?P<name>[^/]+)"
)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A real-time endpoint.

    ``region`` and ``profile`` default to the client's. At most one of ``variant`` and ``inference_component`` is given;
    an endpoint with components needs one. ``name`` may be an ARN, which has the region in it.

    **Raises**: ``ConfigurationError``.

    >>> Endpoint("arn:aws:sagemaker:eu-west-1:123456789012:endpoint/texts").label
    'eu-west-1/texts'
    >>> Endpoint("texts", region="us-east-1", variant="canary").label
    'us-east-1/texts/canary'
    """

    name: str
    region: str | None = None
    variant: str | None = None
    inference_component: str | None = None
    profile: str | None = None

    def __post_init__(self) -> None:
        _take_arn(self, "endpoint")
        if self.variant is not None and self.inference_component is not None:
            raise ConfigurationError(
                f"endpoint {self.name}: variant {self.variant!r} and inference component {self.inference_component!r} "
                "are both given; give one"
            )

    @property
    def label(self) -> str:
        """What errors and logs call it."""
        return "/".join(part for part in (self.region, self.name, self.variant or self.inference_component) if part)


@dataclass(frozen=True, slots=True)
class InferenceRouter:
    """SageMaker's own router of a region, which asks endpoints of several regions. **Raises**: ``ConfigurationError``.

    >>> InferenceRouter("texts", region="eu-west-1").label
    'eu-west-1/router/texts'
    """

    name: str
    region: str | None = None
    routing_target: str = MODEL_NAME
    profile: str | None = None

    def __post_init__(self) -> None:
        _take_arn(self, "inference-router")

    @property
    def label(self) -> str:
        """What errors and logs call it."""
        return "/".join(part for part in (self.region, "router", self.name) if part)


Target = Endpoint | InferenceRouter


def _take_arn(target: Endpoint | InferenceRouter, kind: str) -> None:
    if target.name.startswith("arn:"):
        found = _ARN.fullmatch(target.name)
        if found is None or found["kind"] != kind:
            raise ConfigurationError(
                f"{target.name!r} is no ARN of a SageMaker {kind}: arn:aws:sagemaker:REGION:ACCOUNT:{kind}/NAME"
            )
        if target.region not in (None, found["region"]):
            raise ConfigurationError(f"region is {target.region!r}, but {target.name!r} is in {found['region']}")
        object.__setattr__(target, "region", found["region"])
        object.__setattr__(target, "name", found["name"])
    if not _NAME.fullmatch(target.name):
        raise ConfigurationError(
            f"{target.name!r} is no name of a SageMaker {kind}: up to 63 letters, digits and hyphens, or its ARN"
        )
