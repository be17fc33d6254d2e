"""Where an inference router sends a request: its destinations in their order, and what it has seen of each.

It knows nothing of HTTP. When AWS holds a destination for overloaded, and how fast traffic comes back, is not
published: the numbers here are ours.
"""

from __future__ import annotations

import random
import re
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from local_aws.sagemaker.components import Component
from local_aws.sagemaker.endpoint import Endpoint
from local_aws.sagemaker.hosting import Hosting
from local_aws.sagemaker.store import now
from local_aws.settings import ACCOUNT

_REST_S: Final = 30.0
"""How long a destination that failed is only tried after the others; scaled by ``waiting``."""

_FIRST_SHARE: Final = 0.125
_ARN: Final = re.compile(r"arn:aws:sagemaker:([a-z0-9-]+):(\d{12}):(endpoint|inference-component)/(.+)")


class Destination(NamedTuple):
    """An endpoint, or an inference component of one, in a region of this AWS."""

    arn: str
    region: str
    endpoint: Endpoint
    component: Component | None = None

    @property
    def is_routable(self) -> bool:
        """Say whether it can be asked at all."""
        ready = self.component is None or self.component.status in ("InService", "Updating")
        return ready and self.endpoint.is_reachable


def find_destination(hosting: Hosting, arn: str) -> Destination | None:
    """Return what an ARN names, ``None`` where it is not there (or another account's); case is not looked at."""
    found = _ARN.fullmatch(arn)
    if found is None or found[2] != ACCOUNT:
        return None
    region, kind, name = found[1], found[3], found[4].lower()
    store = hosting.store(region)
    with store.lock:
        if kind == "endpoint":
            endpoints = [one for one in store.endpoints.values() if one.name.lower() == name]
            return Destination(arn, region, endpoints[0]) if endpoints else None
        components = [one for one in store.components.values() if one.name.lower() == name]
        return Destination(arn, region, components[0].endpoint, components[0]) if components else None


def routing_status(hosting: Hosting, arn: str) -> str:
    """Return the RoutingStatus of a destination."""
    found = _ARN.fullmatch(arn)
    if found is not None and found[2] != ACCOUNT:
        return "Unknown"
    destination = find_destination(hosting, arn)
    return "Routable" if destination is not None and destination.is_routable else "Unroutable"


@dataclass(slots=True)
class Health:
    """What a router has seen of a destination: the share of requests that it is given first, and its last failure."""

    share: float = 1.0
    failed_s: float = 0.0

    def failed(self) -> None:
        """Remember a failure."""
        self.share, self.failed_s = 0.0, time.monotonic()

    def answered(self) -> None:
        """Remember an answer: each doubles the share, until the destination has all again."""
        self.share = min(1.0, max(self.share, _FIRST_SHARE) * 2)

    def takes(self, drawn: float, rest_s: float) -> bool:
        """Say whether it is given a request before the others, by a number from 0 to 1; it rests after a failure."""
        if self.share == 0.0 and time.monotonic() >= self.failed_s + rest_s:
            self.share = _FIRST_SHARE
        return drawn < self.share


class Choice(NamedTuple):
    """A destination to try, and why."""

    destination: Destination
    reason: str


@dataclass(slots=True, eq=False, kw_only=True)
class Router:
    """One inference router; whoever changes more than one member at a time holds ``lock``."""

    name: str
    arn: str
    region: str
    targets: list[dict[str, Any]]
    token: str | None
    chance: random.Random
    status: str = "Creating"
    created: Any = field(default_factory=now)
    modified: Any = field(default_factory=now)
    health: dict[str, Health] = field(default_factory=dict)
    lock: threading.RLock = field(default_factory=threading.RLock)

    @property
    def takes_requests(self) -> bool:
        """Say whether the runtime knows it."""
        return self.status in ("InService", "Updating")

    def target(self, name: str) -> dict[str, Any] | None:
        """Return a routing target by its name."""
        return next((target for target in self.targets if target["Name"] == name), None)

    def choose(self, hosting: Hosting, target: dict[str, Any]) -> Iterator[Choice]:
        """Yield the destinations that can be asked: this region's first, those with reduced health after the others."""
        arns = [destination["ResourceArn"] for destination in target["Destinations"]]
        found = [one for one in (find_destination(hosting, arn) for arn in arns) if one is not None and one.is_routable]
        rest_s = _REST_S * hosting.settings.waiting
        with self.lock:
            self.chance.shuffle(found)  # a request that leaves the region is spread
            well = [one for one in found if self.of(one).takes(self.chance.random(), rest_s)]
        ordered = sorted(found, key=lambda one: (one not in well, one.region != self.region))
        away = [one for one in well if one.region != self.region]
        for number, one in enumerate(ordered):
            yield Choice(one, self._reason(number, one, found, well, away))

    def _reason(
        self, number: int, one: Destination, found: list[Destination], well: list[Destination], away: list[Destination]
    ) -> str:
        if one.region == self.region and number == 0 and one in well:
            return "local-preferred"
        if number or not well or any(each.region == self.region for each in found):
            return "failover"
        return "only-healthy" if len(away) == 1 else "capacity-available"

    def of(self, destination: Destination) -> Health:
        """Return what was seen of a destination."""
        with self.lock:
            return self.health.setdefault(destination.arn, Health())
