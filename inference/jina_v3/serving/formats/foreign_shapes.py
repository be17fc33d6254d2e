"""Request shapes of others: Hugging Face's, Cohere's, and those that LangChain's handlers send.

**Source**: text-embeddings-inference, ``POST /embed``; Cohere's API reference, ``POST /v2/embed``; LangChain's page on
SageMaker endpoints (``inputs`` and ``vectors``), and AWS's JumpStart examples (``text_inputs`` and ``embedding``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from jina_v3.contract import ErrorCode, Limits, Task
from jina_v3.errors import RequestError, shorten
from jina_v3.serving.exchange import EmbeddingTypes, Layout, Row, generate_id
from jina_v3.serving.formats.parameters import (
    FIELDS,
    Given,
    Parameters,
    gather,
    nearest,
    read_name,
    read_object,
    read_parameters,
    refuse_unknown_fields,
    wrong_type,
)
from jina_v3.serving.formats.texts import read_documents
from jina_v3.serving.formats.texts_request import TextsRequest, extras

_OURS: Final = {name: name for name in FIELDS}


def _read(
    body: Mapping[str, Any], texts_field: str, given: Given, parameters: Parameters, layout: Layout, limits: Limits
) -> TextsRequest:
    for name in ("model", "user"):
        read_name(body.get(name), name)
    late = parameters.late_chunking
    documents, nested = read_documents(body[texts_field], texts_field, ("text",), limits, late_chunking=late)
    return TextsRequest(documents, nested, parameters, given, layout)


def _item(row: Row) -> dict[str, Any]:
    return {"index": row.number, **row.fields, "tokens": row.tokens, **extras(row)}


def _vectors(rows: Sequence[Row]) -> list[Any]:
    return [row.fields["embedding"] for row in rows]


def _scales(rows: Sequence[Row]) -> dict[str, Any]:
    return {"scale": [row.fields["scale"] for row in rows]} if rows and "scale" in rows[0].fields else {}


# Hugging Face: {"inputs": …, "parameters": {…}}, or with the parameters of text-embeddings-inference beside inputs

_TEI_NAMES: Final = {"normalize": "normalized", "truncate": "truncate", "prompt_name": "task"}
_HUGGING_FACE_NAMES: Final = {**_OURS, **_TEI_NAMES}
HUGGING_FACE_PARAMETERS: Final = (*_HUGGING_FACE_NAMES, "truncation_direction")
HUGGING_FACE_FIELDS: Final = ("inputs", "parameters", *HUGGING_FACE_PARAMETERS, "model", "user")


def read_inputs(body: Mapping[str, Any], limits: Limits) -> TextsRequest:
    """Read ``inputs``: LangChain's where ``model_kwargs`` or ``task`` stand beside it, else Hugging Face's."""
    if "model_kwargs" in body or "task" in body:
        return _read_langchain(body, "inputs", "vectors", limits)
    fields = read_object(body, "parameters")
    refuse_unknown_fields(body, HUGGING_FACE_FIELDS)
    refuse_unknown_fields(fields, HUGGING_FACE_PARAMETERS, "parameters.")
    for prefix, place in (("", body), ("parameters.", fields)):
        _check_direction(place.get("truncation_direction"), f"{prefix}truncation_direction")
    given = gather(("parameters.", fields), ("", body), names=_HUGGING_FACE_NAMES)
    parameters = read_parameters(given, Parameters())
    if "int8" in _names(parameters.embedding_types):
        raise RequestError(
            ErrorCode.INVALID_VALUE,
            "a list of vectors has no place for the scales of int8; send the texts as 'input'",
            field=given.place("embedding_type"),
            value="int8",
            allowed=["float", "base64", "binary", "ubinary"],
        )
    layout = Layout(_item, whole=lambda rows, _dimensions: _vectors(rows), embedding_types=parameters.embedding_types)
    return _read(body, "inputs", given, parameters, layout, limits)


def _check_direction(value: Any, field: str) -> None:
    if value not in (None, "Right", "right"):
        raise RequestError(
            ErrorCode.INVALID_VALUE,
            f"{field} is {shorten(value)!r}; texts are cut at their end only",
            field=field,
            value=value,
            allowed=["Right", "right", None],
        )


def _names(embedding_types: EmbeddingTypes) -> tuple[str, ...]:
    return (embedding_types,) if isinstance(embedding_types, str) else embedding_types


# LangChain: {"inputs" or "text_inputs": […], **model_kwargs}, or with model_kwargs as an object

LANGCHAIN_OTHERS: Final = ("model_kwargs", *FIELDS, "model", "user")


def read_text_inputs(body: Mapping[str, Any], limits: Limits) -> TextsRequest:
    """Read the shape of JumpStart's embedding models, whose answer is ``embedding``."""
    return _read_langchain(body, "text_inputs", "embedding", limits)


def _read_langchain(body: Mapping[str, Any], texts_field: str, answer_field: str, limits: Limits) -> TextsRequest:
    refuse_unknown_fields(body, (texts_field, *LANGCHAIN_OTHERS))
    fields = read_object(body, "model_kwargs")
    refuse_unknown_fields(fields, FIELDS, "model_kwargs.")
    given = gather(("model_kwargs.", fields), ("", body), names=_OURS)
    parameters = read_parameters(given, Parameters())

    def whole(rows: Sequence[Row], _dimensions: int | None) -> dict[str, Any]:
        return {answer_field: _vectors(rows), **_scales(rows)}

    layout = Layout(_item, whole=whole, embedding_types=parameters.embedding_types)
    return _read(body, texts_field, given, parameters, layout, limits)


# Cohere: {"texts": […], "input_type": …, "embedding_types": […], "truncate": "NONE" | "END", "output_dimension": …}

TASK_BY_INPUT_TYPE: Final = {
    "search_query": Task.RETRIEVAL_QUERY,
    "search_document": Task.RETRIEVAL_PASSAGE,
    "classification": Task.CLASSIFICATION,
    "clustering": Task.SEPARATION,
}
TRUNCATE: Final = {"NONE": False, "END": True}
_COHERE_NAMES: Final = {
    **_OURS,
    "input_type": "task",
    "embedding_types": "embedding_type",
    "output_dimension": "dimensions",
}
COHERE_FIELDS: Final = ("texts", *_COHERE_NAMES, "model", "user")


def read_cohere(body: Mapping[str, Any], limits: Limits) -> TextsRequest:
    """Read ``texts``, in the words of Cohere's API or ours."""
    refuse_unknown_fields(body, COHERE_FIELDS)
    translated = dict(body)
    if body.get("input_type") is not None:
        translated["input_type"] = _choose("input_type", body["input_type"], TASK_BY_INPUT_TYPE)
    if isinstance(body.get("truncate"), str):
        translated["truncate"] = _choose("truncate", body["truncate"], TRUNCATE)
    types = body.get("embedding_types")
    if types is not None and not isinstance(types, list):
        raise wrong_type("embedding_types", types, "a list of forms")
    given = gather(("", translated), names=_COHERE_NAMES, shown=body)
    parameters = read_parameters(given, Parameters(Task.TEXT_MATCHING))
    by_form = parameters.embedding_types != "float"
    layout = Layout(
        _item,
        whole=_write_by_form(_names(parameters.embedding_types)) if by_form else _write_floats,
        embedding_types=parameters.embedding_types,
    )
    return _read(body, "texts", given, parameters, layout, limits)


def _choose(field: str, value: Any, known: Mapping[str, Any]) -> Any:
    if not isinstance(value, str):
        raise wrong_type(field, value, " or ".join(known))
    if value not in known:
        near = nearest(value, known)
        hint = f"; did you mean {near!r}?" if near else ""
        raise RequestError(
            ErrorCode.INVALID_VALUE,
            f"{field} is {shorten(value)!r}, which is not offered; it must be one of {', '.join(known)}{hint}",
            field=field,
            value=value,
            allowed=list(known),
        )
    return known[value]


def _write_floats(rows: Sequence[Row], _dimensions: int | None) -> dict[str, Any]:
    return _cohere_answer(_vectors(rows), "embeddings_floats", rows)


def _write_by_form(names: tuple[str, ...]) -> Any:
    def write(rows: Sequence[Row], _dimensions: int | None) -> dict[str, Any]:
        vectors = _vectors(rows)
        several = not isinstance(rows[0].embedding_types, str)
        by_form = {name: [vector[name] for vector in vectors] if several else vectors for name in names}
        return _cohere_answer(by_form, "embeddings_by_type", rows)

    return write


def _cohere_answer(embeddings: Any, response_type: str, rows: Sequence[Row]) -> dict[str, Any]:
    return {
        "id": generate_id(),
        "embeddings": embeddings,
        **_scales(rows),
        "response_type": response_type,
        "meta": {"billed_units": {"input_tokens": sum(row.tokens or 0 for row in rows)}},
    }
