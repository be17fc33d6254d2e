"""The errors of SageMaker's two APIs, by the names and in the words of the service."""

from __future__ import annotations

from typing import Any, NoReturn


class ApiError(Exception):
    """An answer that is an error: its code, HTTP status and members beside the message."""

    def __init__(self, code: str, message: str, status: int = 400, **members: Any) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status
        self.members = members


def refuse(message: str) -> NoReturn:
    """Refuse a request of the control plane.

    **Raises**: ``ApiError``, always.
    """
    raise ApiError("ValidationException", message)


def refuse_call(message: str) -> NoReturn:
    """Refuse a request of the runtime plane, which calls the same thing otherwise.

    **Raises**: ``ApiError``, always.
    """
    raise ApiError("ValidationError", message)


def throttled() -> ApiError:
    """Make the error of too many requests."""
    return ApiError("ThrottlingException", "Rate exceeded")


def unavailable(message: str = "The request has failed due to a temporary failure of the server.") -> ApiError:
    """Make the error of a service, or of an endpoint without a healthy instance."""
    return ApiError("ServiceUnavailable", message, 503)


def service_failure(status: int) -> ApiError:
    """Make an error of the service itself."""
    if status == 503:
        return unavailable()
    return ApiError("InternalFailure", "The request processing has failed because of an unknown error.", status)
