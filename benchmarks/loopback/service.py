"""What the runtime does with a request: check who signed it, let faults happen, answer, and keep a record."""

from __future__ import annotations

import asyncio
import uuid
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from email.utils import formatdate
from typing import Any, Final

from benchmarks.loopback import wire
from benchmarks.loopback.connection import Connection, Head
from benchmarks.loopback.faults import Fault, Faults, Place, container_error, service_error
from benchmarks.loopback.hosting import Hosting, NobodyError, place_of
from benchmarks.loopback.signing import SignatureError, region_of, verify

_JOURNAL: Final = 50_000  # requests
_NOT_WHOLE: Final = ("cut", "wrong_length", "lose_item", "garble")


class Service:
    """The runtime of all regions; ``dead`` regions break what is sent to them."""

    def __init__(self, hosting: Hosting, faults: Faults, settings: Mapping[str, Any]) -> None:
        self.hosting, self.faults = hosting, faults
        self.secrets: dict[str, str] = settings["secrets"]
        self.tokens: dict[str, str] = settings["tokens"]
        self.dead: set[str] = set()
        self.clocks: dict[str | None, float] = {}
        self.connections: set[Connection] = set()
        self.asked: deque[dict[str, Any]] = deque(maxlen=_JOURNAL)
        self.answered: dict[str, Counter[str]] = {}
        self.totals: Counter[str] = Counter()
        self._verify, self._journal = settings["verify"], settings["journal"]

    def opened(self, connection: Connection) -> int:
        """Take note of a connection."""
        self.connections.add(connection)
        self.totals["connections"] += 1
        return self.totals["connections"]

    def closed(self, connection: Connection) -> None:
        """Take note of its end."""
        self.connections.discard(connection)

    def lets_in(self, connection: Connection, head: Head) -> bool:
        """Break connections of which not even the body shall be read."""
        connection.region = region_of(head.headers) or connection.door
        place = place_of(connection.region, head.path, head.headers)
        if connection.region in self.dead or self.faults.meet(place, at_head=True) is not None:
            connection.reset()
            return False
        return True

    def answer(self, connection: Connection, head: Head, body: bytes) -> None:
        """Answer a request, as it must be or as faults want it."""
        self.totals["requests"] += 1
        self.totals["at_once"] = max(self.totals["at_once"], sum(each.busy for each in self.connections))
        if self._verify:
            try:
                now = self._now(connection.region)
                verify(head.path, head.headers, body, secrets=self.secrets, tokens=self.tokens, now=now)
            except SignatureError as error:
                self.totals["refused"] += 1
                self._send(connection, service_error(403, error.code, str(error)))
                return
        place = place_of(connection.region, head.path, head.headers)
        fault = self.faults.meet(place, at_head=False)
        if fault is not None and fault.kind == "abort":
            connection.reset()
        elif fault is None or fault.kind != "hang":
            self._answer_later(connection, head, body, place, fault)

    def _answer_later(self, connection: Connection, head: Head, body: bytes, place: Place, fault: Fault | None) -> None:
        texts: Sequence[str] = ()
        when = asyncio.get_running_loop().time()
        if fault is not None and fault.kind == "respond":
            made, payload = fault, fault.body.encode()
        else:
            try:
                place = self.hosting.find(place, head.headers.get("x-amzn-sagemaker-routing-target-name"), self.dead)
                answer = wire.answer(body, head.headers.get("content-type", ""), head.headers.get("accept", ""))
            except (NobodyError, wire.ContainerError) as error:
                made = _refusal(error)
                payload = made.body.encode()
            else:
                texts = answer.texts
                when = self.hosting.busy_until(place, len(texts), when)
                made, payload = _right_answer(place, answer), _payload(answer, fault)

        def send() -> None:
            self._record(connection, head, place, texts, 0 if fault and fault.kind in _NOT_WHOLE else made.status)
            self._send(connection, made, payload, fault)

        connection.send_at(when + (0.0 if fault is None else fault.delay_s), send)

    def _record(self, connection: Connection, head: Head, place: Place, texts: Sequence[str], status: int) -> None:
        if status:
            self.totals["texts"] += len(texts)
        if not self._journal:
            return
        if status:
            self.answered.setdefault(place.region, Counter()).update(texts)
        more = {"connection": connection.number, "texts": len(texts), "status": status, "headers": dict(head.headers)}
        self.asked.append(asdict(place) | more)

    def _send(
        self, connection: Connection, made: Fault, payload: bytes | None = None, fault: Fault | None = None
    ) -> None:
        payload = made.body.encode() if payload is None else payload
        kind = None if fault is None else fault.kind
        length = len(payload) + (fault.length_by if fault is not None else 0)
        headers = {
            "x-amzn-RequestId": str(uuid.uuid4()),
            "Date": formatdate(self._now(connection.region).timestamp(), usegmt=True),
            "Content-Type": "application/json",
        } | made.headers
        sent = payload[: len(payload) // 2] if kind == "cut" else payload
        connection.send(made.status, headers, sent, length=length)
        if kind in ("cut", "close_after"):
            connection.close()

    def _now(self, region: str) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=self.clocks.get(region, self.clocks.get(None, 0.0)))


def _refusal(error: NobodyError | wire.ContainerError) -> Fault:
    return error.fault if isinstance(error, NobodyError) else container_error(error.status, error.body().decode())


def _right_answer(place: Place, answer: wire.ContainerAnswer) -> Fault:
    headers = {"Content-Type": answer.content_type}
    if place.variant is not None:
        headers["x-Amzn-Invoked-Production-Variant"] = place.variant
    return Fault(kind="respond", headers=headers)


def _payload(answer: wire.ContainerAnswer, fault: Fault | None) -> bytes:
    match None if fault is None else fault.kind:
        case "lose_item":
            answer.items.pop()
        case "reverse_items":
            answer.items.reverse()
        case "garble":
            return b'{"data": ['
    return answer.body()
