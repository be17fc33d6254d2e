"""Who does the steps of a way: one driver for threads, one for an event loop; they differ in nothing else.

A hedge races its target. The loser of a race is cancelled, or, in a thread, abandoned: it ends within its own timeout,
and nobody looks at what it brings.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Executor, wait
from dataclasses import replace

from jina_v3_client._calls.steps import Answer, Ask, Outcome, Step, Wait, Way
from jina_v3_client.errors import JinaClientError
from jina_v3_client.routing.targets import Target
from jina_v3_client.transport import HttpResponse, TransportError

Send = Callable[[Target, float], HttpResponse]
"""Sends a way's work to a target, within so many seconds. **Raises**: ``TransportError``, ``JinaClientError``."""
AsyncSend = Callable[[Target, float], Awaitable[HttpResponse]]
Clock = Callable[[], float]


def drive(
    way: Way,
    send: Send,
    sleep: Callable[[float], object] = time.sleep,
    *,
    executor: Executor | None = None,
    clock: Clock = time.monotonic,
) -> Answer:
    """Do a way's steps in this thread.

    Hedges need an ``executor`` that has two threads for each caller; without one there are none.

    **Raises**: what the way raises.

    >>> from jina_v3_client._calls.steps import Work
    >>> from jina_v3_client._calls.way import find_way
    >>> from jina_v3_client.routing import Routing
    >>> from jina_v3_client.settings import Settings
    >>> way = find_way(Work(body=b"{}"), Routing("texts", Settings()), Settings())
    >>> drive(way, lambda target, timeout_s: HttpResponse(status=200, headers={}, body=b"{}")).attempts
    1
    """
    try:
        step = _advance(way, None)
        while not isinstance(step, Answer):
            step = _advance(way, _do(step, send, sleep, executor, clock))
        return step
    finally:
        way.close()


async def drive_async(
    way: Way,
    send: AsyncSend,
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    *,
    clock: Clock = time.monotonic,
) -> Answer:
    """Do a way's steps in this task; when it is cancelled, so is what it has under way.

    **Raises**: what the way raises.
    """
    try:
        step = _advance(way, None)
        while not isinstance(step, Answer):
            step = _advance(way, await _do_async(step, send, sleep, clock))
        return step
    finally:
        way.close()


def _advance(way: Way, outcomes: list[Outcome] | None) -> Step | Answer:
    try:
        return next(way) if outcomes is None else way.send(outcomes)
    except StopIteration as end:
        answer: Answer = end.value
        return answer


def _do(
    step: Step, send: Send, sleep: Callable[[float], object], executor: Executor | None, clock: Clock
) -> list[Outcome]:
    if isinstance(step, Wait):
        sleep(step.seconds)
        return []
    if step.hedge is None or executor is None:
        return [_ask(send, step.target, step.timeout_s, clock)]
    return _race(step, step.hedge, send, executor, clock)


def _ask(send: Send, target: Target, timeout_s: float, clock: Clock) -> Outcome:
    began = clock()
    result: HttpResponse | TransportError | JinaClientError
    try:
        result = send(target, timeout_s)
    except (TransportError, JinaClientError) as error:
        result = error
    return Outcome(target=target, result=result, seconds=clock() - began)


def _race(ask: Ask, hedge: Target, send: Send, executor: Executor, clock: Clock) -> list[Outcome]:
    runners = [executor.submit(_ask, send, ask.target, ask.timeout_s, clock)]
    try:
        if not wait(runners, timeout=ask.hedge_after_s).done:
            runners.append(executor.submit(_ask, send, hedge, ask.timeout_s - ask.hedge_after_s, clock))
            wait(runners, return_when=FIRST_COMPLETED)
            if not any(_is_whole(runner.result()) for runner in runners if runner.done()):
                wait(runners)
        return _told(ask, hedge, [runner.result() if runner.done() else None for runner in runners])
    finally:
        for runner in runners:
            runner.cancel()


async def _do_async(
    step: Step, send: AsyncSend, sleep: Callable[[float], Awaitable[object]], clock: Clock
) -> list[Outcome]:
    if isinstance(step, Wait):
        await sleep(step.seconds)
        return []
    if step.hedge is None:
        return [await _ask_async(send, step.target, step.timeout_s, clock)]
    return await _race_async(step, step.hedge, send, clock)


async def _ask_async(send: AsyncSend, target: Target, timeout_s: float, clock: Clock) -> Outcome:
    began = clock()
    result: HttpResponse | TransportError | JinaClientError
    try:
        result = await send(target, timeout_s)
    except (TransportError, JinaClientError) as error:
        result = error
    return Outcome(target=target, result=result, seconds=clock() - began)


async def _race_async(ask: Ask, hedge: Target, send: AsyncSend, clock: Clock) -> list[Outcome]:
    runners = [asyncio.ensure_future(_ask_async(send, ask.target, ask.timeout_s, clock))]
    try:
        done, _ = await asyncio.wait(runners, timeout=ask.hedge_after_s)
        if not done:
            left_s = ask.timeout_s - ask.hedge_after_s
            runners.append(asyncio.ensure_future(_ask_async(send, hedge, left_s, clock)))
            await asyncio.wait(runners, return_when=asyncio.FIRST_COMPLETED)
            if not any(_is_whole(runner.result()) for runner in runners if runner.done()):
                await asyncio.wait(runners)
        return _told(ask, hedge, [runner.result() if runner.done() else None for runner in runners])
    finally:
        for runner in runners:
            runner.cancel()
        await asyncio.gather(*runners, return_exceptions=True)


def _told(ask: Ask, hedge: Target, outcomes: Iterable[Outcome | None]) -> list[Outcome]:
    """Return what ended; where one runner did not, the other one's outcome says so."""
    asked = [ask.target, hedge]
    pairs = list(zip(asked, outcomes, strict=False))
    lost = [target for target, outcome in pairs if outcome is None]
    return [replace(outcome, abandoned=lost[0] if lost else None) for _, outcome in pairs if outcome is not None]


def _is_whole(outcome: Outcome) -> bool:
    return isinstance(outcome.result, HttpResponse) and outcome.result.status == 200
