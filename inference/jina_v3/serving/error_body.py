"""The one form that every error has on the wire."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import orjson

from jina_v3.errors import RequestError


def describe_error(error: RequestError) -> dict[str, Any]:
    """Return what is wrong, where, and what is allowed instead; never a text."""
    return {
        "code": error.code.wire_name,
        "message": error.message,
        "field": error.field,
        "value": error.value,
        "allowed": error.allowed,
    }


def write_error(error: RequestError, request_id: str) -> bytes:
    """Write an error as the JSON body of a response; ``detail`` is where Jina's clients look for the message."""
    described = {**describe_error(error), "request_id": request_id}
    return orjson.dumps({"error": described, "detail": error.message})


def reason_phrase(status: int) -> str:
    """Return HTTP's words for a status."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""
