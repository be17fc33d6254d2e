"""The response to one request: sent whole, or part by part, and never begun twice."""

from __future__ import annotations

from collections.abc import AsyncIterator

from jina_v3.serving.context import RequestContext
from jina_v3.serving.http.asgi import Send


class Reply:
    """One response; once it has ``begun`` its status is said and it can only be finished or cut off.

    **Units**: ``sent_bytes`` of the body.
    """

    def __init__(self, context: RequestContext, send: Send) -> None:
        self.begun = False
        self.sent_bytes = 0
        self._context = context
        self._send = send

    async def whole(self, body: bytes) -> None:
        """Send all of it."""
        await self._begin(len(body))
        await self._part(body, more=False)

    async def stream(self, parts: AsyncIterator[bytes]) -> None:
        """Send all parts but the end; what goes wrong before the first is an error like any other."""
        part = await anext(parts, b"")
        await self._begin(None)
        if part:
            await self._part(part, more=True)
        async for part in parts:
            if part:
                await self._part(part, more=True)

    async def end(self) -> None:
        """Say that all parts of a stream have been sent."""
        await self._part(b"", more=False)

    async def _begin(self, body_bytes: int | None) -> None:
        headers = self._context.head(body_bytes)
        self.begun = True
        await self._send({"type": "http.response.start", "status": self._context.status, "headers": headers})

    async def _part(self, part: bytes, *, more: bool) -> None:
        await self._send({"type": "http.response.body", "body": part, "more_body": more})
        self.sent_bytes += len(part)
