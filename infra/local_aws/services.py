"""Services that this AWS answers by functions: botocore's model of the service is the whole protocol.

A request is read by its service's protocol, JSON 1.1 or Query, and checked by its shape before the function sees it.
It knows nothing of what the functions do.
"""

from __future__ import annotations

import html
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from moto.core.model import OperationModel
from moto.core.parse import PROTOCOL_PARSERS
from moto.core.request import determine_request_protocol
from moto.core.serialize import get_serializer_class
from moto.core.utils import get_service_model
from werkzeug.wrappers import Request, Response

from local_aws import shapes
from local_aws.errors import ServiceError
from local_aws.json_protocol import answer_json, read_json, refuse_json

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication

    from local_aws.server import LocalAws

_LOG: Final = logging.getLogger(__name__)

Operation = Callable[[str, dict[str, Any]], Mapping[str, Any]]
"""Answers one request: the region and the parsed parameters to the members of the output."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A service: boto3's name of it, the name it is signed for, its operations, its error for a wrong request."""

    name: str
    signing_name: str
    operations: Mapping[str, Operation]
    invalid: str = "ValidationException"


def add_service(aws: LocalAws, service: Service) -> None:
    """Have this AWS answer a service."""

    def plane(next_application: WSGIApplication) -> WSGIApplication:
        def answer(environ: Any, start_response: Any) -> Any:
            scope = signed_scope(environ.get("HTTP_AUTHORIZATION", ""))
            if scope is None or scope[1] != service.signing_name:
                return next_application(environ, start_response)
            return _respond(service, scope[0], Request(environ))(environ, start_response)

        return answer

    aws.add_plane(plane)


def explain_failures(application: WSGIApplication) -> WSGIApplication:
    """Answer as AWS does where moto raises: what it lacks is no fault to be tried again, what it stumbles over is."""

    def answer(environ: Any, start_response: Any) -> Any:
        try:
            return application(environ, start_response)
        except NotImplementedError as error:
            refusal = ServiceError("UnknownOperationException", f"{error} in the local AWS")
        except Exception as error:  # noqa: BLE001  # whatever it is, the client is to be told
            _LOG.exception("moto failed")
            text = f"moto failed on this request with {type(error).__name__}: {error}"
            refusal = ServiceError("InternalFailure", text, 500)
        refuse = refuse_json if "HTTP_X_AMZ_TARGET" in environ else _refuse_xml
        return refuse(refusal)(environ, start_response)

    return answer


def _refuse_xml(error: ServiceError) -> Response:
    detail = f"<Error><Code>{error.code}</Code><Message>{html.escape(error.message)}</Message></Error>"
    headers = {"x-amzn-ErrorType": error.code, "Content-Type": "text/xml"}
    return Response(f"<ErrorResponse>{detail}</ErrorResponse>", error.status, headers)


def signed_scope(authorization: str) -> tuple[str, str] | None:
    """Return region and service that a request is signed for."""
    _, _, credential = authorization.partition("Credential=")
    parts = credential.split(",")[0].split("/")
    return (parts[2], parts[3]) if len(parts) == 5 else None  # key, date, region, service, aws4_request


def _respond(service: Service, region: str, request: Request) -> Response:
    model = get_service_model(service.name)
    in_json = determine_request_protocol(model, request.content_type) == "json"
    name = request.values.get("Action") or request.headers.get("X-Amz-Target", "").rpartition(".")[2]
    operation = OperationModel({}, model)
    try:
        if name not in model.operation_names:
            raise ServiceError(service.invalid, f"{service.name} has no operation {name!r}")  # noqa: TRY301
        operation = model.operation_model(name)
        parameters = read_json(request.get_data()) if in_json else _parse_query(operation, request)
        result = _perform(service, region, name, parameters)
    except ServiceError as error:
        return refuse_json(error) if in_json else _write_query(service, operation, error)
    except Exception:  # noqa: BLE001  # whatever it is, the client is to be told
        _LOG.exception("%s %s failed inside the local AWS", service.name, name)
        failed = ServiceError(service.invalid, f"{name} failed inside the local AWS; its log has the traceback")
        return refuse_json(failed) if in_json else _write_query(service, operation, failed)
    return answer_json(result) if in_json else _write_query(service, operation, result)


def _parse_query(operation: Any, request: Request) -> dict[str, Any]:
    parsed: dict[str, Any] = PROTOCOL_PARSERS["query"](operation).parse(
        {
            "method": request.method,
            "values": request.values,
            "headers": request.headers,
            "body": request.get_data(),
            "url_path": request.path,
            "url_params": {},
        }
    )
    return parsed


def _write_query(service: Service, operation: Any, result: Mapping[str, Any] | ServiceError) -> Response:
    written = get_serializer_class(service.name, "query")(operation_model=operation).serialize(result)
    return Response(written["body"], written["status_code"], written["headers"])


def _perform(service: Service, region: str, name: str, parameters: dict[str, Any]) -> Mapping[str, Any]:
    if name not in service.operations:
        raise ServiceError(service.invalid, f"the local AWS does not model {service.name}'s {name}")
    shape = shapes.input_shape(service.name, name)
    wrong = [] if shape is None else list(shapes.problems(shape, parameters))
    if wrong:
        raise ServiceError(service.invalid, "; ".join(wrong))
    return service.operations[name](region, parameters)
