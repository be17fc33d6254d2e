"""A container without a model: answers the client's two forms of request as ``docs/contract.md`` has it.

Vectors are made of words, so that texts that share words are near each other. For ``testing``.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

import numpy as np
from numpy.typing import NDArray

from jina_v3.contract import MODEL_DIMENSIONS, PROMPTS, ErrorCode, Limits, Task
from jina_v3_client._texts.requests import JSON_LINES
from jina_v3_client.errors import InvalidInputError
from jina_v3_client.parameters import Parameters, VectorForm

_FIELDS: Final = ("task", "dimensions", "late_chunking", "normalized", "truncate", "embedding_type")
_STATUSES: Final = {code.wire_name: code.status for code in ErrorCode}
# a run of letters, or one sign; Han characters and kana, which are written without spaces, are words by themselves
_WORD: Final = re.compile(r"[^\W\u3040-\u30ff\u3400-\u9fff]+|\S")
_SHARE: Final = 0.31  # of the task, and of a chunk's document, in a vector


@dataclass(frozen=True, slots=True)
class Reply:
    """A container's answer."""

    status: int
    body: bytes


def reply(body: bytes, content_type: str, *, max_tokens: int = Limits().max_tokens_per_text) -> Reply:
    """Answer a request as the container would, as JSON."""
    try:
        if content_type == JSON_LINES:
            records = [_record(line, number, max_tokens) for number, line in enumerate(body.split(b"\n"), 1) if line]
            return Reply(200, json.dumps(records).encode())
        return Reply(200, json.dumps(_answer(_load(body, "body", "unknown_shape"), max_tokens)).encode())
    except InvalidInputError as error:
        return refusal(error.code, error.message, error.field, error.value, error.allowed)


def refusal(
    code: str, message: str, field: str | None = None, value: object = None, allowed: Any = None, *, status: int = 0
) -> Reply:
    """Make the container's answer of an error; its status is its code's, unless it is given."""
    described = {"code": code, "message": message, "field": field, "value": value, "allowed": allowed}
    described["request_id"] = hashlib.sha256(message.encode()).hexdigest()[:32]
    return Reply(status or _STATUSES[code], json.dumps({"error": described, "detail": message}).encode())


# Requests


def _load(data: bytes, field: str, not_an_object: str) -> dict[str, Any]:
    """Read an object; ``not_an_object`` is the code of what is none."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        raise _refused("not_json", f"the {field} is not JSON", field, None, "one JSON value (RFC 8259)") from None
    if not isinstance(value, dict):
        raise _refused(not_an_object, f"the {field} is no object", field, None, "an object")
    return value


def _answer(request: dict[str, Any], max_tokens: int) -> dict[str, Any]:
    if "data" not in request:
        raise _refused("unknown_shape", "the body must have 'data'", "body", "an object", "an object with 'data'")
    said = request.get("parameters") or {}
    parameters, form = _parameters({"task": "text-matching", **said}, "parameters.")
    data = request["data"] if isinstance(request["data"], list) else [request["data"]]
    if not data:
        raise _refused("empty_input", "data is an empty list; it must hold a text", "data", "a list of 0", "a text")
    nested = isinstance(data[0], list)
    documents = data if nested else [data]
    if sum(map(len, documents)) > Limits().max_texts:
        most = f"at most {Limits().max_texts} texts"
        raise _refused("too_many_texts", f"data holds more than {most}", "data", len(data), most)
    items: list[dict[str, Any]] = []
    for number, document in enumerate(documents):
        place = f"data[{number}]" if nested else "data"
        texts = [_text(item, f"{place}[{index}]") for index, item in enumerate(document)]
        for item, read in zip(document, _embed(texts, parameters, place, max_tokens), strict=True):
            vector, tokens, cut = read
            name = item.get("id", f"{len(items):032x}") if isinstance(item, dict) else f"{len(items):032x}"
            usage = {"id": name, "total_tokens": tokens}
            extra = ({"document": number} if nested else {}) | ({"truncated": True} if cut else {})
            items.append({"id": name, **_wire_vector(vector, form), "usage": usage, **extra})
    effective = {name: getattr(parameters, name) for name in _FIELDS[:-1]} | {"embedding_type": form}
    return {"data": items, "parameters": effective}


def _record(line: bytes, number: int, max_tokens: int) -> dict[str, Any]:
    identity: Any = f"{number:032x}"
    try:
        record = _load(line, "line", "wrong_type")
        identity = record.get("id", identity)
        parameters, form = _parameters({name: record[name] for name in _FIELDS if name in record}, "")
        if not isinstance(record.get("text"), str):
            raise _refused("wrong_type", "text must be a string", "text", None, "a string")
        ((vector, tokens, cut),) = _embed([record["text"]], parameters, "text", max_tokens)
    except InvalidInputError as error:
        described = {"code": error.code, "message": error.message, "field": error.field, "value": error.value}
        return {"id": identity, "error": {**described, "allowed": error.allowed, "line": number}}
    return {"id": identity, **_wire_vector(vector, form), "tokens": tokens, **({"truncated": True} if cut else {})}


def _parameters(said: dict[str, Any], prefix: str) -> tuple[Parameters, str]:
    """Read parameters, and the form of the vectors, which may be base64."""
    unknown = next((name for name in said if name not in _FIELDS), None)
    if unknown is not None:
        raise _refused("unknown_field", f"{prefix}{unknown} is not known", f"{prefix}{unknown}", unknown, list(_FIELDS))
    form = said.get("embedding_type") or "float"
    given = {name: value for name, value in said.items() if value is not None and name != "embedding_type"}
    try:
        return Parameters(**given, form="float" if form == "base64" else cast(VectorForm, form)), form
    except InvalidInputError as error:
        error.field = f"{prefix}{error.field}"
        raise


def _text(item: Any, place: str) -> str:
    text = item.get("text") if isinstance(item, dict) else item
    if not isinstance(text, str):
        raise _refused("wrong_type", f"{place} is no text", place, None, "a string or an object with 'text'")
    return text


def _refused(code: str, message: str, field: str, value: object, allowed: Any) -> InvalidInputError:
    return InvalidInputError(message, code=code, field=field, value=value, allowed=allowed)


# Vectors


def _embed(
    texts: Sequence[str], parameters: Parameters, place: str, max_tokens: int
) -> list[tuple[NDArray[np.float32], int, bool]]:
    """Return each text's vector, how many tokens it has, and whether it was cut."""
    task = parameters.task
    head = 1 + len(PROMPTS[Task(task)].split() if task else ())
    words = [_WORD.findall(text.lower()) for text in texts]
    for index, found in enumerate(words):
        here = place if place == "text" else f"{place}[{index}].text"
        if not found:
            raise _refused("empty_text", f"{here} is empty or only white space; leave it out.", here, "", "words")
        tokens = head + len(found) + 1
        if tokens > max_tokens and not (parameters.truncate or parameters.late_chunking):
            many = f"{here} has {tokens} tokens; at most {max_tokens} are allowed"
            raise _refused("text_too_long", many, here, tokens, {"maximum": max_tokens})
    if parameters.late_chunking:
        whole = _vector([word for found in words for word in found], task)
        counts = [len(found) for found in words]
        counts[0] += head
        counts[-1] += 1
        return [
            (_shaped(_vector(found, task) + _SHARE * whole, parameters), count, False)
            for found, count in zip(words, counts, strict=True)
        ]
    room = max_tokens - head - 1
    return [
        (_shaped(_vector(found[:room], task), parameters), min(len(found), room) + head + 1, len(found) > room)
        for found in words
    ]


def _vector(words: Sequence[str], task: str | None) -> NDArray[np.float32]:
    """Return the sum of the words' vectors, with something of the task's."""
    bits = np.unpackbits(
        np.frombuffer(b"".join(map(_signs, words)), np.uint8).reshape(-1, MODEL_DIMENSIONS // 8), axis=1
    )
    total = (2.0 * bits.sum(axis=0, dtype=np.float32) - len(words)) / np.sqrt(len(words))
    own = np.unpackbits(np.frombuffer(_signs(f"task {task}"), np.uint8)).astype(np.float32)
    vector: NDArray[np.float32] = (total + _SHARE * (2.0 * own - 1.0)).astype(np.float32)
    return vector


@functools.lru_cache(maxsize=4096)
def _signs(word: str) -> bytes:
    """Return a word's signs, one bit each: any two words' are as good as orthogonal."""
    return hashlib.shake_256(word.encode("utf-8", "replace")).digest(MODEL_DIMENSIONS // 8)


def _shaped(vector: NDArray[np.float32], parameters: Parameters) -> NDArray[np.float32]:
    cut = vector[: parameters.dimensions]
    return cut / np.linalg.norm(cut) if parameters.normalized else cut


def _wire_vector(vector: NDArray[np.float32], form: str) -> dict[str, Any]:
    """Return the fields that carry a vector."""
    if form == "base64":
        return {"embedding": base64.b64encode(vector.astype("<f4").tobytes()).decode()}
    if form == "int8":
        scale = np.float32(np.abs(vector).max() / np.float32(127))
        return {"embedding": np.rint(vector / scale).astype(int).tolist(), "scale": float(scale)}
    if form == "float":
        return {"embedding": vector.tolist()}
    packed = np.packbits(vector > 0).astype(int)
    return {"embedding": (packed - 128 if form == "binary" else packed).tolist()}
