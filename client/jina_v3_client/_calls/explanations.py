"""The typed errors of calls, in words: what happened, where, and what to do.

No text, no credential and no part of a signature stands in them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from jina_v3_client.errors import (
    AccessError,
    ConfigurationError,
    ConnectionFailedError,
    EndpointNotFoundError,
    InvalidInputError,
    JinaClientError,
    ModelError,
    NotInServiceError,
    OverloadedError,
    TooLargeError,
)
from jina_v3_client.routing.targets import InferenceRouter, Target
from jina_v3_client.transport import TransportError

if TYPE_CHECKING:
    from jina_v3_client._calls.classify import Refusal
    from jina_v3_client._texts.wire import ContainerError

_UNSIGNED: Final = ("the request was not signed", "configure credentials: `aws configure`, or a role")
_UNKNOWN: Final = (
    "AWS does not know the access key, or its session token does not belong to it",
    "check AWS_ACCESS_KEY_ID and AWS_SESSION_TOKEN, or the profile; `aws sts get-caller-identity` says who you are",
)
_EXPIRED: Final = ("the credentials have expired", "renew them, such as by `aws sso login`")
_CLOCK: Final = ("the signature's time is not the service's", "set this machine's clock")
_WRONG_SECRET: Final = (
    "the signature is wrong: the secret access key does not belong to the access key",
    "check AWS_SECRET_ACCESS_KEY, or the profile; a proxy that changes requests breaks signatures too",
)
_INCOMPLETE: Final = (
    "the signature did not arrive whole",
    "check the credentials for blanks and line ends; a proxy that drops headers breaks signatures too",
)
_FORBIDDEN: Final = ("AccessDeniedException", "AccessDenied", "NotAuthorized")
ACCESS: Final = {
    "MissingAuthenticationTokenException": _UNSIGNED,
    "MissingAuthenticationToken": _UNSIGNED,
    "UnrecognizedClientException": _UNKNOWN,
    "InvalidClientTokenId": _UNKNOWN,
    "ExpiredTokenException": _EXPIRED,
    "ExpiredToken": _EXPIRED,
    "RequestExpired": _CLOCK,
    "RequestTimeTooSkewed": _CLOCK,
    "InvalidSignatureException": _WRONG_SECRET,
    "SignatureDoesNotMatch": _WRONG_SECRET,
    "IncompleteSignatureException": _INCOMPLETE,
    "IncompleteSignature": _INCOMPLETE,
    "OptInRequired": ("the account does not have this region enabled", "enable the region, or name another"),
} | dict.fromkeys(_FORBIDDEN)
"""What AWS calls a request it does not let in, and what that means; ``None``: the caller is known and may not do it."""

_SKEW: Final = re.compile(r"Signature expired|not yet current")
_ACTION: Final = re.compile(r"perform: ([a-zA-Z0-9:]+)")
_RESOURCE: Final = re.compile(r"on resource: (arn:[^\s]+)")
_LARGE_CODES: Final = ("body_too_large", "too_many_texts")
_SERVICE_MESSAGE_CHARACTERS: Final = 300


def connection(target: Target, error: TransportError) -> JinaClientError:
    """Explain that nothing whole came back."""
    advice = {
        "connect": "check the region, the network and a proxy; `jina-v3 doctor` tries each",
        "timeout": "send fewer texts a request, or give it more time: attempt_s, or a larger deadline_s",
        "broken": "the connection ends on the way: look for a proxy or gateway that cuts it",
    }[error.kind]
    explained = ConnectionFailedError(f"no whole answer: {error}", advice=advice, target=target.label)
    explained.__cause__ = error
    return explained


def overtaken(target: Target) -> JinaClientError:
    """Explain that a target was slower than what was asked beside it."""
    return ConnectionFailedError(
        "no answer while another target, asked later, had one",
        advice="look at its load: `jina-v3 endpoints`",
        target=target.label,
    )


def is_slow(error: JinaClientError) -> bool:
    """Say whether it was time that ran out."""
    cause = error.__cause__
    timed_out = isinstance(cause, TransportError) and cause.kind == "timeout"
    return (isinstance(error, ConnectionFailedError) and timed_out) or (
        isinstance(error, ModelError) and error.original_code == "timed_out"
    )


def is_too_large(error: JinaClientError) -> bool:
    """Say whether the request or its answer was too large, rather than one text of it too long."""
    return isinstance(error, TooLargeError) and error.code in _LARGE_CODES


def access(refusal: Refusal) -> JinaClientError:
    """Explain who was not let in, and why; messages on signatures are not shown, for they hold parts of them."""
    known = ACCESS.get(refusal.name)
    if _SKEW.search(refusal.message):
        known = _CLOCK
    if known is not None:
        return AccessError(known[0], advice=known[1], **_facts(refusal))
    router = isinstance(refusal.target, InferenceRouter)
    action, resource = _ACTION.search(refusal.message), _RESOURCE.search(refusal.message)
    wanted = action[1] if action else f"sagemaker:{'InvokeInferenceRouter' if router else 'InvokeEndpoint'}"
    where = f" on {resource[1].rstrip('.,')}" if resource else ""
    also = ", and for each destination what it needs itself" if router else ""
    if refusal.name in _FORBIDDEN:
        message, proxy = f"the caller is known and may not do {wanted}{where}", ""
    else:
        message = f"the request was not let in ({refusal.name or 'no error name'}, HTTP {refusal.status})"
        proxy = "; without an error name it may be a proxy that refuses" if not refusal.name else ""
    return AccessError(
        message,
        advice=f"give the role or user an IAM policy that allows {wanted}{where}{also}{proxy}",
        **_facts(refusal),
    )


def not_found(refusal: Refusal) -> JinaClientError:
    """Explain what is not there."""
    region = refusal.target.region or "the client's region"
    said = refusal.message[:_SERVICE_MESSAGE_CHARACTERS] or f"{refusal.target.label} was not found."
    return EndpointNotFoundError(
        f"{said.rstrip('.')}, in {region}",
        advice="`jina-v3 endpoints` lists what is there; one that is still being made, or failed, is not found either",
        **_facts(refusal),
    )


def other_kind(refusal: Refusal) -> JinaClientError:
    """Explain that the endpoint is to be asked in another way."""
    if "InvokeEndpointAsync" in refusal.message:
        what, advice = "is an asynchronous endpoint", 'give it as asynchronous=… and ask with route="asynchronous"'
    else:
        what, advice = "serves inference components", 'name one: Endpoint("…", inference_component="…")'
    return ConfigurationError(f"endpoint {refusal.target.name} {what}", advice=advice, **_facts(refusal))


def asleep(refusal: Refusal) -> JinaClientError:
    """Explain that there is no machine yet."""
    return NotInServiceError(
        "it has no machine to answer with",
        advice="where it scales from zero the first calls wake it, which takes minutes: raise patience_s; "
        "else give it a copy or an instance",
        **_facts(refusal),
    )


def busy(refusal: Refusal, said: ContainerError | None = None) -> JinaClientError:
    """Explain that there is too much to do: at the service, or in the container's queue."""
    if said is None and refusal.name != "ModelError":
        message, advice = "AWS throttles these calls", "lower concurrency, or ask for a higher quota"
    else:
        message = f"the model's queue is full{f': {said.message}' if said else ''}"
        advice = "lower concurrency, or give the endpoint more instances"
    return OverloadedError(message, advice=advice, retry_after_s=refusal.retry_after_s, **_facts(refusal))


def service_failure(refusal: Refusal) -> JinaClientError:
    """Explain a failure of SageMaker's own, or of an endpoint without a healthy machine."""
    return NotInServiceError(
        f"SageMaker could not serve the request ({refusal.name or 'no error name'}, HTTP {refusal.status})",
        advice="the endpoint may have no healthy machine: `jina-v3 endpoints` says; else it is AWS's to mend",
        **_facts(refusal),
    )


def too_large(refusal: Refusal, said: ContainerError | None = None) -> JinaClientError:
    """Explain that the request, or its answer, is more than may be."""
    message = said.message if said else "the request is larger than the service takes"
    return TooLargeError(
        message,
        code=said.code if said and said.code in _LARGE_CODES else _LARGE_CODES[0],
        field="body" if said is None else said.field,
        value=None if said is None else said.value,
        allowed=None if said is None else said.allowed,
        advice="lower request_bytes, response_bytes or texts of RequestLimits",
        **_facts(refusal),
    )


def refused(refusal: Refusal) -> JinaClientError:
    """Explain a request that SageMaker does not take."""
    return InvalidInputError(
        f"SageMaker refuses the request: {refusal.message[:_SERVICE_MESSAGE_CHARACTERS] or f'HTTP {refusal.status}'}",
        code=refusal.name or str(refusal.status),
        **_facts(refusal),
    )


def invalid(refusal: Refusal, said: ContainerError) -> JinaClientError:
    """Explain what of the input the model refuses; ``index`` is the text's place in the request."""
    facts = _facts(refusal)
    return InvalidInputError(
        said.message,
        code=said.code,
        field=said.field,
        value=said.value,
        allowed=said.allowed,
        index=said.index,
        **facts | ({"request_id": said.request_id} if said.request_id and not facts["request_id"] else {}),
    )


def model(refusal: Refusal, status: int, code: str | None, said: ContainerError | None) -> JinaClientError:
    """Explain a container's own failure: its message is shown only where it is ours, for others may echo texts."""
    if code == "timed_out":
        message = "the model did not answer within the service's time"
    elif said is not None:
        message = f"the model failed: {said.message}"
    else:
        message = f"the model failed with HTTP status {status}" if status else "the model's container broke off"
    arn = refusal.members.get("LogStreamArn")
    log = f" {str(arn).rpartition(':log-group:')[2]}" if arn else "s"
    return ModelError(
        message,
        original_status=status,
        original_code=code,
        advice="send fewer texts a request" if code == "timed_out" else f"read the endpoint's log{log} in CloudWatch",
        **_facts(refusal),
    )


def _facts(refusal: Refusal) -> dict[str, Any]:
    return {"request_id": refusal.request_id, "target": refusal.target.label}
