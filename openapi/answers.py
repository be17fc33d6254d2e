"""Schemas of answers, in the form of JSON that each shape of request has."""

from __future__ import annotations

from typing import Final

from jina_v3.contract import EMBEDDING_TYPES, MODEL_DIMENSIONS
from jina_v3.serving.formats.parameters import Parameters
from openapi.errors import RECORD_ERROR
from openapi.values import PARAMETERS, SCALE, Schema, list_of, record_of, ref

_COUNT: Final[Schema] = {"type": "integer", "minimum": 0}

_EXTRAS: Final[dict[str, Schema]] = {
    "scale": SCALE,
    "document": {**_COUNT, "description": "Which of several documents, counted from 0."},
    "truncated": {"const": True, "description": "Only of a text that was cut."},
}
_TOKENS: Final[Schema] = {**_COUNT, "description": "With `<s>`, `</s>` and the task's prompt."}

_SAGEMAKER_ITEM: Final = record_of(
    {
        "id": ref("Id"),
        "embedding": ref("Embedding"),
        "usage": record_of({"id": ref("Id"), "total_tokens": _TOKENS}, "id", "total_tokens"),
        **_EXTRAS,
    },
    "id",
    "embedding",
    "usage",
)

_API_ITEM: Final = record_of(
    {"object": {"const": "embedding"}, "index": _COUNT, "embedding": ref("Embedding"), **_EXTRAS},
    "object",
    "index",
    "embedding",
)

_TEXT_LINE: Final = record_of(
    {"index": _COUNT, "embedding": ref("Embedding"), "tokens": _TOKENS, **_EXTRAS}, "index", "embedding", "tokens"
)

_EFFECTIVE: Final = record_of(
    {
        **{name: schema for name, schema in PARAMETERS.items() if name in Parameters().effective(None)},
        "dimensions": {"type": "integer", "minimum": 1, "maximum": MODEL_DIMENSIONS},
    },
    *Parameters().effective(None),
)

_VECTORS: Final[Schema] = {"type": "array", "items": ref("Embedding")}
_SCALES: Final[Schema] = {"type": "array", "items": SCALE}

_RECORD_EMBEDDED: Final[Schema] = {
    **record_of(
        {
            "id": ref("Id"),
            "embedding": ref("Embedding"),
            "embeddings": {**_VECTORS, "description": "In the place of `embedding`, where the text was chunks."},
            "scale": {"anyOf": [SCALE, _SCALES]},
            "tokens": _TOKENS,
            "truncated": _EXTRAS["truncated"],
        },
        "id",
        "tokens",
        others=True,
    ),
    "oneOf": [{"required": ["embedding"]}, {"required": ["embeddings"]}],
    "not": {"required": ["error"]},
    "description": "The record's own fields are there too.",
}
_RECORD_FAILED: Final[Schema] = {
    **record_of({"id": ref("Id"), "error": RECORD_ERROR}, "id", "error", others=True),
    "not": {"anyOf": [{"required": ["embedding"]}, {"required": ["embeddings"]}]},
}
_CSV_ROW: Final[Schema] = record_of(
    {
        "id": ref("Id"),
        "embedding": ref("Embedding"),
        "scale": SCALE,
        "usage": _SAGEMAKER_ITEM["properties"]["usage"],
        "truncated": _EXTRAS["truncated"],
    },
    "id",
    "embedding",
    "usage",
    others=True,
)


def _cohere() -> Schema:
    by_form = record_of(
        {name: {"type": "array", "items": ref(f"{name.capitalize()}Vector")} for name in EMBEDDING_TYPES}
    )
    floats = {"type": "array", "items": ref("FloatVector")}
    units = record_of({"input_tokens": _TOKENS}, "input_tokens")
    return record_of(
        {
            "id": {"type": "string"},
            "embeddings": {"anyOf": [floats, by_form]},
            "scale": _SCALES,
            "response_type": {"enum": ["embeddings_floats", "embeddings_by_type"]},
            "meta": record_of({"billed_units": units}, "billed_units"),
        },
        "id",
        "embeddings",
        "response_type",
        "meta",
    )


LINES: Final[dict[str, Schema]] = {
    "EmbeddedRecord": _RECORD_EMBEDDED,
    "FailedRecord": _RECORD_FAILED,
    "JinaSagemakerItem": _SAGEMAKER_ITEM,
    "JinaApiItem": _API_ITEM,
    "TextLine": _TEXT_LINE,
}
"""What one line of an answer as JSON lines may be."""

WHOLE: Final[dict[str, Schema]] = {
    "JinaSagemakerAnswer": record_of(
        {"data": list_of(ref("JinaSagemakerItem")), "parameters": ref("EffectiveParameters")}, "data", "parameters"
    ),
    "JinaApiAnswer": record_of(
        {
            "model": {"type": "string"},
            "object": {"const": "list"},
            "usage": record_of({"total_tokens": _TOKENS, "prompt_tokens": _TOKENS}, "total_tokens", "prompt_tokens"),
            "data": list_of(ref("JinaApiItem")),
        },
        "model",
        "object",
        "usage",
        "data",
    ),
    "HuggingFaceAnswer": list_of(ref("Embedding")),
    "CohereAnswer": _cohere(),
    "LangChainAnswer": record_of({"vectors": _VECTORS, "scale": _SCALES}, "vectors"),
    "JumpStartAnswer": record_of({"embedding": _VECTORS, "scale": _SCALES}, "embedding"),
    "RecordsAnswer": {"type": "array", "items": {"anyOf": [ref("EmbeddedRecord"), ref("FailedRecord")]}},
    "CsvAnswer": record_of(
        {
            "data": {"type": "array", "items": {"anyOf": [ref("CsvRow"), ref("FailedRecord")]}},
            "parameters": ref("EffectiveParameters"),
        },
        "data",
        "parameters",
    ),
}
"""What an answer as JSON may be."""

ANSWER_SCHEMAS: Final[dict[str, Schema]] = {
    "EffectiveParameters": _EFFECTIVE,
    "CsvRow": _CSV_ROW,
    **LINES,
    **WHOLE,
}
