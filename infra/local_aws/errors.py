"""What the local AWS cannot do, and what its services answer instead."""

from __future__ import annotations

from typing import Any

from moto.core.exceptions import ServiceException


class LocalAwsError(Exception):
    """The local AWS cannot do what it is asked; the message says what to change."""


class ServiceError(ServiceException):
    """An answer that is an error: its code, its message, its HTTP status and its members beside the message."""

    def __init__(self, code: str, message: str, status: int = 400, **members: Any) -> None:
        super().__init__(code, message)
        self.status = status
        self.members = members
