"""A lean HTTP/1.1 client on asyncio's streams: one keep-alive connection, whole messages in, whole bodies out."""

from __future__ import annotations

import asyncio

from benchmarks.endpoint.figures import NO_ANSWER

_HOST = "127.0.0.1"


def post_message(path: str, body: bytes) -> bytes:
    """Return a whole POST request of JSON."""
    head = f"POST {path} HTTP/1.1\r\nHost: {_HOST}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    return head.encode() + b"\r\n\r\n" + body


def get_message(path: str) -> bytes:
    """Return a whole GET request."""
    return f"GET {path} HTTP/1.1\r\nHost: {_HOST}\r\n\r\n".encode()


class Connection:
    """One connection to a port of this machine, opened at the first request and again after it broke."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._is_used = False

    async def exchange(self, message: bytes, timeout_s: float = 300.0) -> tuple[int, bytes]:
        """Send a request; return the answer's status and body, or ``NO_ANSWER`` and why.

        A server may close a connection that was idle just when a request is sent. As every client does, this one then
        sends it again, once, on a new one; the time counts.
        """
        try:
            async with asyncio.timeout(timeout_s):
                try:
                    return await self._exchange(message)
                except (ConnectionError, EOFError):
                    if not self._is_used:
                        raise
                    self.close()
                    return await self._exchange(message)
        except (OSError, EOFError, ValueError, asyncio.LimitOverrunError) as error:  # a TimeoutError is an OSError
            self.close()
            return NO_ANSWER, type(error).__name__.encode()

    async def open(self) -> None:
        """Connect, unless it is."""
        if self._writer is None:
            self._reader, self._writer = await asyncio.open_connection(_HOST, self._port)

    def close(self) -> None:
        """Close the connection, if there is one."""
        if self._writer is not None:
            self._writer.close()
        self._reader = self._writer = None
        self._is_used = False

    async def _exchange(self, message: bytes) -> tuple[int, bytes]:
        await self.open()
        assert self._reader is not None
        assert self._writer is not None
        self._writer.write(message)
        head = (await self._reader.readuntil(b"\r\n\r\n")).lower()
        status = int(head[9:12])
        length = _header(head, b"content-length")
        if length is not None:
            body = await self._reader.readexactly(int(length))
        else:
            body = await _chunks(self._reader)
        self._is_used = True
        if _header(head, b"connection") == b"close":
            self.close()
        return status, body


def _header(head: bytes, name: bytes) -> bytes | None:
    at = head.find(b"\r\n" + name + b":")
    if at < 0:
        return None
    start = at + len(name) + 3
    return head[start : head.index(b"\r\n", start)].strip()


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    body = bytearray()
    while size := int((await reader.readline()).split(b";")[0], 16):
        body += await reader.readexactly(size)
        await reader.readexactly(2)
    await reader.readexactly(2)
    return bytes(body)
