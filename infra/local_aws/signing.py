"""Signature Version 4 from the service's side: who has signed a request, for which region, is it untouched.

The stages are pure: canonical request → string to sign → signature. It knows neither HTTP servers nor moto: secrets
come from a function, the time from the caller.

**Source**: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import quote, unquote

from botocore.utils import remove_dot_segments

MAX_SKEW: Final = timedelta(minutes=5)
_ALGORITHM: Final = "AWS4-HMAC-SHA256"
_DATE_FORMAT: Final = "%Y%m%dT%H%M%SZ"
_MISMATCH: Final = (
    "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key "
    "and signing method. Consult the service documentation for details."
)


class SignatureError(Exception):
    """A request is not let in; ``code`` is the service's name of the reason."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True, kw_only=True)
class Secret:
    """What belongs to an access key; temporary ones have a token and an end."""

    key: str
    token: str | None = None
    expires: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedRequest:
    """A request as it came: the target is undecoded path and query, the headers' names are in lower case."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What an ``Authorization`` header says."""

    access_key: str
    day: str
    region: str
    service: str
    signed_headers: tuple[str, ...]
    signature: str

    @property
    def scope(self) -> str:
        """The credential's scope."""
        return f"{self.day}/{self.region}/{self.service}/aws4_request"


def verify(
    request: SignedRequest, *, service: str, find_secret: Callable[[str], Secret | None], now: datetime
) -> Claim:
    """Return the claim of a request that is signed as it should be.

    **Raises**: ``SignatureError``.
    """
    claim = read_claim(request.headers)
    signed_at = _check_time(claim, request.headers.get("x-amz-date", ""), now)
    if claim.service != service:
        message = f"Credential should be scoped to correct service: '{service}'. "
        raise SignatureError("InvalidSignatureException", message)
    secret = find_secret(claim.access_key)
    if secret is None or (secret.token or "") != request.headers.get("x-amz-security-token", ""):
        raise SignatureError("UnrecognizedClientException", "The security token included in the request is invalid.")
    if secret.expires is not None and secret.expires <= now:
        raise SignatureError("ExpiredTokenException", "The security token included in the request is expired")
    canonical = canonical_request(request, claim.signed_headers)
    expected = sign(secret.key, claim, string_to_sign(canonical, claim, signed_at))
    if not hmac.compare_digest(expected, claim.signature):
        raise SignatureError("InvalidSignatureException", _MISMATCH)
    return claim


def read_claim(headers: Mapping[str, str]) -> Claim:
    """Read the ``Authorization`` header.

    **Raises**: ``SignatureError``.
    """
    authorization = headers.get("authorization")
    if not authorization:
        raise SignatureError("MissingAuthenticationTokenException", "Missing Authentication Token")
    algorithm, _, rest = authorization.partition(" ")
    parts = dict(part.strip().partition("=")[::2] for part in rest.split(","))
    credential = parts.get("Credential", "").split("/")
    missing = [name for name in ("Credential", "Signature", "SignedHeaders") if not parts.get(name)]
    if algorithm != _ALGORITHM or missing or len(credential) != 5:
        wanted = "".join(f"Authorization header requires '{name}' parameter. " for name in missing)
        message = f"{wanted}Authorization={authorization.partition('Signature=')[0]}"
        raise SignatureError("IncompleteSignatureException", message)
    access_key, day, region, service, _ = credential
    signed = tuple(parts["SignedHeaders"].split(";"))
    if "host" not in signed:
        message = "'Host' must be a 'SignedHeader' in the AWS Authorization."
        raise SignatureError("InvalidSignatureException", message)
    return Claim(
        access_key=access_key,
        day=day,
        region=region,
        service=service,
        signed_headers=signed,
        signature=parts["Signature"],
    )


def _check_time(claim: Claim, date: str, now: datetime) -> str:
    try:
        signed_at = datetime.strptime(date, _DATE_FORMAT).replace(tzinfo=UTC)
    except ValueError:
        message = f"Authorization header requires existence of an 'X-Amz-Date' such as 20261231T235959Z, not {date!r}."
        raise SignatureError("IncompleteSignatureException", message) from None
    if not date.startswith(claim.day):
        message = f"Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: {date}."
        raise SignatureError("InvalidSignatureException", message)
    stamp = now.strftime(_DATE_FORMAT)
    if signed_at < now - MAX_SKEW:
        earliest = (now - MAX_SKEW).strftime(_DATE_FORMAT)
        message = f"Signature expired: {date} is now earlier than {earliest} ({stamp} - 5 min.)"
        raise SignatureError("InvalidSignatureException", message)
    if signed_at > now + MAX_SKEW:
        latest = (now + MAX_SKEW).strftime(_DATE_FORMAT)
        message = f"Signature not yet current: {date} is still later than {latest} ({stamp} + 5 min.)"
        raise SignatureError("InvalidSignatureException", message)
    return date


def canonical_request(request: SignedRequest, signed_headers: tuple[str, ...]) -> str:
    """Write a request in the one form that is signed. The body's hash is of the body that came, whatever it claims."""
    path, _, query = request.target.partition("?")
    headers = "".join(f"{name}:{_squeeze(request.headers.get(name, ''))}\n" for name in signed_headers)
    return "\n".join(
        [
            request.method,
            quote(remove_dot_segments(path) or "/", safe="/~"),
            _canonical_query(query),
            headers,
            ";".join(signed_headers),
            hashlib.sha256(request.body).hexdigest(),
        ]
    )


def _canonical_query(query: str) -> str:
    pairs = [part.partition("=")[::2] for part in query.split("&") if part]
    encoded = sorted((quote(unquote(name), safe="-_.~"), quote(unquote(value), safe="-_.~")) for name, value in pairs)
    return "&".join(f"{name}={value}" for name, value in encoded)


def _squeeze(value: str) -> str:
    return re.sub(r" +", " ", value.strip())


def string_to_sign(canonical: str, claim: Claim, signed_at: str) -> str:
    """Write what the key is applied to."""
    return "\n".join([_ALGORITHM, signed_at, claim.scope, hashlib.sha256(canonical.encode()).hexdigest()])


def sign(secret_key: str, claim: Claim, text: str) -> str:
    """Return the signature of a string to sign."""
    key = f"AWS4{secret_key}".encode()
    for part in (claim.day, claim.region, claim.service, "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
