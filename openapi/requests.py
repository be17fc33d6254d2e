"""Schemas of request bodies, their fields from the tables that the server reads them by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from jina_v3.contract import EMBEDDING_TYPES
from jina_v3.serving.formats.foreign_shapes import (
    COHERE_FIELDS,
    HUGGING_FACE_FIELDS,
    HUGGING_FACE_PARAMETERS,
    LANGCHAIN_OTHERS,
    TASK_BY_INPUT_TYPE,
    TRUNCATE,
)
from jina_v3.serving.formats.parameters import FIELDS
from jina_v3.serving.formats.shapes import API_FIELDS, SAGEMAKER_FIELDS, SHAPES
from openapi.values import NAME, PARAMETERS, Schema, documents, list_of, record_of, ref, texts

_TEXT_OBJECT: Final[Schema] = {"anyOf": [ref("Text"), record_of({"text": ref("Text")}, "text")]}
_TEXT_WITH_ID: Final[Schema] = {
    "anyOf": [
        ref("Text"),
        record_of({"text": ref("Text"), "id": {"anyOf": [ref("Id"), {"type": "null"}]}}, "text"),
    ]
}


def _pick(schemas: Mapping[str, Schema], names: tuple[str, ...], *without: str) -> dict[str, Schema]:
    return {name: schemas[name] for name in names if name not in without}


def _or_null(schema: Schema) -> Schema:
    return {**schema, "type": [schema["type"], "null"]}


# What each shape has besides our parameters

_OTHERS: Final[dict[str, Schema]] = {**PARAMETERS, "model": NAME, "user": NAME}

_SAGEMAKER: Final = {**_OTHERS, "parameters": _or_null(record_of(_pick(PARAMETERS, FIELDS)))}

_LISTED: Final = {"enum": [name for name in EMBEDDING_TYPES if name != "int8"]}
_LISTED_FORMS: Final[Schema] = {
    "anyOf": [_LISTED, {**list_of(_LISTED), "uniqueItems": True}, {"type": "null"}],
    "description": "A list of vectors has no place for the scales of int8.",
}
_HUGGING_FACE_VALUES: Final[dict[str, Schema]] = {
    **_OTHERS,
    "embedding_type": _LISTED_FORMS,
    "encoding_format": _LISTED_FORMS,
    "normalize": {**PARAMETERS["normalized"], "description": "`normalized`, by text-embeddings-inference's name."},
    "prompt_name": ref("Task"),
    "truncation_direction": {"enum": ["Right", "right", None]},
}
_HUGGING_FACE: Final = {
    **_HUGGING_FACE_VALUES,
    "parameters": _or_null(record_of(_pick(_HUGGING_FACE_VALUES, HUGGING_FACE_PARAMETERS))),
}

_LANGCHAIN: Final = {**_OTHERS, "model_kwargs": _or_null(record_of(_pick(PARAMETERS, FIELDS)))}

_COHERE: Final[dict[str, Schema]] = {
    **_OTHERS,
    "input_type": {"enum": [*TASK_BY_INPUT_TYPE, None], "description": "`task`, in Cohere's words."},
    "truncate": {"enum": [True, False, *TRUNCATE, None], "default": False},
    "embedding_types": {**list_of({"enum": list(EMBEDDING_TYPES)}), "uniqueItems": True, "type": ["array", "null"]},
    "output_dimension": {**PARAMETERS["dimensions"], "description": "`dimensions`, by Cohere's name."},
}


@dataclass(frozen=True, slots=True)
class _Shape:
    """A shape that is one JSON object. ``settings`` are the fields that hold parameters, ``""`` for the body itself."""

    name: str
    texts_field: str
    fields: Mapping[str, Schema]
    about: str
    settings: tuple[str, ...] = ("",)
    text: Schema = field(default_factory=lambda: _TEXT_OBJECT)
    also: Schema = field(default_factory=dict)

    def schemas(self) -> dict[str, Schema]:
        """Return the shape's schema, and that of several documents in one request."""
        late = {"type": "object", "required": ["late_chunking"], "properties": {"late_chunking": {"const": True}}}
        places = [late if not name else {"required": [name], "properties": {name: late}} for name in self.settings]
        about = f"{self.about} With `late_chunking`: several documents, each a list of its chunks."
        return {
            f"{self.name}Request": {**self._schema(texts(self.text)), "description": self.about},
            f"{self.name}DocumentsRequest": {
                **self._schema(documents(self.text)),
                "anyOf": places,
                "description": about,
            },
        }

    def _schema(self, given: Schema) -> Schema:
        return {**record_of({self.texts_field: given, **self.fields}, self.texts_field), **self.also}


_SHAPES: Final = (
    _Shape(
        "JinaSagemaker",
        "data",
        _pick(_SAGEMAKER, SAGEMAKER_FIELDS, "data"),
        "jina-sagemaker's shape.",
        ("parameters",),
        _TEXT_WITH_ID,
    ),
    _Shape("JinaApi", "input", _pick(_OTHERS, API_FIELDS, "input"), "The Jina API's shape, and OpenAI's."),
    _Shape(
        "HuggingFace",
        "inputs",
        _pick(_HUGGING_FACE, HUGGING_FACE_FIELDS, "inputs", "task"),
        "Hugging Face's shape, also with the parameters of text-embeddings-inference.",
        ("", "parameters"),
    ),
    _Shape("Cohere", "texts", _pick(_COHERE, COHERE_FIELDS, "texts"), "Cohere's shape."),
    _Shape(
        "JumpStart",
        "text_inputs",
        _pick(_LANGCHAIN, LANGCHAIN_OTHERS),
        "What AWS's examples have LangChain send to JumpStart's models.",
        ("", "model_kwargs"),
    ),
    _Shape(
        "LangChain",
        "inputs",
        _pick(_LANGCHAIN, LANGCHAIN_OTHERS),
        "What the handler in LangChain's documentation sends: `task` or `model_kwargs` tells it from Hugging Face's.",
        ("", "model_kwargs"),
        also={"allOf": [{"anyOf": [{"required": ["task"]}, {"required": ["model_kwargs"]}]}]},
    ),
)

assert {shape.texts_field for shape in _SHAPES} == set(SHAPES)

JSON_REQUESTS: Final[dict[str, Schema]] = {
    name: schema for shape in _SHAPES for name, schema in shape.schemas().items()
}
"""Each excludes the others."""


def _record(field: str, *not_there: str) -> list[Schema]:
    """Return what a record is whose text, or chunks of a text, stand in a field."""
    without = {"not": {"anyOf": [{"required": [name]} for name in not_there]}} if not_there else {}
    chunks = {field: list_of(ref("Text")), "late_chunking": {"const": True}}
    return [
        {"required": [field], "properties": {field: ref("Text")}, **without},
        {"required": list(chunks), "properties": chunks, **without},
    ]


RECORD: Final[Schema] = {
    **record_of({"id": {"anyOf": [ref("Id"), {"type": "null"}]}, **_pick(PARAMETERS, FIELDS)}, others=True),
    "anyOf": [*_record("text"), *_record("input", "text")],
    "description": "One line. `input` is read where there is no `text`. Other fields are the caller's and come back.",
}
