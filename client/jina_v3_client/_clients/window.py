"""Some requests at a time, and what comes of them in the order of their making; knows nothing of texts or networks.

What is read, what is in flight and what is answered and not yet taken is never more than the window holds. Whatever
ends the iteration early, be it an error or its being closed, gives up all that is in flight.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
import time
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Generator, Iterable
from concurrent.futures import Future
from typing import Any, TypeVar

from jina_v3_client.errors import DeadlineError

Item = TypeVar("Item")
Result = TypeVar("Result")


class GivenUp(Exception):  # noqa: N818  # no error: nobody waits for what would have come
    """Whoever wanted the answer has gone."""


def windowed(
    items: Iterable[Item], start: Callable[[Item], Future[Result]], *, size: int
) -> Generator[Result, None, None]:
    """Yield what comes of each item, in order, with at most ``size`` items begun and not yet taken.

    An error of ``items`` ends all at once; that of an item comes where its result would have come.

    >>> list(windowed([1, 2, 3], lambda n: spawn(lambda: n * n), size=2))
    [1, 4, 9]
    """
    running: deque[Future[Result]] = deque()
    try:
        for item in items:
            running.append(start(item))
            if len(running) >= size or running[0].done():  # one for one: what is in flight does not run dry
                yield running.popleft().result()
        while running:
            yield running.popleft().result()
    finally:
        for future in running:
            future.cancel()


async def windowed_async(
    items: AsyncIterable[Item], start: Callable[[Item], Awaitable[Result]], *, size: int
) -> AsyncGenerator[Result, None]:
    """Yield what comes of each item as ``windowed`` does; each is a task, and is cancelled where nobody wants it."""
    running: deque[asyncio.Task[Result]] = deque()
    try:
        async for item in items:
            running.append(asyncio.ensure_future(start(item)))
            await asyncio.sleep(0)  # it goes off before the next one is read
            if len(running) >= size or running[0].done():
                yield await running.popleft()
        while running:
            yield await running.popleft()
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


def spawn(work: Callable[[], Result]) -> Future[Result]:
    """Do work in a thread of its own, with the caller's context variables.

    The thread is a daemon: a request that nobody waits for must not hold up the interpreter's end. A pool would save
    60 µs a request.

    >>> spawn(lambda: 6 * 7).result()
    42
    """
    future: Future[Result] = Future()
    context = contextvars.copy_context()
    threading.Thread(target=_fulfil, args=(future, context, work), name="jina-v3-client", daemon=True).start()
    return future


def _fulfil(future: Future[Any], context: contextvars.Context, work: Callable[[], Any]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        result = context.run(work)
    except BaseException as error:  # noqa: BLE001  # it is the waiting caller's to handle
        future.set_exception(error)
        del future  # the error's traceback has this frame: no cycle shall keep texts alive
    else:
        future.set_result(result)


class Slots:
    """How many requests may be in flight at a time, over all threads; who waits for one can be called off."""

    def __init__(self, count: int) -> None:
        self._free = count
        self._changed = threading.Condition()

    def take(self, given_up: threading.Event, deadline: float | None) -> None:
        """Wait for a slot, and take it.

        **Raises**: ``GivenUp``; ``DeadlineError`` where none was free in time.
        """
        left_s = None if deadline is None else min(max(0.0, deadline - time.monotonic()), threading.TIMEOUT_MAX)
        with self._changed:
            self._changed.wait_for(lambda: self._free > 0 or given_up.is_set(), left_s)
            if given_up.is_set():
                raise GivenUp
            if self._free == 0:
                raise _all_in_use()
            self._free -= 1

    def give(self) -> None:
        """Let the next one have the slot."""
        with self._changed:
            self._free += 1
            self._changed.notify()

    def call_off(self, given_up: threading.Event) -> None:
        """Wake those who wait for what is given up."""
        given_up.set()
        with self._changed:
            self._changed.notify_all()


class Slot:
    """A slot that is held while something is in flight, and left to others during a wait."""

    def __init__(self, slots: Slots, given_up: threading.Event, deadline: float | None) -> None:
        self._slots = slots
        self._given_up = given_up
        self._deadline = deadline
        self._is_held = False

    def __enter__(self) -> Slot:
        self._slots.take(self._given_up, self._deadline)
        self._is_held = True
        return self

    def __exit__(self, *_: object) -> None:
        if self._is_held:
            self._is_held = False
            self._slots.give()

    def rest(self, seconds: float) -> None:
        """Leave the slot for a while. **Raises**: ``GivenUp``, ``DeadlineError``."""
        self.__exit__()
        self._given_up.wait(seconds)
        self.__enter__()


class AsyncSlot:
    """What ``Slot`` is, for tasks: whoever waits for it is called off by being cancelled."""

    def __init__(self, slots: asyncio.Semaphore, deadline: float | None) -> None:
        self._slots = slots
        self._deadline = deadline
        self._is_held = False

    async def __aenter__(self) -> AsyncSlot:
        left_s = None if self._deadline is None else max(0.0, self._deadline - time.monotonic())
        try:
            async with asyncio.timeout(left_s):
                await self._slots.acquire()
        except TimeoutError:
            raise _all_in_use() from None
        self._is_held = True
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._is_held:
            self._is_held = False
            self._slots.release()

    async def rest(self, seconds: float) -> None:
        """Leave the slot for a while. **Raises**: ``DeadlineError``."""
        await self.__aexit__()
        await asyncio.sleep(seconds)
        await self.__aenter__()


def _all_in_use() -> DeadlineError:
    return DeadlineError(
        "the deadline passed before the request could be sent: all connections were in use",
        advice="raise concurrency or the deadline",
    )
