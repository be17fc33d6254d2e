"""A lean HTTP/1.1 client over loopback for loads and faults: what a polite client never does, and what it gets back."""

import asyncio
import contextlib
import itertools
import socket
import struct
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field

HOST = "127.0.0.1"
TIMEOUT_S = 120.0
"""For whatever is waited for once; a server that hangs fails the test that asks it."""

_opened: "list[Connection]" = []

_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: gone without a farewell


class CutOffError(Exception):
    """The connection ended before the answer did; ``received`` is what had come of it."""

    def __init__(self, received: bytes) -> None:
        super().__init__(received[:200])
        self.received = received


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer. ``parts`` are its chunks where it was streamed."""

    status: int
    headers: dict[str, str]
    parts: tuple[bytes, ...]

    @property
    def body(self) -> bytes:
        return b"".join(self.parts)


def message(
    body: bytes = b"", *, method: str = "POST", path: str = "/invocations", length: int | None = None, **headers: str
) -> bytes:
    """A whole request, or one whose head promises another length than it has. ``a_b`` becomes the header ``a-b``."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    lines = [f"{method} {path} HTTP/1.1", f"Host: {HOST}"]
    if method == "POST":
        named = {"Content-Type": "application/json"} | named
        if "Transfer-Encoding" not in named:
            named["Content-Length"] = str(len(body) if length is None else length)
    lines += [f"{name}: {value}" for name, value in named.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


def chunk(part: bytes) -> bytes:
    """A chunk of a body that is sent in chunks; the empty one ends it."""
    return b"%x\r\n%b\r\n" % (len(part), part)


class Connection:
    """One connection. With ``receive_bytes`` the kernel takes about so much for a client that does not read."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._received = bytearray()
        _opened.append(self)

    @classmethod
    async def open(cls, port: int, receive_bytes: int | None = None) -> "Connection":
        """Raises ``ConnectionRefusedError`` where nobody listens."""
        connection = socket.socket()
        connection.setblocking(False)
        if receive_bytes is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        try:
            await asyncio.get_running_loop().sock_connect(connection, (HOST, port))
        except BaseException:  # also when nobody waits for it any more
            connection.close()
            raise
        limit = 2**16 if receive_bytes is None else 1  # how much asyncio reads ahead of its own accord
        return cls(*await asyncio.open_connection(sock=connection, limit=limit))

    async def send(self, data: bytes) -> None:
        """Raises ``CutOffError`` where the server has ended the connection."""
        try:
            self._writer.write(data)
            await self._writer.drain()
        except OSError:
            raise CutOffError(b"") from None

    async def answer(self) -> Answer:
        """Wait for the next answer, and for all of it."""
        status, headers = await self.head()
        parts = [part async for part in self.parts(headers)]
        return Answer(status, headers, tuple(parts))

    async def ask(self, data: bytes) -> Answer:
        await self.send(data)
        return await self.answer()

    async def head(self) -> tuple[int, dict[str, str]]:
        self._received.clear()
        first, *lines = [line async for line in self._head_lines()]
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        return int(first.split()[1]), headers

    async def parts(self, headers: dict[str, str]) -> AsyncIterator[bytes]:
        """The body as it comes, a chunk at a time."""
        if "content-length" in headers:
            yield await self._exactly(int(headers["content-length"]))
            return
        assert headers["transfer-encoding"] == "chunked"
        while size := int(await self._line(), 16):
            yield await self._exactly(size)
            assert await self._exactly(2) == b"\r\n"
        assert await self._line() == ""

    async def ended(self) -> bytes:
        """Wait until the server has ended the connection; return what came before."""
        data = bytearray()
        with contextlib.suppress(ConnectionError):
            async with asyncio.timeout(TIMEOUT_S):
                while part := await self._reader.read(2**16):
                    data += part
        return bytes(data)

    def close(self) -> None:
        self._writer.close()

    def reset(self) -> None:
        """Vanish."""
        if not self._writer.is_closing():
            self._writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self._writer.transport.abort()

    async def _head_lines(self) -> AsyncIterator[str]:
        while line := await self._line():
            yield line

    async def _line(self) -> str:
        line = b""
        while not line.endswith(b"\r\n"):
            line += await self._exactly(1)
        return line[:-2].decode("latin-1")

    async def _exactly(self, size: int) -> bytes:
        try:
            async with asyncio.timeout(TIMEOUT_S):
                data = await self._reader.readexactly(size)
        except asyncio.IncompleteReadError as error:
            raise CutOffError(bytes(self._received) + error.partial) from None
        except ConnectionError:
            raise CutOffError(bytes(self._received)) from None
        self._received += data[:200] if len(self._received) < 2000 else b""
        return data


async def close_all() -> None:
    """Close what a test has left open."""
    for connection in _opened:
        connection.reset()
    _opened.clear()
    await asyncio.sleep(0)


async def ask(port: int, data: bytes) -> Answer:
    """One request on a connection of its own."""
    connection = await Connection.open(port)
    try:
        return await connection.ask(data)
    finally:
        connection.close()


@dataclass
class Load:
    """Clients in closed loops. ``answers`` are by the number of the request, whose id is ``name-number``."""

    port: int
    bodies: Sequence[bytes]
    name: str = "load"
    answers: dict[int, Answer] = field(default_factory=dict)
    cut_off: dict[int, bytes] = field(default_factory=dict)
    """Of a request that was sent and not answered, what came."""
    refused: int = 0
    _numbers: Iterator[int] = field(default_factory=itertools.count)
    _is_over: bool = False

    def stop(self) -> None:
        """Let each client end with the answer that it waits for."""
        self._is_over = True

    async def run(self, clients: int, requests: int = 1_000_000, *, fresh: bool = False) -> None:
        """Send until ``requests`` have been sent, or ``stop``, or connections are refused.

        With ``fresh`` each request has a connection of its own.
        """
        await asyncio.gather(*(self._loop(requests, fresh=fresh) for _ in range(clients)))

    async def _loop(self, requests: int, *, fresh: bool) -> None:
        connection: Connection | None = None
        try:
            for number in self._numbers:
                if number >= requests or self._is_over:
                    return
                try:
                    connection = connection or await Connection.open(self.port)
                except ConnectionError:
                    self.refused += 1
                    return
                answer = await self._send(connection, number)
                if answer is None or fresh or answer.headers.get("connection") == "close":
                    connection.close()
                    connection = None
        finally:
            if connection is not None:
                connection.close()

    async def _send(self, connection: Connection, number: int) -> Answer | None:
        body = self.bodies[number % len(self.bodies)]
        try:
            self.answers[number] = await connection.ask(message(body, X_Amzn_RequestId=f"{self.name}-{number}"))
        except CutOffError as error:
            self.cut_off[number] = error.received
            return None
        return self.answers[number]
