"""The ASGI application: paths, and errors as JSON whatever happens."""

from __future__ import annotations

import contextlib
import logging
import time
from dataclasses import dataclass, field
from typing import Final

import orjson

from jina_v3.config import Config
from jina_v3.contract import ErrorCode
from jina_v3.errors import RequestError
from jina_v3.serving.context import RequestContext
from jina_v3.serving.error_body import write_error
from jina_v3.serving.faults import DeviceLostError, OverloadedError, report_fault
from jina_v3.serving.http.asgi import Message, Receive, Send
from jina_v3.serving.http.body import Body, Held
from jina_v3.serving.http.interruption import DisconnectedError, Interruption
from jina_v3.serving.http.invocation import Invocation, Service
from jina_v3.serving.http.reply import Reply
from jina_v3.serving.metrics import CONTENT_TYPE, Metrics

_log = logging.getLogger("jina_v3.access")

_METHODS: Final = {
    "/ping": ("GET", "HEAD"),
    "/invocations": ("POST",),
    "/execution-parameters": ("GET",),
    "/metrics": ("GET",),
}

_BODIES_IN_MEMORY: Final = 16
"""How many bodies of the largest size may be in memory together, in whatever number of requests."""

_CLIENT_GONE: Final = 499
"""What others' logs call it; nobody is there to read it."""


@dataclass(slots=True)
class Application:
    """The service; ``service`` is None until the model is there and warm."""

    config: Config
    metrics: Metrics = field(default_factory=Metrics)
    service: Service | None = None
    _held: Held = field(init=False)
    _running: set[Interruption] = field(default_factory=set, init=False)
    _has_given_up: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        self._held = Held(_BODIES_IN_MEMORY * self.config.limits.max_body_bytes)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            return
        started = time.perf_counter()
        context = RequestContext.from_scope(scope)
        reply = Reply(context, send)
        try:
            if context.path == "/invocations" and context.method == "POST":
                await self._invoke(context, receive, reply)
            else:
                await reply.whole(self._look(context))
        except DisconnectedError:
            context.status = _CLIENT_GONE
        except Exception as error:  # noqa: BLE001  a handler of the user's may raise anything
            known = error if isinstance(error, RequestError) else report_fault(error, context.request_id)
            if reply.begun:
                self._cut_off(reply, context, known)
            else:
                await reply.whole(self._fail(context, known))
        self._log(context, reply.sent_bytes, time.perf_counter() - started)

    def give_up(self) -> None:
        """End the requests that are still running, for the server must end, and begin no other."""
        self._has_given_up = True
        for interruption in tuple(self._running):
            interruption.end(_ending())

    def _look(self, context: RequestContext) -> bytes:
        """Answer what needs no model."""
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
        if context.path == "/metrics":
            context.set_response_content_type(0, CONTENT_TYPE)
            return self.metrics.write()
        if context.path == "/execution-parameters":
            return orjson.dumps(self._execution_parameters())
        if self._ready().pool.is_damaged:
            raise DeviceLostError
        return b'{"status":"ready"}'

    async def _invoke(self, context: RequestContext, receive: Receive, reply: Reply) -> None:
        service = self._ready()
        length = context.get_request_header(0, "content-length") or ""
        service.pool.refuse_if_full(int(length) if length.isascii() and length.isdigit() and len(length) < 12 else 0)
        with Interruption(receive, self.config.request_timeout_s, self._running) as interruption:
            body = Body(context, receive, self.config, self._held, interruption.watch)
            with contextlib.closing(body):
                answer = await Invocation(service, context, body).answer()
                if not isinstance(answer, bytes):
                    async with contextlib.aclosing(answer):  # at once, not when its garbage is collected
                        await reply.stream(answer)
        if isinstance(answer, bytes):
            await reply.whole(answer)
        else:
            await reply.end()

    def _ready(self) -> Service:
        if self._has_given_up:
            raise _ending()
        if self.service is None:
            raise RequestError(ErrorCode.NOT_READY, "the model is being loaded; ask /ping until it answers 200")
        return self.service

    def _execution_parameters(self) -> dict[str, object]:
        """Say what a transform job may leave to the container; what the job has set comes back."""
        return {
            "MaxConcurrentTransforms": self.config.max_concurrent_transforms,
            "BatchStrategy": self.config.batch_strategy,
            "MaxPayloadInMB": self.config.max_payload_mb,
        }

    def _fail(self, context: RequestContext, error: RequestError) -> bytes:
        if isinstance(error, OverloadedError):
            context.set_response_header(0, "Retry-After", str(error.retry_after_s))
        context.set_response_status(error.code.status)
        context.set_response_content_type(0, "application/json")
        return write_error(error, context.request_id)

    def _cut_off(self, reply: Reply, context: RequestContext, error: RequestError) -> None:
        """Say in the log why a response ends before its end; uvicorn then closes the connection, and all can tell."""
        fields = {"request_id": context.request_id, "response_bytes": reply.sent_bytes, "code": error.code.wire_name}
        _log.error("a response was cut off", extra={"fields": fields})

    def _log(self, context: RequestContext, response_bytes: int, seconds: float) -> None:
        if context.path == "/invocations":
            self.metrics.request_ended(context.status, seconds, context.request_bytes, response_bytes)
        elif context.status == 200:
            return  # /ping every few seconds, for ever
        fields = {
            "request_id": context.request_id,
            "method": context.method,
            "path": context.path[:80],
            "status": context.status,
            "request_bytes": context.request_bytes,
            "response_bytes": response_bytes,
            "texts": context.texts,
            "tokens": context.tokens,
            "queue_ms": context.queue_ms,
            "ms": round(seconds * 1000, 3),
        }
        with contextlib.suppress(OSError):  # standard output may be gone
            _log.info("request", extra={"fields": fields})


def _ending() -> RequestError:
    return RequestError(ErrorCode.NOT_READY, "this server ends; send the request again, to the one that follows")
