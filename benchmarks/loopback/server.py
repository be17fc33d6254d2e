"""The process behind ``LoopbackEndpoint``: commands come as lines of JSON on standard input, each is answered by one.

The first are the settings, answered by the ports; the process ends with its input.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter
from collections.abc import Mapping
from typing import Any

import uvloop

from benchmarks.loopback.connection import Connection
from benchmarks.loopback.faults import Fault, Faults
from benchmarks.loopback.hosting import Hosting, Pace, Router, read_hosted
from benchmarks.loopback.service import Service


class Doors:
    """The sockets that are listened on: "" for all regions, and one for each."""

    def __init__(self, service: Service) -> None:
        self.ports: dict[str, int] = {}
        self._service = service
        self._servers: dict[str, asyncio.Server] = {}

    async def open(self, name: str) -> None:
        """Listen, at the same port as before."""
        if name not in self._servers:
            server = await asyncio.get_running_loop().create_server(
                lambda: Connection(self._service, name), "127.0.0.1", self.ports.get(name, 0), backlog=1024
            )
            self._servers[name] = server
            self.ports[name] = server.sockets[0].getsockname()[1]

    def close(self, name: str) -> None:
        """Listen no more; connections stay."""
        if name in self._servers:
            self._servers.pop(name).close()


class Console:
    """What the commands do."""

    def __init__(self, service: Service, doors: Doors) -> None:
        self._service, self._doors = service, doors

    async def obey(self, command: dict[str, Any]) -> Any:
        """Do a command and return what came of it."""
        done = getattr(self, f"_{command.pop('do')}")(**command)
        return await done if asyncio.iscoroutine(done) else done

    def _inject(self, faults: list[dict[str, Any]]) -> None:
        for fault in faults:
            self._service.faults.inject(Fault(**fault))

    def _heal(self) -> None:
        self._service.faults.heal()
        self._service.clocks.clear()

    async def _die(self, region: str | None) -> None:
        for door in self._doors.ports if region is None else [region]:
            self._service.dead.add(door)
            self._doors.close(door)
        dying = {each for each in self._service.connections if region in (None, each.region)}
        for connection in dying:
            connection.reset()
        while dying & self._service.connections:
            await asyncio.sleep(0)

    async def _revive(self, region: str | None) -> None:
        for door in self._doors.ports if region is None else [region]:
            self._service.dead.discard(door)
            await self._doors.open(door)

    async def _close_idle(self) -> int:
        idle = {each for each in self._service.connections if not each.busy}
        for each in idle:
            each.close()
        while idle & self._service.connections:
            await asyncio.sleep(0)
        return len(idle)

    def _set_clock(self, offset_s: float, region: str | None) -> None:
        self._service.clocks[region] = offset_s

    def _set_pace(self, pace: dict[str, Any] | None) -> None:
        self._service.hosting.set_pace(None if pace is None else Pace(**pace))

    def _expire(self, access_key: str) -> None:
        self._service.tokens[access_key] = ""

    def _answered(self, region: str | None) -> Mapping[str, int]:
        answered = self._service.answered
        chosen = answered.values() if region is None else [answered.get(region, Counter())]
        return sum(chosen, Counter())

    def _asked(self) -> list[dict[str, Any]]:
        return list(self._service.asked)

    def _totals(self) -> dict[str, int]:
        names = ("connections", "requests", "texts", "refused", "at_once")
        return {name: self._service.totals[name] for name in names} | {"open": len(self._service.connections)}

    def _forget(self) -> None:
        self._service.asked.clear()
        self._service.answered.clear()
        self._service.totals.clear()


async def _serve() -> None:
    commands = asyncio.StreamReader(limit=2**26)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    settings = json.loads(await commands.readline())
    hosted = [read_hosted(one) for one in settings["hosted"]]
    routers = [Router(**one) for one in settings["routers"]]
    service = Service(Hosting(hosted, routers), Faults(settings["seed"]), settings)
    doors = Doors(service)
    for name in ["", *sorted(service.hosting.regions)]:
        await doors.open(name)
    _say(doors.ports)
    console = Console(service, doors)
    while line := await commands.readline():
        _say(await console.obey(json.loads(line)))


def _say(answer: Any) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    uvloop.run(_serve())
