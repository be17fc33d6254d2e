"""Signature Version 4 from the caller's side, in pure stages: canonical request → string to sign → signature.

It knows neither where credentials come from nor how requests are sent; the time comes from the caller. The body is
hashed once, and the key that is derived from the secret is kept for the day that it is good for.

**Source**: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final
from urllib.parse import quote, urlsplit

from jina_v3_client.transport import HttpRequest

_ALGORITHM: Final = "AWS4-HMAC-SHA256"
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
# what proxies and tracing may change on the way
_NEVER_SIGNED: Final = frozenset(
    {
        "authorization",
        "baggage",
        "connection",
        "expect",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "te",
        "traceparent",
        "tracestate",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "user-agent",
        "x-amzn-trace-id",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """An access key with its secret; temporary ones have a token.

    >>> Credentials(access_key="AKIDEXAMPLE", secret_key="wJalrXUtnFEMI")
    <Credentials AKIDEXAMPLE>
    """

    access_key: str
    secret_key: str
    token: str | None = None

    def __repr__(self) -> str:
        """Neither secret nor token."""
        return f"<Credentials {self.access_key}>"


def sign(
    request: HttpRequest, *, credentials: Credentials, region: str, service: str = "sagemaker", now: datetime
) -> HttpRequest:
    """Return the request with the headers that say who sends it: all headers it has are signed, and its body.

    >>> plain = HttpRequest(method="GET", url="https://example.amazonaws.com/", headers={})
    >>> known = Credentials(access_key="AKIDEXAMPLE", secret_key="wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
    >>> noon = datetime(2015, 8, 30, 12, 36, tzinfo=UTC)
    >>> signed = sign(plain, credentials=known, region="us-east-1", service="service", now=noon)
    >>> signed.headers["authorization"].rpartition("=")[2]
    '5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31'
    """
    stamp = f"{now.astimezone(UTC):%Y%m%dT%H%M%SZ}"
    headers = {**request.headers, "host": _host(request.url), "x-amz-date": stamp}
    headers.pop("authorization", None)
    headers.pop("x-amz-security-token", None)
    if credentials.token is not None:
        headers["x-amz-security-token"] = credentials.token
    request = replace(request, headers=headers)
    scope = f"{stamp[:8]}/{region}/{service}/aws4_request"
    text = string_to_sign(canonical_request(request), stamp=stamp, scope=scope)
    proof = signature(signing_key(credentials.secret_key, stamp[:8], region, service), text)
    headers["authorization"] = (
        f"{_ALGORITHM} Credential={credentials.access_key}/{scope}, "
        f"SignedHeaders={';'.join(signed_headers(headers))}, Signature={proof}"
    )
    return request


def canonical_request(request: HttpRequest) -> str:
    """Write a request in the one form that is signed.

    >>> print(canonical_request(HttpRequest(method="POST", url="http://a/b?d=1&c=2", headers={"host": "a"})))
    POST
    /b
    c=2&d=1
    host:a
    <BLANKLINE>
    host
    e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
    """
    parts = urlsplit(request.url)
    names = signed_headers(request.headers)
    return "\n".join(
        [
            request.method,
            quote(_normal_path(parts.path), safe="/~"),
            _ordered_query(parts.query),
            *(f"{name}:{' '.join(request.headers[name].split())}" for name in names),
            "",
            ";".join(names),
            hashlib.sha256(request.body).hexdigest(),
        ]
    )


def string_to_sign(canonical: str, *, stamp: str, scope: str) -> str:
    """Write what the key is applied to.

    >>> string_to_sign("", stamp="20150830T123600Z", scope="20150830/us-east-1/iam/aws4_request").splitlines()[:2]
    ['AWS4-HMAC-SHA256', '20150830T123600Z']
    """
    return f"{_ALGORITHM}\n{stamp}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"


@lru_cache(maxsize=64)
def signing_key(secret_key: str, day: str, region: str, service: str) -> bytes:
    """Derive the key of a day, a region and a service.

    >>> signing_key("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "20120215", "us-east-1", "iam").hex()[:16]
    'f4780e2d9f65fa89'
    """
    key = f"AWS4{secret_key}".encode()
    for part in (day, region, service, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key


def signature(key: bytes, text: str) -> str:
    """Return the signature of a string to sign.

    >>> signature(b"key", "text")[:8]
    '6afa9046'
    """
    return hmac.digest(key, text.encode(), "sha256").hex()


def signed_headers(headers: Mapping[str, str]) -> list[str]:
    """Return the names of the headers that are signed, in order.

    >>> signed_headers({"x-amz-date": "20150830T123600Z", "user-agent": "me", "host": "a"})
    ['host', 'x-amz-date']
    """
    return sorted(headers.keys() - _NEVER_SIGNED)


def _host(url: str) -> str:
    parts = urlsplit(url)
    host = parts.hostname or ""
    host = f"[{host}]" if ":" in host else host
    return host if parts.port in (None, _DEFAULT_PORTS.get(parts.scheme)) else f"{host}:{parts.port}"


def _normal_path(path: str) -> str:
    kept: list[str] = []
    for part in path.split("/"):
        if part == "..":
            del kept[-1:]
        elif part not in ("", "."):
            kept.append(part)
    return f"/{'/'.join(kept)}{'/' if kept and path.endswith('/') else ''}"


def _ordered_query(query: str) -> str:
    pairs = sorted(part.partition("=")[::2] for part in query.split("&")) if query else ()
    return "&".join(f"{name}={value}" for name, value in pairs)
