"""AWS's JSON 1.1 protocol: a request's parameters in, its result or its error out.

What is read is what was sent, members that no model knows too: whether they are allowed is for ``shapes`` to say.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from werkzeug.wrappers import Response

from local_aws.errors import ServiceError


def read_json(body: bytes) -> Any:
    """Return the parameters of a request.

    **Raises**: ``ServiceError`` for a body that is no JSON.
    """
    try:
        return json.loads(body or b"{}")
    except ValueError:
        raise ServiceError("SerializationException", "the body is no JSON") from None


def answer_json(result: Mapping[str, Any]) -> Response:
    """Write a result."""
    return _respond(200, result, {})


def refuse_json(error: ServiceError) -> Response:
    """Write an error."""
    body = {"__type": error.code, "message": error.message, **error.members}
    return _respond(error.status, body, {"x-amzn-ErrorType": error.code})


def _respond(status: int, body: Mapping[str, Any], headers: dict[str, str]) -> Response:
    headers = {"x-amzn-RequestId": str(uuid.uuid4()), **headers}
    return Response(json.dumps(body, default=_seconds), status, headers, content_type="application/x-amz-json-1.1")


def _seconds(value: object) -> float:
    if isinstance(value, datetime):
        return round(value.timestamp(), 3)
    raise TypeError(f"{type(value).__name__} in an answer")
