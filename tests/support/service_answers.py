"""Answers as SageMaker writes them: the local AWS's own errors, as a client's transport would return them."""

from __future__ import annotations

import json
from typing import Any

from jina_v3_client.transport import HttpResponse
from local_aws.errors import ServiceError
from local_aws.sagemaker.errors import throttled, unavailable
from local_aws.sagemaker.invocation import Place, model_error
from local_aws.sagemaker.routers_runtime import _translate
from local_aws.sagemaker.runtime import NO_CAPACITY
from local_aws.sagemaker.wire import runtime_error

PLACE = Place(operation="InvokeEndpoint", region="us-east-1", endpoint="texts")


def answered(body: bytes = b"{}") -> HttpResponse:
    return HttpResponse(status=200, headers={}, body=body)


def failed(error: ServiceError, *, router: bool = False, **headers: str) -> HttpResponse:
    written = runtime_error(_translate(error) if router else error)
    named = {name.lower(): value for name, value in written.headers.items()}
    more = {name.replace("_", "-"): value for name, value in headers.items()}
    return HttpResponse(status=written.status_code, headers=named | more, body=written.get_data())


def throttle(**headers: str) -> HttpResponse:
    return failed(throttled(), **headers)


def unavailable_service() -> HttpResponse:
    return failed(unavailable())


def no_capacity(*, router: bool = False) -> HttpResponse:
    return failed(ServiceError("ValidationError", NO_CAPACITY), router=router)


def contained(status: int, code: str, message: str = "it is so", **facts: Any) -> HttpResponse:
    """What comes of an error body of our container's."""
    body = {"error": {"code": code, "message": message, "request_id": "of-container", **facts}, "detail": message}
    return failed(model_error(PLACE, status, json.dumps(body)))


def uncontained(status: int, text: str) -> HttpResponse:
    """What comes of a container that says something else, or nothing."""
    return failed(model_error(PLACE, status, text))
