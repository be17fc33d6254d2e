"""What is hosted where, who answers a request, and how long that keeps it busy."""

from __future__ import annotations

import heapq
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from benchmarks.loopback.faults import Fault, Place, service_error

_ACCOUNT: Final = "123456789012"
_ROUTER: Final = "router/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How fast an endpoint is: so many requests at a time, each for so long. **Units**: seconds."""

    slots: int = 1
    request_s: float = 0.0
    text_s: float = 0.0

    def seconds(self, texts: int, requests: int) -> float:
        """Return how long the endpoint is busy with so much at least, if it never waits for anybody."""
        return (texts * self.text_s + requests * self.request_s) / self.slots


@dataclass(frozen=True, slots=True, kw_only=True)
class Hosted:
    """An endpoint; one with components answers for a component only; the first variant where none is asked for."""

    name: str = "texts"
    region: str = "eu-west-1"
    variants: tuple[str, ...] = ("AllTraffic",)
    components: tuple[str, ...] = ()
    pace: Pace | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Router:
    """An inference router; its ``destinations``, regions and names, are asked in order, the first that is there."""

    name: str
    destinations: Sequence[Sequence[str]]
    region: str = "eu-west-1"
    routing_target: str = "jina-embeddings-v3"


class NobodyError(Exception):
    """Nobody answers a request; the service does, with the fault."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.body)
        self.fault = fault


def read_hosted(written: Mapping[str, Any]) -> Hosted:
    """Read an endpoint as ``asdict`` wrote it."""
    pace = None if written["pace"] is None else Pace(**written["pace"])
    return Hosted(**{**written, "pace": pace})


def place_of(region: str, path: str, headers: Mapping[str, str]) -> Place:
    """Tell from a request whom it asks; a router's name is behind ``router/``."""
    _, kind, name, *_ = [*path.split("/"), "", ""]
    return Place(
        region=region,
        endpoint=f"{_ROUTER}{name}" if kind == "inference-routers" else name,
        variant=headers.get("x-amzn-sagemaker-target-variant"),
        component=headers.get("x-amzn-sagemaker-inference-component"),
    )


class Hosting:
    """All endpoints and routers."""

    def __init__(self, hosted: Sequence[Hosted], routers: Sequence[Router]) -> None:
        self.regions = {one.region for one in hosted} | {one.region for one in routers}
        self._endpoints = {(one.region, one.name): one for one in hosted}
        self._routers = {(one.region, one.name): one for one in routers}
        self._paces = {where: one.pace for where, one in self._endpoints.items()}
        self._free: dict[tuple[str, str], list[float]] = {}

    def find(self, place: Place, routing_target: str | None, dead: Collection[str]) -> Place:
        """Return the place that answers, with its variant.

        **Raises**: ``NobodyError``.
        """
        code = "ValidationError"
        if place.endpoint.startswith(_ROUTER):
            code = "ValidationException"
            place = self._route(place, routing_target, dead)
        endpoint = self._endpoints.get((place.region, place.endpoint))
        if endpoint is None:
            raise NobodyError(service_error(400, code, f"Endpoint {place.endpoint} of account {_ACCOUNT} not found."))
        if place.component is None and endpoint.components:
            message = "Inference Component Name header is required for endpoints to which you plan to deploy inference"
            raise NobodyError(service_error(400, code, f"{message} components."))
        if place.component not in (None, *endpoint.components):
            message = f"Inference Component {place.component} of endpoint {place.endpoint} not found."
            raise NobodyError(service_error(400, code, message))
        if place.variant not in (None, *endpoint.variants):
            raise NobodyError(service_error(400, code, f"Variant {place.variant} not found for Request"))
        return place if endpoint.components else replace(place, variant=place.variant or endpoint.variants[0])

    def _route(self, place: Place, routing_target: str | None, dead: Collection[str]) -> Place:
        name = place.endpoint.removeprefix(_ROUTER)
        router = self._routers.get((place.region, name))
        if router is None:
            message = f"Inference router {name} of account {_ACCOUNT} not found."
            raise NobodyError(service_error(400, "ValidationException", message))
        if routing_target != router.routing_target:
            message = f"Inference router {name} has no routing target {routing_target}."
            raise NobodyError(service_error(400, "ValidationException", message))
        for region, endpoint in router.destinations:
            if region not in dead:
                return Place(region=region, endpoint=endpoint)
        message = "No destination could serve the request."
        raise NobodyError(service_error(503, "ServiceUnavailableException", message))

    def set_pace(self, pace: Pace | None) -> None:
        """Set the pace of all endpoints."""
        self._paces = dict.fromkeys(self._paces, pace)
        self._free.clear()

    def busy_until(self, place: Place, texts: int, now: float) -> float:
        """Return when the endpoint will be done with so many texts, and keep the slot that is free first till then."""
        where = (place.region, place.endpoint)
        pace = self._paces[where]
        if pace is None:
            return now
        free = self._free.setdefault(where, [0.0] * pace.slots)
        done = max(now, free[0]) + pace.request_s + texts * pace.text_s
        heapq.heapreplace(free, done)
        return done
