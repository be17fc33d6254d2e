"""JSON lines: one record a line, each with its own parameters, and one line back for each."""

from __future__ import annotations

import json
from collections.abc import Mapping, Set
from typing import Any, Final

import orjson

from jina_v3.contract import ErrorCode, Limits
from jina_v3.errors import RequestError, shorten
from jina_v3.record_fields import RecordFields
from jina_v3.serving.formats.json_values import as_utf8, load_json
from jina_v3.serving.formats.media_types import RECORDS_OFFER, offers
from jina_v3.serving.formats.parameters import FIELDS, Given, Parameters, read_parameters, wrong_type
from jina_v3.serving.formats.records import Record, RecordsRequest, records_layout, refuse_too_many
from jina_v3.serving.formats.texts import read_id

_LOST: Final = "\ufffd"
"""What stands for bytes that are no UTF-8."""


def read_json_lines(
    data: bytes,
    media_type: str,
    limits: Limits,
    absent: Parameters,
    names: RecordFields,
    *,
    first_line: int = 1,
    batch: bool = False,
) -> RecordsRequest:
    """Read a body of JSON lines, or some lines of one from ``first_line`` on; blank lines are passed over.

    ``absent`` is what holds for records that do not say otherwise, ``names`` says where their texts and ids are.

    **Raises**: ``RequestError`` (413) for more records or texts than the limit, but in ``batch``; nothing for a bad
    record, and one that has more chunks than the limit is one.
    """
    lines = [(number, line) for number, line in enumerate(data.split(b"\n"), first_line) if line.strip()]
    if not batch:
        refuse_too_many(len(lines), limits)
    records = tuple(_read(number, line, limits, absent, names) for number, line in lines)
    if not batch:
        refuse_too_many(sum(max(1, len(record.texts)) for record in records), limits)
    return RecordsRequest(records, records_layout(absent), offers(media_type, RECORDS_OFFER))


def _read(line: int, data: bytes, limits: Limits, absent: Parameters, names: RecordFields) -> Record:
    try:
        fields = _load_object(data, names.text_name)
    except RequestError as error:
        return Record(line, _id_of_unreadable(data, names.id_name), error=error)
    record_id, metadata = None, {}
    try:
        text_field = "input" if names.text is None and "text" not in fields else names.text_name
        metadata = _read_metadata(fields, {text_field, *names.left_out, *FIELDS})
        record_id = read_id(fields.get(names.id_name), str(shorten(names.id_name)))
        parameters = read_parameters(Given(fields), absent)
        if text_field not in fields:
            raise _missing(names.text_name)
        value = fields[text_field]
        texts, places = _read_texts(value, str(shorten(text_field)), limits, late_chunking=parameters.late_chunking)
        return Record(line, record_id, metadata, texts, places, parameters, chunks=isinstance(value, list))
    except RequestError as error:
        return Record(line, record_id, metadata, error=error)


def _load_object(data: bytes, text_name: str) -> dict[str, Any]:
    value = load_json(as_utf8(data, "line"), "line")
    if not isinstance(value, dict):
        raise wrong_type("line", value, f"an object with {shorten(text_name)!r}", holds_text=True)
    return value


def _missing(text_name: str) -> RequestError:
    name = str(shorten(text_name))
    return RequestError(ErrorCode.MISSING_FIELD, f"the record has no {name!r}", field=name, allowed="a string")


def _id_of_unreadable(data: bytes, id_name: str) -> str | int | None:
    """Return the id of a line that is refused as a whole, but tells its id: so its caller knows which one it is.

    Such lines have half of a surrogate pair, or bytes that are no UTF-8, in another place.
    """
    try:
        fields = json.loads(data.decode("utf-8", "replace"))
        record_id = read_id(fields.get(id_name), id_name) if isinstance(fields, dict) else None
        orjson.dumps(record_id)  # an answer must hold it
    except (ValueError, TypeError, RecursionError, RequestError):
        return None
    return None if isinstance(record_id, str) and _LOST in record_id else record_id


def _read_metadata(fields: Mapping[str, Any], ours: Set[str]) -> dict[str, Any]:
    """Return the record's own fields."""
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
    return metadata


def _can_be_written(metadata: Mapping[str, Any]) -> bool:
    try:
        orjson.dumps([metadata])  # as deep as it will stand in an answer
    except TypeError:  # orjson writes 254 levels and reads 1024
        return False
    return True


def _read_texts(
    value: Any, text_field: str, limits: Limits, *, late_chunking: bool
) -> tuple[tuple[str, ...], tuple[str, ...]]:
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
    if len(value) > limits.max_texts:
        raise RequestError(
            ErrorCode.TOO_MANY_TEXTS,
            f"{text_field} holds {len(value)} chunks; one record may hold {limits.max_texts}",
            field=text_field,
            value=len(value),
            allowed=f"at most {limits.max_texts} chunks",
        )
    for index, chunk in enumerate(value):
        if not isinstance(chunk, str):
            raise wrong_type(f"{text_field}[{index}]", chunk, "a string", holds_text=True)
    return tuple(value), tuple(f"{text_field}[{index}]" for index in range(len(value)))
