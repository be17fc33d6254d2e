"""HTTP/1.1 by hand on asyncio: one connection's requests in, one at a time, and answers out, whole or broken.

By hand because a framework would be what is measured, and because none of them can break an answer as faults must.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

_HEAD_END: Final = b"\r\n\r\n"
_REASONS: Final = {200: "OK", 400: "Bad Request", 403: "Forbidden", 424: "Failed Dependency", 503: "Unavailable"}


@dataclass(frozen=True, slots=True)
class Head:
    """A request's first line and headers, by lower-case names."""

    method: str
    path: str
    headers: Mapping[str, str]

    @property
    def length(self) -> int:
        """Bytes of the body; other ways of saying it are not understood."""
        return int(self.headers.get("content-length", 0))


class Answering(Protocol):
    """What a connection needs of the service."""

    def opened(self, connection: Connection) -> int:
        """Take note of a connection and number it."""

    def closed(self, connection: Connection) -> None:
        """Take note of its end."""

    def lets_in(self, connection: Connection, head: Head) -> bool:
        """Say whether the body shall be read; if not, the connection has been broken."""

    def answer(self, connection: Connection, head: Head, body: bytes) -> None:
        """Answer, now or later, or never."""


class Connection(asyncio.Protocol):
    """One connection. ``door``: the region whose address it came by, or "" for all; ``region``: whom it asked last."""

    def __init__(self, service: Answering, door: str) -> None:
        self.door = self.region = door
        self.number = 0
        self.busy = False
        self.transport: Any = None
        self._service = service
        self._received = bytearray()
        self._head: Head | None = None
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self.transport = transport
        self.number = self._service.opened(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """End; an answer that has not been sent never is."""
        if self._timer is not None:
            self._timer.cancel()
        self._service.closed(self)

    def data_received(self, data: bytes) -> None:
        """Take what came."""
        self._received += data
        if not self.busy:
            self._advance()

    def send(self, status: int, headers: dict[str, str], payload: bytes, *, length: int | None = None) -> None:
        """Send an answer whose length is said to be ``length``, and wait for the next request."""
        said = {"Content-Length": str(len(payload) if length is None else length)} | headers
        lines = [f"HTTP/1.1 {status} {_REASONS.get(status, 'Error')}", *map(": ".join, said.items())]
        self.transport.writelines([("\r\n".join(lines)).encode() + _HEAD_END, payload])
        self.busy = False
        if self._received:
            self._advance()

    def send_at(self, when: float, send: Callable[[], None]) -> None:
        """Call ``send`` at a time of the loop's clock; not at all where the connection has ended by then."""
        loop = asyncio.get_running_loop()
        if when <= loop.time():
            send()
        else:
            self._timer = loop.call_at(when, send)

    def close(self) -> None:
        """End as one does, after what is to be sent."""
        self.transport.close()

    def reset(self) -> None:
        """End with RST in place of FIN."""
        with contextlib.suppress(OSError):
            linger = struct.pack("ii", 1, 0)
            self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.transport.abort()

    def _advance(self) -> None:
        if self._head is None:
            end = self._received.find(_HEAD_END)
            if end < 0:
                return
            first, *lines = self._received[:end].decode("latin-1").split("\r\n")
            method, path, _ = first.split(" ")
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
            del self._received[: end + len(_HEAD_END)]
            self._head = Head(method, path, headers)
            if not self._service.lets_in(self, self._head):
                return
        if len(self._received) >= self._head.length:
            head, body = self._head, bytes(self._received[: self._head.length])
            del self._received[: head.length]
            self._head = None
            self.busy = True
            self._service.answer(self, head, body)
