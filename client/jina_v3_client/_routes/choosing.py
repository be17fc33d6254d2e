"""Which way texts go: real-time calls, asynchronous ones through S3, or batch transform. Decides, and sends nothing."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Collection, Iterable, Iterator, Sized
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Final, Literal

from jina_v3_client._texts.requests import estimate_tokens
from jina_v3_client.errors import ConfigurationError, InvalidInputError
from jina_v3_client.results import Route, RouteDecision

if TYPE_CHECKING:
    from jina_v3_client.settings import RouteSettings

_ROUTES: Final[tuple[Route, ...]] = ("real-time", "asynchronous", "batch")
_NEEDS: Final[dict[Route, str]] = {
    "real-time": "its endpoint is an asynchronous one: call embed with route='asynchronous' or route='auto'",
    "asynchronous": "pass asynchronous=AsynchronousEndpoint(…), or use from_deployment of an asynchronous one",
    "batch": "pass batch=BatchClient(…), or use from_deployment of one with [batch]",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Amount:
    """How much there is to embed. **Units**: ``tokens`` are estimated ones. ``whole=False``: there is more, unread."""

    texts: int
    tokens: int
    whole: bool = True

    def __str__(self) -> str:
        return f"{'' if self.whole else 'more than '}{self.texts:,} texts of about {self.tokens:,} tokens"


class Weighing:
    """Adds up texts as they are read, until it is clear that there are enough for the largest way."""

    def __init__(self, available: Collection[Route], settings: RouteSettings) -> None:
        self._most = settings.asynchronous_tokens if "batch" in available else settings.real_time_tokens
        self._texts = 0
        self._tokens = 0

    def add(self, text: object) -> bool:
        """Take in a text, and say whether more need not be read."""
        self._texts += 1
        if isinstance(text, str):
            size = len(text) if text.isascii() else len(text.encode(errors="replace"))
            self._tokens += estimate_tokens(text, size)
        return self._tokens > self._most

    def amount(self, *, whole: bool) -> Amount:
        """Return what was taken in."""
        return Amount(texts=self._texts, tokens=self._tokens, whole=whole)


def weigh(texts: Iterable[str], weighing: Weighing) -> tuple[Amount, Iterable[str]]:
    """Return how much there is, and texts that are as if nothing had been read of them."""
    if isinstance(texts, Sized) and not isinstance(texts, Iterator):
        whole = not any(map(weighing.add, texts))
        return weighing.amount(whole=whole), texts
    rest = iter(texts)
    read: list[str] = []
    for text in rest:
        read.append(text)
        if weighing.add(text):
            return weighing.amount(whole=False), chain(read, rest)
    return weighing.amount(whole=True), read


async def weigh_async(texts: AsyncIterable[str], weighing: Weighing) -> tuple[Amount, AsyncIterable[str]]:
    """Return what ``weigh`` does."""
    rest = aiter(texts)
    read: list[str] = []
    whole = True
    async for text in rest:
        read.append(text)
        if weighing.add(text):
            whole = False
            break

    async def again() -> AsyncIterator[str]:
        for text in read:
            yield text
        if not whole:
            async for text in rest:
                yield text

    return weighing.amount(whole=whole), again()


def check_route(route: Route | Literal["auto"], available: Collection[Route]) -> None:
    """Pass a route that can be gone.

    **Raises**: ``InvalidInputError`` for a word that is none; ``ConfigurationError`` where the client lacks what the
    route needs.

    >>> check_route("batch", {"real-time"})
    Traceback (most recent call last):
    jina_v3_client.errors.ConfigurationError: route is 'batch', and this client has none; pass batch=BatchClient(…), or use from_deployment of one with [batch]
    """  # noqa: E501  # the message is one line
    if route not in (*_ROUTES, "auto"):
        raise InvalidInputError(
            f"route is {route!r}; it must be one of {', '.join(_ROUTES)} or auto",
            code="invalid_value",
            field="route",
            value=route,
            allowed=[*_ROUTES, "auto"],
        )
    if route != "auto" and route not in available:
        raise ConfigurationError(f"route is {route!r}, and this client has none", advice=_NEEDS[route])


def choose_route(
    amount: Amount, *, available: Collection[Route], deadline_s: float | None, settings: RouteSettings
) -> RouteDecision:
    """Choose by size, and by the deadline where the way that fits the size would miss it.

    >>> from jina_v3_client.settings import RouteSettings
    >>> amount = Amount(texts=2_000_000, tokens=240_000_000)
    >>> choose_route(amount, available={"real-time", "batch"}, deadline_s=None, settings=RouteSettings()).reason
    '2,000,000 texts of about 240,000,000 tokens: more than 10,000,000 tokens are work for a batch run'
    >>> choose_route(amount, available={"real-time", "batch"}, deadline_s=5000, settings=RouteSettings()).route
    'real-time'
    """
    fitting, why = _by_size(amount, available, settings)
    seconds = {route: _seconds(route, amount, settings) for route in available}
    if deadline_s is not None and seconds[fitting] > deadline_s:
        soonest = min(seconds, key=lambda route: (seconds[route], _ROUTES.index(route)))
        if soonest != fitting:
            why = (
                f"{fitting} would take about {seconds[fitting]:,.0f} s of the {deadline_s:,.0f} s there are, and "
                f"{soonest} {seconds[soonest]:,.0f} s"
            )
            fitting = soonest
    return RouteDecision(
        route=fitting, reason=f"{amount}: {why}", tokens=amount.tokens, seconds=round(seconds[fitting], 1)
    )


def _by_size(amount: Amount, available: Collection[Route], settings: RouteSettings) -> tuple[Route, str]:
    if len(available) == 1:
        return next(iter(available)), "this client has no other way"
    at_once, in_queue = settings.real_time_tokens, settings.asynchronous_tokens
    if "real-time" in available and amount.tokens <= at_once:
        return "real-time", f"up to {at_once:,} tokens are answered at once"
    if "batch" not in available:
        return "asynchronous", f"more than {at_once:,} tokens wait in a queue, and this client has no batch runs"
    if "asynchronous" in available and amount.tokens <= in_queue:
        return "asynchronous", f"up to {in_queue:,} tokens wait in a queue"
    most = in_queue if "asynchronous" in available else at_once
    return "batch", f"more than {most:,} tokens are work for a batch run"


def _seconds(route: Route, amount: Amount, settings: RouteSettings) -> float:
    start_s = {"real-time": 0.0, "asynchronous": settings.asynchronous_start_s, "batch": settings.batch_start_s}[route]
    return start_s + amount.tokens / settings.tokens_per_s
