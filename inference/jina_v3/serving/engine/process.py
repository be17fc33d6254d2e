"""The server's handle on one engine process: starts it, calls it, and knows at once when it is gone."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from jina_v3.serving.context import RequestContext
from jina_v3.serving.engine.messages import (
    Encode,
    Encoded,
    Failed,
    Invoke,
    Invoked,
    ModelDescription,
    NotLoaded,
    Ready,
    read_message,
    to_frame,
)
from jina_v3.tokens.sequences import TokenBatch

_log = logging.getLogger("jina_v3.engine")

_READ_AHEAD_BYTES: Final = 4 * 2**20
_END_S: Final = 2.0


class EngineLostError(Exception):
    """The process, or its device, is gone; nothing more will come from it."""


class CallFailedError(Exception):
    """One call failed in the process, which has logged why; the next may succeed."""


class NotLoadedError(Exception):
    """The process could not load the model; ``fields`` is what the log says of it."""

    def __init__(self, fields: Mapping[str, Any]) -> None:
        super().__init__(str(fields))
        self.fields = fields


class EngineProcess:
    """One engine process. ``lost`` is called once, when it is gone without having been asked to end.

    **Units**: ``timeout_s`` is how long one batch may take before the device counts as hanging.
    """

    def __init__(self, number: int, timeout_s: float, lost: Callable[[EngineProcess], None]) -> None:
        self.number = number
        self.is_lost = False
        self._timeout_s = timeout_s
        self._lost = lost
        self._calls: dict[int, asyncio.Future[Any]] = {}
        self._last_number = 0
        self._ending = False
        self._process: subprocess.Popen[bytes] | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._reading: asyncio.Task[None] | None = None

    @property
    def in_flight(self) -> int:
        """How many calls have not been answered."""
        return len(self._calls)

    @property
    def pid(self) -> int | None:
        """The process's id."""
        return self._process.pid if self._process else None

    async def start(self, environment: Mapping[str, str]) -> ModelDescription | None:
        """Start the process and wait until its model is loaded and warm; return what it says of it.

        **Raises**: ``NotLoadedError``; ``EngineLostError`` where the process ended without a word.
        """
        ours, theirs = socket.socketpair()
        with theirs:
            command = [sys.executable, "-m", "jina_v3.serving.engine", str(theirs.fileno()), str(self.number)]
            self._process = subprocess.Popen(  # noqa: S603  ourselves
                command, env=dict(environment), pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL
            )
        ours.setblocking(False)
        reader, self._writer = await asyncio.open_unix_connection(sock=ours, limit=_READ_AHEAD_BYTES)
        try:
            first = await read_message(reader)
        except (asyncio.IncompleteReadError, OSError):
            self.is_lost = True
            raise EngineLostError(f"engine {self.number} ended while it loaded; {await self._status()}") from None
        if isinstance(first, NotLoaded):
            raise NotLoadedError(first.fields)
        assert isinstance(first, Ready)
        self._reading = asyncio.create_task(self._read(reader))
        return first.model

    async def encode(self, batch: TokenBatch) -> Encoded:
        """Run one batch.

        **Raises**: ``CallFailedError``, ``EngineLostError``.
        """
        answer = await self._call(lambda number: to_frame(Encode(number, batch)))
        assert isinstance(answer, Encoded)
        return answer

    async def invoke(
        self, body: bytes, content_type: str | None, accept: str | None, context: RequestContext
    ) -> Invoked:
        """Pass a request through the handlers.

        **Raises**: ``CallFailedError``, ``EngineLostError``.
        """
        answer = await self._call(lambda number: to_frame(Invoke(number, body, content_type, accept, context)))
        assert isinstance(answer, Invoked)
        return answer

    async def end(self) -> None:
        """End the process: it goes when its socket closes, and is killed if it does not."""
        self._ending = True
        if self._writer is not None:
            self._writer.close()
        if self._process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                await asyncio.to_thread(self._process.wait, _END_S)
            self._process.kill()
            await self._status()
        if self._reading is not None:
            await asyncio.wait([self._reading])  # it may have to tell the log of a process that was lost just now

    def kill(self) -> None:
        """Kill the process, whatever it does."""
        if self._process is not None:
            self._process.kill()

    async def _call(self, frame: Callable[[int], bytes]) -> Any:
        if self.is_lost or self._writer is None:
            raise EngineLostError
        self._last_number += 1
        number, loop = self._last_number, asyncio.get_running_loop()
        data = frame(number)
        answer = self._calls[number] = loop.create_future()
        timer = loop.call_later(self._timeout_s, self._give_up, number)
        try:
            self._writer.write(data)
            return await answer
        finally:
            timer.cancel()
            self._calls.pop(number, None)

    def _give_up(self, number: int) -> None:
        _log.critical(
            "the device hangs: a batch has not come back; its process is killed",
            extra={"fields": {"engine": self.number, "batch": number, "timeout_s": self._timeout_s}},
        )
        self.kill()  # which ends the read below

    async def _read(self, reader: asyncio.StreamReader) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, OSError):
            while True:
                message = await read_message(reader)
                call = self._calls.get(message.number)
                if call is None or call.done():
                    continue
                if isinstance(message, Failed):
                    call.set_exception(EngineLostError() if message.lost else CallFailedError())
                    if message.lost:
                        break
                else:
                    call.set_result(message)
        await self._close()

    async def _close(self) -> None:
        """Tell everybody who waits that nothing more will come."""
        self.is_lost = True
        for call in self._calls.values():
            if not call.done():
                call.set_exception(EngineLostError())
        if not self._ending:
            self.kill()
            self._lost(self)
            _log.critical(
                "an engine is gone; /ping is 503 from now on",
                extra={"fields": {"engine": self.number, "ended": await self._status()}},
            )

    async def _status(self) -> str:
        """Wait until the process has ended, and say how; a device that hangs can hold it even when it is killed."""
        assert self._process is not None
        try:
            status = await asyncio.to_thread(self._process.wait, _END_S)
        except subprocess.TimeoutExpired:
            return "not yet"
        return f"signal {-status}" if status < 0 else f"exit status {status}"


def engine_environments(
    environment: Mapping[str, str], engines: int | None, device: str | None
) -> list[dict[str, str]]:
    """Return the environment of each engine process: one for every GPU that is visible, each seeing only its own.

    Where there are GPUs, CUDA is asked for by name: with a driver that torch cannot use the start fails and says so,
    instead of an endpoint that works, slowly, on the CPU. On the CPU there is one engine, unless ``engines`` says
    otherwise; several share the cores.
    """
    gpus = [] if device == "cpu" or (device or "").startswith("cuda:") else _visible_gpus(environment)
    count = engines or max(1, len(gpus))
    if gpus:
        own = ({"CUDA_VISIBLE_DEVICES": gpus[index % len(gpus)], "JINA_V3_DEVICE": "cuda"} for index in range(count))
        return [{**environment, **one} for one in own]
    if count == 1 or "OMP_NUM_THREADS" in environment:
        return [dict(environment) for _ in range(count)]
    threads = max(1, len(os.sched_getaffinity(0)) // count)
    return [{**environment, "OMP_NUM_THREADS": str(threads)} for _ in range(count)]


def _visible_gpus(environment: Mapping[str, str]) -> list[str]:
    """Return the names under which CUDA knows the GPUs, without asking CUDA: the server loads none of it.

    **Source**: CUDA C++ Programming Guide, ``CUDA_VISIBLE_DEVICES``; ``/dev/nvidiaN`` as the driver makes them.
    """
    chosen = environment.get("CUDA_VISIBLE_DEVICES")
    if chosen is not None:
        return [name.strip() for name in chosen.split(",") if name.strip() and name.strip() != "-1"]
    found = [path for path in Path("/dev").glob("nvidia*") if path.name.removeprefix("nvidia").isdigit()]
    return [str(index) for index in range(len(found))]
