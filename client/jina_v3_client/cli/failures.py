"""What went wrong, as one line with the fix: boto3's errors in plain words."""

from __future__ import annotations

import re
from typing import Final

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    CredentialRetrievalError,
    EndpointConnectionError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
    ProfileNotFound,
    SSOTokenLoadError,
    TokenRetrievalError,
    UnauthorizedSSOTokenError,
)


class CommandError(Exception):
    """The command cannot go on; the message is for a person, with the fix in it. ``usage``: the words cannot be."""

    def __init__(self, message: str, *, usage: bool = False) -> None:
        super().__init__(message)
        self.usage = usage


AWS_ERRORS: Final = (BotoCoreError, ClientError)
"""Everything that a call by boto3 can raise."""

LOG_IN: Final = "log in again (aws sso login, or aws login), or renew the keys"
GIVE_REGION: Final = "give --region, set AWS_REGION, or write a region into the profile"

_DENIED: Final = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "Forbidden", "403"})
_EXPIRED: Final = frozenset({"ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"})
_WRONG_KEY: Final = frozenset(
    {
        "AuthFailure",
        "IncompleteSignature",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)
_ABSENT: Final = re.compile(r"does not exist|could not find|not found", re.IGNORECASE)
_SKEWED: Final = re.compile(r"Signature expired|not yet current|RequestTimeTooSkewed", re.IGNORECASE)


def error_code(error: BaseException) -> str:
    """Return AWS's code of an error, nothing where it has none."""
    return str(error.response.get("Error", {}).get("Code", "")) if isinstance(error, ClientError) else ""


def absent(error: BaseException) -> bool:
    """Say whether an error means that what was asked for is not there; SageMaker says so in a validation error."""
    code = error_code(error)
    if code in ("ValidationError", "ValidationException"):
        return _ABSENT.search(str(error)) is not None
    return code.endswith(("NotFound", "NotFoundException", "DoesNotExist", "NoSuchEntity"))


def denied(error: BaseException) -> bool:
    """Say whether the caller lacks a permission."""
    return error_code(error) in _DENIED


def skewed(error: BaseException) -> bool:
    """Say whether a signature was refused for its time."""
    return _SKEWED.search(str(error)) is not None


def explain(error: BaseException) -> tuple[str, str]:
    """Say what an error of boto3's means, and what to do about it."""
    if isinstance(error, ClientError):
        return _client_error(error)
    if isinstance(error, NoCredentialsError):
        return "there are no AWS credentials here", "log in (aws configure sso, or aws login), or give --profile"
    if isinstance(error, PartialCredentialsError | CredentialRetrievalError):
        return f"the AWS credentials here are not whole ({one_line(error)})", f"check the profile, or {LOG_IN}"
    if isinstance(error, SSOTokenLoadError | TokenRetrievalError | UnauthorizedSSOTokenError):
        return "the session of AWS has expired", LOG_IN
    if isinstance(error, ProfileNotFound):
        return one_line(error), "aws configure list-profiles shows those that are there"
    if isinstance(error, NoRegionError):
        return "no region is given", GIVE_REGION
    if isinstance(error, EndpointConnectionError | ConnectTimeoutError):
        return f"AWS cannot be reached: {one_line(error)}", "check the network, the region and AWS_ENDPOINT_URL"
    return f"AWS cannot be asked: {one_line(error)}", "check the profile, the network and the region"


def _client_error(error: ClientError) -> tuple[str, str]:
    code, operation = error_code(error), error.operation_name
    if code in _DENIED:
        named = re.search(r"to perform:? ([a-z0-9-]+:[A-Za-z]+)", str(error))
        return f"the caller may not call {operation}", f"allow {named.group(1) if named else operation} by IAM"
    if code in _EXPIRED:
        return "the session of AWS has expired", LOG_IN
    if skewed(error):
        return "AWS refuses the signature's time: this machine's clock is wrong", "set the clock (NTP)"
    if code in _WRONG_KEY:
        return f"AWS does not know these credentials ({code})", f"{LOG_IN}; the region may not be enabled either"
    message = " ".join(str(error.response.get("Error", {}).get("Message", "")).split())
    told = f"AWS answers {operation} with {code or 'an error'}: {message or 'without saying why'}"
    return told, "run the same command again; if it stays, ask AWS with the request id"


def one_line(error: BaseException) -> str:
    """Return an error's message in one line."""
    return " ".join(str(error).split()).rstrip(".")
