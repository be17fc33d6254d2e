"""Answers to the examples, by the code that serves, around an encoder without a model."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

from jina_v3.config import Config
from jina_v3.contract import ErrorCode, Task
from jina_v3.errors import RequestError
from jina_v3.serving import codecs
from jina_v3.serving.context import RequestContext
from jina_v3.serving.error_body import write_error
from jina_v3.serving.faults import OverloadedError, internal_error
from jina_v3.serving.formats.attributes import HEADER as ATTRIBUTES
from jina_v3.serving.http.application import Application
from jina_v3.serving.http.asgi import Message
from jina_v3.serving.http.body import Body, Held
from jina_v3.serving.http.interruption import Interruption
from openapi.examples import REFUSED, Example
from openapi.toy_encoder import ToyEncoder

_CONFIG: Final = Config()
REQUEST_ID: Final = "6f1c0d8e-5a0b-4f6e-9d57-2f1f6d1c9a34"


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer's body and the type of it."""

    media_type: str
    body: bytes


def answer(example: Example) -> Answer:
    """Answer a request as the server does.

    **Raises**: ``RequestError``.
    """
    return _embed(example, ToyEncoder())


def _embed(example: Example, encoder: ToyEncoder) -> Answer:
    attributes = example.headers.get(ATTRIBUTES)
    request = codecs.read_request(example.sent, example.content_type, _CONFIG, attributes=attributes)
    writer = codecs.open_response(request, example.accept, attributes)
    body = writer.part(request.answer(encoder.encode_jobs(request.jobs))) + writer.end()
    return Answer(writer.media_type, body)


def error_of(code: ErrorCode) -> bytes:
    """Return the body of an error with a code, as its example gets it or the server's state brings it about."""
    error = _STATES[code]() if code in _STATES else _refusal(REFUSED[code])
    assert error.code is code, (error.code, code)
    return write_error(error, REQUEST_ID)


def _refusal(example: Example) -> RequestError:
    if example.method != "POST":
        return _look(example.method, example.path)
    try:
        asyncio.run(_receive(example))
        answer(example)
    except RequestError as error:
        return error
    raise AssertionError(f"{example.name} was answered")


async def _receive(example: Example) -> bytes:
    async def send() -> Message:
        return {"type": "http.request", "body": example.sent}

    return await _body(send, {name.lower(): value for name, value in example.all_headers.items()}).whole()


def _body(receive: Callable[[], Awaitable[Message]], headers: dict[str, str]) -> Body:
    context = RequestContext("POST", "/invocations", headers, REQUEST_ID)
    return Body(context, receive, _CONFIG, Held(2 * _CONFIG.limits.max_body_bytes), lambda: None)


def _look(method: str, path: str) -> RequestError:
    """Return the error of a request that needs no model, or that comes before there is one."""
    context = RequestContext(method, path, {}, REQUEST_ID)
    try:
        Application(_CONFIG)._look(context)
    except RequestError as error:
        return error
    raise AssertionError(f"{method} {path} was answered")


def _too_late() -> RequestError:
    async def never() -> Any:
        await asyncio.Event().wait()

    async def work() -> None:
        with Interruption(never, _CONFIG.request_timeout_s, set()) as interruption:
            interruption._time_is_up()
            await never()

    try:
        asyncio.run(work())
    except RequestError as error:
        return error
    raise AssertionError("the time was not up")


def _no_adapter() -> RequestError:
    example = Example("", "", {"input": "a", "task": Task.SEPARATION})
    try:
        _embed(example, ToyEncoder([Task.TEXT_MATCHING]))
    except RequestError as error:
        return error
    raise AssertionError("there was an adapter")


async def _nothing() -> Message:
    return {}


_STATES: Final[dict[ErrorCode, Callable[[], RequestError]]] = {
    ErrorCode.BODY_TIMEOUT: lambda: _body(_nothing, {})._too_slow("the body was not sent"),
    ErrorCode.TASK_NOT_LOADED: _no_adapter,
    ErrorCode.OVERLOADED: lambda: OverloadedError.for_wait(_CONFIG.max_queue_s + 6, _CONFIG.max_queue_s),
    ErrorCode.NOT_READY: lambda: _look("GET", "/ping"),
    ErrorCode.DEADLINE_EXCEEDED: _too_late,
    ErrorCode.INTERNAL: internal_error,
}
"""Errors that no request brings about by itself."""

assert {*_STATES, *REFUSED} == set(ErrorCode)
