"""What went wrong on AWS, as one sentence with the fix; no traceback of boto's reaches a person."""

from __future__ import annotations

import re
from typing import Final

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    EndpointConnectionError,
    NoCredentialsError,
    PartialCredentialsError,
    ProfileNotFound,
    SSOTokenLoadError,
    TokenRetrievalError,
    UnauthorizedSSOTokenError,
)

from jina_v3_infra.aws_errors import DENIED, EXPIRED, UNKNOWN_KEY, error_code
from jina_v3_infra.deploy.permissions import permission

AWS_ERRORS: Final = (BotoCoreError, ClientError)
"""Everything that a call can raise."""

LOG_IN: Final = "log in again (aws sso login, or aws login) or renew the keys, then run the same command again"

_THROTTLED: Final = frozenset(
    {"Throttling", "ThrottlingException", "TooManyRequestsException", "RequestLimitExceeded", "SlowDown"}
)
_ABSENT: Final = frozenset(
    {
        "404",
        "NoSuchBucket",
        "NoSuchEntity",
        "NoSuchKey",
        "NotFound",
        "NotFoundException",
        "ImageNotFoundException",
        "ParameterNotFound",
        "RepositoryNotFoundException",
        "ResourceNotFound",
        "ResourceNotFoundException",
        "StateMachineDoesNotExist",
        "ExecutionDoesNotExist",
    }
)


class CommandError(Exception):
    """The command cannot go on; the message is for a person, with the fix in it."""


def absent(error: ClientError) -> bool:
    """Say whether an error means that what was asked for is not there.

    CloudFormation and SageMaker say so in the text of a validation error.
    """
    if error_code(error) in _ABSENT:
        return True
    says_so = re.search(r"does not exist|could not find|not found", str(error), re.IGNORECASE)
    return error_code(error) in ("ValidationError", "ValidationException") and says_so is not None


def denied(error: BaseException) -> bool:
    """Say whether the caller lacks a permission."""
    return error_code(error) in DENIED


def explain(error: BaseException) -> str:
    """Say what a call's error means and what to do about it."""
    if isinstance(error, ClientError):
        return _client_error(error)
    if isinstance(error, NoCredentialsError):
        return "there are no AWS credentials here; log in (aws configure sso, or aws login), or give --profile"
    if isinstance(error, PartialCredentialsError | CredentialRetrievalError):
        return f"the AWS credentials here are not whole ({_one_line(error)}); check the profile, or {LOG_IN}"
    if isinstance(error, SSOTokenLoadError | TokenRetrievalError | UnauthorizedSSOTokenError):
        return f"the session of AWS has expired; {LOG_IN}"
    if isinstance(error, ProfileNotFound):
        return f"{_one_line(error)}; aws configure list-profiles shows those that are there"
    if isinstance(error, EndpointConnectionError):
        return f"AWS cannot be reached: {_one_line(error)}; check the network, the region and AWS_ENDPOINT_URL"
    return f"AWS cannot be asked: {_one_line(error)}"


def _client_error(error: ClientError) -> str:
    code, operation = error_code(error), error.operation_name
    if code in DENIED:
        return f"the caller is not allowed to do this; the missing permission is {_permission(error)}"
    if code in EXPIRED:
        return f"the session of AWS has expired; {LOG_IN}"
    if code in UNKNOWN_KEY:
        return f"AWS does not know these credentials ({code}), or the region is not enabled in the account; {LOG_IN}"
    if code in _THROTTLED:
        return f"AWS answers {operation} with {code}: too many calls in this account; run the same command again"
    message = " ".join(str(error.response.get("Error", {}).get("Message", "")).split())
    return f"AWS answers {operation} with {code or 'an error'}: {message or 'without saying why'}"


def _permission(error: ClientError) -> str:
    named = re.search(r"to perform:? ([a-z0-9-]+:[A-Za-z]+)", str(error))
    return named.group(1) if named else permission(error.operation_name)


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()).rstrip(".")
