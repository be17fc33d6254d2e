"""Pieces to replies, each in a task of its own, through the targets or through S3: what ``threads`` is to threads."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from functools import partial
from typing import Any

from jina_v3_client._aws.sender import AsyncSender
from jina_v3_client._calls.drivers import drive_async
from jina_v3_client._calls.steps import Answer, Wait, Work
from jina_v3_client._calls.way import find_way
from jina_v3_client._clients.call import Call, Reply, closed, halves_after, read_reply
from jina_v3_client._clients.window import AsyncSlot, windowed_async
from jina_v3_client._routes.through_s3 import Step, ThroughS3, advance
from jina_v3_client._texts.pieces import Piece
from jina_v3_client.errors import JinaClientError
from jina_v3_client.routing.health import Routing
from jina_v3_client.routing.targets import Target
from jina_v3_client.settings import Settings
from jina_v3_client.transport import HttpResponse


class Tasks:
    """Answers pieces for many tasks of one event loop."""

    def __init__(self, sender: AsyncSender, routing: Routing, settings: Settings) -> None:
        self._sender = sender
        self._routing = routing
        self._settings = settings
        self._slots = asyncio.Semaphore(settings.concurrency)
        self._running: set[asyncio.Task[Any]] = set()
        self._is_closed = False

    async def replies(
        self, pieces: AsyncGenerator[Piece, None], call: Call, *, through: ThroughS3 | None = None
    ) -> AsyncGenerator[Reply, None]:
        """Yield the replies in order. **Raises**: what sending raises; an error of reading the pieces as it is."""
        answer = self._through_targets if through is None else partial(self._through_s3, through)
        size = self._settings.window if through is None else through.endpoint.in_flight
        async with (
            aclosing(pieces),
            aclosing(windowed_async(pieces, partial(self._run, answer, call), size=size)) as window,
        ):
            try:
                async for reply in window:
                    yield reply
            except asyncio.CancelledError:
                if self._is_closed and not _is_cancelled():
                    raise closed() from None
                raise

    async def aclose(self) -> None:
        """Give up what is in flight, and close the connections."""
        self._is_closed = True
        running = list(self._running)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        await self._sender.aclose()

    async def _run(self, answer: Callable[[Work, Call], Awaitable[Answer]], call: Call, piece: Piece) -> Reply:
        if self._is_closed:
            raise closed()
        task = asyncio.current_task()
        assert task is not None
        self._running.add(task)
        try:
            return await self._reply(answer, call, piece)
        finally:
            self._running.discard(task)

    async def _reply(self, answer: Callable[[Work, Call], Awaitable[Answer]], call: Call, piece: Piece) -> Reply:
        try:
            return read_reply(await answer(piece.work, call), piece)
        except JinaClientError as error:
            halves = halves_after(error, piece)
        left, right = halves
        return await self._reply(answer, call, left) + await self._reply(answer, call, right)

    async def _through_targets(self, work: Work, call: Call) -> Answer:
        async def send(target: Target, timeout_s: float) -> HttpResponse:
            return await self._sender.send(target, work, timeout_s)

        async with AsyncSlot(self._slots, call.deadline) as slot:
            way = find_way(work, self._routing, self._settings, deadline=call.deadline)
            return await drive_async(way, send, slot.rest)

    async def _through_s3(self, through: ThroughS3, work: Work, call: Call) -> Answer:
        errand = through.errand(work, call.deadline)
        steps = errand.steps()
        try:
            step = advance(steps, None)
            while not isinstance(step, Answer):
                step = advance(steps, await _do(step))
            return step
        finally:
            steps.close()
            await asyncio.shield(asyncio.to_thread(errand.clear_away))


def _is_cancelled() -> bool:
    """Say whether it is the caller's own task that is cancelled, and not just one that it waits for."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def _do(step: Step) -> object:
    if isinstance(step, Wait):
        await asyncio.sleep(step.seconds)
        return None
    calling = asyncio.ensure_future(asyncio.to_thread(step))
    try:
        return await asyncio.shield(calling)
    except asyncio.CancelledError:
        await asyncio.wait([calling])  # what it puts into S3 shall be there before it is cleared away
        raise
    except JinaClientError as error:
        return error
