"""What the synchronous and the asynchronous client are made of alike."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, Literal

from jina_v3.contract import MODEL_DIMENSIONS
from jina_v3_client._aws.access import Access
from jina_v3_client._aws.deployment import Deployment
from jina_v3_client._clients.call import Call
from jina_v3_client._routes.choosing import Amount, check_route, choose_route
from jina_v3_client._routes.through_s3 import AsynchronousEndpoint, ThroughS3
from jina_v3_client.errors import ConfigurationError, InvalidInputError
from jina_v3_client.parameters import Parameters, TaskName
from jina_v3_client.results import Route, RouteDecision
from jina_v3_client.routing.health import Routing
from jina_v3_client.routing.policies import Choice, as_policy
from jina_v3_client.routing.targets import Endpoint, Target
from jina_v3_client.settings import RequestLimits, Settings

if TYPE_CHECKING:
    from jina_v3.contract import Task
    from jina_v3_client.batch import BatchClient

THROUGH_S3: Final = RequestLimits(request_bytes=25_000_000, response_bytes=25_000_000, tokens=262_144)
"""What one asynchronous request may hold: bodies are objects, and the container has its own 15 minutes for each."""


class Client:
    """Who is asked, with what defaults, and the ways there are."""

    def __init__(
        self,
        target: Choice,
        *,
        access: Access,
        task: Task | TaskName | None,
        dimensions: int = MODEL_DIMENSIONS,
        settings: Settings | None = None,
        asynchronous: str | AsynchronousEndpoint | None = None,
        batch: BatchClient | None = None,
    ) -> None:
        if not isinstance(settings, Settings | None):
            raise ConfigurationError(f"settings is {type(settings).__name__}; it must be Settings(…)")
        self.settings = settings or Settings()
        self.defaults = Parameters(task=task, dimensions=dimensions)
        self.policy = as_policy(target)
        self._access = access
        self._routing: Routing | None = None
        self._process = os.getpid()
        self._making = threading.Lock()
        self._batch = batch
        self._make_batch: Callable[[], BatchClient] | None = None
        self._asynchronous = asynchronous

    def __repr__(self) -> str:
        targets = ", ".join(target.label for target in self.policy.targets)
        return f"<{type(self).__name__} of {targets}>"

    def __getstate__(self) -> object:
        raise TypeError(
            f"{type(self).__name__} holds connections and credentials, which no other process can have; make one there"
        )

    @property
    def routing(self) -> Routing:
        """The targets, each with its region, and their health. **Raises**: ``ConfigurationError`` without a region."""
        self._settle()
        with self._making:
            if self._routing is None:
                self._routing = Routing(self.policy.mapped(self._with_region), self.settings)
            return self._routing

    @property
    def batch(self) -> BatchClient:
        """Runs over whole datasets. **Raises**: ``ConfigurationError`` where the client knows of none."""
        if self._batch is None:
            if self._make_batch is None:
                check_route("batch", self._available)
            assert self._make_batch is not None
            self._settle()
            with self._making:
                self._batch = self._batch or self._make_batch()
        return self._batch

    def _settle(self) -> None:
        """After a fork, leave the parent's behind: its threads are not here, and never end what they hold or began."""
        if self._process != os.getpid():
            self._making, self._routing = threading.Lock(), None
            self._access.begin_anew()
            self._process = os.getpid()

    @property
    def _available(self) -> set[Route]:
        """Return the ways this client has; an asynchronous endpoint answers no real-time calls."""
        ways: set[Route] = {"real-time", "asynchronous", "batch"}
        if self._batch is None and self._make_batch is None:
            ways.discard("batch")
        if self._asynchronous is None:
            ways.discard("asynchronous")
        elif isinstance(self._asynchronous, AsynchronousEndpoint) and all(
            isinstance(target, Endpoint) and target.name == self._asynchronous.name for target in self.policy.targets
        ):
            ways.discard("real-time")
        return ways

    def _ways(self, call: Call) -> set[Route]:
        """Return the ways that a call can go: a batch's records are texts, not one document's chunks."""
        return self._available - ({"batch"} if call.parameters.late_chunking else set())

    def _decide(self, route: Route | Literal["auto"], amount: Amount | None, call: Call) -> RouteDecision:
        """Say which way a call goes; ``amount`` is needed for ``auto``."""
        check_route(route, self._ways(call))
        if route != "auto":
            return RouteDecision(route=route, reason="it was asked for")
        assert amount is not None
        return choose_route(amount, available=self._ways(call), deadline_s=call.left_s, settings=self.settings.routes)

    def _decide_unread(self, route: Route | Literal["auto"], call: Call) -> Route:
        """Say which way texts go that are read as they go: there is nothing to weigh, and no dataset to submit."""
        ways = self._ways(call) - {"batch"}
        if route == "auto":
            return "real-time" if "real-time" in ways else "asynchronous"
        if route == "batch":
            raise InvalidInputError(
                "route is 'batch', and a run's vectors do not come as texts are read; client.batch.submit takes any "
                "iterable",
                code="invalid_value",
                field="route",
                value=route,
                allowed=["real-time", "asynchronous", "auto"],
            )
        check_route(route, ways)
        return route

    def _way(self, route: Route) -> tuple[ThroughS3 | None, RequestLimits]:
        """Return what a route goes through, and what its requests may hold; may ask AWS about a deployment."""
        if route != "asynchronous" or self._asynchronous is None:
            return None, self.settings.limits
        if isinstance(self._asynchronous, str):
            self._asynchronous = _find_asynchronous(self._asynchronous, self._access)
        if self._asynchronous.region is None:
            self._asynchronous = replace(self._asynchronous, region=self._access.region_of())
        return ThroughS3(self._asynchronous, self._access), THROUGH_S3

    def _with_region(self, target: Target) -> Target:
        return target if target.region is not None else replace(target, region=self._access.region_of(target))

    def _know_batch(self, deployment: Deployment) -> None:
        """Let ``batch`` be the deployment's, where it has one and none was given."""
        if self._batch is None and deployment.state_machine is not None:

            def make() -> BatchClient:
                from jina_v3_client.batch import BatchClient

                return BatchClient(
                    state_machine=deployment.state_machine,
                    bucket=deployment.bucket,
                    region=deployment.region,
                    access=self._access,
                )

            self._make_batch = make


def asked(deployment: Deployment) -> dict[str, Any]:
    """Return what a client of a deployment is given."""
    given: dict[str, Any] = {"target": deployment.target}
    if deployment.input_prefix is not None:
        given["asynchronous"] = _asynchronous(deployment)
    return given


def _find_asynchronous(name: str, access: Access) -> AsynchronousEndpoint:
    deployment = Deployment.find(name, access=access)
    if deployment.input_prefix is None:
        raise ConfigurationError(
            f"deployment {name!r} has no asynchronous endpoint",
            advice="name one that has, or give AsynchronousEndpoint(name=…, bucket=…)",
        )
    return _asynchronous(deployment)


def _asynchronous(deployment: Deployment) -> AsynchronousEndpoint:
    bucket, _, inputs = (deployment.input_prefix or "").removeprefix("s3://").partition("/")
    return AsynchronousEndpoint(
        name=deployment.target.name,
        bucket=bucket,
        prefix=inputs.removesuffix("inputs/"),
        region=deployment.region,
    )
