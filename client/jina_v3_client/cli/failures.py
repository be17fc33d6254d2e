"""What went wrong, for a person: the command's own errors, and boto3's in plain words."""

from __future__ import annotations

import re
from typing import Final

from botocore.exceptions import BotoCoreError, ClientError

from jina_v3_client._aws_errors import aws_errors
from jina_v3_client.errors import JinaClientError

AWS_ERRORS: Final = (BotoCoreError, ClientError)
"""Everything that a call by boto3 can raise."""

_DENIED: Final = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "Forbidden", "403"})
_ABSENT: Final = re.compile(r"does not exist|could not find|not found", re.IGNORECASE)


class CommandError(Exception):
    """The command cannot go on; the message is for a person, with the fix in it. ``usage``: the words cannot be."""

    def __init__(self, message: str, *, usage: bool = False) -> None:
        super().__init__(message)
        self.usage = usage


def absent(error: BaseException) -> bool:
    """Say whether an error means that what was asked for is not there; SageMaker says so in a validation error."""
    code = _code(error)
    if code in ("ValidationError", "ValidationException"):
        return _ABSENT.search(str(error)) is not None
    return code.endswith(("NotFound", "NotFoundException", "DoesNotExist"))


def denied(error: BaseException) -> bool:
    """Say whether the caller lacks a permission."""
    return _code(error) in _DENIED


def _code(error: BaseException) -> str:
    return str(error.response.get("Error", {}).get("Code", "")) if isinstance(error, ClientError) else ""


def explain(error: BaseException) -> tuple[str, str]:
    """Say what an error of boto3's means, and what to do about it."""
    try:
        with aws_errors():
            raise error
    except JinaClientError as told:
        return told.message, told.advice or "run the same command again with --verbose to see more"


def one_line(error: BaseException) -> str:
    """Return an error's message in one line."""
    return " ".join(str(error).split()).rstrip(".")
