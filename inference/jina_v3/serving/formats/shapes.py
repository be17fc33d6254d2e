"""The request shapes that are one JSON object: which it is, and how jina-sagemaker's and the Jina API's are read.

A shape is a row in ``SHAPES``, recognised by the one field that only it has. To add one, write the function that reads
it, and the layout of its answer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from jina_v3.contract import MODEL_NAME, ErrorCode, Limits, Task
from jina_v3.errors import RequestError
from jina_v3.serving.exchange import Layout, Row, generate_id
from jina_v3.serving.formats.foreign_shapes import read_cohere, read_inputs, read_text_inputs
from jina_v3.serving.formats.json_values import kind
from jina_v3.serving.formats.parameters import (
    FIELDS,
    Given,
    Parameters,
    nearest,
    read_name,
    read_object,
    read_parameters,
    refuse_unknown_fields,
)
from jina_v3.serving.formats.texts import Document, read_documents
from jina_v3.serving.formats.texts_request import TextsRequest, extras


def read_json_request(value: Any, limits: Limits) -> TextsRequest:
    """Read a JSON value as a request of the shape that its fields show.

    **Raises**: ``RequestError`` (413, 422).
    """
    accepted = f"a JSON object with {' or '.join(repr(name) for name in SHAPES)}"
    if not isinstance(value, dict):
        raise RequestError(
            ErrorCode.UNKNOWN_SHAPE,
            f"the body is {kind(value)}; it must be {accepted}",
            field="body",
            value=None if isinstance(value, str) else value,
            allowed=accepted,
        )
    for name, read in SHAPES.items():
        if name in value:
            return read(value, limits)
    near = next((match for name in value if (match := nearest(name, SHAPES))), None)
    hint = f"; did you mean {near!r}?" if near else ""
    raise RequestError(
        ErrorCode.UNKNOWN_SHAPE,
        f"the body must be {accepted}{hint}",
        field="body",
        value=value,
        allowed=accepted,
    )


# jina-sagemaker: {"data": [{"text"}], "parameters": {…}}

SAGEMAKER_FIELDS: Final = ("data", "parameters", "model", "user")


def _read_sagemaker(body: Mapping[str, Any], limits: Limits) -> TextsRequest:
    refuse_unknown_fields(body, SAGEMAKER_FIELDS)
    fields = read_object(body, "parameters")
    given = Given(fields, "parameters.")
    refuse_unknown_fields(fields, FIELDS, given.prefix)
    parameters = read_parameters(given, Parameters(Task.TEXT_MATCHING))  # as jina-sagemaker's client has it
    for name in ("model", "user"):
        read_name(body.get(name), name)
    late = parameters.late_chunking
    documents, nested = read_documents(body["data"], "data", ("text", "id"), limits, late_chunking=late)

    def whole(rows: Sequence[Row], dimensions: int | None) -> dict[str, Any]:
        return {"data": [_sagemaker_item(row) for row in rows], "parameters": parameters.effective(dimensions)}

    layout = Layout(_sagemaker_item, whole=whole, key="id", embedding_types=parameters.embedding_types)
    return TextsRequest(documents, nested, parameters, given, layout)


def _sagemaker_item(row: Row) -> dict[str, Any]:
    item_id = generate_id() if row.id is None else row.id
    usage = {"id": item_id, "total_tokens": row.tokens}
    return {"id": item_id, **row.fields, "usage": usage, **extras(row)}


# Jina API: {"input": …, "task", "dimensions", …}; with "encoding_format" and "user" it is OpenAI's as well

API_FIELDS: Final = ("input", "model", "user", *FIELDS)


def _read_api(body: Mapping[str, Any], limits: Limits) -> TextsRequest:
    refuse_unknown_fields(body, API_FIELDS)
    given = Given(body)
    parameters = read_parameters(given, Parameters())
    model = read_name(body.get("model"), "model")
    read_name(body.get("user"), "user")
    late = parameters.late_chunking
    documents, nested = read_documents(body["input"], "input", ("text",), limits, late_chunking=late)
    layout = _api_layout(MODEL_NAME if model is None else model, parameters)
    return TextsRequest(documents, nested, parameters, given, layout)


def read_text(text: str, parameters: Parameters) -> TextsRequest:
    """Read a body that is one text and nothing else; its answer is the Jina API's."""
    document = Document((text,), ("body",), (None,))
    return TextsRequest((document,), False, parameters, Given({}), _api_layout(MODEL_NAME, parameters))


def _api_layout(model: str, parameters: Parameters) -> Layout:
    """Return the layout of the Jina API's answers, which is OpenAI's too."""

    def whole(rows: Sequence[Row], _dimensions: int | None) -> dict[str, Any]:
        total = sum(row.tokens or 0 for row in rows)
        usage = {"total_tokens": total, "prompt_tokens": total}
        return {"model": model, "object": "list", "usage": usage, "data": [_api_item(row) for row in rows]}

    return Layout(_api_item, whole=whole, embedding_types=parameters.embedding_types)


def _api_item(row: Row) -> dict[str, Any]:
    return {"object": "embedding", "index": row.number, **row.fields, **extras(row)}


SHAPES: Final[Mapping[str, Callable[[Mapping[str, Any], Limits], TextsRequest]]] = {
    "data": _read_sagemaker,
    "input": _read_api,
    "inputs": read_inputs,
    "texts": read_cohere,
    "text_inputs": read_text_inputs,
}
"""By the field that shows the shape."""
