"""Reading a request's body: counted, inflated where it is gzip, and never waited for without end."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import Final

from jina_v3.config import Config
from jina_v3.contract import ErrorCode
from jina_v3.errors import RequestError
from jina_v3.serving.context import RequestContext
from jina_v3.serving.faults import OverloadedError
from jina_v3.serving.http.asgi import Receive
from jina_v3.serving.http.interruption import DisconnectedError

_DRAIN_FACTOR: Final = 4
"""A body beyond the limit is read on, and thrown away, up to this many times the limit: most clients read the answer
only after they have sent everything."""

_GZIP: Final = 31  # zlib's wbits of a gzip member
_SLICE_BYTES: Final = 2**20


@dataclass(slots=True)
class Held:
    """Bytes of all bodies that are in memory. **Units**: bytes."""

    most: int
    now: int = 0

    def add(self, size: int) -> None:
        """Count some more.

        **Raises**: ``OverloadedError`` where they become too many.
        """
        if self.now + size > self.most:
            raise OverloadedError.for_memory(self.most)
        self.now += size


class Body:
    """One request's body. Read it once, either ``whole`` or by its ``parts``; ``ended`` is called when it is there.

    **Raises** while reading: ``RequestError`` (400 not gzip, 408, 413, 415), ``DisconnectedError``.
    """

    def __init__(
        self, context: RequestContext, receive: Receive, config: Config, held: Held, ended: Callable[[], None]
    ) -> None:
        self._context = context
        self._receive = receive
        self._held = held
        self._ended = ended
        self._timeout_s = config.body_timeout_s
        self._limit = config.limits.max_body_bytes
        self._inflater = _inflater(context)
        self._sent_bytes = 0
        self._more = True  # is still to come
        self._held_bytes = 0

    async def whole(self) -> bytes:
        """Return the body, which must arrive within the time allowed for it."""
        self._refuse_before_it_is_sent()
        parts: list[bytes] = []
        try:
            async with asyncio.timeout(self._timeout_s):
                async for part in self._plain():
                    parts.append(part)  # noqa: PERF401  what has come is to be let go of, where it becomes too much
        except TimeoutError:
            raise self._too_slow("the body was not sent") from None
        except _TooLargeError as error:
            parts.clear()
            await self._drain()
            raise self._too_large(error.size) from None
        self._ended()
        return parts[0] if len(parts) == 1 else b"".join(parts)

    async def parts(self) -> AsyncGenerator[bytes]:
        """Yield the body as it comes, while the rest goes on being read.

        Reading never waits for whoever takes the parts: most clients read no answer before they have sent everything,
        and both sides would wait for ever. Each part must come within the time that is allowed for a whole body.
        """
        self._refuse_before_it_is_sent()
        read: asyncio.Queue[bytes | Exception | None] = asyncio.Queue()  # never more than a body's limit
        reading = asyncio.create_task(self._read_into(read))
        try:
            while (part := await read.get()) is not None:
                if isinstance(part, Exception):
                    raise part
                yield part
        finally:
            reading.cancel()

    async def _read_into(self, read: asyncio.Queue[bytes | Exception | None]) -> None:
        parts = self._plain()
        try:
            while True:
                async with asyncio.timeout(self._timeout_s):
                    part = await anext(parts, None)
                read.put_nowait(part)
                if part is None:
                    self._ended()
                    return
        except TimeoutError:
            read.put_nowait(self._too_slow("no more of the body was sent"))
        except _TooLargeError as error:
            read.put_nowait(self._too_large(error.size))
        except (RequestError, DisconnectedError) as error:
            read.put_nowait(error)

    async def _plain(self) -> AsyncIterator[bytes]:
        """Yield the parts, inflated; ``_TooLargeError`` once they are beyond the limit."""
        size = 0
        async for sent in self._sent():
            for part in (sent,) if self._inflater is None else self._inflate(sent):
                size += len(part)
                if size > self._limit:
                    raise _TooLargeError(size)
                if part:
                    self._held.add(len(part))
                    self._held_bytes = self._context.request_bytes = size
                    yield part
        if self._inflater is not None and not self._inflater.eof:
            raise _not_gzip("it ends before its end")

    async def _sent(self) -> AsyncIterator[bytes]:
        while self._more:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise DisconnectedError
            part: bytes = message.get("body", b"")
            self._more = message.get("more_body", False)
            self._sent_bytes += len(part)
            yield part

    def close(self) -> None:
        """Let go of it: the request is over."""
        self._held.now -= self._held_bytes
        self._held_bytes = 0

    def _inflate(self, data: bytes) -> Iterator[bytes]:
        """Yield what gzip data holds, a slice at a time, so that a bomb is met before it has gone off."""
        assert self._inflater is not None
        try:
            while data:
                if self._inflater.eof:
                    self._inflater = zlib.decompressobj(_GZIP)  # members may follow one another
                yield self._inflater.decompress(data, _SLICE_BYTES)
                data = self._inflater.unconsumed_tail or self._inflater.unused_data
        except zlib.error:
            raise _not_gzip("it cannot be inflated") from None

    async def _drain(self) -> None:
        try:
            async with asyncio.timeout(self._timeout_s):
                async for _ in self._sent():
                    if self._sent_bytes > _DRAIN_FACTOR * self._limit:
                        return
        except TimeoutError:
            return

    def _refuse_before_it_is_sent(self) -> None:
        stated = self._context.get_request_header(0, "content-length") or ""
        size = int(stated) if stated.isascii() and stated.isdigit() and len(stated) < 19 else 0
        if size > self._limit and self._context.get_request_header(0, "expect"):
            raise self._too_large(size)  # the client waits for leave to send: none is given

    def _too_slow(self, what: str) -> RequestError:
        self._context.set_response_header(0, "Connection", "close")
        return RequestError(
            ErrorCode.BODY_TIMEOUT,
            f"{what} within {self._timeout_s:g} s",
            field="body",
            allowed=f"{self._timeout_s:g} s",
        )

    def _too_large(self, size: int) -> RequestError:
        self._context.set_response_header(0, "Connection", "close")
        return RequestError(
            ErrorCode.BODY_TOO_LARGE,
            f"the body is larger than {self._limit} bytes; send fewer texts a request",
            field="body",
            value=size,
            allowed=f"at most {self._limit} bytes",
        )


class _TooLargeError(Exception):
    def __init__(self, size: int) -> None:
        super().__init__(size)
        self.size = size


def _inflater(context: RequestContext) -> zlib._Decompress | None:
    encoding = context.get_request_header(0, "content-encoding") or "identity"
    name = encoding.strip().lower()
    if name == "identity":
        return None
    if name in ("gzip", "x-gzip"):
        return zlib.decompressobj(_GZIP)
    raise RequestError(
        ErrorCode.UNSUPPORTED_MEDIA_TYPE,
        "the content encoding is not offered; send the body as it is, or as gzip",
        field="Content-Encoding",
        value=encoding,
        allowed=["identity", "gzip"],
    )


def _not_gzip(problem: str) -> RequestError:
    return RequestError(
        ErrorCode.NOT_GZIP,
        f"Content-Encoding is gzip and the body is not: {problem}",
        field="Content-Encoding",
        value="gzip",
        allowed="a whole gzip stream (RFC 1952), or no Content-Encoding",
    )
