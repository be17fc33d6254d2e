"""Closed and open loops of requests, over anything that sends one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

import numpy as np

from benchmarks.endpoint.figures import Sample

Clock = Callable[[], float]
Sleep = Callable[[float], Awaitable[None]]


class Sender(Protocol):
    """What carries a request: a connection."""

    def exchange(self, message: bytes, timeout_s: float = ...) -> Awaitable[tuple[int, bytes]]:
        """Send it and return the answer's status and body."""


class Answers:
    """The samples of a run, and the last body that came back for each message of ``keep``."""

    def __init__(self, messages: Sequence[bytes], keep: Sequence[int] = (), clock: Clock = time.perf_counter) -> None:
        self.messages = messages
        self.samples: list[Sample] = []
        self.bodies: dict[int, bytes] = {}
        self._keep = frozenset(keep)
        self._clock = clock
        self._started = clock()

    def now_s(self) -> float:
        """Return the seconds since the run began."""
        return self._clock() - self._started

    async def send(self, sender: Sender, number: int, intended_s: float | None = None) -> None:
        """Send the run's ``number``-th request and keep its times; it is due now unless ``intended_s`` says when."""
        message = number % len(self.messages)
        sent_s = self.now_s()
        status, body = await sender.exchange(self.messages[message])
        due_s = sent_s if intended_s is None else intended_s
        self.samples.append(Sample(due_s, sent_s, self.now_s(), status, message))
        if message in self._keep and status == 200:
            self.bodies[message] = body


async def run_closed(answers: Answers, senders: Sequence[Sender], requests: int) -> None:
    """Let each sender send its next request when its last is answered, until ``requests`` have been sent."""
    numbers = iter(range(requests))

    async def send_in_turn(sender: Sender) -> None:
        for number in numbers:
            await answers.send(sender, number)

    await asyncio.gather(*(send_in_turn(sender) for sender in senders))


async def run_open(
    answers: Answers, make_sender: Callable[[], Sender], arrivals_s: Sequence[float], sleep: Sleep = asyncio.sleep
) -> None:
    """Send a request at each arrival, whatever became of those before; latencies count from the arrival.

    A request takes a free sender or, where all are waiting for answers, a new one.
    """
    free: list[Sender] = []

    async def send_one(number: int, due_s: float) -> None:
        sender = free.pop() if free else make_sender()
        await answers.send(sender, number, due_s)
        free.append(sender)

    tasks = []
    for number, due_s in enumerate(arrivals_s):
        if (wait_s := due_s - answers.now_s()) > 0:
            await sleep(wait_s)
        tasks.append(asyncio.create_task(send_one(number, due_s)))
    await asyncio.gather(*tasks)


def poisson_arrivals(rate_s: float, duration_s: float, seed: int) -> list[float]:
    """Draw arrivals at ``rate_s`` a second up to ``duration_s``, at least one; the same seed draws the same."""
    gaps = np.random.default_rng(seed).exponential(1 / rate_s, max(1, int(rate_s * duration_s * 3) + 20))
    arrivals = np.cumsum(gaps)
    return [float(one) for one in arrivals[: max(1, int(np.searchsorted(arrivals, duration_s)))]]
