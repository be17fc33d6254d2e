"""How bytes travel: one protocol for each kind of client, and what can break on the way.

``urllib3.py`` and ``httpx.py`` implement them over pooled connections; any object with the same methods will do.
Nothing here knows of SageMaker, of signing or of retrying.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpRequest:
    """What is sent; ``headers`` by lower-case names."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes = b""

    def __repr__(self) -> str:
        """Neither the body, which has texts, nor headers, which have signatures."""
        return f"<HttpRequest {self.method} {self.url}, {len(self.body)} bytes>"


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpResponse:
    """What came back, whole; ``headers`` by lower-case names."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def __repr__(self) -> str:
        return f"<HttpResponse {self.status}, {len(self.body)} bytes>"


class TransportError(Exception):
    """Nothing whole came back.

    ``kind``: ``connect`` (nothing was sent), ``timeout`` (no answer in time), ``broken`` (the connection ended, or the
    answer was shorter than it said). Embedding changes nothing at the server, so all three may be tried again.
    """

    def __init__(self, kind: Literal["connect", "timeout", "broken"], message: str) -> None:
        super().__init__(message)
        self.kind = kind


class Transport(Protocol):
    """Sends from many threads at once."""

    def send(self, request: HttpRequest, *, timeout_s: float) -> HttpResponse:
        """Send, and return the whole answer, whatever its status.

        **Raises**: ``TransportError``.
        """

    def close(self) -> None:
        """Close all connections."""


class AsyncTransport(Protocol):
    """Sends from many tasks of one event loop at once."""

    async def send(self, request: HttpRequest, *, timeout_s: float) -> HttpResponse:
        """Send, and return the whole answer, whatever its status.

        **Raises**: ``TransportError``.
        """

    async def aclose(self) -> None:
        """Close all connections."""
