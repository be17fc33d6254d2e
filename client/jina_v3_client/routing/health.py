"""What a client knows of its targets, and who gets the next request by that: one object for all its threads."""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from jina_v3_client._calls.retrying import Budget
from jina_v3_client.errors import JinaClientError
from jina_v3_client.routing.breaker import Breaker, BreakerState
from jina_v3_client.routing.policies import Candidate, Choice, Hedged, as_policy
from jina_v3_client.routing.targets import Target
from jina_v3_client.settings import BreakerSettings, Settings

if TYPE_CHECKING:
    from jina_v3_client._calls.steps import Work

_LATENCIES: Final = 128
_LEAST_LATENCIES: Final = 20
"""With fewer the 95th percentile is little more than the slowest."""
_MOST_HEDGES: Final = 100
"""How many hedges a good spell can save up for a bad one."""
_LEAST_SLEEP_S: Final = 1.0
_OVERTAKEN: Final = 1.1
_LONGEST_ALONE_S: Final = 5.0
"""How long a target is left alone that nobody stands in for: an outage shall not last much longer for resting."""


class Latencies:
    """How long answers took lately, by the size of the request: a query says nothing about 500 passages."""

    def __init__(self) -> None:
        self._by_size: dict[int, deque[float]] = {}

    def add(self, tokens: int, seconds: float) -> None:
        """Take in one answer."""
        self._by_size.setdefault(_size(tokens), deque(maxlen=_LATENCIES)).append(seconds)

    def percentile(self, tokens: int, share: float) -> float | None:
        """Return within what time a share of such requests was answered; ``None`` where too few were."""
        seconds = sorted(self._by_size.get(_size(tokens), ()))
        return seconds[math.ceil(share * len(seconds)) - 1] if len(seconds) >= _LEAST_LATENCIES else None


@dataclass(slots=True)
class Health:
    """What is known of one target. ``asleep``: it had no machine when last asked; ``error`` is its last failure."""

    breaker: Breaker
    latencies: Latencies
    outstanding: int = 0
    asleep: bool = False
    error: JinaClientError | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A target's health at one moment, for people; ``failures`` are those in a row.

    >>> Routing("texts", Settings()).reports()[0].outstanding
    0
    """

    target: Target
    state: BreakerState
    outstanding: int
    failures: int
    asleep: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """Leave to ask a target once, and what the hedge is; it must be ended by one of ``Routing``'s methods."""

    target: Target
    era: int
    tokens: int
    hedged: Hedged | None = None
    hedge: Target | None = None
    hedge_era: int = 0
    hedge_after_s: float = 0.0

    def era_of(self, target: Target) -> int:
        """Return the era that an outcome of the target belongs to."""
        return self.era if target == self.target else self.hedge_era


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocked:
    """Nobody may be asked until then. ``health``: whose breaker is the reason; ``None``: the request itself waits."""

    until: float
    target: Target
    health: Health | None


class Routing:
    """A policy and the health of its targets. It reads no clock: ``now`` is any, as long as it is always the same.

    >>> routing = Routing("texts", Settings())
    >>> routing.reports()[0].state
    'closed'
    """

    def __init__(self, policy: Choice, settings: Settings) -> None:
        self.policy = as_policy(policy)
        self.budget = Budget(share=settings.retry.budget, burst=settings.retry.budget_burst)
        self._settings = settings
        self._lock = threading.RLock()
        self._health = {target: _unknown(settings.breaker) for target in self.policy.targets}
        self._hedges: dict[Hedged, Budget] = {}

    @property
    def has_choice(self) -> bool:
        """Say whether there is more than one target."""
        return len(self._health) > 1

    def choose(
        self, work: Work, barred: Mapping[Target, float], now: float, random: Callable[[], float]
    ) -> Admission | Blocked:
        """Admit the work to the first target of the policy's order that can be asked now, or say when to try again.

        ``barred`` says until when this work itself will not ask a target again.
        """
        blocked: list[Blocked] = []
        with self._lock:
            ordered = self.policy.order(work, _View(self._health, random))
            # who has failed this work comes after those that have not, however short its backoff was
            candidates = tuple(sorted(ordered, key=lambda candidate: candidate.target in barred))
            for place, candidate in enumerate(candidates):
                health = self._health[candidate.target]
                own, free = barred.get(candidate.target, -math.inf), health.breaker.free_at(now)
                era = health.breaker.enter(now) if own <= now else None
                if era is not None:
                    health.outstanding += 1
                    return self._admit(work, candidates[place:] + candidates[:place], era, barred, now)
                reason = health if free > max(own, now) else None
                blocked.append(Blocked(until=max(own, free), target=candidate.target, health=reason))
        return min(blocked, key=lambda one: one.until)

    def _admit(
        self, work: Work, candidates: tuple[Candidate, ...], era: int, barred: Mapping[Target, float], now: float
    ) -> Admission:
        first = candidates[0]
        plain = Admission(target=first.target, era=era, tokens=work.tokens)
        if first.hedged is None:
            return plain
        share = self._hedges.setdefault(first.hedged, Budget(share=first.hedged.share, burst=1, most=_MOST_HEDGES))
        share.earn()
        usual_s = self._health[first.target].latencies.percentile(work.tokens, first.hedged.percentile)
        if usual_s is None or not share.take():
            return plain
        hedge = self._hedge(candidates, barred, now)
        if hedge is None:
            share.give(1.0)
            return plain
        return Admission(
            target=first.target,
            era=era,
            tokens=work.tokens,
            hedged=first.hedged,
            hedge=hedge[0],
            hedge_era=hedge[1],
            hedge_after_s=max(usual_s, first.hedged.least_s),
        )

    def _hedge(
        self, candidates: tuple[Candidate, ...], barred: Mapping[Target, float], now: float
    ) -> tuple[Target, int] | None:
        """Return the next target that is well, or the first again, which has other machines; never a probe."""
        first = candidates[0].target
        others = [candidate.target for candidate in candidates[1:] if candidate.target != first]
        for target in (*others, first):
            breaker = self._health[target].breaker
            era = breaker.enter(now) if breaker.state == "closed" and barred.get(target, now) <= now else None
            if era is not None:
                return target, era
        return None

    def answered(self, admission: Admission, target: Target, seconds: float) -> None:
        """Take in a whole answer of the target's."""
        with self._lock:
            self._health[target].latencies.add(admission.tokens, seconds)
        self.alive(admission, target)

    def alive(self, admission: Admission, target: Target) -> None:
        """Take in that the target is there, though it may have refused or have been busy."""
        with self._lock:
            health = self._health[target]
            health.breaker.succeed(admission.era_of(target))
            health.asleep = False

    def failed(
        self, admission: Admission, target: Target, error: JinaClientError, now: float, *, at_once: bool = False
    ) -> None:
        """Take in a failure of the target's; ``at_once``: it will fail everyone."""
        with self._lock:
            health = self._health[target]
            health.error, health.asleep = error, False
            most_s = math.inf if self._is_replaced(target) else max(self._settings.breaker.rest_s, _LONGEST_ALONE_S)
            health.breaker.fail(admission.era_of(target), now, at_once=at_once, most_rest_s=most_s)

    def _is_replaced(self, target: Target) -> bool:
        """Say whether another target is well: where none is, callers wait for this one to be tried."""
        return any(one != target and health.breaker.state == "closed" for one, health in self._health.items())

    def slept(self, admission: Admission, target: Target, error: JinaClientError, now: float) -> None:
        """Take in that the target has no machine: one request asks it now and then, and the others wait for that."""
        with self._lock:
            health = self._health[target]
            health.error, health.asleep = error, True
            most_s = max(self._settings.retry.longest_wait_s, _LEAST_SLEEP_S)
            health.breaker.fail(
                admission.era_of(target), now, at_once=True, least_rest_s=_LEAST_SLEEP_S, most_rest_s=most_s
            )

    def overtaken(self, admission: Admission, target: Target, error: JinaClientError, now: float) -> None:
        """Take in that the hedge was faster: the target would have taken longer than it was waited for.

        It is a failure as others are: a target that hangs is left alone after a few, not after its time-outs, and one
        that is only slow now and then has answers in between. As a latency it is a little more than the hedge waited:
        too many of them then make later hedges later, and too few of them make them earlier.
        """
        with self._lock:
            self._health[target].latencies.add(admission.tokens, _OVERTAKEN * admission.hedge_after_s)
            self.failed(admission, target, error, now)

    def end(self, admission: Admission, *, hedges: int = 0) -> None:
        """Take in that nothing is under way any more; a probe that told nothing leaves its place to the next."""
        with self._lock:
            health = self._health[admission.target]
            health.outstanding -= 1
            health.breaker.release(admission.era)
            if admission.hedged is not None and not hedges:
                self._hedges[admission.hedged].give(1.0)

    def reports(self) -> tuple[Report, ...]:
        """Return each target's health as it is."""
        with self._lock:
            return tuple(
                Report(
                    target=target,
                    state=health.breaker.state,
                    outstanding=health.outstanding,
                    failures=health.breaker.failures,
                    asleep=health.asleep,
                )
                for target, health in self._health.items()
            )


class _View:
    def __init__(self, health: Mapping[Target, Health], random: Callable[[], float]) -> None:
        self._health = health
        self.random = random

    def outstanding(self, target: Target) -> int:
        return self._health[target].outstanding


def _unknown(settings: BreakerSettings) -> Health:
    return Health(Breaker(settings), Latencies())


def _size(tokens: int) -> int:
    """Return the class of a size, four times as wide as the one before."""
    return max(tokens, 1).bit_length() // 2
