"""The ways in which a request ends before its answer: its time is up, its client has gone, or the server must end."""

from __future__ import annotations

import asyncio
import contextlib
from types import TracebackType

from jina_v3.contract import ErrorCode
from jina_v3.errors import RequestError
from jina_v3.serving.http.asgi import Receive


class DisconnectedError(Exception):
    """The client has gone; nobody is there to answer."""


class Interruption:
    """A block of a request's task that ends early, wherever it waits, when its time is up or its client has gone.

    ``running`` holds those whose blocks have not ended; whoever has it may ``end`` them too.

    **Units**: seconds.

    **Raises**: at the end of the block, ``DisconnectedError``, ``RequestError`` (503, deadline_exceeded), or the error
    that it was ended with.
    """

    def __init__(self, receive: Receive, timeout_s: float, running: set[Interruption]) -> None:
        self._receive = receive
        self._timeout_s = timeout_s
        self._running = running
        self._reason: Exception | None = None
        self._watching: asyncio.Task[None] | None = None

    def __enter__(self) -> Interruption:
        task = asyncio.current_task()
        assert task is not None
        self._task = task
        self._timer = asyncio.get_running_loop().call_later(self._timeout_s, self._time_is_up)
        self._running.add(self)
        return self

    def watch(self) -> None:
        """Watch for the client's going, once its body has been read; until then reading it would tell."""
        self._watching = asyncio.create_task(self._watch())

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._running.discard(self)
        self._timer.cancel()
        if self._watching is not None:
            self._watching.cancel()
        if kind is asyncio.CancelledError and self._reason is not None:
            self._task.uncancel()
            raise self._reason from None

    async def _watch(self) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            while (await self._receive())["type"] != "http.disconnect":
                pass
            self.end(DisconnectedError())

    def _time_is_up(self) -> None:
        self.end(
            RequestError(
                ErrorCode.DEADLINE_EXCEEDED,
                f"the request was not finished within {self._timeout_s:g} s; send fewer texts a request, or use an "
                "asynchronous endpoint or batch transform",
                field="body",
                value=None,
                allowed=f"{self._timeout_s:g} s",
            )
        )

    def end(self, reason: Exception) -> None:
        """End the block with that error, unless it is ending already."""
        if self._reason is None:
            self._reason = reason
            self._task.cancel()
