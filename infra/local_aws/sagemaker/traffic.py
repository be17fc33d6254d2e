"""Who gets a request: fleets by their share, variants by weight; and who still has one in flight.

It knows nothing of endpoints, and of containers only how to end them.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from pathlib import Path

    from local_aws.sagemaker.container import Container

_T = TypeVar("_T")


@dataclass(slots=True, eq=False, kw_only=True)
class Variant:
    """A variant as it runs; without a container where inference components are to come, or none is wanted."""

    name: str
    instance_type: str
    instances: int = 1
    weight: float = 1.0
    image: str = ""
    container: Container | None = None
    in_flight: int = 0


@dataclass(slots=True, eq=False, kw_only=True)
class Fleet:
    """The variants of one generation of an endpoint, and the configuration that they are of."""

    variants: dict[str, Variant]
    folder: Path | None = None
    config_name: str = ""
    config: dict[str, Any] = field(default_factory=dict)

    def stop(self) -> None:
        """End every container, side by side."""
        containers = [variant.container for variant in self.variants.values() if variant.container is not None]
        stoppers = [threading.Thread(target=container.stop) for container in containers]
        for stopper in stoppers:
            stopper.start()
        for stopper in stoppers:
            stopper.join()


class VariantNotFoundError(LookupError):
    """No fleet that takes requests has a variant of this name."""


class NobodyError(LookupError):
    """There is nobody to take a request."""


class Traffic:
    """The traffic of one endpoint or component; what is left to chance is the seed's."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311  # to be repeated, not to be secret
        self._changed = threading.Condition()
        self._shares: list[tuple[Fleet, float]] = []

    def route(self, *shares: tuple[Fleet, float]) -> None:
        """Have requests go to these fleets from now on, in these shares."""
        with self._changed:
            self._shares = [share for share in shares if share[1] > 0]

    def enter(self, wanted: str | None = None) -> Variant:
        """Choose who takes a request, the variant that is wanted or any; it is in flight until ``leave``.

        **Raises**: ``VariantNotFoundError``, ``NobodyError``.
        """
        with self._changed:
            if not self._shares:
                raise NobodyError
            shares = [share for share in self._shares if wanted is None or wanted in share[0].variants]
            if not shares:
                raise VariantNotFoundError(wanted)
            fleet = self._draw([fleet for fleet, _ in shares], [share for _, share in shares])
            variants = list(fleet.variants.values())
            chosen = self._draw(variants, [v.weight for v in variants]) if wanted is None else fleet.variants[wanted]
            chosen.in_flight += 1
            return chosen

    def leave(self, variant: Variant) -> None:
        """End a request."""
        with self._changed:
            variant.in_flight -= 1
            self._changed.notify_all()

    def drain(self, variants: Collection[Variant], limit_s: float) -> bool:
        """Wait until none of these has a request in flight; say whether that was so in time."""
        deadline = time.monotonic() + limit_s
        with self._changed:
            while any(variant.in_flight for variant in variants):
                left_s = deadline - time.monotonic()
                if left_s <= 0:
                    return False
                self._changed.wait(left_s)
        return True

    def _draw(self, items: Sequence[_T], weights: Sequence[float]) -> _T:
        if len(items) == 1:
            return items[0]
        return self._random.choices(items, weights if sum(weights) > 0 else None)[0]
