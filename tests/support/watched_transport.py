"""Endpoints in memory that are watched: what came, how much at a time, and a say in what becomes of each request."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any

from jina_v3_client.testing import AsyncInMemoryTransport, InMemoryTransport
from jina_v3_client.transport import HttpRequest, HttpResponse


def texts_of(request: HttpRequest) -> list[str]:
    """The texts of a request, in either form of the wire, documents' chunks one after the other."""
    if request.headers["content-type"] == "application/jsonlines":
        return [json.loads(line)["text"] for line in request.body.splitlines()]
    items = json.loads(request.body)["data"]
    flat = [item for document in items for item in (document if isinstance(document, list) else [document])]
    return [item["text"] for item in flat]


class _Watching:
    """``before`` may return or raise what shall become of a request; ``None`` lets it be answered."""

    def __init__(self, before: Callable[[HttpRequest], Any] = lambda _: None, **options: Any) -> None:
        super().__init__(**options)
        self.before = before
        self.sent: list[list[str]] = []
        self.most_at_a_time = self.in_flight = 0
        self.closed = False
        self._counting = threading.Lock()

    def _come(self, request: HttpRequest) -> None:
        with self._counting:
            self.sent.append(texts_of(request))
            self.in_flight += 1
            self.most_at_a_time = max(self.most_at_a_time, self.in_flight)

    def _go(self) -> None:
        with self._counting:
            self.in_flight -= 1


class WatchedTransport(_Watching, InMemoryTransport):
    """For threads."""

    def send(self, request: HttpRequest, *, timeout_s: float) -> HttpResponse:
        self._come(request)
        try:
            return self.before(request) or super().send(request, timeout_s=timeout_s)
        finally:
            self._go()

    def close(self) -> None:
        self.closed = True


class AsyncWatchedTransport(_Watching, AsyncInMemoryTransport):
    """For tasks; ``before`` is a coroutine function."""

    async def send(self, request: HttpRequest, *, timeout_s: float) -> HttpResponse:
        self._come(request)
        try:
            return await self.before(request) or await super().send(request, timeout_s=timeout_s)
        finally:
            self._go()

    async def aclose(self) -> None:
        self.closed = True
