"""Every knob of the client, validated; the defaults serve."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Final

from jina_v3_client.errors import ConfigurationError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

MEGABYTE: Final = 10**6


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestLimits:
    """How many texts go into one request. Whatever comes first ends it.

    The service's published quota is 25 MB each way, its API model says 6 MB (6,291,456 bytes), and an inference router
    takes 6 MiB: so both bodies stay below 6 MB by default. **Units**: bytes; ``tokens`` are estimated ones, and bound
    how long one request can take (60 s is the service's limit).

    **Raises**: ``ConfigurationError``.

    >>> RequestLimits(texts=64, tokens=8192).texts
    64
    """

    request_bytes: int = 6 * MEGABYTE - 100_000
    response_bytes: int = 6 * MEGABYTE - 100_000
    tokens: int = 65_536
    texts: int = 512

    def __post_init__(self) -> None:
        _at_least(self, request_bytes=1_000, response_bytes=10_000, tokens=1, texts=1)
        if self.texts > 2048:
            raise ConfigurationError(f"texts is {self.texts}; a request holds at most 2048 (the server's limit)")


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrySettings:
    """When a failed attempt is made again: full-jitter backoff within a budget and the call's deadline.

    The n-th wait is drawn from 0 to ``min(longest_wait_s, first_wait_s × 2**n)``, and is never less than what
    ``Retry-After`` says. ``budget`` bounds retries to a share of requests over the whole client, so that a fleet of
    clients does not make an overload worse: each success earns ``budget`` of a retry, ``budget_burst`` are there from
    the start. **Units**: seconds.

    **Raises**: ``ConfigurationError``.

    >>> RetrySettings(attempts=3, longest_wait_s=5).attempts
    3
    """

    attempts: int = 8
    first_wait_s: float = 0.25
    longest_wait_s: float = 20.0
    budget: float = 0.5
    budget_burst: int = 50

    def __post_init__(self) -> None:
        _at_least(self, attempts=1, first_wait_s=0, longest_wait_s=0, budget=0, budget_burst=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerSettings:
    """When a target is left alone: after ``failures`` in a row, for ``rest_s``, doubling up to ``longest_rest_s``.

    Then one request tries it; the others wait for what becomes of that. Where no other target is well it is tried every
    five seconds at least. **Units**: seconds.

    >>> BreakerSettings(failures=3).longest_rest_s
    60.0
    """

    failures: int = 5
    rest_s: float = 2.0
    longest_rest_s: float = 60.0

    def __post_init__(self) -> None:
        _at_least(self, failures=1, rest_s=0, longest_rest_s=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteSettings:
    """What ``route="auto"`` goes by. **Units**: estimated tokens, tokens a second, seconds.

    Up to ``real_time_tokens`` texts are worth no detour; up to ``asynchronous_tokens`` they wait in an asynchronous
    endpoint's queue; more is work for batch transform. Time is estimated as tokens over ``tokens_per_s`` of one machine
    (78,500 are what a g6 is expected to do at 128 tokens a text), and what it takes for machines to come: an
    asynchronous endpoint may be asleep, a transform job always starts its own.

    **Raises**: ``ConfigurationError``.

    >>> RouteSettings(real_time_tokens=1_000_000).real_time_tokens
    1000000
    """

    real_time_tokens: int = 10_000_000
    asynchronous_tokens: int = 100_000_000
    tokens_per_s: int = 50_000
    asynchronous_start_s: float = 300.0
    batch_start_s: float = 600.0

    def __post_init__(self) -> None:
        _at_least(self, real_time_tokens=0, tokens_per_s=1, asynchronous_start_s=0, batch_start_s=0)
        _at_least(self, asynchronous_tokens=self.real_time_tokens)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How a client works.

    ``concurrency`` requests are in flight at a time, ``window`` at most are in memory (in flight, or answered and not
    yet taken). ``attempt_s`` is one attempt's time (AWS advises 70 for the service's 60), ``connect_s`` that of a
    connection. ``deadline_s`` is for a whole call (``None``: no limit), ``patience_s`` how long a target without
    machines, scaling from zero, is waited for. **Units**: seconds.

    **Raises**: ``ConfigurationError``.

    >>> Settings(concurrency=0)
    Traceback (most recent call last):
    jina_v3_client.errors.ConfigurationError: concurrency is 0; it must be at least 1
    """

    limits: RequestLimits = field(default_factory=RequestLimits)
    retry: RetrySettings = field(default_factory=RetrySettings)
    breaker: BreakerSettings = field(default_factory=BreakerSettings)
    routes: RouteSettings = field(default_factory=RouteSettings)
    concurrency: int = 8
    window: int = 16
    connect_s: float = 5.0
    attempt_s: float = 70.0
    deadline_s: float | None = None
    patience_s: float = 600.0

    def __post_init__(self) -> None:
        _at_least(self, concurrency=1, window=1, connect_s=0.001, attempt_s=0.001, patience_s=0)
        if self.deadline_s is not None:
            _at_least(self, deadline_s=0.001)
        for part in fields(self):
            kind = part.default_factory
            if isinstance(kind, type) and not isinstance(getattr(self, part.name), kind):
                raise ConfigurationError(f"{part.name} is {getattr(self, part.name)!r}; it must be {kind.__name__}(…)")


def _at_least(settings: DataclassInstance, **least: float) -> None:
    whole = {part.name for part in fields(settings) if part.type == "int"}
    for name, bound in least.items():
        value = getattr(settings, name)
        if isinstance(value, bool) or not isinstance(value, int | float) or not value >= bound:
            raise ConfigurationError(f"{name} is {value!r}; it must be at least {bound:g}")
        if name in whole and not isinstance(value, int):
            raise ConfigurationError(f"{name} is {value!r}; it must be a whole number")
