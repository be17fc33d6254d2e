"""A line that came out: its id, its error, its tokens, and whether its vector has the form it must have.

A line is about 13 KB of digits around 100 bytes of all else. So the vector is cut out, counted by its commas, and only
what remains is parsed; whatever looks unusual is parsed whole. With the inputs it is 1.7 times as fast as
``json.loads`` of the outputs alone (``benchmarks/batch/verify_speed.py``).
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from jina_v3_batch.records_in import Form, RecordIn

_KEY: Final = b'"embedding":'
_OF_NUMBERS: Final = b"0123456789+-.eE"
_OF_BASE64: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="
_ENDS: Final = {b"[": b"]", b'"': b'"'}


@dataclass(frozen=True, slots=True)
class RecordOut:
    """A record as it came out. ``fault`` says what is wrong with the line itself, empty where all is well."""

    id: str | int | None = None
    tokens: int = 0
    error: Mapping[str, Any] | None = None
    fault: str = ""


def read_output(line: bytes, asked: RecordIn) -> RecordOut:
    """Read an output line and check its vector against what the record asked for."""
    read = _cut_out(line)
    if read is None:
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            return RecordOut(fault="it is not JSON")
        vector = value.get("embedding") if isinstance(value, dict) else None
    else:
        value, vector = read
    if not isinstance(value, dict):
        return RecordOut(fault="it is no object")
    if value.get("error") is not None:
        error = value["error"]
        good = isinstance(error, dict) and isinstance(error.get("code"), str)
        return RecordOut(value.get("id"), error=error if good else {"code": "unknown", "message": str(error)})
    tokens = value.get("tokens")
    if isinstance(tokens, bool) or not isinstance(tokens, int):
        return RecordOut(value.get("id"), fault="it has neither tokens nor an error")
    return RecordOut(value.get("id"), tokens, fault=_check_vectors(value, vector, asked))


def _cut_out(line: bytes) -> tuple[Any, bytes] | None:
    """Return the line without its vector, and the vector's bytes with what encloses it; None where that is not safe.

    In a JSON string a quotation mark has a backslash before it, so the key is none of a string's bytes; and the
    answer's own key comes after the record's metadata.
    """
    at = line.rfind(_KEY)
    start = at + len(_KEY)
    closing = _ENDS.get(line[start : start + 1])
    end = line.find(closing, start + 1) if at >= 0 and closing else -1
    if end < 0:
        return None
    try:
        value = json.loads(line[:start] + b"null" + line[end + 1 :])
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, dict) or value.get("embedding", 0) is not None:
        return None  # the key was one of the metadata's
    return value, line[start : end + 1]


def _check_vectors(value: Mapping[str, Any], vector: Any, asked: RecordIn) -> str:
    if asked.chunks is not None:
        vectors = value.get("embeddings")
        if not isinstance(vectors, list) or len(vectors) != asked.chunks:
            return f"it must have {asked.chunks} vectors, one for each chunk"
        return next(filter(None, (_check_vector(one, asked.form) for one in vectors)), "")
    if vector is None:
        return "it has neither a vector nor an error"
    return _check_vector(vector, asked.form)


def _check_vector(vector: Any, form: Form) -> str:
    """Return what is wrong with a vector, which is bytes of JSON or parsed already; empty where nothing is."""
    if isinstance(form.types, str):
        return _check_kind(vector, form.types, form)
    if isinstance(vector, bytes):
        vector = json.loads(vector)
    if not isinstance(vector, dict) or set(vector) != set(form.types):
        return f"its vector must have the types {', '.join(form.types)}"
    return next(filter(None, (_check_kind(vector[kind], kind, form) for kind in form.types)), "")


def _check_kind(vector: Any, kind: str, form: Form) -> str:
    length = form.length(kind)
    if isinstance(vector, bytes):
        if _is_base64(vector, length) if kind == "base64" else _is_numbers(vector, length):
            return ""
        try:
            vector = json.loads(vector)
        except ValueError:
            return "its vector is not JSON"
    if kind == "base64":
        good = isinstance(vector, str) and _is_base64(f'"{vector}"'.encode(), length)
        return "" if good else f"its vector is no base64 of {form.dimensions} float32 values"
    if not isinstance(vector, list) or len(vector) != length:
        return f"its vector has {len(vector) if isinstance(vector, list) else 'no'} values; it must have {length}"
    if not all(isinstance(one, int | float) and not isinstance(one, bool) and math.isfinite(one) for one in vector):
        return "its vector has a value that is no number"
    return ""


def _is_numbers(vector: bytes, length: int) -> bool:
    """Say whether bytes are a list of so many numbers, as far as their commas and characters tell."""
    return (
        vector.translate(None, _OF_NUMBERS) == b"[" + b"," * (length - 1) + b"]"
        and b",," not in vector
        and vector[1:2] not in b",]"
        and vector[-2:-1] != b","
    )


def _is_base64(vector: bytes, length: int) -> bool:
    return len(vector) == length + 2 and vector.translate(None, _OF_BASE64) == b'""'
