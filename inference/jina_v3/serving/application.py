"""The ASGI application: ``GET /ping``, ``POST /invocations``, and errors as JSON for everything else.

It knows HTTP and the handlers' signatures, and nothing of what bodies mean. Handlers run in threads, so that the event
loop never waits for them: reading and writing bodies in two, the model in one of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Final

from jina_v3.config import Config
from jina_v3.contract import ErrorCode
from jina_v3.errors import RequestError
from jina_v3.serving.context import RequestContext
from jina_v3.serving.error_body import write_error
from jina_v3.serving.faults import DeviceLostError, report_fault
from jina_v3.serving.program import Program

_log = logging.getLogger("jina_v3.access")

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_METHODS: Final = {"/ping": ("GET", "HEAD"), "/invocations": ("POST",)}
_DRAIN_FACTOR: Final = 4
"""A body beyond the limit is read on, and thrown away, up to this many times the limit: most clients read the answer
only after they have sent everything."""


class DisconnectedError(Exception):
    """The client went away before its request was whole."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A program with the model that its ``model_fn`` returned."""

    program: Program
    model: Any


@dataclass(slots=True)
class Application:
    """The service; ``loaded`` is None until the model is there.

    Once ``device_lost`` it answers nothing but 503, ``/ping`` too, so that SageMaker replaces it.
    """

    config: Config
    loaded: Loaded | None = None
    device_lost: bool = False
    _codecs: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(2, "codec"))
    _device: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "device"))

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            return
        started = time.perf_counter()
        context = RequestContext.from_scope(scope)
        try:
            body = await self._respond(context, receive)
        except RequestError as error:
            body = self._fail(context, error)
        except DisconnectedError:
            context.status = 499  # what others' logs call it; nobody is there to read it
            _log_request(context, 0, started)
            return
        except Exception as error:  # noqa: BLE001  a handler of the user's may raise anything
            body = self._fail(context, report_fault(error, context.request_id))
        await send({"type": "http.response.start", "status": context.status, "headers": context.head(len(body))})
        await send({"type": "http.response.body", "body": body})
        _log_request(context, len(body), started)

    def close(self) -> None:
        """Let the threads go; work that has not begun is dropped."""
        for pool in (self._codecs, self._device):
            pool.shutdown(wait=False, cancel_futures=True)

    def _fail(self, context: RequestContext, error: RequestError) -> bytes:
        if isinstance(error, DeviceLostError) and not self.device_lost:
            self.device_lost = True
            _log.critical(
                "the accelerator has failed; /ping is 503 from now on",
                extra={"fields": {"request_id": context.request_id}},
            )
        context.set_response_status(error.code.status)
        context.set_response_content_type(0, "application/json")
        return write_error(error, context.request_id)

    async def _respond(self, context: RequestContext, receive: Receive) -> bytes:
        methods = _METHODS.get(context.path)
        if methods is None:
            paths = list(_METHODS)
            raise RequestError(
                ErrorCode.NOT_FOUND,
                f"there is no such path; known are {', '.join(paths)}",
                field="path",
                value=context.path,
                allowed=paths,
            )
        if context.method not in methods:
            context.set_response_header(0, "Allow", ", ".join(methods))
            raise RequestError(
                ErrorCode.METHOD_NOT_ALLOWED,
                f"{context.path} takes {' and '.join(methods)}",
                field="method",
                value=context.method,
                allowed=list(methods),
            )
        if self.device_lost:
            raise DeviceLostError
        if self.loaded is None:
            raise RequestError(ErrorCode.NOT_READY, "the model is being loaded; ask /ping until it answers 200")
        if context.path == "/ping":
            return b'{"status":"ready"}'
        return await self._invoke(context, receive, self.loaded)

    async def _invoke(self, context: RequestContext, receive: Receive, loaded: Loaded) -> bytes:
        _refuse_content_encoding(context)
        body = await self._read_body(context, receive)
        context.request_bytes = len(body)
        loop, program = asyncio.get_running_loop(), loaded.program
        content_type = context.get_request_header(0, "content-type")
        data = await loop.run_in_executor(self._codecs, program.input_fn, body, content_type, context)
        accept = context.get_request_header(0, "accept")
        if program.check_accept is not None:
            data = program.check_accept(data, accept)
        prediction = await loop.run_in_executor(self._device, program.predict_fn, data, loaded.model, context)
        if isinstance(prediction, DeviceLostError):
            raise prediction
        context.texts, context.tokens = getattr(prediction, "texts", None), getattr(prediction, "tokens", None)
        result = await loop.run_in_executor(self._codecs, program.output_fn, prediction, accept, context)
        if isinstance(result, tuple):
            result, content_type = result
            context.set_response_content_type(0, str(content_type))
        return result.encode() if isinstance(result, str) else bytes(result)

    async def _read_body(self, context: RequestContext, receive: Receive) -> bytes:
        """Read the body, counting; a body that is too large is thrown away as it comes.

        **Raises**: ``RequestError`` (408, 413), ``DisconnectedError``.
        """
        limit = self.config.limits.max_body_bytes
        stated = context.get_request_header(0, "content-length") or ""
        size = int(stated) if stated.isascii() and stated.isdigit() and len(stated) < 19 else 0
        if size > limit and context.get_request_header(0, "expect"):
            raise _too_large(context, size, limit)  # the client waits for leave to send: none is given
        parts: list[bytes] = []
        try:
            async with asyncio.timeout(self.config.body_timeout_s):
                size = await _receive_parts(parts, receive, limit)
        except TimeoutError:
            context.set_response_header(0, "Connection", "close")
            raise RequestError(
                ErrorCode.BODY_TIMEOUT,
                f"the body was not sent within {self.config.body_timeout_s:g} s",
                field="body",
                allowed=f"{self.config.body_timeout_s:g} s",
            ) from None
        if size > limit:
            raise _too_large(context, size, limit)
        return b"".join(parts)


async def _receive_parts(parts: list[bytes], receive: Receive, limit: int) -> int:
    """Receive a body into ``parts`` and return its size; beyond the limit ``parts`` is left empty."""
    size, more = 0, True
    while more and size <= _DRAIN_FACTOR * limit:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise DisconnectedError
        part = message.get("body", b"")
        more = message.get("more_body", False)
        size += len(part)
        if size > limit:
            parts.clear()
        else:
            parts.append(part)
    return size


def _refuse_content_encoding(context: RequestContext) -> None:
    encoding = context.get_request_header(0, "content-encoding")
    if encoding and encoding.strip().lower() != "identity":
        raise RequestError(
            ErrorCode.UNSUPPORTED_MEDIA_TYPE,
            "bodies with a content encoding are not offered; send the body as it is",
            field="Content-Encoding",
            value=encoding,
            allowed=["identity"],
        )


def _too_large(context: RequestContext, size: int, limit: int) -> RequestError:
    context.set_response_header(0, "Connection", "close")
    return RequestError(
        ErrorCode.BODY_TOO_LARGE,
        f"the body is larger than {limit} bytes; send fewer texts a request",
        field="body",
        value=size,
        allowed=f"at most {limit} bytes",
    )


def _log_request(context: RequestContext, response_bytes: int, started: float) -> None:
    if context.path == "/ping" and context.status == 200:
        return  # every few seconds, for ever
    fields = {
        "request_id": context.request_id,
        "method": context.method,
        "path": context.path[:80],
        "status": context.status,
        "request_bytes": context.request_bytes,
        "response_bytes": response_bytes,
        "texts": context.texts,
        "tokens": context.tokens,
        "ms": round((time.perf_counter() - started) * 1000, 3),
    }
    with contextlib.suppress(OSError):  # standard output may be gone
        _log.info("request", extra={"fields": fields})
