"""The process behind ``LoopbackEndpoint``: HTTP/1.1 by hand on asyncio, because frameworks would be what is measured.

Commands come as lines of JSON on standard input, and each is answered by one; it ends with its input.
"""

import asyncio
import contextlib
import heapq
import json
import random
import socket
import struct
import sys
import time
import uuid
from collections import Counter, deque
from datetime import UTC, datetime, timedelta
from email.utils import formatdate
from typing import Any, Final

import uvloop
from benchmarks.loopback import wire
from benchmarks.loopback.faults import Fault, service_error, wrapped
from benchmarks.loopback.signing import SignatureError, region_of, verify

_HEAD_END: Final = b"\r\n\r\n"
_REASONS: Final = {200: "OK", 400: "Bad Request", 403: "Forbidden", 404: "Not Found", 424: "Failed Dependency"}
_JOURNAL: Final = 50_000


class Connection(asyncio.Protocol):
    """One connection: requests in, one at a time, and what the service makes of them out."""

    def __init__(self, service: "Service", door: str) -> None:
        self.service, self.door = service, door
        self.region = door
        self.number = 0
        self.busy = False
        self.transport: Any = None
        self._received = bytearray()
        self._head: tuple[str, dict[str, str], int] | None = None
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.number = self.service.opened(self)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self.service.closed(self)

    def data_received(self, data: bytes) -> None:
        self._received += data
        if not self.busy:
            self._advance()

    def _advance(self) -> None:
        if self._head is None:
            end = self._received.find(_HEAD_END)
            if end < 0:
                return
            first, *lines = self._received[:end].decode("latin-1").split("\r\n")
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
            del self._received[: end + len(_HEAD_END)]
            self._head = (first.split(" ")[1], headers, int(headers.get("content-length", 0)))
            if not self.service.lets_in_head(self, *self._head[:2]):
                return
        target, headers, length = self._head
        if len(self._received) >= length:
            body = bytes(self._received[:length])
            del self._received[:length]
            self._head = None
            self.busy = True
            self.service.handle(self, target, headers, body)

    def send_at(self, when: float, send: Any) -> None:
        """Send at a time of the loop's clock; not at all where the connection has ended by then."""
        loop = asyncio.get_running_loop()
        if when <= loop.time():
            send()
        else:
            self._timer = loop.call_at(when, send)

    def done(self) -> None:
        """Wait for the next request, which may be there already."""
        self.busy = False
        if self._received:
            self._advance()

    def reset(self) -> None:
        """End with RST in place of FIN."""
        with contextlib.suppress(OSError):
            linger = struct.pack("ii", 1, 0)
            self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.transport.abort()


class Service:
    """What the runtime knows: endpoints, faults, clocks, and what it has answered."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self.settings = settings
        self.endpoints = {(one["region"], one["name"]): one for one in settings["hosted"]}
        self.routers = {(one["region"], one["name"]): one for one in settings["routers"]}
        self._free = {place: [0.0] * (one["pace"] or {}).get("slots", 0) for place, one in self.endpoints.items()}
        self._draw = random.Random(settings["seed"])
        self._connections: set[Connection] = set()
        self._servers: dict[str, asyncio.Server] = {}
        self.ports: dict[str, int] = {}
        self._dead: set[str] = set()
        self._faults: list[tuple[Fault, dict[str, float]]] = []
        self._clocks: dict[str | None, float] = {}
        self._counts: dict[str, Counter[str]] = {}
        self._asked: deque[dict[str, Any]] = deque(maxlen=_JOURNAL)
        self._totals: Counter[str] = Counter()

    # connections

    async def listen(self, door: str) -> None:
        loop = asyncio.get_running_loop()
        port = self.ports.get(door, 0)
        server = await loop.create_server(lambda: Connection(self, door), "127.0.0.1", port, backlog=1024)
        self._servers[door] = server
        self.ports[door] = server.sockets[0].getsockname()[1]

    def opened(self, connection: Connection) -> int:
        self._connections.add(connection)
        self._totals["connections"] += 1
        return self._totals["connections"]

    def closed(self, connection: Connection) -> None:
        self._connections.discard(connection)

    # requests

    def lets_in_head(self, connection: Connection, target: str, headers: dict[str, str]) -> bool:
        """Break connections that shall not even be read from."""
        connection.region = region_of(headers) or connection.door
        fault = None if connection.region in self._dead else self._meet(self._place(connection, target, headers), True)
        if connection.region in self._dead or fault is not None:
            connection.reset()
            return False
        return True

    def handle(self, connection: Connection, target: str, headers: dict[str, str], body: bytes) -> None:
        self._totals["requests"] += 1
        now = datetime.now(UTC) + timedelta(seconds=self._offset_s(connection.region))
        if self.settings["verify"]:
            try:
                known = {name: self.settings[name] for name in ("secrets", "tokens")}
                verify(target, headers, body, now=now, **known)
            except SignatureError as error:
                self._totals["refused"] += 1
                self._send(connection, service_error(403, error.code, str(error)), now)
                return
        place = self._place(connection, target, headers)
        fault = self._meet(place, False)
        if fault is not None and fault.kind == "hang":
            return
        if fault is not None and fault.kind == "abort":
            connection.reset()
            return
        made, answer = (
            (fault, None) if fault is not None and fault.kind == "respond" else self._ask(place, headers, body)
        )
        if made is None:
            assert answer is not None
            made, payload = self._whole(place, fault, answer)
        else:
            payload = made.body.encode()
        texts = answer.texts if answer is not None else ()
        when = self._when(place, len(texts)) + (0.0 if fault is None else fault.delay_s)
        connection.send_at(when, lambda: self._finish(connection, place, headers, made, payload, texts, fault, now))

    def _place(self, connection: Connection, target: str, headers: dict[str, str]) -> dict[str, str | None]:
        parts = target.split("/")
        return {
            "region": connection.region,
            "endpoint": parts[2] if len(parts) == 4 else target,
            "variant": headers.get("x-amzn-sagemaker-target-variant"),
            "component": headers.get("x-amzn-sagemaker-inference-component"),
        } | ({"endpoint": f"router/{parts[2]}"} if parts[1] == "inference-routers" else {})

    def _meet(self, place: dict[str, str | None], at_head: bool) -> Fault | None:
        """Return the first fault that meets a request."""
        for fault, state in self._faults:
            if (fault.kind == "reset") != at_head or not fault.fits(place) or time.monotonic() > state["until"]:
                continue
            if state["after"] > 0:
                state["after"] -= 1
            elif state["left"] > 0 and (fault.probability >= 1 or self._draw.random() < fault.probability):
                state["left"] -= 1
                return fault
        return None

    def _ask(
        self, place: dict[str, str | None], headers: dict[str, str], body: bytes
    ) -> tuple[Fault | None, wire.ContainerAnswer | None]:
        """Let the container answer, unless the service has nobody to ask."""
        error = self._route(place, headers)
        if error is not None:
            return error, None
        try:
            return None, wire.answer(body, headers.get("content-type", "application/json"))
        except wire.ContainerError as refusal:
            told = json.dumps(wrapped(refusal.status, refusal.body().decode()))
            return Fault(kind="respond", status=424, body=told, headers={"x-amzn-ErrorType": "ModelError"}), None

    def _route(self, place: dict[str, str | None], headers: dict[str, str]) -> Fault | None:
        """Find who answers, and put it into the place; return the error where nobody does."""
        region, name = str(place["region"]), str(place["endpoint"])
        code = "ValidationError"
        if name.startswith("router/"):
            code = "ValidationException"
            router = self.routers.get((region, name.removeprefix("router/")))
            target = headers.get("x-amzn-sagemaker-routing-target-name")
            if router is None:
                return service_error(400, code, f"Inference router {name[7:]} of account 123456789012 not found.")
            if target != router["routing_target"]:
                return service_error(400, code, f"Inference router {name[7:]} has no routing target {target}.")
            there = [tuple(one) for one in router["destinations"] if one[0] not in self._dead]
            if not there:
                return service_error(503, "ServiceUnavailableException", "No destination could serve the request.")
            place |= {"region": there[0][0], "endpoint": there[0][1]}
        endpoint = self.endpoints.get((str(place["region"]), str(place["endpoint"])))
        if endpoint is None:
            return service_error(400, code, f"Endpoint {place['endpoint']} of account 123456789012 not found.")
        if place["variant"] not in (None, *endpoint["variants"]):
            return service_error(400, code, f"Variant {place['variant']} not found for Request")
        if endpoint["components"] and place["component"] is None:
            return service_error(400, code, "Inference Component Name header is required for endpoints to which …")
        if place["component"] not in (None, *endpoint["components"]):
            message = f"Inference Component {place['component']} of endpoint {endpoint['name']} not found."
            return service_error(400, code, message)
        if not endpoint["components"]:
            place["variant"] = place["variant"] or endpoint["variants"][0]
        return None

    def _when(self, place: dict[str, str | None], texts: int) -> float:
        """Return when the endpoint will be done with so many texts, by the loop's clock, and keep a slot busy till then."""
        now = asyncio.get_running_loop().time()
        key = (str(place["region"]), str(place["endpoint"]))
        free = self._free.get(key)
        if not free or not texts:
            return now
        pace = self.endpoints[key]["pace"]
        done = max(now, free[0]) + pace["request_s"] + texts * pace["text_s"]
        heapq.heapreplace(free, done)
        return done

    def _whole(
        self, place: dict[str, str | None], fault: Fault | None, answer: wire.ContainerAnswer
    ) -> tuple[Fault, bytes]:
        kind = None if fault is None else fault.kind
        if kind == "lose_item":
            answer.items.pop()
        elif kind == "reverse_items":
            answer.items.reverse()
        headers = {"Content-Type": answer.content_type}
        if place["variant"] is not None:
            headers["x-Amzn-Invoked-Production-Variant"] = place["variant"]
        payload = b'{"data": [' if kind == "garble" else answer.body()
        return Fault(kind="respond", status=200, headers=headers), payload

    # answers

    def _finish(
        self,
        connection: Connection,
        place: dict[str, str | None],
        headers: dict[str, str],
        made: Fault,
        payload: bytes,
        texts: Any,
        fault: Fault | None,
        now: datetime,
    ) -> None:
        broken = fault is not None and fault.kind in ("cut", "wrong_length", "lose_item", "garble")
        if self.settings["journal"]:
            entry = place | {"connection": connection.number, "texts": len(texts), "headers": headers}
            self._asked.append(entry | {"status": 0 if broken else made.status})
        if not broken:
            self._totals["texts"] += len(texts)
            if self.settings["journal"]:
                self._counts.setdefault(str(place["region"]), Counter()).update(texts)
        self._totals["at_once"] = max(self._totals["at_once"], sum(each.busy for each in self._connections))
        self._send(connection, made, now, payload, fault)

    def _send(
        self,
        connection: Connection,
        made: Fault,
        now: datetime,
        payload: bytes | None = None,
        fault: Fault | None = None,
    ) -> None:
        payload = made.body.encode() if payload is None else payload
        kind = None if fault is None else fault.kind
        length = len(payload) + (fault.length_by if fault is not None and kind == "wrong_length" else 0)
        headers = {
            "x-amzn-RequestId": str(uuid.uuid4()),
            "Date": formatdate(now.timestamp(), usegmt=True),
            "Content-Type": "application/json",
            "Content-Length": str(length),
        } | made.headers
        lines = [f"HTTP/1.1 {made.status} {_REASONS.get(made.status, 'Error')}", *map(": ".join, headers.items())]
        connection.transport.write("\r\n".join(lines).encode() + _HEAD_END)
        connection.transport.write(payload[: len(payload) // 2] if kind == "cut" else payload)
        if kind in ("cut", "close_after"):
            connection.transport.close()
        connection.done()

    def _offset_s(self, region: str) -> float:
        return self._clocks.get(region, self._clocks.get(None, 0.0))

    # commands

    async def obey(self, command: dict[str, Any]) -> Any:
        name = command.pop("do")
        done = getattr(self, f"do_{name}")(**command)
        return await done if asyncio.iscoroutine(done) else done

    def do_inject(self, faults: list[dict[str, Any]]) -> None:
        for fault in (Fault(**each) for each in faults):
            until = float("inf") if fault.for_s is None else time.monotonic() + fault.for_s
            left = float("inf") if fault.times is None else fault.times
            self._faults.append((fault, {"after": fault.after, "left": left, "until": until}))

    def do_heal(self) -> None:
        self._faults.clear()
        self._clocks.clear()

    async def do_die(self, region: str | None) -> None:
        for door in [region] if region is not None else list(self._servers):
            self._dead.add(door)
            if door in self._servers:
                self._servers.pop(door).close()
        for connection in list(self._connections):
            if region is None or connection.region == region:
                connection.reset()
        await asyncio.sleep(0)

    async def do_revive(self, region: str | None) -> None:
        for door in [region] if region is not None else list(self.ports):
            self._dead.discard(door)
            if door not in self._servers:
                await self.listen(door)

    def do_close_idle(self) -> int:
        idle = [each for each in self._connections if not each.busy]
        for each in idle:
            each.transport.close()
        return len(idle)

    def do_set_clock(self, offset_s: float, region: str | None) -> None:
        self._clocks[region] = offset_s

    def do_set_pace(self, pace: dict[str, Any] | None) -> None:
        for key, endpoint in self.endpoints.items():
            endpoint["pace"] = pace
            self._free[key] = [0.0] * (pace or {}).get("slots", 0)

    def do_expire(self, access_key: str) -> None:
        self.settings["tokens"][access_key] = ""

    def do_answered(self, region: str | None) -> dict[str, int]:
        chosen = self._counts.values() if region is None else [self._counts.get(region, Counter())]
        return dict(sum(chosen, Counter()))

    def do_asked(self) -> list[dict[str, Any]]:
        return list(self._asked)

    def do_totals(self) -> dict[str, int]:
        names = ("connections", "requests", "texts", "refused", "at_once")
        return {name: self._totals[name] for name in names} | {"open": len(self._connections)}

    def do_forget(self) -> None:
        self._asked.clear()
        self._counts.clear()
        self._totals.clear()


async def _serve() -> None:
    reader = asyncio.StreamReader(limit=2**26)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    service = Service(json.loads(await reader.readline()))
    regions = {one["region"] for one in [*service.settings["hosted"], *service.settings["routers"]]}
    for door in ["", *sorted(regions)]:
        await service.listen(door)
    _reply(service.ports)
    while line := await reader.readline():
        _reply(await service.obey(json.loads(line)))
    # what is open ends with the process


def _reply(answer: Any) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    uvloop.run(_serve())
