"""The circuit breaker of one target: closed, open for a rest, then half-open with one probe. It reads no clock."""

from __future__ import annotations

import math
from typing import Final, Literal

from jina_v3_client.settings import BreakerSettings

PROBE_POLL_S: Final = 0.25
"""How often those who wait for a probe look what became of it."""

BreakerState = Literal["closed", "open", "half-open"]


class Breaker:
    """Leaves a target alone after failures in a row; not safe for threads by itself.

    What is let in is told an *era*, and reports its end with it: what began before the breaker opened, and ends after,
    says nothing about the target as it is now.

    >>> breaker = Breaker(BreakerSettings(failures=1, rest_s=2.0))
    >>> breaker.fail(breaker.enter(now=0.0), now=0.1)
    >>> breaker.state, breaker.free_at(now=1.0), breaker.enter(now=1.0)
    ('open', 2.1, None)
    >>> breaker.succeed(breaker.enter(now=3.0))
    >>> breaker.state
    'closed'
    """

    def __init__(self, settings: BreakerSettings) -> None:
        self._settings = settings
        self._era = 0
        self._failures = 0
        self._openings = 0
        self._until = -math.inf
        self.state: BreakerState = "closed"

    @property
    def failures(self) -> int:
        """In a row."""
        return self._failures

    def free_at(self, now: float) -> float:
        """Return when it is worth trying to enter: in the past, where that is now. **Units**: seconds of the clock."""
        if self.state == "closed":
            return -math.inf
        return self._until if self.state == "open" else now + PROBE_POLL_S

    def enter(self, now: float) -> int | None:
        """Return the era of what may ask, or ``None`` where nothing may; the first after a rest is the probe."""
        if self.state == "open" and now >= self._until:
            self.state = "half-open"
            self._era += 1
            return self._era
        return self._era if self.state == "closed" else None

    def succeed(self, era: int) -> None:
        """Take an answer: the target is alive."""
        if era == self._era and self.state != "open":
            self.state = "closed"
            self._failures = self._openings = 0

    def fail(
        self,
        era: int,
        now: float,
        *,
        at_once: bool = False,
        least_rest_s: float = 0.0,
        most_rest_s: float = math.inf,
    ) -> None:
        """Take a failure, after ``failures`` of which in a row it opens; ``at_once`` it needs no more than one."""
        if era != self._era or self.state == "open":
            return
        self._failures += 1
        if at_once or self.state == "half-open" or self._failures >= self._settings.failures:
            rest_s = self._settings.rest_s * 2.0 ** min(self._openings, 60)
            self._until = now + max(min(rest_s, self._settings.longest_rest_s, most_rest_s), least_rest_s)
            self._openings += 1
            self._era += 1
            self.state = "open"

    def release(self, era: int) -> None:
        """Take that something let in ended and told nothing: a probe that was given up leaves its place to the next."""
        if era == self._era and self.state == "half-open":
            self.state = "open"
            self._era += 1
