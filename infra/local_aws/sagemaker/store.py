"""What one region's SageMaker remembers: models, endpoints and what they are made of, routers, transform jobs, tags."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from local_aws.errors import ServiceError
from local_aws.sagemaker.errors import refuse
from local_aws.settings import ACCOUNT

if TYPE_CHECKING:
    from local_aws.sagemaker.components import Component
    from local_aws.sagemaker.endpoint import Endpoint
    from local_aws.sagemaker.routing import Router
    from local_aws.sagemaker.transform.job import TransformJob


def now() -> datetime:
    """Return the time, with its zone, as exactly as the API tells it."""
    moment = datetime.now(UTC)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def prune(value: Any) -> Any:
    """Return a definition without what is empty: the service describes what is absent by leaving it out."""
    if isinstance(value, dict):
        return {key: prune(item) for key, item in value.items() if item not in ({}, [], None)}
    return [prune(item) for item in value] if isinstance(value, list) else value


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A model or an endpoint configuration: what it was created with."""

    name: str
    arn: str
    definition: dict[str, Any]
    created: datetime = field(default_factory=now)


@dataclass(slots=True)
class Store:
    """One region; ``lock`` is held by whoever looks and then changes."""

    region: str
    models: dict[str, Record] = field(default_factory=dict)
    configs: dict[str, Record] = field(default_factory=dict)
    endpoints: dict[str, Endpoint] = field(default_factory=dict)
    components: dict[str, Component] = field(default_factory=dict)
    transforms: dict[str, TransformJob] = field(default_factory=dict)
    routers: dict[str, Router] = field(default_factory=dict)
    tags: dict[str, dict[str, str]] = field(default_factory=dict)
    lock: threading.RLock = field(default_factory=threading.RLock)

    def arn(self, kind: str, name: str) -> str:
        """Return the ARN of a resource; SageMaker writes names in lower case there."""
        return f"arn:aws:sagemaker:{self.region}:{ACCOUNT}:{kind}/{name.lower()}"

    def model(self, name: str) -> Record:
        """Return a model.

        **Raises**: ``ServiceError`` where there is none.
        """
        with self.lock:
            if name not in self.models:
                refuse(f'Could not find model "{self.arn("model", name)}".')
            return self.models[name]

    def config(self, name: str) -> Record:
        """Return an endpoint configuration.

        **Raises**: ``ServiceError`` where there is none.
        """
        with self.lock:
            if name not in self.configs:
                refuse(f'Could not find endpoint configuration "{self.arn("endpoint-config", name)}".')
            return self.configs[name]

    def endpoint(self, name: str) -> Endpoint:
        """Return an endpoint.

        **Raises**: ``ServiceError`` where there is none.
        """
        with self.lock:
            if name not in self.endpoints:
                refuse(f'Could not find endpoint "{self.arn("endpoint", name)}".')
            return self.endpoints[name]

    def component(self, name: str) -> Component:
        """Return an inference component.

        **Raises**: ``ServiceError`` where there is none.
        """
        with self.lock:
            if name not in self.components:
                refuse(f'Could not find inference component "{self.arn("inference-component", name)}".')
            return self.components[name]

    def transform(self, name: str) -> TransformJob:
        """Return a transform job.

        **Raises**: ``ServiceError`` where there is none.
        """
        with self.lock:
            if name not in self.transforms:
                refuse(f"Could not find requested job with name: {name}")
            return self.transforms[name]

    def router(self, name: str) -> Router:
        """Return an inference router.

        **Raises**: ``ServiceError`` where there is none.
        """
        with self.lock:
            if name not in self.routers:
                message = f'Could not find inference router "{self.arn("inference-router", name)}".'
                raise ServiceError("ResourceNotFound", message)
            return self.routers[name]

    def set_tags(self, arn: str, tags: list[dict[str, str]]) -> None:
        """Give a resource tags, beside those that it has."""
        with self.lock:
            self.tags.setdefault(arn, {}).update({tag["Key"]: tag["Value"] for tag in tags})
