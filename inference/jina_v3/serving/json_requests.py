"""The request shapes that are one JSON object: jina-sagemaker's and the Jina API's.

A shape is a row in ``SHAPES``, recognised by the one field that only it has. To add one, write the function that reads
it and the function that writes its answer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from jina_v3.contract import MODEL_NAME, EncodeJob, ErrorCode, Limits, Task
from jina_v3.errors import RequestError
from jina_v3.serving.exchange import Answer, Result, checked, generate_id, place_error
from jina_v3.serving.json_values import kind
from jina_v3.serving.media_types import JSON
from jina_v3.serving.parameters import (
    FIELDS,
    Parameters,
    nearest,
    read_name,
    read_parameters,
    refuse_unknown_fields,
    wrong_type,
)
from jina_v3.serving.texts import Document, read_documents
from jina_v3.serving.vectors import write_vectors

_LATER_SHAPES: Final = ("inputs", "texts", "text_inputs")
"""Fields of shapes that are in the contract and not offered yet."""


@dataclass(frozen=True, slots=True)
class Item:
    """One text's part in the answer. ``fields`` hold its vector; ``document`` is set where there are several."""

    id: str | int | None
    fields: dict[str, Any]
    tokens: int
    truncated: bool
    document: int | None

    @property
    def extras(self) -> dict[str, Any]:
        """What is said only of items that it is true of."""
        extras: dict[str, Any] = {} if self.document is None else {"document": self.document}
        return {**extras, "truncated": True} if self.truncated else extras


@dataclass(frozen=True, slots=True)
class JsonRequest:
    """A request that is one JSON object; one failed text fails it as a whole.

    ``parameters_prefix`` stands before the names of parameters in errors.
    """

    documents: tuple[Document, ...]
    nested: bool
    parameters: Parameters
    parameters_prefix: str
    write: Callable[[Sequence[Item], Parameters, int | None], Answer]
    media_type: str = JSON
    jobs: tuple[EncodeJob, ...] = field(init=False)

    def __post_init__(self) -> None:
        jobs = tuple(self.parameters.job(document.texts) for document in self.documents)
        object.__setattr__(self, "jobs", jobs)

    def answer(self, results: Sequence[Result]) -> Answer:
        """Write the items of all documents, in order."""
        items: list[Item] = []
        dimensions: int | None = None
        for number, (document, result) in enumerate(zip(self.documents, results, strict=True)):
            if isinstance(result, RequestError):
                raise place_error(result, document.places, self.parameters_prefix)
            vectors = checked(result)
            dimensions = vectors.shape[1]
            cut = frozenset(result.truncated)
            rows = write_vectors(vectors, self.parameters.embedding_types)
            items.extend(
                Item(text_id, fields, tokens, index in cut, number if self.nested else None)
                for index, (text_id, fields, tokens) in enumerate(
                    zip(document.ids, rows, result.token_counts, strict=True)
                )
            )
        return self.write(items, self.parameters, dimensions)


def read_json_request(value: Any, limits: Limits) -> JsonRequest:
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
    later = next((name for name in _LATER_SHAPES if name in value), None)
    near = next((match for name in value if (match := nearest(name, SHAPES))), None)
    hint = f"; did you mean {near!r}?" if near else ""
    if later:
        hint = f"; requests by {later!r} are not offered yet"
    raise RequestError(
        ErrorCode.UNKNOWN_SHAPE,
        f"the body must be {accepted}{hint}",
        field=later or "body",
        value=value,
        allowed=accepted,
    )


# jina-sagemaker: {"data": [{"text"}], "parameters": {…}}

_SAGEMAKER_FIELDS: Final = ("data", "parameters", "model", "user")


def _read_sagemaker(body: Mapping[str, Any], limits: Limits) -> JsonRequest:
    refuse_unknown_fields(body, _SAGEMAKER_FIELDS)
    given = body.get("parameters")
    given = {} if given is None else given
    if not isinstance(given, dict):
        raise wrong_type("parameters", given, "an object")
    prefix = "parameters."
    refuse_unknown_fields(given, FIELDS, prefix)
    parameters = read_parameters(given, prefix, absent_task=Task.TEXT_MATCHING)  # as jina-sagemaker's client has it
    for name in ("model", "user"):
        read_name(body.get(name), name)
    late = parameters.late_chunking
    documents, nested = read_documents(body["data"], "data", ("text", "id"), limits, late_chunking=late)
    return JsonRequest(documents, nested, parameters, prefix, _write_sagemaker)


def _write_sagemaker(items: Sequence[Item], parameters: Parameters, dimensions: int | None) -> Answer:
    data = []
    for item in items:
        item_id = generate_id() if item.id is None else item.id
        usage = {"id": item_id, "total_tokens": item.tokens}
        data.append({"id": item_id, **item.fields, "usage": usage, **item.extras})
    types = parameters.embedding_types
    effective = {
        "task": parameters.task,
        "dimensions": parameters.dimensions if dimensions is None else dimensions,
        "late_chunking": parameters.late_chunking,
        "normalized": parameters.normalized,
        "truncate": parameters.truncate,
        "embedding_type": types if isinstance(types, str) else list(types),
    }
    return Answer(data, whole={"data": data, "parameters": effective})


# Jina API: {"input": …, "task", "dimensions", …}; with "encoding_format" and "user" it is OpenAI's as well

_API_FIELDS: Final = ("input", "model", "user", *FIELDS)


def _read_api(body: Mapping[str, Any], limits: Limits) -> JsonRequest:
    refuse_unknown_fields(body, _API_FIELDS)
    parameters = read_parameters(body, "", absent_task=None)
    model = read_name(body.get("model"), "model")
    read_name(body.get("user"), "user")
    late = parameters.late_chunking
    documents, nested = read_documents(body["input"], "input", ("text",), limits, late_chunking=late)

    def write(items: Sequence[Item], _parameters: Parameters, _dimensions: int | None) -> Answer:
        return _write_api(items, MODEL_NAME if model is None else model)

    return JsonRequest(documents, nested, parameters, "", write)


def _write_api(items: Sequence[Item], model: str) -> Answer:
    total = sum(item.tokens for item in items)
    data = [{"object": "embedding", "index": index, **item.fields, **item.extras} for index, item in enumerate(items)]
    usage = {"total_tokens": total, "prompt_tokens": total}
    return Answer(data, whole={"model": model, "object": "list", "usage": usage, "data": data})


SHAPES: Final[Mapping[str, Callable[[Mapping[str, Any], Limits], JsonRequest]]] = {
    "data": _read_sagemaker,
    "input": _read_api,
}
"""By the field that shows the shape."""
