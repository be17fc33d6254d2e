"""JSON lines: one record a line, each with its own parameters, and one line back for each.

A bad record is an error on its own line and never a failed request: in a batch job that would lose the whole file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

from jina_v3.contract import EncodeJob, ErrorCode, Limits, Task
from jina_v3.errors import RequestError, shorten
from jina_v3.serving.error_body import describe_error
from jina_v3.serving.exchange import Answer, Result, checked, generate_id, place_error
from jina_v3.serving.json_values import as_utf8, load_json
from jina_v3.serving.parameters import FIELDS, Parameters, read_parameters, wrong_type
from jina_v3.serving.texts import read_id
from jina_v3.serving.vectors import write_vectors

_ANSWER_FIELDS: Final = ("embedding", "embeddings", "scale", "tokens", "truncated", "error")
"""What an output line may add. A record's own fields of these names are left out, never mixed with ours."""


@dataclass(frozen=True, slots=True)
class Record:
    """One line: what its output line carries besides the result, and the work or why there is none.

    ``line`` counts all lines of the body from 1. ``places`` are those of the texts within the record.
    """

    line: int
    echo: dict[str, Any]
    texts: tuple[str, ...] = ()
    places: tuple[str, ...] = ()
    parameters: Parameters | None = None
    error: RequestError | None = None


@dataclass(frozen=True, slots=True)
class RecordsRequest:
    """A body of records; ``jobs`` are those of the good ones, in order."""

    records: tuple[Record, ...]
    jobs: tuple[EncodeJob, ...]
    media_type: str

    def answer(self, results: Sequence[Result]) -> Answer:
        """Write one item for each record."""
        waiting = iter(results)
        return Answer([_write(record, next(waiting) if record.parameters else None) for record in self.records])


def read_records(data: bytes, media_type: str, limits: Limits, absent_task: Task | None) -> RecordsRequest:
    """Read a body of JSON lines; blank lines are passed over.

    ``absent_task`` is for records that do not name one.

    **Raises**: ``RequestError`` (413) for more records or texts than the limit; nothing for a bad record.
    """
    lines = [(number, line) for number, line in enumerate(data.split(b"\n"), 1) if line.strip()]
    records = tuple(_read(number, line, absent_task) for number, line in lines[: limits.max_texts])
    texts = sum(len(record.texts) for record in records) + len(lines) - len(records)
    if max(texts, len(lines)) > limits.max_texts:
        raise RequestError(
            ErrorCode.TOO_MANY_TEXTS,
            f"the body holds {max(texts, len(lines))} texts; one request may hold {limits.max_texts}",
            field="body",
            value=max(texts, len(lines)),
            allowed=f"at most {limits.max_texts} texts",
        )
    jobs = tuple(record.parameters.job(record.texts) for record in records if record.parameters)
    return RecordsRequest(records, jobs, media_type)


def _read(line: int, data: bytes, absent_task: Task | None) -> Record:
    echo: dict[str, Any] = {}
    try:
        fields = _load_object(data)
        text_field = "text" if "text" in fields else "input"
        echo = _read_echo(fields, text_field)
        parameters = read_parameters(fields, "", absent_task)
        texts, places = _read_texts(fields, text_field, late_chunking=parameters.late_chunking)
        return Record(line, echo, texts, places, parameters)
    except RequestError as error:
        return Record(line, echo, error=error)


def _load_object(data: bytes) -> dict[str, Any]:
    value = load_json(as_utf8(data, "line"), "line")
    if not isinstance(value, dict):
        raise wrong_type("line", value, "an object with 'text'", holds_text=True)
    return value


def _read_echo(fields: Mapping[str, Any], text_field: str) -> dict[str, Any]:
    """Return the record's metadata and its id, which is generated where there is none."""
    ours = {text_field, "id", *FIELDS, *_ANSWER_FIELDS}
    metadata = {name: value for name, value in fields.items() if name not in ours}
    if not _can_be_written(metadata):
        name = next((name for name in metadata if not _can_be_written({name: metadata[name]})), "line")
        raise RequestError(
            ErrorCode.INVALID_VALUE,
            f"{shorten(name)} is nested too deep to be given back",
            field=str(shorten(name)),
            value=metadata.get(name),
            allowed="metadata of at most 250 levels",
        )
    record_id = read_id(fields.get("id"), "id")
    return {**metadata, "id": generate_id() if record_id is None else record_id}


def _can_be_written(metadata: Mapping[str, Any]) -> bool:
    try:
        orjson.dumps([metadata])  # as deep as it will stand in an answer
    except TypeError:  # orjson writes 254 levels and reads 1024
        return False
    return True


def _read_texts(
    fields: Mapping[str, Any], text_field: str, *, late_chunking: bool
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    if text_field not in fields:
        raise RequestError(ErrorCode.MISSING_FIELD, "the record has no 'text'", field="text", allowed="a string")
    value = fields[text_field]
    if isinstance(value, str):
        return (value,), (text_field,)
    if not (late_chunking and isinstance(value, list)):
        raise wrong_type(
            text_field, value, "a string, or with late_chunking a list of a document's chunks", holds_text=True
        )
    if not value:
        raise RequestError(
            ErrorCode.EMPTY_INPUT,
            f"{text_field} is an empty list",
            field=text_field,
            value=value,
            allowed="at least one chunk",
        )
    for index, chunk in enumerate(value):
        if not isinstance(chunk, str):
            raise wrong_type(f"{text_field}[{index}]", chunk, "a string", holds_text=True)
    return tuple(value), tuple(f"{text_field}[{index}]" for index in range(len(value)))


def _write(record: Record, result: Result | None) -> dict[str, Any]:
    try:
        if record.error or record.parameters is None or result is None:
            raise record.error or RequestError(ErrorCode.INTERNAL, "the record was not encoded")
        if isinstance(result, RequestError):
            raise place_error(result, record.places, "")
        rows = write_vectors(checked(result), record.parameters.embedding_types)
    except RequestError as error:
        return {**record.echo, "error": {**describe_error(error), "line": record.line}}
    extras: dict[str, Any] = {"tokens": sum(result.token_counts)}
    if result.truncated:
        extras["truncated"] = True
    if record.places[0].endswith("]"):  # chunks of a document
        return {**record.echo, "embeddings": [row["embedding"] for row in rows], **_scales(rows), **extras}
    return {**record.echo, **rows[0], **extras}


def _scales(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {"scale": [row["scale"] for row in rows]} if "scale" in rows[0] else {}
