"""What keeps a release from being published, as a sentence that a person can act on."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, PartialCredentialsError

from jina_v3_infra.aws_errors import DENIED, EXPIRED, UNKNOWN_KEY, error_code

_MISSING_BUCKET: Final = "NoSuchBucket"
_ACTIONS: Final = {  # where a permission is not called like the operation that needs it
    "s3:CompleteMultipartUpload": "s3:PutObject",
    "s3:CopyObject": "s3:PutObject",
    "s3:CreateMultipartUpload": "s3:PutObject",
    "s3:DeleteObjects": "s3:DeleteObject",
    "s3:HeadObject": "s3:GetObject",
    "s3:ListMultipartUploads": "s3:ListBucketMultipartUploads",
    "s3:ListObjectsV2": "s3:ListBucket",
    "s3:ListParts": "s3:ListMultipartUploadParts",
    "s3:UploadPart": "s3:PutObject",
    "s3:UploadPartCopy": "s3:PutObject",
}


class PublishError(Exception):
    """A release cannot be published; the message says what to do about it."""


@contextmanager
def explained(service: str, place: str) -> Iterator[None]:
    """Turn what AWS's library raises into sentences; ``place`` is what the calls are about, a bucket for instance.

    **Raises**: ``PublishError``.
    """
    try:
        yield
    except ClientError as error:
        raise PublishError(_refusal(error, service, place)) from error
    except (NoCredentialsError, PartialCredentialsError) as error:
        raise PublishError(f"there are no AWS credentials ({error}): sign in, or set AWS_PROFILE") from error
    except BotoCoreError as error:
        raise PublishError(f"AWS cannot be asked for {place} ({error}): check the network, then run this again") from (
            error
        )


def _refusal(error: ClientError, service: str, place: str) -> str:
    code, message = error_code(error), str(error.response.get("Error", {}).get("Message", ""))
    operation = f"{service}:{error.operation_name}"
    if code == _MISSING_BUCKET:
        return f"there is no {place}: deploy the foundation stack first"
    if code in DENIED:
        told = re.search(r"not authorized to perform: (\S+)", message)  # may be another service's, as KMS's
        action = told.group(1) if told else _ACTIONS.get(operation, operation)
        return f"these credentials may not {action} on {place}: have the action allowed, or use others"
    if code in EXPIRED | UNKNOWN_KEY:
        return f"AWS does not accept these credentials ({code}): sign in again, or set AWS_PROFILE"
    return f"AWS refused {operation} on {place} with {code}: {message}"
