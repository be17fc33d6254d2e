"""The errors of SageMaker's two APIs, by the names and in the words of the service."""

from __future__ import annotations

from typing import NoReturn

from local_aws.errors import ServiceError
from local_aws.faults import Call
from local_aws.settings import ACCOUNT


def refuse(message: str) -> NoReturn:
    """Refuse a request of the control plane.

    **Raises**: ``ServiceError``, always.
    """
    raise ServiceError("ValidationException", message)


def refuse_call(message: str) -> NoReturn:
    """Refuse a request of the runtime plane, which calls the same thing otherwise.

    **Raises**: ``ServiceError``, always.
    """
    raise ServiceError("ValidationError", message)


def throttled() -> ServiceError:
    """Make the error of too many requests."""
    return ServiceError("ThrottlingException", "Rate exceeded")


def denied(call: Call) -> ServiceError:
    """Make the error of a caller whom no policy allows the call."""
    action = f"sagemaker:{call.operation}"
    kind = "inference-router" if call.operation == "InvokeInferenceRouter" else "endpoint"
    resource = (
        f" on resource: arn:aws:sagemaker:{call.region}:{ACCOUNT}:{kind}/{call.endpoint}" if call.endpoint else ""
    )
    message = (
        f"User: arn:aws:iam::{ACCOUNT}:user/testing is not authorized to perform: {action}{resource} because no "
        f"identity-based policy allows the {action} action"
    )
    return ServiceError("AccessDeniedException", message, 403)


def unavailable(message: str = "The request has failed due to a temporary failure of the server.") -> ServiceError:
    """Make the error of a service, or of an endpoint without a healthy instance."""
    return ServiceError("ServiceUnavailable", message, 503)


def service_failure(status: int) -> ServiceError:
    """Make an error of the service itself."""
    if status == 503:
        return unavailable()
    return ServiceError("InternalFailure", "The request processing has failed because of an unknown error.", status)
