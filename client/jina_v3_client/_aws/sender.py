"""From a target and its work to an answer: addressed, signed, sent, and sent once more where only that was wrong.

A clock that AWS finds wrong is set by the answer's ``Date``, credentials that have expired are got anew. All other
answers, good or bad, are for others to judge.
"""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from jina_v3_client._aws.access import Access
from jina_v3_client._aws.signing import Credentials, sign
from jina_v3_client._calls.steps import Work
from jina_v3_client.routing.targets import Endpoint, Target
from jina_v3_client.transport import AsyncTransport, HttpRequest, HttpResponse, Transport, TransportError

_LOG: Final = logging.getLogger(__name__)
_AGENT: Final = "jina-v3-client"
_EXPIRED: Final = frozenset({"ExpiredToken", "ExpiredTokenException"})
_CLOCK: Final = frozenset(
    {"InvalidSignatureException", "SignatureDoesNotMatch", "RequestExpired", "RequestTimeTooSkewed"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Signed:
    request: HttpRequest
    credentials: Credentials
    region: str
    at: datetime


class Sender:
    """Sends work to targets from many threads at once."""

    def __init__(self, access: Access, transport: Transport) -> None:
        self._access = access
        self._transport = transport

    def send(self, target: Target, work: Work, timeout_s: float) -> HttpResponse:
        """Send, and return the whole answer, whatever its status.

        **Raises**: ``TransportError``; ``AccessError`` where there are no credentials.
        """
        until = time.monotonic() + timeout_s
        signed = _sign(self._access, target, work)
        with _logged(target, work) as log:
            response = self._transport.send(signed.request, timeout_s=_left_s(until, target))
            if _mend(self._access, target, signed, response):
                signed = _sign(self._access, target, work)
                response = self._transport.send(signed.request, timeout_s=_left_s(until, target))
            log(response)
        return response

    def close(self) -> None:
        """Close the transport."""
        self._transport.close()


class AsyncSender:
    """Sends work to targets from many tasks of one event loop at once."""

    def __init__(self, access: Access, transport: AsyncTransport) -> None:
        self._access = access
        self._transport = transport

    async def send(self, target: Target, work: Work, timeout_s: float) -> HttpResponse:
        """Send, and return the whole answer, whatever its status.

        **Raises**: ``TransportError``; ``AccessError`` where there are no credentials.
        """
        until = time.monotonic() + timeout_s
        signed = await self._sign(target, work)
        with _logged(target, work) as log:
            response = await self._transport.send(signed.request, timeout_s=_left_s(until, target))
            if _refused(response) and await asyncio.to_thread(_mend, self._access, target, signed, response):
                signed = await self._sign(target, work)
                response = await self._transport.send(signed.request, timeout_s=_left_s(until, target))
            log(response)
        return response

    async def aclose(self) -> None:
        """Close the transport."""
        await self._transport.aclose()

    async def _sign(self, target: Target, work: Work) -> _Signed:
        if self._access.may_block(target):
            return await asyncio.to_thread(_sign, self._access, target, work)
        return _sign(self._access, target, work)


@contextmanager
def _logged(target: Target, work: Work) -> Iterator[Callable[[HttpResponse], None]]:
    """Log how an attempt ended; neither texts nor vectors nor credentials."""
    started = time.monotonic()

    def log(response: HttpResponse) -> None:
        _LOG.debug(
            "%s: %d bytes sent, status %d and %d bytes in %.0f ms, request %s",
            target.label,
            len(work.body),
            response.status,
            len(response.body),
            (time.monotonic() - started) * 1000,
            response.headers.get("x-amzn-requestid", "unknown"),
        )

    try:
        yield log
    except TransportError as error:
        _LOG.debug("%s: %d bytes sent, %s", target.label, len(work.body), error)
        raise


def _sign(access: Access, target: Target, work: Work) -> _Signed:
    region = access.region_of(target)
    credentials = access.credentials(target)
    at = access.now(region)
    request = HttpRequest(method="POST", url=access.url(target), headers=_headers(target, work), body=work.body)
    signed = sign(request, credentials=credentials, region=region, now=at)
    return _Signed(request=signed, credentials=credentials, region=region, at=at)


def _headers(target: Target, work: Work) -> dict[str, str]:
    headers = {
        "content-type": work.content_type,
        "accept": work.accept,
        "user-agent": _AGENT,
        "x-amzn-sagemaker-inference-id": str(uuid.uuid4()),
    }
    if not isinstance(target, Endpoint):
        headers["x-amzn-sagemaker-routing-target-name"] = target.routing_target
    elif target.variant is not None:
        headers["x-amzn-sagemaker-target-variant"] = target.variant
    elif target.inference_component is not None:
        headers["x-amzn-sagemaker-inference-component"] = target.inference_component
    return headers


def _refused(response: HttpResponse) -> bool:
    return response.status in (400, 403)


def _mend(access: Access, target: Target, signed: _Signed, response: HttpResponse) -> bool:
    """Set the clock, or get other credentials, where an answer asks for that; say whether it is worth another try."""
    if not _refused(response):
        return False
    kind = response.headers.get("x-amzn-errortype", "").partition(":")[0]
    if kind in _CLOCK:
        return access.learn_clock(signed.region, response.headers.get("date"), signed=signed.at)
    return kind in _EXPIRED and access.renew(target, signed.credentials)


def _left_s(until: float, target: Target) -> float:
    left_s = until - time.monotonic()
    if left_s <= 0:
        raise TransportError("timeout", f"{target.label}: credentials took the attempt's whole time")
    return left_s
