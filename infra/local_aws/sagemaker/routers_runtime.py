"""The plane of calls through an inference router: ``/inference-routers/<name>/invocations``.

**Source**: the API reference of InvokeInferenceRouter, and "Troubleshoot inference routers" in SageMaker's guide.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from werkzeug.datastructures import Headers
from werkzeug.wrappers import Response

from local_aws.errors import ServiceError
from local_aws.faults import Call
from local_aws.sagemaker.call_plane import call_plane
from local_aws.sagemaker.capture import Capture
from local_aws.sagemaker.errors import unavailable
from local_aws.sagemaker.hosting import Hosting
from local_aws.sagemaker.routing import Destination, Health, Router
from local_aws.sagemaker.runtime import COMPONENT, NO_CAPACITY, call_endpoint
from local_aws.sagemaker.wire import Arrival, meet_service_faults
from local_aws.settings import ACCOUNT

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication

_MAX_BODY_BYTES: Final = 6 * 2**20
_ATTEMPTS: Final = 2
_PATH: Final = re.compile(r"/inference-routers/([^/]+)/(invocations|async-invocations)")
_TARGET: Final = "X-Amzn-SageMaker-Routing-Target-Name"
_NOT_PASSED_ON: Final = {name.title() for name in (_TARGET, COMPONENT, "X-Amzn-SageMaker-Target-Variant")}
_RETRIED: Final = ("ThrottlingException", "ServiceUnavailable", "InternalFailure")


def routers_plane(hosting: Hosting, capture: Capture) -> Callable[[WSGIApplication], WSGIApplication]:
    """Make the plane that answers calls of inference routers."""
    return call_plane(_PATH, partial(_respond, hosting, capture), _translate)


def _respond(hosting: Hosting, capture: Capture, arrival: Arrival, name: str, verb: str) -> Response:
    if verb == "async-invocations":
        raise ServiceError("NotImplemented", "the local AWS does not model asynchronous routing targets", 501)
    if len(arrival.body) > _MAX_BODY_BYTES:
        return Response(status=413)  # with no error code, as the guide has it
    if not arrival.body:
        raise ServiceError("ValidationException", "The body of the request can't be empty.")
    meet_service_faults(hosting, Call(operation="InvokeInferenceRouter", region=arrival.region, endpoint=name))
    router = hosting.store(arrival.region).routers.get(name)
    if router is None or not router.takes_requests:
        raise ServiceError("ValidationException", f"Inference router {name} of account {ACCOUNT} not found.")
    wanted = arrival.headers.get(_TARGET)
    target = None if wanted is None else router.target(wanted)
    if target is None:
        raise ServiceError("ValidationException", f"Inference router {name} has no routing target {wanted}.")
    return _try_in_order(hosting, capture, arrival, router, target)


def _try_in_order(
    hosting: Hosting, capture: Capture, arrival: Arrival, router: Router, target: dict[str, Any]
) -> Response:
    """Ask the first destination, and once another one where the first failed before the model was asked."""
    last = unavailable("No destination could serve the request.")
    for choice in islice(router.choose(hosting, target), _ATTEMPTS):
        health = router.of(choice.destination)
        try:
            forwarded = _forward(arrival, choice.destination)
            answer = call_endpoint(hosting, capture, forwarded, choice.destination.endpoint.name, "InvokeEndpoint")
        except ServiceError as error:
            _learn(health, error)
            if error.code not in _RETRIED and error.message != NO_CAPACITY:
                raise
            last = error if error.message == NO_CAPACITY else last
        else:
            health.answered()
            answer.headers["X-Amzn-SageMaker-Invoked-Routed-Resource-Arn"] = choice.destination.arn
            answer.headers["X-Amzn-SageMaker-Invoked-Routing-Reason"] = choice.reason
            return answer
    raise last


def _forward(arrival: Arrival, destination: Destination) -> Arrival:
    """Return a request as a destination gets it; the caller's credentials have been looked at already."""
    headers = Headers([(name, value) for name, value in arrival.headers if name.title() not in _NOT_PASSED_ON])
    if destination.component is not None:
        headers[COMPONENT] = destination.component.name
    return Arrival(region=destination.region, headers=headers, body=arrival.body)


def _learn(health: Health, error: ServiceError) -> None:
    """Hold a failure against a destination, unless it was the caller's."""
    original = error.members.get("OriginalStatusCode")
    if error.code == "ModelError" and 400 <= int(original or 0) < 500 and original != 429:
        health.answered()
    elif error.code != "ValidationError" or error.message == NO_CAPACITY:
        health.failed()


def _translate(error: ServiceError) -> ServiceError:
    """Return an error as the router's API calls it."""
    if error.message == NO_CAPACITY:
        return ServiceError("ModelNotReadyException", error.message, 429)
    match error.code:
        case "ValidationError":
            return ServiceError("ValidationException", error.message)
        case "ServiceUnavailable":
            return ServiceError("ServiceUnavailableException", error.message, 503)
        case "ThrottlingException":
            return ServiceError("ThrottlingException", error.message, 429)
    return error
