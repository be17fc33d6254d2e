"""The examples as the document holds them: requests and answers, and what JSON has no word for in extensions."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Iterator
from typing import Any, Final

import numpy as np
import pyarrow.parquet as pq

from jina_v3.contract import ErrorCode
from jina_v3.serving.formats.media_types import JSON, JSON_LINES_NAMES, NPY, OCTETS, read_content_type
from openapi.asking import answer, error_of
from openapi.examples import EXAMPLES, OTHER_FORMS, REFUSED, Example

_SHOWN_BYTES: Final = 300
"""Of a request that is refused: longer ones are not shown."""


def show_examples() -> Iterator[tuple[str, Any]]:
    """Yield every example of a request and of an answer, by its name among the components."""
    for example in EXAMPLES:
        yield f"{example.name}.request", {"summary": example.summary, **example.show_body()}
    for example in (*EXAMPLES, *OTHER_FORMS):
        answered = answer(example)
        yield (
            _answer_name(example, answered.media_type),
            {
                **show_answer(answered.body, answered.media_type),
                "x-request": {"example": f"{example.name}.request", "headers": example.all_headers},
                **({"x-schemas": example.schema.split()} if example.schema else {}),
            },
        )


def requests_as(media_type: str) -> dict[str, Any]:
    """Return references to the examples of requests of a media type."""
    return _refer(
        f"{example.name}.request"
        for example in EXAMPLES
        if read_content_type(example.content_type).media_type == media_type
    )


def answers_as(media_type: str) -> dict[str, Any]:
    """Return references to the examples of answers of a media type."""
    kinds = [(example, answer(example).media_type) for example in (*EXAMPLES, *OTHER_FORMS)]
    return _refer(_answer_name(example, kind) for example, kind in kinds if kind == media_type)


def show_error(code: ErrorCode) -> dict[str, Any]:
    """Return the example of an error, with the request that gets it where that is short."""
    shown: dict[str, Any] = {"value": json.loads(error_of(code))}
    example = REFUSED.get(code)
    if example is None or len(example.sent) > _SHOWN_BYTES:
        return shown
    body = example.show_body() if example.method == "POST" else {}
    request = {"method": example.method, "path": example.path, "headers": example.all_headers, **body}
    return {**shown, "x-request": request}


def show_answer(body: bytes, media_type: str) -> dict[str, Any]:
    """Return the body of an answer."""
    if media_type == JSON:
        return {"value": json.loads(body)}
    if media_type in JSON_LINES_NAMES:
        return {"value": body.decode()}
    if media_type == NPY:
        return {"x-array": _plain(np.load(io.BytesIO(body), allow_pickle=False).tolist())}
    if media_type == OCTETS:
        return {"x-array": _plain(np.frombuffer(body, "<f4").tolist())}
    return {"x-rows": _plain(pq.read_table(io.BytesIO(body)).to_pylist())}


def _answer_name(example: Example, media_type: str) -> str:
    return f"{example.name}.as-{media_type.partition('/')[2]}" if example.again else f"{example.name}.answer"


def _refer(names: Iterable[str]) -> dict[str, Any]:
    examples = {name.partition(".")[0]: {"$ref": f"#/components/examples/{name}"} for name in names}
    return {"examples": examples} if examples else {}


def _plain(value: Any) -> Any:
    """Return a value whose float32 numbers have as many digits as those have."""
    if isinstance(value, float):
        return float(np.format_float_positional(np.float32(value), unique=True))
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return {name: _plain(item) for name, item in value.items()} if isinstance(value, dict) else value
