"""Bytes to work and results to bytes: everything the handlers know of the wire's forms."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from jina_v3.config import Config
from jina_v3.serving.exchange import Prediction, Request, write_answer
from jina_v3.serving.json_requests import read_json_request
from jina_v3.serving.json_values import as_utf8, load_json
from jina_v3.serving.media_types import JSON, JSON_LINES, family, negotiate, read_content_type
from jina_v3.serving.records import read_records


def read_request(body: bytes | bytearray | memoryview | str, content_type: str | None, config: Config) -> Request:
    """Read a request of any shape that is offered.

    **Raises**: ``RequestError`` (400, 413, 415, 422).
    """
    media_type = read_content_type(content_type)
    return _READERS[family(media_type)](as_utf8(body), media_type, config)


def write_response(prediction: Prediction, accept: str | None) -> tuple[bytes, str]:
    """Write the response to a request, and say its media type.

    **Raises**: ``RequestError`` (406, and whatever befell the request's texts).
    """
    media_type = negotiate(accept, prediction.request.media_type)
    answer = prediction.request.answer(prediction.results)
    return write_answer(answer, media_type), media_type


def _read_json(data: bytes, _media_type: str, config: Config) -> Request:
    return read_json_request(load_json(data), config.limits)


def _read_json_lines(data: bytes, media_type: str, config: Config) -> Request:
    return read_records(data, media_type, config.limits, config.default_task)


_READERS: Final[Mapping[str, Callable[[bytes, str, Config], Request]]] = {
    JSON: _read_json,
    JSON_LINES: _read_json_lines,
}
