"""Targets that answer by a script, and clients that ask them, in simulated time."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from jina_v3_client._calls.drivers import drive_async
from jina_v3_client._calls.steps import Answer, Work
from jina_v3_client._calls.way import find_way
from jina_v3_client.errors import JinaClientError
from jina_v3_client.routing import Choice, Routing
from jina_v3_client.routing.targets import Target
from jina_v3_client.settings import Settings
from jina_v3_client.transport import HttpResponse, TransportError

Result = HttpResponse | TransportError | JinaClientError
Script = Callable[[Target, float], tuple[float, Result]]
"""Says what a request to a target at a time becomes, and after how many seconds."""
WORK = Work(body=b"{}")


@dataclass(frozen=True)
class Sent:
    at: float
    target: Target
    timeout_s: float
    flying: int  # to the same target, this one among them


@dataclass
class World:
    """Clients of one policy against scripted targets; ``sent`` is what arrived at these, in order."""

    script: Script
    policy: Choice
    settings: Settings = field(default_factory=Settings)
    seed: int = 0
    sent: list[Sent] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.routing = Routing(self.policy, self.settings)
        self.random = random.Random(self.seed).random
        self.flying: Counter[Target] = Counter()

    async def send(self, target: Target, timeout_s: float) -> HttpResponse:
        now = asyncio.get_running_loop().time()
        seconds, result = self.script(target, now)
        self.flying[target] += 1
        self.sent.append(Sent(now, target, timeout_s, self.flying[target]))
        try:
            await asyncio.sleep(min(seconds, timeout_s))
        finally:
            self.flying[target] -= 1
        if seconds > timeout_s:
            raise TransportError("timeout", f"no answer in {timeout_s:g} s")
        if isinstance(result, Exception):
            raise result
        return result

    async def call(self, work: Work = WORK, deadline_s: float | None = None) -> Answer:
        clock = asyncio.get_running_loop().time
        deadline = None if deadline_s is None else clock() + deadline_s
        way = find_way(work, self.routing, self.settings, deadline=deadline, clock=clock, random=self.random)
        return await drive_async(way, self.send, clock=clock)

    async def try_call(self, work: Work = WORK, deadline_s: float | None = None) -> Answer | JinaClientError:
        try:
            return await self.call(work, deadline_s)
        except JinaClientError as error:
            return error

    async def calls(self, count: int, *, concurrency: int, works: Iterable[Work] | None = None) -> list[Any]:
        """Make calls, so many at a time, and return what each came to."""
        waiting = iter(works or (WORK for _ in range(count)))
        ended: list[Any] = []

        async def one_after_the_other() -> None:
            for work in waiting:
                ended.append(await self.try_call(work))  # noqa: PERF401  # each as soon as it ends

        await asyncio.gather(*(one_after_the_other() for _ in range(concurrency)))
        return ended

    def asked(self, target: Target) -> list[Sent]:
        return [sent for sent in self.sent if sent.target == target]


def always(result: Result, seconds: float = 0.1) -> Script:
    return lambda _target, _now: (seconds, result)


def by_target(**scripts: Script) -> Script:
    return lambda target, now: scripts[target.name](target, now)


def until(time_s: float, before: Script, after: Script) -> Script:
    return lambda target, now: (before if now < time_s else after)(target, now)
