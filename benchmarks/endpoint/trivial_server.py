"""A server that answers everything at once with the same body: what the load generator itself costs.

``response_bytes``; prints its port as JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys


class _Echoless(asyncio.Protocol):
    """Answer each request, which must come in one piece or end with its last."""

    answer = b""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, found, body = self._received.partition(b"\r\n\r\n")
        if not found:
            return
        length = head.lower().partition(b"content-length:")[2].split(b"\r\n")[0].strip()
        if len(body) >= int(length or 0) and self._transport is not None:
            self._received = b""
            self._transport.write(self.answer)


async def _serve(response_bytes: int) -> None:
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {response_bytes}\r\n\r\n"
    _Echoless.answer = head.encode() + b"0" * response_bytes
    server = await asyncio.get_running_loop().create_server(_Echoless, "127.0.0.1", 0)
    print(json.dumps({"port": server.sockets[0].getsockname()[1]}), flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)  # ends with whoever started it
    server.close()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1])))
