"""Schemas of what requests and answers have in common: texts, parameters, vectors."""

from __future__ import annotations

from typing import Any, Final

from jina_v3.contract import EMBEDDING_TYPES, MODEL_DIMENSIONS, TASKS, Limits
from jina_v3.serving.formats.parameters import FIELDS, MAX_NAME_CHARACTERS, Parameters

Schema = dict[str, Any]


def ref(name: str) -> Schema:
    """Return a reference to a schema among the document's components."""
    return {"$ref": f"#/components/schemas/{name}"}


def record_of(properties: Schema, *required: str, others: bool = False) -> Schema:
    """Return the schema of an object; ``others`` says whether it may have other fields."""
    return {
        "type": "object",
        "required": list(required),
        "properties": properties,
        **({} if others else {"additionalProperties": False}),
    }


def list_of(items: Schema) -> Schema:
    """Return the schema of a list that is not empty."""
    return {"type": "array", "items": items, "minItems": 1}


# Texts

TEXT: Final[Schema] = {"type": "string", "minLength": 1, "pattern": "\\S", "description": "Not only white space."}

ID: Final[Schema] = {
    "type": ["string", "integer"],
    "minimum": -(2**63),
    "maximum": 2**64 - 1,
    "description": "Comes back as it was sent; an item without one is given one.",
}

NAME: Final[Schema] = {
    "type": ["string", "null"],
    "maxLength": MAX_NAME_CHARACTERS,
    "description": "Accepted; changes nothing.",
}


def texts(text: Schema) -> Schema:
    """Return the schema of one text or several."""
    return {"anyOf": [text, {**list_of(text), "maxItems": Limits().max_texts}]}


def documents(text: Schema) -> Schema:
    """Return the schema of several documents, each a list of its chunks."""
    return {**list_of(list_of(text)), "maxItems": Limits().max_texts}


# Parameters

_ABSENT: Final = Parameters()

TASK: Final[Schema] = {
    "enum": [*(task.value for task in TASKS), None],
    "description": "Which adapter and prompt; null is the base weights and no prompt.",
}

FORMS: Final[Schema] = {
    "anyOf": [
        {"enum": list(EMBEDDING_TYPES)},
        {**list_of({"enum": list(EMBEDDING_TYPES)}), "uniqueItems": True},
        {"type": "null"},
    ],
    "default": _ABSENT.embedding_types,
    "description": "The form of the vectors, or several: then `embedding` is an object by form.",
}


def _flag(about: str, *, default: bool) -> Schema:
    return {"type": ["boolean", "null"], "default": default, "description": about}


PARAMETERS: Final[dict[str, Schema]] = {
    "task": ref("Task"),
    "dimensions": {
        "type": ["integer", "null"],
        "minimum": 1,
        "maximum": MODEL_DIMENSIONS,
        "default": _ABSENT.dimensions,
        "description": f"Values a vector; null is {MODEL_DIMENSIONS}.",
    },
    "late_chunking": _flag(
        "The texts are the chunks of one document, and each vector knows the whole.", default=_ABSENT.late_chunking
    ),
    "normalized": _flag("Vectors have length 1.", default=_ABSENT.normalized),
    "truncate": _flag("A text that is too long is cut and not an error.", default=_ABSENT.truncate),
    "embedding_type": ref("EmbeddingType"),
    "encoding_format": ref("EmbeddingType"),
}
"""By the names that all shapes understand."""

assert set(PARAMETERS) == set(FIELDS)


# Vectors

_BYTES: Final = {"binary": (-128, 127), "ubinary": (0, 255), "int8": (-127, 127)}

VECTOR_BY_FORM: Final[dict[str, Schema]] = {
    "float": list_of({"type": "number"}),
    "base64": {
        "type": "string",
        "contentEncoding": "base64",
        "pattern": "^[A-Za-z0-9+/]+=*$",
        "description": "float32, little-endian.",
    },
    **{name: list_of({"type": "integer", "minimum": low, "maximum": high}) for name, (low, high) in _BYTES.items()},
}

assert tuple(VECTOR_BY_FORM) == EMBEDDING_TYPES

SCALE: Final[Schema] = {"type": "number", "description": "With int8: what its values are to be multiplied by."}

VALUE_SCHEMAS: Final[dict[str, Schema]] = {
    "Text": TEXT,
    "Id": ID,
    "Task": TASK,
    "EmbeddingType": FORMS,
    **{f"{name.capitalize()}Vector": schema for name, schema in VECTOR_BY_FORM.items()},
    "Embedding": {
        "anyOf": [
            *(ref(f"{name.capitalize()}Vector") for name in EMBEDDING_TYPES),
            {
                **record_of({name: ref(f"{name.capitalize()}Vector") for name in EMBEDDING_TYPES}),
                "minProperties": 1,
                "description": "By form, where several were asked for.",
            },
        ]
    },
}
