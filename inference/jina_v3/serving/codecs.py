"""Bytes to work and results to bytes: everything the handlers know of the wire's forms."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from jina_v3.config import Config
from jina_v3.serving.exchange import Prediction, Request
from jina_v3.serving.formats.json_lines import read_json_lines
from jina_v3.serving.formats.json_values import as_utf8, load_json
from jina_v3.serving.formats.media_types import JSON, JSON_LINES, family, negotiate, read_content_type
from jina_v3.serving.formats.parameters import Parameters
from jina_v3.serving.formats.shapes import read_json_request
from jina_v3.serving.formats.writers import ResponseWriter, open_writer

Body = bytes | bytearray | memoryview | str


def read_request(body: Body, content_type: str | None, config: Config, *, first_line: int = 1) -> Request:
    """Read a request of any shape that is offered.

    ``first_line`` is the number of the body's first line, where it is a part of a longer one.

    **Raises**: ``RequestError`` (400, 413, 415, 422).
    """
    media_type = read_content_type(content_type)
    return _READERS[family(media_type)](body, media_type, config, first_line)


def open_response(request: Request, accept: str | None) -> ResponseWriter:
    """Open the response to a request in the form that is asked for.

    **Raises**: ``RequestError`` (406).
    """
    return open_writer(negotiate(accept, request.offers))


def write_response(prediction: Prediction, accept: str | None) -> tuple[bytes, str]:
    """Write the response to a request, and say its media type.

    **Raises**: ``RequestError`` (406, and whatever befell the request's texts).
    """
    writer = open_response(prediction.request, accept)
    return writer.part(prediction.request.answer(prediction.results)) + writer.end(), writer.media_type


def _read_json(body: Body, _media_type: str, config: Config, _first_line: int) -> Request:
    return read_json_request(load_json(as_utf8(body)), config.limits)


def _read_json_lines(body: Body, media_type: str, config: Config, first_line: int) -> Request:
    absent = Parameters(
        task=config.default_task,
        dimensions=config.default_dimensions,
        embedding_types=config.default_embedding_type,
    )
    return read_json_lines(as_utf8(body), media_type, config.limits, absent, first_line=first_line, batch=config.batch)


_READERS: Final[Mapping[str, Callable[[Body, str, Config, int], Request]]] = {
    JSON: _read_json,
    JSON_LINES: _read_json_lines,
}
