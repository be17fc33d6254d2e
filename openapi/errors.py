"""Schemas of errors: one body for all, with the codes of each status."""

from __future__ import annotations

from typing import Final

from jina_v3.contract import ErrorCode
from jina_v3.errors import RequestError
from jina_v3.serving.error_body import describe_error
from openapi.values import Schema, record_of

STATUSES: Final = tuple(sorted({code.status for code in ErrorCode}))

_CALLERS: Final[dict[str, Schema]] = {
    "message": {"type": "string", "minLength": 1},
    "field": {"type": "string", "description": "The place in the request."},
    "value": {
        "type": ["string", "number", "boolean", "null"],
        "description": "What stood there, shortened; never a text.",
    },
    "allowed": {"description": "What may stand there.", "not": {"type": "null"}},
}
_OURS: Final[dict[str, Schema]] = {**_CALLERS, "field": {"type": ["string", "null"]}, "allowed": {}}


def _described(codes: list[ErrorCode], also: str, last: Schema, *, ours: bool) -> Schema:
    """Return the schema of what every error says, and ``also`` one thing more."""
    fields = {"code": {"enum": [code.wire_name for code in codes]}, **(_OURS if ours else _CALLERS), also: last}
    assert set(fields) - {also} == set(describe_error(RequestError(ErrorCode.INTERNAL, "")))
    return record_of(fields, *fields)


def _body(status: int) -> Schema:
    codes = [code for code in ErrorCode if code.status == status]
    error = _described(codes, "request_id", {"type": "string", "minLength": 1}, ours=status >= 500)
    detail = {"type": "string", "description": "The message once more, where Jina's clients look for it."}
    return record_of({"error": error, "detail": detail}, "error", "detail")


RECORD_ERROR: Final = _described(
    list(ErrorCode), "line", {"type": "integer", "minimum": 1, "description": "Of the body, from 1."}, ours=True
)

ERROR_SCHEMAS: Final[dict[str, Schema]] = {f"Error{status}": _body(status) for status in STATUSES}
