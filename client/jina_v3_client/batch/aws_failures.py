"""What AWS refuses of batch: as ``aws_errors`` has it, and with the IAM action that is missing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from jina_v3_client._aws.errors import aws_errors
from jina_v3_client.errors import (
    AccessError,
    ConfigurationError,
    EndpointNotFoundError,
    JinaClientError,
    OverloadedError,
)

if TYPE_CHECKING:
    from botocore.exceptions import ClientError

DENIED: Final = ("AccessDenied", "AccessDeniedException", "403", "Forbidden")
_S3_ACTIONS: Final = {
    "HeadObject": "GetObject",
    "ListObjectsV2": "ListBucket",
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
    from botocore.exceptions import ClientError

    with aws_errors(target=target):
        try:
            yield
        except ClientError as error:
            known = _explain(error, service, target)
            if known is None:
                raise
            raise known from None


def code_of(error: ClientError) -> str:
    """Return the code that a service answered with."""
    return str(error.response.get("Error", {}).get("Code", ""))


def _explain(error: ClientError, service: str, target: str) -> JinaClientError | None:
    """Explain what is peculiar to batch, ``None`` of all else."""
    code, message = code_of(error), str(error.response.get("Error", {}).get("Message", ""))
    metadata: Any = error.response.get("ResponseMetadata", {})
    facts: dict[str, Any] = {"target": target, "request_id": metadata.get("RequestId")}
    if code in DENIED:
        return AccessError(
            f"the credentials may not do this ({error.operation_name}: {message or code})",
            advice=f"allow the IAM action {_action(error, service, message)}",
            **facts,
        )
    if code == "NoSuchBucket":
        return ConfigurationError("there is no such bucket", advice="look at its name and its region", **facts)
    if code == "StateMachineDoesNotExist":
        return EndpointNotFoundError(
            "there is no such state machine", advice="look at its ARN, and whether the batch stack stands", **facts
        )
    if metadata.get("HTTPStatusCode", 0) >= 500:
        return OverloadedError(f"AWS could not answer {error.operation_name} ({code})", advice="try again", **facts)
    return None


def _action(error: ClientError, service: str, message: str) -> str:
    """Return the action that is missing: that of a key is named by the message alone."""
    if "kms:" in message:
        return message[message.index("kms:") :].split()[0].rstrip(".,")
    name = error.operation_name
    return f"{service}:{_S3_ACTIONS.get(name, name) if service == 's3' else name}"
