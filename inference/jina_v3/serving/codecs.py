"""Bytes to work and results to bytes: everything the handlers know of the wire's forms."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from jina_v3.config import Config
from jina_v3.record_fields import RecordFields
from jina_v3.serving.exchange import Prediction, Request
from jina_v3.serving.formats.array_writers import ArrayWriter, check_form
from jina_v3.serving.formats.attributes import read_attributes, read_record_fields
from jina_v3.serving.formats.csv_rows import read_csv, read_csv_parts
from jina_v3.serving.formats.json_lines import read_json_lines
from jina_v3.serving.formats.json_values import as_text, as_utf8, decode, load_json
from jina_v3.serving.formats.media_types import (
    CSV,
    JSON,
    JSON_LINES,
    NPY,
    OCTETS,
    PARQUET,
    TEXT,
    ContentType,
    family,
    negotiate,
    read_content_type,
)
from jina_v3.serving.formats.parameters import Parameters
from jina_v3.serving.formats.parquet_rows import read_parquet, read_parquet_parts
from jina_v3.serving.formats.parquet_writer import ParquetWriter
from jina_v3.serving.formats.shapes import read_json_request, read_text
from jina_v3.serving.formats.writers import JsonLinesWriter, JsonWriter, ResponseWriter

Body = bytes | bytearray | memoryview | str


@dataclass(frozen=True, slots=True)
class _Reading:
    """What a body is read with besides itself."""

    content_type: ContentType
    config: Config
    attributes: str | None
    first_line: int

    def absent(self) -> Parameters:
        """Return what holds where the body does not say."""
        return read_attributes(self.attributes, self.config)

    def fields(self) -> RecordFields:
        """Return where a record's text and id are."""
        return read_record_fields(self.attributes, self.config)


def read_request(
    body: Body, content_type: str | None, config: Config, *, attributes: str | None = None, first_line: int = 1
) -> Request:
    """Read a request of any shape that is offered.

    ``attributes`` is the header X-Amzn-SageMaker-Custom-Attributes. ``first_line`` is the number of the body's first
    line, where it is a part of a longer one.

    **Raises**: ``RequestError`` (400, 413, 415, 422).
    """
    reading = _Reading(read_content_type(content_type), config, attributes, first_line)
    return _READERS[family(reading.content_type.media_type)](body, reading)


def read_parts(
    body: Body, content_type: str | None, config: Config, *, attributes: str | None = None, rows_per_part: int = 512
) -> Iterator[Request] | None:
    """Read a body of records part by part, at least one, without limit of rows; None where it is not cut by us.

    Those are Parquet and CSV. JSON lines can be cut anywhere between lines, and are read as requests of their own.

    **Raises**: ``RequestError`` as ``read_request``, at once for what is wrong with the whole, and while iterating.
    """
    reading = _Reading(read_content_type(content_type), config, attributes, 1)
    media_type, header = reading.content_type.media_type, reading.content_type.header
    if media_type == CSV:
        rows = as_text(body)
        return read_csv_parts(rows, reading.absent(), reading.fields(), header=header, rows_per_part=rows_per_part)
    if family(media_type) == PARQUET:
        data, limits = _as_bytes(body), config.limits
        absent, fields = reading.absent(), reading.fields()
        return read_parquet_parts(data, media_type, limits, absent, fields, rows_per_part=rows_per_part)
    return None


def open_response(request: Request, accept: str | None, attributes: str | None = None) -> ResponseWriter:
    """Open the response to a request in the form that is asked for.

    **Raises**: ``RequestError`` (406; 422 where the vectors' form has no place in it).
    """
    media_type = negotiate(accept, request.offers)
    check_form(media_type, request.embedding_types)
    if media_type in (NPY, OCTETS):
        return ArrayWriter(media_type, attributes)
    return _WRITERS[family(media_type)](media_type)


def write_response(prediction: Prediction, accept: str | None) -> tuple[bytes, str]:
    """Write the response to a request, and say its media type.

    **Raises**: ``RequestError`` (406, and whatever befell the request's texts).
    """
    writer = open_response(prediction.request, accept)
    return writer.part(prediction.request.answer(prediction.results)) + writer.end(), writer.media_type


def _as_bytes(body: Body) -> bytes:
    """Return a body that is no text; AWS's toolkit may have made a string of it."""
    return body.encode("utf-8", "surrogateescape") if isinstance(body, str) else bytes(body)


def _read_json(body: Body, reading: _Reading) -> Request:
    return read_json_request(load_json(as_utf8(body)), reading.config.limits)


def _read_json_lines(body: Body, reading: _Reading) -> Request:
    config = reading.config
    return read_json_lines(
        as_utf8(body) if reading.first_line == 1 else _as_bytes(body),  # only a body's beginning can have a mark
        reading.content_type.media_type,
        config.limits,
        reading.absent(),
        reading.fields(),
        first_line=reading.first_line,
        batch=config.batch,
    )


def _read_text(body: Body, reading: _Reading) -> Request:
    return read_text(decode(as_utf8(body)), reading.absent())


def _read_csv(body: Body, reading: _Reading) -> Request:
    config = reading.config
    return read_csv(
        as_text(body),
        config.limits,
        reading.absent(),
        reading.fields(),
        header=reading.content_type.header,
        first_line=reading.first_line,
        batch=config.batch,
    )


def _read_parquet(body: Body, reading: _Reading) -> Request:
    config = reading.config
    media_type = reading.content_type.media_type
    data, absent, fields = _as_bytes(body), reading.absent(), reading.fields()
    return read_parquet(data, media_type, config.limits, absent, fields, batch=config.batch)


_READERS: Final[Mapping[str, Callable[[Body, _Reading], Request]]] = {
    JSON: _read_json,
    JSON_LINES: _read_json_lines,
    TEXT: _read_text,
    CSV: _read_csv,
    PARQUET: _read_parquet,
}

_WRITERS: Final[Mapping[str, Callable[[str], ResponseWriter]]] = {
    JSON: JsonWriter,
    JSON_LINES: JsonLinesWriter,
    PARQUET: ParquetWriter,
}
