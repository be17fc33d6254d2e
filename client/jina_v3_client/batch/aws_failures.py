"""What AWS's own errors mean to a caller, as this package's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from jina_v3_client.errors import (
    AccessError,
    ConfigurationError,
    ConnectionFailedError,
    JinaClientError,
    OverloadedError,
)

_DENIED: Final = (
    "AccessDenied",
    "AccessDeniedException",
    "403",
    "Forbidden",
    "UnauthorizedOperation",
    "KMS.AccessDeniedException",
)
_WRONG_CREDENTIALS: Final = (
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
    "InvalidSignatureException",
    "IncompleteSignature",
    "MissingAuthenticationToken",
)
_EXPIRED: Final = ("ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired")
_THROTTLED: Final = (
    "Throttling",
    "ThrottlingException",
    "SlowDown",
    "TooManyRequestsException",
    "RequestLimitExceeded",
)
_S3_ACTIONS: Final = {
    "HeadObject": "GetObject",
    "ListObjectsV2": "ListBucket",
    "HeadBucket": "ListBucket",
    "CreateMultipartUpload": "PutObject",
    "UploadPart": "PutObject",
    "CompleteMultipartUpload": "PutObject",
}
"""Operations that IAM knows by another name."""


@contextmanager
def explained(service: str, target: str) -> Iterator[None]:
    """Raise what AWS answers as an error of this package; ``service`` is IAM's name of it.

    **Raises**: ``AccessError``, ``ConfigurationError``, ``OverloadedError``, ``ConnectionFailedError``, and
    ``JinaClientError`` for all else.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as error:
        raise _explain(error, service, target) from error
    except BotoCoreError as error:
        raise _explain_local(error, service, target) from error


def code_of(error: Any) -> str:
    """Return the code of a ``ClientError``."""
    return str(error.response.get("Error", {}).get("Code", ""))


def _explain(error: Any, service: str, target: str) -> JinaClientError:
    code, message = code_of(error), str(error.response.get("Error", {}).get("Message", ""))
    facts: dict[str, Any] = {
        "target": target,
        "request_id": error.response.get("ResponseMetadata", {}).get("RequestId"),
    }
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if code in _WRONG_CREDENTIALS:
        return AccessError(f"AWS does not know these credentials ({code})", advice="look at the profile", **facts)
    if code in _EXPIRED:
        return AccessError(f"the credentials have expired ({code})", advice="sign in again", **facts)
    if code in _DENIED:
        return AccessError(
            f"not allowed: {message or code}", advice=f"the IAM action is {_action(error, service, message)}", **facts
        )
    if code == "NoSuchBucket":
        return ConfigurationError("there is no such bucket", advice="look at its name and its region", **facts)
    if code in _THROTTLED:
        return OverloadedError(f"AWS throttles {error.operation_name}", advice="try again later", **facts)
    if status >= 500:
        return OverloadedError(f"AWS could not answer {error.operation_name} ({code})", advice="try again", **facts)
    return JinaClientError(f"{error.operation_name} failed: {code}: {message}", **facts)


def _action(error: Any, service: str, message: str) -> str:
    """Return the IAM action that is missing, which a denial by a key does not name by its operation."""
    if "kms:" in message:
        return message[message.index("kms:") :].split()[0].rstrip(".,")
    name = error.operation_name
    return f"{service}:{_S3_ACTIONS.get(name, name) if service == 's3' else name}"


def _explain_local(error: Any, service: str, target: str) -> JinaClientError:
    from botocore import exceptions

    if isinstance(error, exceptions.NoCredentialsError | exceptions.PartialCredentialsError):
        return AccessError(
            "no AWS credentials were found", advice="set a profile, or the variables AWS_…", target=target
        )
    if isinstance(error, exceptions.TokenRetrievalError | exceptions.UnauthorizedSSOTokenError):
        return AccessError("the SSO session has ended", advice="run aws sso login", target=target)
    if isinstance(error, exceptions.NoRegionError):
        return ConfigurationError("no region is known", advice="give region=, or set AWS_REGION", target=target)
    if isinstance(error, exceptions.HTTPClientError | exceptions.ConnectionError):
        return ConnectionFailedError(f"{service} could not be reached: {type(error).__name__}", target=target)
    return JinaClientError(f"{service}: {error}", target=target)


def read_error(value: Mapping[str, Any]) -> str:
    """Return an execution's error and cause as one sentence."""
    return ": ".join(part for part in (value.get("error", ""), value.get("cause", "")) if part)
