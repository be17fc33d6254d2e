"""SageMaker's runtime plane: ``/endpoints/<name>/invocations`` and its two relatives."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from werkzeug.datastructures import Headers
from werkzeug.wrappers import Response

from local_aws.faults import Call
from local_aws.sagemaker.asynchronous import invoke_async
from local_aws.sagemaker.call_plane import call_plane
from local_aws.sagemaker.capture import Capture
from local_aws.sagemaker.endpoint import Endpoint
from local_aws.sagemaker.errors import refuse_call, unavailable
from local_aws.sagemaker.hosting import Hosting
from local_aws.sagemaker.invocation import CUSTOM_ATTRIBUTES, Place, ask, question_of
from local_aws.sagemaker.metrics import put_metrics
from local_aws.sagemaker.streaming import EventStream
from local_aws.sagemaker.traffic import NobodyError, Traffic, Variant, VariantNotFoundError
from local_aws.sagemaker.wire import Arrival, meet_service_faults
from local_aws.settings import ACCOUNT

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication

_MAX_BODY_BYTES: Final = 25 * 2**20
_MAX_ATTRIBUTES: Final = 1024
COMPONENT: Final = "X-Amzn-SageMaker-Inference-Component"
_PATH: Final = re.compile(r"/endpoints/([^/]+)/(invocations|invocations-response-stream|async-invocations)")
_OPERATIONS: Final = {
    "invocations": "InvokeEndpoint",
    "invocations-response-stream": "InvokeEndpointWithResponseStream",
    "async-invocations": "InvokeEndpointAsync",
}
_NO_COMPONENT: Final = (
    "Inference Component Name header is required for endpoints to which you plan to deploy inference components. "
    "Please include Inference Component Name header or consider using SageMaker models."
)
NO_CAPACITY: Final = (
    "Inference Component has no capacity to process this request. ApplicationAutoScaling may be in-progress (if "
    "configured) or try to increase the capacity by invoking UpdateInferenceComponentRuntimeConfig API."
)


def runtime_plane(hosting: Hosting, capture: Capture) -> Callable[[WSGIApplication], WSGIApplication]:
    """Make the plane that answers calls of endpoints."""
    return call_plane(
        _PATH, lambda arrival, name, verb: call_endpoint(hosting, capture, arrival, name, _OPERATIONS[verb])
    )


def call_endpoint(hosting: Hosting, capture: Capture, arrival: Arrival, name: str, operation: str) -> Response:
    """Answer a call of an endpoint of the arrival's region.

    **Raises**: ``ServiceError``.
    """
    _check(arrival)
    component = arrival.headers.get(COMPONENT)
    place = Place(operation=operation, region=arrival.region, endpoint=name, component=component)
    endpoint = hosting.store(arrival.region).endpoints.get(name)
    if endpoint is None or not endpoint.is_reachable:
        refuse_call(f"Endpoint {name} of account {ACCOUNT} not found.")
    if operation == "InvokeEndpointAsync":
        meet_service_faults(hosting, Call(operation=operation, region=arrival.region, endpoint=name))
        return invoke_async(hosting, place, endpoint, arrival.headers, arrival.body)
    if "AsyncInferenceConfig" in endpoint.config:
        refuse_call(f"Endpoint {name} is an asynchronous endpoint; call InvokeEndpointAsync.")
    traffic, variant = _admit(hosting, arrival.region, endpoint, arrival.headers)
    try:
        call = Call(operation=operation, region=arrival.region, endpoint=name, variant=variant.name)
        meet_service_faults(hosting, call)
        if operation == "InvokeEndpointWithResponseStream":
            response = _invoke_stream(hosting, place, arrival, traffic, variant)
            traffic = None  # it is the stream's to leave
            return response
        return _invoke(hosting, capture, place, endpoint, arrival, variant)
    finally:
        if traffic is not None:
            traffic.leave(variant)


def _check(arrival: Arrival) -> None:
    if len(arrival.body) > _MAX_BODY_BYTES:
        refuse_call(
            "1 validation error detected: Value at 'body' failed to satisfy constraint: Member must have length less "
            f"than or equal to {_MAX_BODY_BYTES}"
        )
    attributes = arrival.headers.get(CUSTOM_ATTRIBUTES, "")
    if len(attributes) > _MAX_ATTRIBUTES or not attributes.isascii():
        refuse_call(
            "1 validation error detected: Value at 'customAttributes' failed to satisfy constraint: Member must have "
            f"length less than or equal to {_MAX_ATTRIBUTES}, and be ASCII"
        )


def _admit(hosting: Hosting, region: str, endpoint: Endpoint, headers: Headers) -> tuple[Traffic | None, Variant]:
    """Choose who answers; it is in flight from now on."""
    wanted = headers.get("X-Amzn-SageMaker-Target-Variant")
    component_name = headers.get(COMPONENT)
    if component_name is not None:
        return _admit_component(hosting, region, endpoint, component_name)
    if endpoint.has_components:
        refuse_call(_NO_COMPONENT)
    try:
        return endpoint.traffic, endpoint.traffic.enter(wanted)
    except VariantNotFoundError:
        refuse_call(f"Variant {wanted} not found for Request")
    except NobodyError:
        raise unavailable() from None


def _admit_component(hosting: Hosting, region: str, endpoint: Endpoint, name: str) -> tuple[Traffic | None, Variant]:
    component = hosting.store(region).components.get(name)
    if component is None or component.endpoint is not endpoint:
        refuse_call(f"Inference Component {name} of endpoint {endpoint.name} of account {ACCOUNT} not found.")
    try:
        return component.traffic, component.traffic.enter()
    except NobodyError:
        put_metrics(hosting, region, {"InferenceComponentName": name}, {"NoCapacityInvocationFailures": 1})
        refuse_call(NO_CAPACITY)


def _invoke(
    hosting: Hosting, capture: Capture, place: Place, endpoint: Endpoint, arrival: Arrival, variant: Variant
) -> Response:
    question = question_of(arrival.headers, arrival.body)
    answer = ask(hosting, place, variant, question, limit_s=hosting.settings.model_timeout_s)
    content_type = answer.headers.get("Content-Type", "")
    capture.record(place.region, endpoint, variant.name, question, answer.data, content_type)
    headers = {"x-Amzn-Invoked-Production-Variant": variant.name}
    if CUSTOM_ATTRIBUTES in answer.headers:
        headers[CUSTOM_ATTRIBUTES] = answer.headers[CUSTOM_ATTRIBUTES]
    return Response(answer.data, 200, headers, content_type=content_type or None)


def _invoke_stream(
    hosting: Hosting, place: Place, arrival: Arrival, traffic: Traffic | None, variant: Variant
) -> Response:
    question = question_of(arrival.headers, arrival.body, accept="X-Amzn-SageMaker-Accept")
    answer = ask(hosting, place, variant, question, limit_s=hosting.settings.model_timeout_s, stream=True)
    headers = {
        "x-Amzn-Invoked-Production-Variant": variant.name,
        "X-Amzn-SageMaker-Content-Type": answer.headers.get("Content-Type", ""),
    }
    if CUSTOM_ATTRIBUTES in answer.headers:
        headers[CUSTOM_ATTRIBUTES] = answer.headers[CUSTOM_ATTRIBUTES]

    def leave() -> None:
        if traffic is not None:
            traffic.leave(variant)

    return Response(EventStream(answer, leave), 200, headers, content_type="application/vnd.amazon.eventstream")
