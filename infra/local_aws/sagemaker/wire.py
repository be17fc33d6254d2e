"""Requests and answers of both planes as HTTP: who signed, JSON in and out, errors in each protocol's form."""

from __future__ import annotations

import io
import json
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from werkzeug.datastructures import Headers
from werkzeug.wrappers import Request, Response

from local_aws.credentials import find_secret
from local_aws.faults import Call
from local_aws.sagemaker.errors import ApiError, service_failure, throttled
from local_aws.sagemaker.hosting import Hosting
from local_aws.sagemaker.store import now
from local_aws.signing import SignatureError, SignedRequest, verify


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """A request whose signature is right."""

    region: str
    headers: Headers
    body: bytes


def receive(environ: dict[str, Any]) -> Arrival:
    """Read a request and check who signed it; it can be read again afterwards.

    **Raises**: ``ApiError``.
    """
    request = Request(environ)
    body = request.get_data()
    environ["wsgi.input"] = io.BytesIO(body)
    signed = SignedRequest(
        method=request.method,
        target=environ.get("RAW_URI") or request.full_path,
        headers={name.lower(): value for name, value in request.headers.items()},
        body=body,
    )
    try:
        claim = verify(signed, service="sagemaker", find_secret=find_secret, now=now())
    except SignatureError as error:
        raise ApiError(error.code, str(error), 403) from error
    return Arrival(region=claim.region, headers=Headers(request.headers), body=body)


def meet_service_faults(hosting: Hosting, call: Call) -> None:
    """Let the faults that are the service's own happen to a call: it waits, is throttled, or fails.

    **Raises**: ``ApiError``.
    """
    latency = hosting.faults.take("latency", call)
    if latency is not None:
        time.sleep(latency.latency_s)
    if hosting.faults.take("throttle", call) is not None:
        raise throttled()
    failure = hosting.faults.take("error", call)
    if failure is not None:
        raise service_failure(failure.status)


def answer_json(result: Mapping[str, Any]) -> Response:
    """Write an answer of the control plane (JSON 1.1)."""
    return _respond(200, json.dumps(result, default=_seconds).encode(), "application/x-amz-json-1.1", {})


def control_error(error: ApiError) -> Response:
    """Write an error of the control plane (JSON 1.1)."""
    body = {"__type": error.code, "message": error.message, **error.members}
    return _respond(error.status, json.dumps(body).encode(), "application/x-amz-json-1.1", {})


def runtime_error(error: ApiError) -> Response:
    """Write an error of the runtime plane (REST-JSON)."""
    body = {"Message": error.message, **error.members}
    return _respond(error.status, json.dumps(body).encode(), "application/json", {"x-amzn-ErrorType": error.code})


def _seconds(value: object) -> float:
    if isinstance(value, datetime):
        return round(value.timestamp(), 3)
    raise TypeError(f"{type(value).__name__} in an answer")


def _respond(status: int, body: bytes, content_type: str, headers: dict[str, str]) -> Response:
    headers = {"x-amzn-RequestId": str(uuid.uuid4()), **headers}
    return Response(body, status, headers, content_type=content_type)
