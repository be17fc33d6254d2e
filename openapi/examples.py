"""The document's examples: requests of every shape and kind of body, and every way that one is refused."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from jina_v3.contract import ErrorCode, Limits
from jina_v3.serving.formats.attributes import HEADER as ATTRIBUTES
from jina_v3.serving.formats.media_types import CSV, JSON, JSON_LINES, NPY, OCTETS, PARQUET, TEXT

Rows = tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Example:
    """One request. ``body`` is text or bytes as they are sent, rows of a Parquet file, or else a value to be JSON.

    ``schema`` names the schema of the answer, or of each of its lines; None where a schema has no words for it.
    ``answers`` is the name under which the answer stands, where the request has been shown before.
    """

    name: str
    summary: str
    body: Any
    content_type: str = JSON
    schema: str | None = None
    accept: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    method: str = "POST"
    path: str = "/invocations"
    again: bool = False

    @property
    def sent(self) -> bytes:
        """The bytes of the body."""
        if isinstance(self.body, tuple):
            sink = io.BytesIO()
            pq.write_table(pa.Table.from_pylist([dict(row) for row in self.body]), sink)
            return sink.getvalue()
        if isinstance(self.body, bytes):
            return self.body
        return (self.body if isinstance(self.body, str) else json.dumps(self.body)).encode()

    @property
    def all_headers(self) -> dict[str, str]:
        """The headers that it is sent with."""
        content_type = {"Content-Type": self.content_type} if self.method == "POST" else {}
        return {**content_type, **({"Accept": self.accept} if self.accept else {}), **self.headers}

    def show_body(self) -> dict[str, Any]:
        """Return the body as the document holds it: a value, or rows or base64 of what JSON has no word for."""
        if isinstance(self.body, tuple):
            return {"x-rows": [dict(row) for row in self.body]}
        if isinstance(self.body, bytes):
            return {"x-base64": base64.b64encode(self.body).decode()}
        return {"value": self.body}


_TWO: Final = ["sunrise", "sunset"]

_SAGEMAKER: Final = Example(
    "jina-sagemaker",
    "jina-sagemaker's client",
    {
        "data": [{"text": "sunrise", "id": "a"}, {"text": "sunset"}],
        "parameters": {"task": "text-matching", "dimensions": 2},
    },
    schema="JinaSagemakerAnswer",
)
_API: Final = Example(
    "jina-api",
    "The Jina API's clients",
    {"model": "jina-embeddings-v3", "input": _TWO, "task": "retrieval.passage", "dimensions": 2},
    schema="JinaApiAnswer",
)
_LINES: Final = Example(
    "json-lines",
    "One record a line, a bad one among them",
    '{"id": 1, "text": "sunrise", "task": "retrieval.passage", "dimensions": 2, "city": "Ulm"}\n'
    '{"id": 2, "text": ""}\n'
    '{"id": 3, "text": ["The harbour is old.", "It floods."], "late_chunking": true, "dimensions": 2}\n',
    JSON_LINES,
    "EmbeddedRecord FailedRecord",
)
_CSV: Final = Example(
    "csv",
    "Rows of id and text, without a header",
    'a,sunrise\nb,"sunset, and the ""blue hour"""\nc,\n',
    CSV,
    "CsvAnswer",
    headers={ATTRIBUTES: "task=retrieval.passage;dimensions=2"},
)
_PARQUET: Final = Example(
    "parquet",
    "A table with a column of texts",
    ({"id": 1, "text": "sunrise", "city": "Ulm"}, {"id": 2, "text": None, "city": "Bonn"}),
    PARQUET,
    headers={ATTRIBUTES: "dimensions=2"},
)

EXAMPLES: Final = (
    _SAGEMAKER,
    Example(
        "jina-sagemaker-documents",
        "Late chunking of two documents, vectors in two forms",
        {
            "data": [["The harbour is old.", "It floods."], ["Trams run late."]],
            "parameters": {"late_chunking": True, "dimensions": 2, "embedding_type": ["float", "int8"]},
        },
        schema="JinaSagemakerAnswer",
    ),
    _API,
    Example(
        "openai",
        "OpenAI's clients",
        {
            "model": "text-embedding-3-small",
            "input": "sunrise",
            "encoding_format": "base64",
            "user": "u",
            "dimensions": 2,
        },
        schema="JinaApiAnswer",
    ),
    Example(
        "hugging-face",
        "Hugging Face's clients",
        {"inputs": _TWO, "parameters": {"task": "separation", "dimensions": 2}},
        schema="HuggingFaceAnswer",
    ),
    Example(
        "text-embeddings-inference",
        "Hugging Face's shape in the words of text-embeddings-inference",
        {"inputs": "sunrise", "normalize": True, "truncate": True, "prompt_name": "retrieval.query", "dimensions": 2},
        schema="HuggingFaceAnswer",
    ),
    Example(
        "cohere",
        "Cohere's clients",
        {"texts": _TWO, "input_type": "search_document", "truncate": "END", "output_dimension": 2},
        schema="CohereAnswer",
    ),
    Example(
        "cohere-by-form",
        "Cohere's shape with several forms of a vector",
        {"texts": _TWO, "embedding_types": ["float", "int8", "ubinary"], "output_dimension": 2},
        schema="CohereAnswer",
    ),
    Example(
        "langchain",
        "LangChain's handler, model_kwargs beside the texts",
        {"inputs": _TWO, "task": "retrieval.passage", "dimensions": 2},
        schema="LangChainAnswer",
    ),
    Example(
        "jumpstart",
        "LangChain with JumpStart's models, model_kwargs as an object",
        {"text_inputs": ["sunrise"], "model_kwargs": {"task": "retrieval.query", "dimensions": 2}},
        schema="JumpStartAnswer",
    ),
    _LINES,
    _CSV,
    Example(
        "csv-with-header",
        "Rows under names of columns",
        "text,id,city\nsunrise,a,Ulm\n",
        f"{CSV}; header=present",
        "CsvAnswer",
        headers={ATTRIBUTES: "dimensions=2"},
    ),
    Example(
        "csv-with-other-names",
        "Text and id under names of one's own",
        "abstract,doc_id,city\nsunrise,a,Ulm\n",
        f"{CSV}; header=present",
        "CsvAnswer",
        headers={ATTRIBUTES: "dimensions=2;text_field=abstract;id_field=doc_id"},
    ),
    _PARQUET,
    Example(
        "plain-text",
        "One text",
        "How high is the tide?",
        TEXT,
        "JinaApiAnswer",
        headers={ATTRIBUTES: "task=retrieval.query,dimensions=2,trace=7"},
    ),
)
"""A request of each shape and kind of body, answered in its own form."""


def _again(example: Example, accept: str, schema: str | None = None) -> Example:
    return Example(
        example.name,
        example.summary,
        example.body,
        example.content_type,
        schema,
        accept,
        example.headers,
        again=True,
    )


OTHER_FORMS: Final = (
    _again(_SAGEMAKER, JSON_LINES, "JinaSagemakerItem"),
    _again(_API, JSON_LINES, "JinaApiItem"),
    _again(EXAMPLES[4], JSON_LINES, "TextLine"),
    _again(_CSV, JSON_LINES, "EmbeddedRecord FailedRecord"),
    _again(_PARQUET, JSON_LINES, "EmbeddedRecord FailedRecord"),
    _again(_LINES, JSON, "RecordsAnswer"),
    _again(_PARQUET, JSON, "RecordsAnswer"),
    _again(_SAGEMAKER, PARQUET),
    _again(_CSV, PARQUET),
    _again(_API, NPY),
    _again(_API, OCTETS),
)
"""The same requests, answered in the form that ``Accept`` names."""


def _refused(code: ErrorCode, body: Any, content_type: str = JSON, **given: Any) -> tuple[ErrorCode, Example]:
    return code, Example(code.wire_name, code.wire_name, body, content_type, f"Error{code.status}", **given)


REFUSED: Final = dict(
    [
        _refused(ErrorCode.NOT_JSON, '{"input": "a"'),
        _refused(ErrorCode.NOT_UTF8, b"\xff", TEXT),
        _refused(ErrorCode.NOT_GZIP, {"input": "a"}, headers={"Content-Encoding": "gzip"}),
        _refused(ErrorCode.NOT_CSV, 'id,"te"xt\n', f"{CSV}; header=present"),
        _refused(ErrorCode.NOT_PARQUET, b"PAR1", PARQUET),
        _refused(ErrorCode.NOT_FOUND, "", method="GET", path="/invocation"),
        _refused(ErrorCode.METHOD_NOT_ALLOWED, "", method="GET", path="/invocations"),
        _refused(ErrorCode.NOT_ACCEPTABLE, {"input": "a"}, accept="image/png"),
        _refused(ErrorCode.BODY_TOO_LARGE, b" " * (Limits().max_body_bytes + 1)),
        _refused(ErrorCode.TOO_MANY_TEXTS, {"input": ["a"] * (Limits().max_texts + 1)}),
        _refused(ErrorCode.UNSUPPORTED_MEDIA_TYPE, b"\x89PNG", "image/png"),
        _refused(ErrorCode.UNKNOWN_SHAPE, {"inptus": ["a"]}),
        _refused(ErrorCode.UNKNOWN_FIELD, {"input": "a", "dimension": 2}),
        _refused(ErrorCode.MISSING_FIELD, {"data": [{"id": "a"}]}),
        _refused(ErrorCode.WRONG_TYPE, {"data": [5]}),
        _refused(ErrorCode.INVALID_VALUE, {"inputs": "a", "truncation_direction": "Left"}),
        _refused(ErrorCode.UNKNOWN_TASK, {"data": ["a"], "parameters": {"task": "retreival.query"}}),
        _refused(ErrorCode.INVALID_DIMENSIONS, {"input": "a", "dimensions": 1025}),
        _refused(ErrorCode.EMPTY_INPUT, {"data": []}),
        _refused(ErrorCode.EMPTY_TEXT, {"input": ["a", " "]}),
        _refused(ErrorCode.INVALID_TEXT, '{"input": "\\ud800"}'),
        _refused(ErrorCode.TEXT_TOO_LONG, {"input": "sunrise " * Limits().max_tokens_per_text}),
    ]
)
"""A request that gets each code that does not hang on what state the server is in."""
