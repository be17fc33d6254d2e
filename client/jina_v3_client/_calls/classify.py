"""What one outcome means: an answer, or a typed error and what is to be done about it.

It knows SageMaker's error names, on both of its runtime APIs, and how they carry a container's own.

**Source**: the API references of InvokeEndpoint and InvokeInferenceRouter, and "Common error types".
"""

from __future__ import annotations

import email.utils
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any, Final

from jina_v3_client._aws.errors import THROTTLED
from jina_v3_client._calls import explanations as explain
from jina_v3_client._calls.steps import Outcome
from jina_v3_client._texts.wire import ContainerError, error_body
from jina_v3_client.errors import JinaClientError, ResponseError
from jina_v3_client.routing.targets import Target
from jina_v3_client.transport import HttpResponse, TransportError

_ASLEEP: Final = "has no capacity to process this request"
_NOT_FOUND: Final = re.compile(r"not found|has no routing target|does not exist|could not find", re.IGNORECASE)
_OTHER_KIND: Final = ("Inference Component Name header is required", "InvokeEndpointAsync")
_TOO_LARGE: Final = re.compile(r"'body' failed to satisfy constraint|payload.{0,40}(too large|exceed)", re.IGNORECASE)
_RETRY_AFTER: Final = re.compile(r"again in (\d+(?:\.\d+)?) s\b")
_TIMED_OUT: Final = re.compile(r"timed? ?out", re.IGNORECASE)


class Kind(Enum):
    """What is to be done: the first is done, the last three may be tried again."""

    ANSWER = "a whole answer"
    REFUSED = "the input is at fault: nobody would answer it"
    GONE = "the target answers nobody as it is set up: another may"
    FAULTY = "the target failed at this very input: another may not"
    FAILED = "a failure that passes"
    BUSY = "throttled, or the queue is full"
    ASLEEP = "no machine is there yet"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """An outcome's meaning; ``slow``: time ran out, and a smaller request may be in time. **Units**: seconds."""

    kind: Kind
    error: JinaClientError | None = None
    retry_after_s: float | None = None
    slow: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """An answer that is an error, taken apart."""

    target: Target
    status: int
    name: str
    message: str
    members: Mapping[str, Any]
    request_id: str | None
    retry_after_s: float | None


def classify(outcome: Outcome) -> Verdict:
    """Say what an outcome means.

    >>> from jina_v3_client.routing.targets import Endpoint
    >>> response = HttpResponse(status=429, headers={"x-amzn-errortype": "ThrottlingException", "retry-after": "3"}, body=b"")
    >>> verdict = classify(Outcome(target=Endpoint("texts"), result=response, seconds=0.1))
    >>> verdict.kind.name, verdict.retry_after_s
    ('BUSY', 3.0)
    """  # noqa: E501  # one line of an example
    result = outcome.result
    if isinstance(result, TransportError):
        error = explain.connection(outcome.target, result)
        return Verdict(kind=Kind.FAILED, error=error, slow=result.kind == "timeout")
    if isinstance(result, JinaClientError):
        return Verdict(kind=Kind.GONE, error=result)
    if result.status == 200:
        return Verdict(kind=Kind.ANSWER)
    refusal = take_apart(outcome.target, result)
    return _of_model(refusal) if refusal.name == "ModelError" or result.status == 424 else _of_service(refusal)


def smaller_may_help(error: JinaClientError) -> bool:
    """Say whether the halves of the request that failed so may succeed: it was too large, or took too long."""
    return explain.is_too_large(error) or explain.is_slow(error)


def take_apart(target: Target, response: HttpResponse) -> Refusal:
    """Read an error's name, message and members, whatever of them is there."""
    try:
        members = json.loads(response.body)
    except (ValueError, RecursionError):
        members = {}
    if not isinstance(members, dict):
        members = {}
    said = response.headers.get("x-amzn-errortype") or members.get("__type") or members.get("code") or ""
    message = members.get("Message") or members.get("message") or ""
    return Refusal(
        target=target,
        status=response.status,
        name=str(said).split(":")[0].rpartition("#")[2],
        message=str(message),
        members=members,
        request_id=response.headers.get("x-amzn-requestid"),
        retry_after_s=_retry_after_s(response.headers),
    )


def _of_service(refusal: Refusal) -> Verdict:
    """Judge what SageMaker itself says."""
    status, name, message = refusal.status, refusal.name, refusal.message
    if name == "ModelNotReadyException" or _ASLEEP in message:
        return _verdict(Kind.ASLEEP, refusal, explain.asleep(refusal))
    if name in THROTTLED or status == 429:
        return _verdict(Kind.BUSY, refusal, explain.busy(refusal))
    if status in (401, 403) or name in explain.ACCESS:
        return _verdict(Kind.GONE, refusal, explain.access(refusal))
    if status >= 500 or status == 408:
        return _verdict(Kind.FAILED, refusal, explain.service_failure(refusal))
    if status == 413 or _TOO_LARGE.search(message):
        return _verdict(Kind.REFUSED, refusal, explain.too_large(refusal))
    if any(words in message for words in _OTHER_KIND):
        return _verdict(Kind.GONE, refusal, explain.other_kind(refusal))
    if status == 404 or (status == 400 and _NOT_FOUND.search(message)):
        return _verdict(Kind.GONE, refusal, explain.not_found(refusal))
    if 400 <= status < 500:
        return _verdict(Kind.REFUSED, refusal, explain.refused(refusal))
    error = ResponseError(
        f"HTTP status {status} is no answer of SageMaker's",
        advice="look for a proxy or a gateway in between, and at AWS_ENDPOINT_URL",
        request_id=refusal.request_id,
        target=refusal.target.label,
    )
    return Verdict(kind=Kind.GONE, error=error)


def _of_model(refusal: Refusal) -> Verdict:
    """Judge what a container says, which SageMaker passes on."""
    original = refusal.members.get("OriginalStatusCode")
    status = original if isinstance(original, int) and not isinstance(original, bool) else 0
    text = str(refusal.members.get("OriginalMessage") or refusal.message)
    said = error_body(text.encode())
    code = None if said is None else said.code
    if status == 429:
        refusal = replace(refusal, retry_after_s=refusal.retry_after_s or _said_retry_after_s(said))
        return _verdict(Kind.BUSY, refusal, explain.busy(refusal, said))
    if status in (0, 408, 502, 503, 504):
        slow = code == "deadline_exceeded" or status == 504 or (status == 0 and _TIMED_OUT.search(text) is not None)
        error = explain.model(refusal, status, "timed_out" if slow else code, said)
        return replace(_verdict(Kind.FAILED, refusal, error), slow=slow)
    if status == 413:
        return _verdict(Kind.REFUSED, refusal, explain.too_large(refusal, said))
    if 400 <= status < 500:
        error = explain.model(refusal, status, code, said) if said is None else explain.invalid(refusal, said)
        return _verdict(Kind.REFUSED, refusal, error)
    return _verdict(Kind.FAULTY, refusal, explain.model(refusal, status, code, said))


def _verdict(kind: Kind, refusal: Refusal, error: JinaClientError) -> Verdict:
    return Verdict(kind=kind, error=error, retry_after_s=refusal.retry_after_s)


def _said_retry_after_s(said: ContainerError | None) -> float | None:
    """Return what stands in a container's message: its ``Retry-After`` does not get through SageMaker."""
    found = None if said is None else _RETRY_AFTER.search(said.message)
    return None if found is None else float(found[1])


def _retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Read ``Retry-After``, seconds or a date, which is compared with the answer's own: clocks may differ."""
    value = headers.get("retry-after", "").strip()
    if re.fullmatch(r"\d{1,9}(\.\d+)?", value):
        return float(value)
    try:
        then, now = (email.utils.parsedate_to_datetime(text) for text in (value, headers.get("date", "")))
        return max(0.0, (then - now).total_seconds())
    except (ValueError, TypeError):
        return None
