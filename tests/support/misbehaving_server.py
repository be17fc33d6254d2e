"""An HTTP server on loopback that misbehaves as it is told, once for each behaviour; otherwise it answers.

It is written on bare sockets, since what it does no HTTP library would let it do.
"""

from __future__ import annotations

import select
import socket
import ssl
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Self

GOOD = b'{"data": "whole"}'
_TICK_S = 0.02


@dataclass(frozen=True)
class Asked:
    """A request as it arrived, headers by lower-case names."""

    line: str
    headers: dict[str, str]
    body: bytes
    connection: int


@dataclass(frozen=True)
class Behaviour:
    """What happens with one request; ``act`` says whether the connection is kept.

    With ``early`` nothing of the request's body is read before.
    """

    act: Callable[[socket.socket, threading.Event], bool]
    early: bool = False


class MisbehavingServer:
    """Serves from ``with`` to its end."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.asked: list[Asked] = []
        self.connections = 0
        self._tls = tls
        self._next: deque[Behaviour] = deque()
        self._over = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._threads: list[threading.Thread] = []
        self._open: set[socket.socket] = set()

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://localhost:{self._listener.getsockname()[1]}"

    @property
    def open_connections(self) -> int:
        return len(self._open)

    def then(self, *behaviours: Behaviour) -> None:
        """Say what happens with the next requests."""
        self._next.extend(behaviours)

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for open_ in (self._listener, *tuple(self._open)):
            with suppress(OSError):
                _end(open_)
            open_.close()
        for thread in self._threads:
            thread.join()

    def _start(self, target: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self._over.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._start(self._serve, connection, self.connections)

    def _serve(self, connection: socket.socket, number: int) -> None:
        with suppress(OSError):
            if self._tls is not None:
                connection = self._tls.wrap_socket(connection, server_side=True)
            self._open.add(connection)
            if self._over.is_set():  # it came while the others were closed
                _end(connection)
            reader = connection.makefile("rb")
            with reader:
                while self._answer(connection, reader, number):
                    pass
        connection.close()
        self._open.discard(connection)

    def _answer(self, connection: socket.socket, reader, number: int) -> bool:
        line = reader.readline().decode().rstrip()
        if not line:
            return False
        headers = {}
        while text := reader.readline().decode("latin-1").rstrip():
            name, _, value = text.partition(":")
            headers[name.lower()] = value.strip()
        behaviour = self._next.popleft() if self._next else whole()
        body = b"" if behaviour.early else reader.read(int(headers.get("content-length", 0)))
        self.asked.append(Asked(line, headers, body, number))
        return behaviour.act(connection, self._over)


def _end(connection: socket.socket) -> None:
    """Let its thread read what has come, and no more; TLS' own way would have it take bytes for what they encrypt."""
    socket.socket.shutdown(connection, socket.SHUT_RDWR)


def raw(content: bytes, *, keeps: bool = False) -> Behaviour:
    """Send these bytes, and close the connection unless it is kept."""

    def act(connection: socket.socket, _over: threading.Event) -> bool:
        connection.sendall(content)
        return keeps

    return Behaviour(act)


def answer(body: bytes = GOOD, *headers: str, status: str = "200 OK", length: object = None) -> bytes:
    length = len(body) if length is None else length
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {length}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def whole(body: bytes = GOOD, *headers: str, status: str = "200 OK") -> Behaviour:
    """Answer as one should, and keep the connection."""
    return raw(answer(body, *headers, status=status), keeps=True)


def silent() -> Behaviour:
    """Take the request, and never say anything."""

    def act(_connection: socket.socket, over: threading.Event) -> bool:
        over.wait()
        return False

    return Behaviour(act)


def deaf() -> Behaviour:
    """Never read the request's body, nor answer."""
    return Behaviour(silent().act, early=True)


def refusing_early() -> Behaviour:
    """Answer 413 before the body has been read, and close."""

    def act(connection: socket.socket, _over: threading.Event) -> bool:
        connection.sendall(answer(b"too large", "Connection: close", status="413 Too Large"))
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(1 << 16):
            pass
        return False

    return Behaviour(act, early=True)


def trickling(start: bytes, drop: bytes) -> Behaviour:
    """Send a start, and then a drop at a time for as long as the other side listens."""

    def act(connection: socket.socket, over: threading.Event) -> bool:
        connection.sendall(start)
        while not over.wait(_TICK_S):
            connection.sendall(drop)
        return False

    return Behaviour(act)


def chunked(*chunks: bytes, ended: bool = True) -> Behaviour:
    """Answer in chunks; without its end the answer is cut."""
    parts = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)
    end = b"0\r\n\r\n" if ended else b""
    return raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + parts + end, keeps=ended)


def tunnel(port: int) -> Behaviour:
    """Be a proxy that was asked to CONNECT: carry bytes to a port of this machine and back."""

    def act(connection: socket.socket, over: threading.Event) -> bool:
        with socket.create_connection(("127.0.0.1", port)) as inner:
            connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            other = {connection: inner, inner: connection}
            while not over.is_set():
                for ready in select.select([connection, inner], [], [], _TICK_S)[0]:
                    carried = ready.recv(1 << 16)
                    if not carried:
                        return False
                    other[ready].sendall(carried)
        return False

    return Behaviour(act)
