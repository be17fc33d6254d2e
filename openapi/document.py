"""The document: paths, and what they take and give, from the tables and the examples."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any, Final

from jina_v3.config import Config
from jina_v3.contract import MODEL_NAME, ErrorCode
from jina_v3.serving.formats.array_writers import SHAPE_HEADER
from jina_v3.serving.formats.attributes import FIELD_NAMES
from jina_v3.serving.formats.attributes import HEADER as ATTRIBUTES
from jina_v3.serving.formats.attributes import NAMES as ATTRIBUTE_NAMES
from jina_v3.serving.formats.media_types import (
    CSV,
    JSON,
    JSON_LINES_NAMES,
    NPY,
    OCTETS,
    PARQUET_NAMES,
    READ,
    TEXT,
    TEXTS_OFFER,
    family,
)
from jina_v3.serving.metrics import CONTENT_TYPE as METRICS_TYPE
from openapi.answers import ANSWER_SCHEMAS, LINES, WHOLE
from openapi.errors import ERROR_SCHEMAS, STATUSES
from openapi.requests import JSON_REQUESTS, RECORD
from openapi.shown import answers_as, requests_as, show_error, show_examples
from openapi.values import VALUE_SCHEMAS, Schema, record_of, ref

ROOT: Final = Path(__file__).parents[1]
PATH: Final = ROOT / "docs" / "openapi.json"

_MADE_UP: Final = re.compile(r"\b[0-9a-f]{32}\b")


def make_document() -> dict[str, Any]:
    """Return the document."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": f"{MODEL_NAME} on SageMaker",
            "version": tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"],
            "description": _ABOUT,
        },
        "servers": [{"url": f"http://localhost:{Config().port}"}],
        "paths": {
            "/ping": {"get": _ping(), "head": _without_bodies(_ping())},
            "/invocations": {"post": _invocations()},
            "/execution-parameters": {"get": _execution_parameters()},
            "/metrics": {"get": _metrics()},
        },
        "components": {
            "schemas": {**VALUE_SCHEMAS, **JSON_REQUESTS, "Record": RECORD, **ANSWER_SCHEMAS, **ERROR_SCHEMAS},
            "responses": {f"Error{status}": _error(status) for status in STATUSES},
            "headers": _HEADERS,
            "examples": dict(show_examples()),
        },
    }


def write_document() -> str:
    """Return the document as the text of its file, the same at every time: ids that were made up are numbered."""
    text = json.dumps(make_document(), indent=2, ensure_ascii=False) + "\n"
    numbers = {made_up: f"{number:032x}" for number, made_up in enumerate(dict.fromkeys(_MADE_UP.findall(text)), 1)}
    return _MADE_UP.sub(lambda match: numbers[match[0]], text)


_ABOUT: Final = (
    "What docs/contract.md says, for machines. Any other path is answered with 404 and any other method with 405 "
    "(components/responses). What JSON cannot hold stands in extensions: `x-rows` are the rows of a Parquet file, "
    "`x-array` is an array, `x-base64` are bytes, `x-itemSchema` is the schema of each line of JSON lines, `x-request` "
    "is what an answer answers."
)

_HEADERS: Final[dict[str, Any]] = {
    "RequestId": {
        "description": "The request's `X-Amzn-RequestId` where it had one, else one made up.",
        "schema": {"type": "string", "minLength": 1},
    },
    "CustomAttributes": {
        "description": f"As it was sent; with {OCTETS} its end says the array's shape.",
        "schema": {"type": "string", "maxLength": 1024},
    },
    "EmbeddingShape": {
        "description": f"Rows and columns; of {OCTETS} only.",
        "schema": {"type": "string", "pattern": "^[0-9]+,[0-9]+$"},
    },
    "Allow": {"description": "The methods that the path takes.", "schema": {"type": "string"}},
    "RetryAfter": {"description": "Seconds.", "schema": {"type": "integer", "minimum": 1}},
}


def _headers(**names: str) -> dict[str, Any]:
    every = {"X-Amzn-RequestId": "RequestId", **names}
    return {name: {"$ref": f"#/components/headers/{component}"} for name, component in every.items()}


# Paths


def _ping() -> dict[str, Any]:
    ready = record_of({"status": {"const": "ready"}}, "status")
    return {
        "summary": "Whether it can serve",
        "responses": {
            "200": {
                "description": "The model is loaded.",
                "headers": _headers(),
                "content": {JSON: {"schema": ready, "example": {"status": "ready"}}},
            },
            "503": {"$ref": "#/components/responses/Error503"},
        },
    }


def _without_bodies(operation: dict[str, Any]) -> dict[str, Any]:
    responses = {status: {"description": "As of GET, without a body."} for status in operation["responses"]}
    return {"summary": operation["summary"], "responses": responses}


def _execution_parameters() -> dict[str, Any]:
    config = Config()
    example = {
        "MaxConcurrentTransforms": config.max_concurrent_transforms,
        "BatchStrategy": config.batch_strategy,
        "MaxPayloadInMB": config.max_payload_mb,
    }
    count = {"type": "integer", "minimum": 0}
    schemas = {
        "MaxConcurrentTransforms": count,
        "BatchStrategy": {"enum": ["MULTI_RECORD", "SINGLE_RECORD"]},
        "MaxPayloadInMB": count,
    }
    return {
        "summary": "What a transform job may leave to the container",
        "responses": {
            "200": {
                "description": "What the job has set, or else what suits.",
                "headers": _headers(),
                "content": {JSON: {"schema": record_of(schemas, *schemas), "example": example}},
            }
        },
    }


def _metrics() -> dict[str, Any]:
    return {
        "summary": "Numbers for Prometheus",
        "responses": {
            "200": {
                "description": "Prometheus's text form; docs/server.md names them.",
                "headers": _headers(),
                "content": {METRICS_TYPE: {"schema": {"type": "string", "pattern": "jina_v3_requests_total"}}},
            }
        },
    }


def _invocations() -> dict[str, Any]:
    wrong = [status for status in STATUSES if status not in (404, 405)]
    return {
        "summary": "Embed texts",
        "description": "`Accept` names the form of the answer; without it, it is the request's own.",
        "parameters": [
            {
                "name": ATTRIBUTES,
                "in": "header",
                "description": "Where a body has no place for them, the parameters "
                f"{', '.join(ATTRIBUTE_NAMES)}: `task=retrieval.query;dimensions=256`; and the names of a record's "
                f"fields, {' and '.join(FIELD_NAMES)}. Everything else in it is yours.",
                "schema": {"type": "string", "maxLength": 1024},
            },
            {
                "name": "X-Amzn-RequestId",
                "in": "header",
                "description": "Comes back, and stands in errors and logs.",
                "schema": {"type": "string", "minLength": 1, "maxLength": 64},
            },
            {
                "name": "Content-Encoding",
                "in": "header",
                "schema": {"enum": ["identity", "gzip", "x-gzip"]},
            },
        ],
        "requestBody": {
            "required": True,
            "content": {media_type: _request_content(media_type) for media_type in READ},
        },
        "responses": {
            "200": {
                "description": "Vectors; of records also the errors of those that have none.",
                "headers": _headers(**{ATTRIBUTES: "CustomAttributes", SHAPE_HEADER: "EmbeddingShape"}),
                "content": {media_type: _answer_content(media_type) for media_type in TEXTS_OFFER},
            },
            **{str(status): {"$ref": f"#/components/responses/Error{status}"} for status in wrong},
        },
    }


_TEXT_BODY: Final[Schema] = {"type": "string"}

_REQUEST_SCHEMAS: Final[dict[str, dict[str, Any]]] = {
    JSON: {"schema": {"oneOf": [ref(name) for name in JSON_REQUESTS]}},
    **{
        name: {"schema": {**_TEXT_BODY, "description": "JSON lines."}, "x-itemSchema": ref("Record")}
        for name in JSON_LINES_NAMES
    },
    TEXT: {"schema": ref("Text")},
    CSV: {
        "schema": {
            **_TEXT_BODY,
            "description": "Rows of id,text or text; with header=present the first row names the columns.",
        }
    },
    **{name: {} for name in PARQUET_NAMES},
}

_ANSWER_SCHEMAS: Final[dict[str, dict[str, Any]]] = {
    JSON: {"schema": {"anyOf": [ref(name) for name in WHOLE]}},
    **{
        name: {
            "schema": {**_TEXT_BODY, "description": "JSON lines."},
            "x-itemSchema": {"anyOf": [ref(line) for line in LINES]},
        }
        for name in JSON_LINES_NAMES
    },
    **{name: {} for name in (*PARQUET_NAMES, NPY, OCTETS)},
}


def _request_content(media_type: str) -> dict[str, Any]:
    return {**_REQUEST_SCHEMAS[media_type], **requests_as(family(media_type))}


def _answer_content(media_type: str) -> dict[str, Any]:
    return {**_ANSWER_SCHEMAS[media_type], **answers_as(family(media_type))}


def _error(status: int) -> dict[str, Any]:
    codes = [code for code in ErrorCode if code.status == status]
    more = {405: {"Allow": "Allow"}, 429: {"Retry-After": "RetryAfter"}}.get(status, {})
    return {
        "description": ", ".join(code.wire_name for code in codes),
        "headers": _headers(**more),
        "content": {
            JSON: {
                "schema": ref(f"Error{status}"),
                "examples": {code.wire_name: show_error(code) for code in codes},
            }
        },
    }
