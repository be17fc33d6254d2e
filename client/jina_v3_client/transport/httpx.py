"""Pooled connections for many tasks of one event loop, over httpx.

Nothing is retried or followed. Proxies are those of the environment.
"""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

import httpx

from jina_v3_client.transport import HttpRequest, HttpResponse, TransportError
from jina_v3_client.transport._answers import whole_answer
from jina_v3_client.transport._tls import trusting_context


class HttpxTransport:
    """Sends over as many connections as are needed, and keeps up to ``connections`` of them.

    **Units**: seconds; ``connect_s`` is for one connection, ``idle_s`` how long one may rest and still be used.

    >>> async def ask() -> HttpResponse:
    ...     request = HttpRequest(method="GET", url="http://127.0.0.1:9/", headers={})
    ...     async with HttpxTransport() as transport:
    ...         return await transport.send(request, timeout_s=1)
    >>> asyncio.run(ask())
    Traceback (most recent call last):
    jina_v3_client.transport.TransportError: no connection to 127.0.0.1:9: All connection attempts failed
    """

    def __init__(self, *, connections: int = 64, connect_s: float = 5.0, idle_s: float = 60.0) -> None:
        self._connections = connections
        self._connect_s = connect_s
        self._idle_s = idle_s
        self._opened: httpx.AsyncClient | None = None

    async def send(self, request: HttpRequest, *, timeout_s: float) -> HttpResponse:
        """Send, and return the whole answer, whatever its status.

        **Raises**: ``TransportError``.
        """
        host = urlsplit(request.url).netloc
        try:
            async with asyncio.timeout(timeout_s):  # httpx's time-outs are for each read
                response = await self._client().request(
                    request.method, request.url, headers=dict(request.headers), content=request.body
                )
        except TimeoutError:
            raise TransportError("timeout", f"{host} gave no whole answer within {timeout_s:.3g} s") from None
        except httpx.TransportError as error:
            raise _explained(error, host) from None
        return whole_answer(response.status_code, dict(response.headers), response.content, host)

    async def aclose(self) -> None:
        """Close all connections."""
        if self._opened is not None:
            await self._opened.aclose()
            self._opened = None

    async def __aenter__(self) -> HttpxTransport:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def _client(self) -> httpx.AsyncClient:
        if self._opened is None:
            self._opened = httpx.AsyncClient(
                verify=trusting_context(),
                headers={"accept-encoding": "identity"},  # vectors hardly get smaller
                limits=httpx.Limits(
                    max_connections=None,
                    max_keepalive_connections=self._connections,
                    keepalive_expiry=self._idle_s,
                ),
                timeout=httpx.Timeout(None, connect=self._connect_s),
                follow_redirects=False,
            )
        return self._opened


def _explained(error: httpx.TransportError, host: str) -> TransportError:
    """Say what broke; httpx names no proxy in these."""
    reason = str(error) or type(error).__name__
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.ProxyError | httpx.PoolTimeout):
        return TransportError("connect", f"no connection to {host}: {reason}")
    return TransportError("broken", f"the connection to {host} broke: {reason}")
