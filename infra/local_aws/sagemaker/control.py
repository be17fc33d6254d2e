"""SageMaker's control plane: finds the operation, checks the request, and answers.

Operations that only read, and that moto knows, go on to it; any other that is not here is refused, so that nothing
seems to be done that is not.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from botocore import xform_name
from moto.sagemaker.responses import SageMakerResponse
from werkzeug.wrappers import Response

from local_aws.errors import ServiceError
from local_aws.faults import Call
from local_aws.json_protocol import answer_json, read_json, refuse_json
from local_aws.sagemaker import capacity, components, endpoint_configs, endpoints, models, routers, tags
from local_aws.sagemaker.constraints import check
from local_aws.sagemaker.hosting import Hosting
from local_aws.sagemaker.store import Store
from local_aws.sagemaker.transform import api as transform
from local_aws.sagemaker.wire import meet_service_faults, receive

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication

Operation = Callable[[Hosting, Store, dict[str, Any]], Mapping[str, Any]]

_LOG: Final = logging.getLogger(__name__)
_TARGET: Final = "SageMaker."
OPERATIONS: Final[dict[str, Operation]] = {
    **models.OPERATIONS,
    **endpoint_configs.OPERATIONS,
    **endpoints.OPERATIONS,
    **capacity.OPERATIONS,
    **components.OPERATIONS,
    **transform.OPERATIONS,
    **routers.OPERATIONS,
    **tags.OPERATIONS,
}


def control_plane(hosting: Hosting) -> Callable[[WSGIApplication], WSGIApplication]:
    """Make the plane that answers ``X-Amz-Target: SageMaker.*``."""

    def plane(next_application: WSGIApplication) -> WSGIApplication:
        def answer(environ: Any, start_response: Any) -> Any:
            target = environ.get("HTTP_X_AMZ_TARGET", "")
            if not target.startswith(_TARGET):
                return next_application(environ, start_response)
            operation = target.removeprefix(_TARGET)
            try:
                response = _respond(hosting, operation, environ)
            except ServiceError as error:
                response = refuse_json(error)
            except Exception:  # noqa: BLE001  # whatever it is, the client gets an answer and the log the traceback
                _LOG.exception("SageMaker.%s failed inside the local AWS", operation)
                response = refuse_json(ServiceError("InternalFailure", "see the local AWS's own log", 500))
            return (response or next_application)(environ, start_response)

        return answer

    return plane


def _respond(hosting: Hosting, operation: str, environ: dict[str, Any]) -> Response | None:
    """Answer a request, ``None`` where moto is to answer it."""
    arrival = receive(environ)
    perform = OPERATIONS.get(operation)
    if perform is None:
        if operation.startswith(("List", "Describe")) and hasattr(SageMakerResponse, xform_name(operation)):
            return None
        message = f"the local AWS does not model SageMaker.{operation}; it has {', '.join(sorted(OPERATIONS))}"
        raise ServiceError("NotImplemented", message, 501)
    request = read_json(arrival.body)
    check(operation, request)
    request = {key: value for key, value in request.items() if value is not None}
    endpoint, job = request.get("EndpointName"), request.get("TransformJobName")
    meet_service_faults(hosting, Call(operation=operation, region=arrival.region, endpoint=endpoint, job=job))
    return answer_json(perform(hosting, hosting.store(arrival.region), request))
