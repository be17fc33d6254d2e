"""One request to ``/invocations`` on its way: body, ``input_fn``, the model, ``output_fn``; whole, or as a stream.

A stream is a chain of generators. Whoever takes from one closes it, so that when the outermost is closed, which a
client that has gone causes, all of its work is dropped at once.

The handlers may be the user's. Ours are known to be quick with small bodies, and are then called on the spot.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from jina_v3.config import Config
from jina_v3.errors import RequestError
from jina_v3.serving.batching.submission import Submission
from jina_v3.serving.context import RequestContext
from jina_v3.serving.exchange import Prediction, Request, Result
from jina_v3.serving.faults import DeviceLostError, internal_error
from jina_v3.serving.formats.media_types import JSON_LINES, family
from jina_v3.serving.formats.writers import ResponseWriter
from jina_v3.serving.http.blocks import Block, Cutter, cut, cutter_for
from jina_v3.serving.http.body import Body
from jina_v3.serving.pool import EnginePool
from jina_v3.serving.program import Program, take_result

_INLINE_SIZE: Final = 32 * 1024
"""Bodies of so few bytes are read on the spot, and answers of so few values written: a thread takes longer to reach."""

_VALUES: Final = 1024
"""Of a text's vector, at the most."""

_PART_TEXTS: Final = 64
"""How many texts' vectors are sent together where an answer is streamed."""

_BLOCKS_AHEAD: Final = 4
"""How many blocks of a streamed body are worked on at once, which bounds what is in memory of it."""


@dataclass(frozen=True, slots=True)
class Service:
    """What serves: handlers, engines, and threads for whatever takes long."""

    config: Config
    program: Program
    pool: EnginePool
    threads: ThreadPoolExecutor


class Invocation:
    """One request; the context gets its answer's status and headers."""

    def __init__(self, service: Service, context: RequestContext, body: Body) -> None:
        self._config = service.config
        self._program = service.program
        self._pool = service.pool
        self._threads = service.threads
        self._context = context
        self._body = body
        self._accept = context.get_request_header(0, "accept")
        self._content_type = context.get_request_header(0, "content-type")

    async def answer(self) -> bytes | AsyncGenerator[bytes]:
        """Return the response's body, or an iterator over its parts.

        **Raises**: ``RequestError``, ``DisconnectedError``, and whatever a user's handler raises; so does the iterator.
        """
        if self._config.batch and (cutter := self._cutter()) is not None:
            blocks = cut(self._body.parts(), cutter)
            return self._stream(self._ahead(blocks, self._predict_block)) if self._pool.batches else self._pass(blocks)
        body = await self._body.whole()
        if not self._pool.batches:
            return await self._pool.invoke(body, self._content_type, self._accept, self._context)
        if self._config.batch and self._program.read_parts is not None:
            parts = self._program.read_parts(body, self._content_type, self._context)
            if parts is not None and not isinstance(parts, RequestError):
                return self._stream(self._ahead(self._in_thread(parts), self._predict))
        data = await self._call(self._program.input_fn, len(body), body, self._content_type, self._context)
        opened = self._open(data)
        if isinstance(opened, RequestError):
            data = opened
        elif opened is not None and family(opened.media_type) == JSON_LINES:
            parts = data.in_parts(_PART_TEXTS)
            if len(parts) > 1:
                return self._stream(self._predict_parts(parts))
        return await self._write(await self._predict(data))

    def _cutter(self) -> Cutter | None:
        """Return what cuts a body of records into blocks as it comes, unless our ``input_fn`` has a better way."""
        cutter = cutter_for(self._content_type)
        better = cutter is not None and cutter.quoted and self._program.read_parts is not None and self._pool.batches
        return None if better else cutter

    def _open(self, data: Any) -> ResponseWriter | RequestError | None:
        """Open the response before the model runs, so that a 406 costs nothing; None where ours does not write it."""
        if self._program.open_response is None or isinstance(data, RequestError):
            return None
        opened: ResponseWriter | RequestError | None
        opened = self._program.open_response(data, self._accept, self._context)
        return opened

    async def _pass(self, blocks: AsyncGenerator[Block]) -> AsyncGenerator[bytes]:
        """Yield what the handlers make of each block in the engines' processes."""

        async def invoke(block: Block) -> tuple[bytes, RequestContext]:
            context = self._context.of_block(block.first_line)
            return await self._pool.invoke(block.data, self._content_type, self._accept, context), context

        has_begun = False
        async with aclosing(self._ahead(blocks, invoke)) as answers:
            async for body, context in answers:
                if has_begun and context.status >= HTTPStatus.BAD_REQUEST:
                    raise internal_error()  # its status can no longer be said
                self._context.set_response_status(context.status)
                self._context.set_response_content_type(0, context.content_type)
                has_begun = True
                yield body

    async def _predict(self, data: Any) -> Any:
        """Do what ``predict_fn`` does, together with other requests."""
        if isinstance(data, RequestError):
            return data
        submission = await self._pool.submit(data.jobs, all_or_nothing=not data.answers_each)
        try:
            return self._counted(data, await submission.wait(), submission)
        finally:
            self._pool.cancel(submission)

    async def _predict_parts(self, parts: Sequence[Request]) -> AsyncGenerator[Any]:
        """Yield the predictions of a request's parts as their batches finish; before the first, all are checked."""
        jobs = [job for part in parts for job in part.jobs]
        submission = await self._pool.submit(jobs, all_or_nothing=not parts[0].answers_each)
        try:
            first = 0
            for part in parts:
                results = await submission.wait(first + len(part.jobs))
                yield self._counted(part, results[first:], submission)
                first = len(results)
        finally:
            self._pool.cancel(submission)

    async def _predict_block(self, block: Block) -> Any:
        """Pass a block through ``input_fn`` and the model."""
        context = self._context.of_block(block.first_line)
        data = await self._call(self._program.input_fn, len(block.data), block.data, self._content_type, context)
        return await self._predict(data)

    async def _in_thread(self, parts: Iterator[Any]) -> AsyncGenerator[Any]:
        """Yield what takes a while to read."""
        end = object()
        while (part := await self._run(next, parts, end)) is not end:
            yield part

    async def _ahead(
        self, blocks: AsyncGenerator[Any], work: Callable[[Any], Coroutine[Any, Any, Any]]
    ) -> AsyncGenerator[Any]:
        """Yield what becomes of each block, in order, while those after it are worked on."""
        working: deque[asyncio.Task[Any]] = deque()
        try:
            async with aclosing(blocks):
                async for block in blocks:
                    working.append(asyncio.create_task(work(block)))
                    if len(working) >= _BLOCKS_AHEAD:
                        yield await working.popleft()
            while working:
                yield await working.popleft()
        finally:
            for task in working:
                task.cancel()

    async def _stream(self, predictions: AsyncGenerator[Any]) -> AsyncGenerator[bytes]:
        """Yield the bytes of one response over several predictions."""
        writer: ResponseWriter | None = None
        async with aclosing(predictions):
            async for prediction in predictions:
                if isinstance(prediction, RequestError):
                    raise prediction
                if self._program.open_response is None:
                    yield await self._write(prediction)
                    continue
                if writer is None:
                    opened = self._open(prediction.request)
                    if opened is None or isinstance(opened, RequestError):
                        raise opened or internal_error()
                    writer = opened
                    self._context.set_response_content_type(0, writer.media_type)
                answer = prediction.request.answer(prediction.results)
                yield await self._run(writer.part, answer)
        if writer is not None:
            yield writer.end()

    async def _write(self, prediction: Any) -> bytes:
        """Pass a prediction through ``output_fn``; an error has one form, whoever writes the answers.

        **Raises**: ``RequestError``.
        """
        if isinstance(prediction, RequestError):
            raise prediction
        size = prediction.texts * _VALUES if isinstance(prediction, Prediction) else 0
        result = await self._call(self._program.output_fn, size, prediction, self._accept, self._context)
        return take_result(result, self._context)

    async def _call(self, handler: Callable[..., Any], size: int, *arguments: Any) -> Any:
        """Call a handler, in a thread if it may take long."""
        if size <= _INLINE_SIZE and self._program.is_quick(handler):
            return handler(*arguments)
        return await self._run(handler, *arguments)

    async def _run(self, function: Callable[..., Any], *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._threads, function, *arguments)

    def _counted(self, request: Request, results: Sequence[Result], submission: Submission) -> Prediction:
        """Return the prediction, and add its texts and tokens to what the log says of the request.

        **Raises**: ``DeviceLostError`` where the device has failed: no record is at fault, and none may say so.
        """
        for result in results:
            if isinstance(result, DeviceLostError):
                raise result
        prediction, context = Prediction(request, tuple(results)), self._context
        context.texts = (context.texts or 0) + prediction.texts
        context.tokens = (context.tokens or 0) + prediction.tokens
        self._pool.count(prediction)
        if context.queue_ms is None and submission.dispatched is not None:
            context.queue_ms = round((submission.dispatched - submission.submitted) * 1000, 3)
        return prediction
