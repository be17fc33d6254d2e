"""What both planes do with a request before they look into it: who signed it, and the faults that meet it."""

from __future__ import annotations

import io
import json
import time
import uuid
from dataclasses import dataclass
from typing import Any

from werkzeug.datastructures import Headers
from werkzeug.wrappers import Request, Response

from local_aws.credentials import find_secret
from local_aws.errors import ServiceError
from local_aws.faults import Call
from local_aws.sagemaker.errors import denied, service_failure, throttled
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

    **Raises**: ``ServiceError``.
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
        raise ServiceError(error.code, str(error), 403) from error
    return Arrival(region=claim.region, headers=Headers(request.headers), body=body)


def meet_service_faults(hosting: Hosting, call: Call) -> None:
    """Let the faults that are the service's own happen to a call: it waits, is denied or throttled, or fails.

    **Raises**: ``ServiceError``.
    """
    latency = hosting.faults.take("latency", call)
    if latency is not None:
        time.sleep(latency.latency_s)
    if hosting.faults.take("denied", call) is not None:
        raise denied(call)
    if hosting.faults.take("throttle", call) is not None:
        raise throttled()
    failure = hosting.faults.take("error", call)
    if failure is not None:
        raise service_failure(failure.status)


def runtime_error(error: ServiceError) -> Response:
    """Write an error of the runtime plane (REST-JSON)."""
    body = {"Message": error.message, **error.members}
    headers = {"x-amzn-ErrorType": error.code, "x-amzn-RequestId": str(uuid.uuid4())}
    return Response(json.dumps(body), error.status, headers, content_type="application/json")
