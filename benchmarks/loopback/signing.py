"""Whether a request is signed as it must be, by botocore's own signer, and what AWS says where it is not."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

MAX_SKEW: Final = timedelta(minutes=5)
_FORMAT: Final = "%Y%m%dT%H%M%SZ"
_MISMATCH: Final = (
    "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key "
    "and signing method. Consult the service documentation for details."
)


class SignatureError(Exception):
    """A request is refused with 403; ``code`` is the service's name of the reason."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def region_of(headers: Mapping[str, str]) -> str:
    """Tell the region from the credential's scope; nothing is checked."""
    scope = headers.get("authorization", "").partition("Credential=")[2].split("/", 4)
    return scope[2] if len(scope) == 5 else ""


def verify(
    target: str,
    headers: Mapping[str, str],
    body: bytes,
    *,
    secrets: Mapping[str, str],
    tokens: Mapping[str, str],
    now: datetime,
) -> None:
    """Let a POST in whose signature is the one that botocore would have made.

    ``secrets`` are by access key; ``tokens`` are those of temporary keys, "" where it has expired.

    **Raises**: ``SignatureError``.
    """
    if "authorization" not in headers:
        raise SignatureError("MissingAuthenticationTokenException", "Missing Authentication Token")
    claimed = dict(part.strip().partition("=")[::2] for part in headers["authorization"].partition(" ")[2].split(","))
    access_key, day, region, service, _ = claimed["Credential"].split("/")
    stamp = headers.get("x-amz-date", "")
    _check_time(stamp, day, now)
    if service != "sagemaker":
        message = "Credential should be scoped to correct service: 'sagemaker'. "
        raise SignatureError("InvalidSignatureException", message)
    token = headers.get("x-amz-security-token")
    if access_key not in secrets or (token != tokens.get(access_key) and tokens.get(access_key) != ""):
        raise SignatureError("UnrecognizedClientException", "The security token included in the request is invalid.")
    if tokens.get(access_key) == "":
        raise SignatureError("ExpiredTokenException", "The security token included in the request is expired")
    names = claimed["SignedHeaders"].split(";")
    signed = {name: headers.get(name, "") for name in names}
    checksum = headers.get("x-amz-content-sha256")
    if "host" not in names or (checksum is not None and checksum != hashlib.sha256(body).hexdigest()):
        raise SignatureError("InvalidSignatureException", _MISMATCH)
    request: Any = AWSRequest(method="POST", url=f"http://{headers.get('host')}{target}", headers=signed, data=body)
    request.context["timestamp"] = stamp
    signer = SigV4Auth(Credentials(access_key, secrets[access_key], token), service, region)
    text = signer.string_to_sign(request, signer.canonical_request(request))
    if not hmac.compare_digest(signer.signature(text, request), claimed["Signature"]):
        raise SignatureError("InvalidSignatureException", _MISMATCH)


def _check_time(stamp: str, day: str, now: datetime) -> None:
    try:
        signed_at = datetime.strptime(stamp, _FORMAT).replace(tzinfo=UTC)
    except ValueError:
        message = f"Authorization header requires existence of an 'X-Amz-Date', not {stamp!r}."
        raise SignatureError("IncompleteSignatureException", message) from None
    here = f"({now:{_FORMAT}} {'-' if signed_at < now else '+'} 5 min.)"
    if signed_at < now - MAX_SKEW:
        message = f"Signature expired: {stamp} is now earlier than {now - MAX_SKEW:{_FORMAT}} {here}"
        raise SignatureError("InvalidSignatureException", message)
    if signed_at > now + MAX_SKEW:
        message = f"Signature not yet current: {stamp} is still later than {now + MAX_SKEW:{_FORMAT}} {here}"
        raise SignatureError("InvalidSignatureException", message)
    if not stamp.startswith(day):
        message = "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP"
        raise SignatureError("InvalidSignatureException", message)
