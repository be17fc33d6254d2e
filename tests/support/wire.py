"""What a response must look like, told without the code under test."""

import base64
import json
from typing import Any

import numpy as np

DOCUMENTED_STATUSES = frozenset({200, 400, 404, 405, 406, 408, 413, 415, 422, 503})
STATUS_BY_CODE = {
    "not_json": 400,
    "not_utf8": 400,
    "not_gzip": 400,
    "not_csv": 400,
    "not_parquet": 400,
    "not_found": 404,
    "method_not_allowed": 405,
    "not_acceptable": 406,
    "body_timeout": 408,
    "body_too_large": 413,
    "too_many_texts": 413,
    "unsupported_media_type": 415,
    "unknown_shape": 422,
    "unknown_field": 422,
    "missing_field": 422,
    "wrong_type": 422,
    "invalid_value": 422,
    "unknown_task": 422,
    "task_not_loaded": 422,
    "invalid_dimensions": 422,
    "empty_input": 422,
    "empty_text": 422,
    "invalid_text": 422,
    "text_too_long": 422,
    "overloaded": 429,
    "not_ready": 503,
    "deadline_exceeded": 503,
    "internal": 500,
}


MAY_HAVE_NO_VALUE = {
    "not_json": "the body may be a text",
    "unknown_shape": "so may a body that is a string",
    "wrong_type": "null, or a string where texts stand",
    "invalid_value": "null, where another field of the same meaning says something",
    "missing_field": "nothing is there",
    "body_timeout": "nothing is there yet",
}
"""Of the errors that are the caller's; a field and what is allowed every one of them has."""


def strict_json(body: bytes) -> Any:
    """Read JSON as the standard has it: no NaN, no Infinity."""

    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is not JSON")

    return json.loads(body.decode("utf-8"), parse_constant=refuse)


def check_error(body: bytes, status: int) -> dict[str, Any]:
    """Check an error body against its documented form and return the error."""
    whole = strict_json(body)
    assert set(whole) == {"error", "detail"}
    error: dict[str, Any] = whole["error"]
    check_described(error, "request_id")
    assert STATUS_BY_CODE[error["code"]] == status
    assert whole["detail"] == error["message"]
    assert isinstance(error["request_id"], str)
    assert error["request_id"]
    assert "Traceback" not in body.decode()
    assert len(body) < 4000
    return error


def check_described(error: dict[str, Any], also: str) -> None:
    """Check what every error says, in a body of its own or on a record's line."""
    assert set(error) == {"code", "message", "field", "value", "allowed", also}
    assert isinstance(error["message"], str)
    assert error["message"]
    if STATUS_BY_CODE[error["code"]] < 500:
        assert isinstance(error["field"], str), error  # "" where that is the field's name
        assert error["allowed"], error
        assert error["value"] is not None or error["code"] in MAY_HAVE_NO_VALUE, error
    assert error["value"] is None or isinstance(error["value"], str | int | float)


def from_float(digits: list[float]) -> np.ndarray:
    return np.array(digits, dtype=np.float32)


def from_base64(text: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text, validate=True), dtype="<f4")
