"""Asynchronous invocation: the request waits, its input comes from S3, its output or failure goes there."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from botocore.exceptions import ClientError
from werkzeug.datastructures import Headers
from werkzeug.wrappers import Response

from local_aws.errors import ServiceError
from local_aws.sagemaker.endpoint import Endpoint
from local_aws.sagemaker.errors import refuse_call, unavailable
from local_aws.sagemaker.hosting import Hosting
from local_aws.sagemaker.invocation import BROKEN, Place, Question, ask, question_of
from local_aws.sagemaker.metrics import put_metrics
from local_aws.sagemaker.model_data import split_uri
from local_aws.sagemaker.queue import BoundedQueue, Waiting
from local_aws.sagemaker.store import now
from local_aws.sagemaker.traffic import NobodyError

_MAX_INLINE_BYTES: Final = 128_000
_DEFAULT_CONCURRENCY: Final = 4  # the service chooses one itself
_MAX_INPUT_BYTES: Final = 2**30
_LIMIT_S: Final = 900
_LIMIT_RANGE_S: Final = (1, 3600)
_TTL_S: Final = 21_600
_TTL_RANGE_S: Final = (60, 21_600)
_RETRY_S: Final = 0.2
_TIMES_LOST: Final = 3
_PREFIX: Final = "X-Amzn-SageMaker-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One asynchronous request and where its answer goes."""

    identity: str
    question: Question
    input_uri: str | None
    output_uri: str
    failure_uri: str | None
    received: datetime
    arrived_s: float
    limit_s: float
    ttl_s: float


def invoke_async(hosting: Hosting, place: Place, endpoint: Endpoint, headers: Headers, body: bytes) -> Response:
    """Answer InvokeEndpointAsync: accept a request.

    **Raises**: ``ServiceError``.
    """
    config = endpoint.config.get("AsyncInferenceConfig")
    if not config:
        refuse_call(f"Endpoint {endpoint.name} is not an asynchronous endpoint; call InvokeEndpoint.")
    job = _accept(config["OutputConfig"], headers, body, hosting.now_s())
    with endpoint.lock:
        if endpoint.queue is None:
            endpoint.queue = BoundedQueue(lambda: _room(endpoint), hosting.now_s)
    name = f"invocation {job.identity}"
    endpoint.queue.put(
        Waiting(
            work=hosting.guard(name, lambda: _work(hosting, place, endpoint, job)),
            arrived_s=job.arrived_s,
            deadline_s=job.arrived_s + job.ttl_s,
            expire=hosting.guard(name, lambda: _fail(hosting, place, endpoint, job, _expired(job))),
        )
    )
    located = {f"{_PREFIX}OutputLocation": job.output_uri}
    if job.failure_uri is not None:
        located[f"{_PREFIX}FailureLocation"] = job.failure_uri
    return Response(json.dumps({"InferenceId": job.identity}), 202, located, content_type="application/json")


def _accept(output: dict[str, Any], headers: Headers, body: bytes, now_s: float) -> Job:
    input_uri = headers.get(f"{_PREFIX}InputLocation")
    if (input_uri is None) == (not body):
        refuse_call("Either InputLocation or Body must be given.")
    if len(body) > _MAX_INLINE_BYTES:
        refuse_call(_too_long(_MAX_INLINE_BYTES))
    extension = headers.get(f"{_PREFIX}S3OutputPathExtension", "").strip("/")
    folder = "/".join(part for part in (output["S3OutputPath"].rstrip("/"), extension) if part)
    name = str(uuid.uuid4())
    failures = output.get("S3FailurePath")
    return Job(
        identity=headers.get(f"{_PREFIX}Inference-Id") or str(uuid.uuid4()),
        question=question_of(headers, body, prefix=_PREFIX, accept=f"{_PREFIX}Accept"),
        input_uri=input_uri,
        output_uri=f"{folder}/{headers.get(f'{_PREFIX}Filename') or name + '.out'}",
        failure_uri=f"{failures.rstrip('/')}/{name}-error.out" if failures else None,
        received=now(),
        arrived_s=now_s,
        limit_s=_seconds(headers, "InvocationTimeoutSeconds", _LIMIT_S, _LIMIT_RANGE_S),
        ttl_s=_seconds(headers, "RequestTTLSeconds", _TTL_S, _TTL_RANGE_S),
    )


def _seconds(headers: Headers, name: str, usual: int, allowed: tuple[int, int]) -> int:
    given = headers.get(f"{_PREFIX}{name}", str(usual))
    least, most = allowed
    if not given.isdigit() or not least <= int(given) <= most:
        refuse_call(
            f"1 validation error detected: Value '{given}' at '{name[0].lower()}{name[1:]}' failed to satisfy "
            f"constraint: Member must have value from {least} to {most}"
        )
    return int(given)


def _too_long(limit: int) -> str:
    allowed = f"Member must have length less than or equal to {limit}"
    return f"1 validation error detected: Value at 'body' failed to satisfy constraint: {allowed}"


def _room(endpoint: Endpoint) -> int:
    client = endpoint.config.get("AsyncInferenceConfig", {}).get("ClientConfig", {})
    each: int = client.get("MaxConcurrentInvocationsPerInstance", _DEFAULT_CONCURRENCY)
    fleet = endpoint.fleet
    return each * sum(variant.instances for variant in fleet.variants.values()) if fleet is not None else each


def _work(hosting: Hosting, place: Place, endpoint: Endpoint, job: Job) -> None:
    s3 = hosting.client("s3", place.region)
    waited_ms = (hosting.now_s() - job.arrived_s) * 1000
    try:
        question = job.question
        if job.input_uri is not None:
            question = replace(question, body=_fetch(s3, job.input_uri))
        answer = _ask(hosting, place, endpoint, job, question)
        bucket, key = split_uri(job.output_uri)
        content_type = answer.headers.get("Content-Type", "application/octet-stream")
        s3.put_object(Bucket=bucket, Key=key, Body=answer.data, ContentType=content_type)
    except (ServiceError, ClientError) as error:
        _fail(hosting, place, endpoint, job, error)
    else:
        _count(hosting, place, endpoint, {"InvocationsProcesssed": 1, "TimeInBacklog": waited_ms})
        _notify(hosting, place, endpoint, job, {"contentType": content_type, "outputLocation": job.output_uri}, None)


def _fetch(s3: Any, uri: str) -> bytes:
    bucket, key = split_uri(uri)
    found = s3.get_object(Bucket=bucket, Key=key)
    if found["ContentLength"] > _MAX_INPUT_BYTES:
        raise ServiceError(
            "ValidationError", f"{uri} has {found['ContentLength']} bytes; the most is {_MAX_INPUT_BYTES}."
        )
    body: bytes = found["Body"].read()
    return body


def _expired(job: Job) -> ServiceError:
    return ServiceError("RequestExpired", f"The request was not processed within {job.ttl_s:.0f} seconds.")


def _fail(hosting: Hosting, place: Place, endpoint: Endpoint, job: Job, error: ServiceError | ClientError) -> None:
    """Leave a failure in S3, and tell of it."""
    ours = isinstance(error, ServiceError)
    reason = error.message if isinstance(error, ServiceError) else f"ClientError: {error}"
    if job.failure_uri is not None:
        bucket, key = split_uri(job.failure_uri)
        original = error.members.get("OriginalMessage", reason) if isinstance(error, ServiceError) else reason
        hosting.client("s3", place.region).put_object(Bucket=bucket, Key=key, Body=original.encode())
    expired = ours and error.code == "RequestExpired"
    _count(hosting, place, endpoint, {"ExpiredRequests" if expired else "InvocationFailures": 1})
    _notify(hosting, place, endpoint, job, None, reason)


def _count(hosting: Hosting, place: Place, endpoint: Endpoint, values: dict[str, float]) -> None:
    variant = endpoint.config["ProductionVariants"][0]["VariantName"]
    put_metrics(hosting, place.region, {"EndpointName": endpoint.name, "VariantName": variant}, values)


def _ask(hosting: Hosting, place: Place, endpoint: Endpoint, job: Job, question: Question) -> Any:
    """Ask the container, and again until there is one: an asynchronous request outlives a lost instance.

    One under which the container itself ends is tried as often as ``_TIMES_LOST``: it may be the cause.
    """
    lost = 0
    while hosting.now_s() < job.arrived_s + job.ttl_s:
        try:
            variant = endpoint.traffic.enter()
        except NobodyError:
            raise unavailable() from None
        try:
            return ask(hosting, place, variant, question, limit_s=job.limit_s)
        except ServiceError as error:
            broken = error.members.get("OriginalMessage") == BROKEN
            lost += broken
            if error.code != "ServiceUnavailable" and (not broken or lost >= _TIMES_LOST):
                raise
        finally:
            endpoint.traffic.leave(variant)
        if hosting.ending.wait(_RETRY_S):
            raise unavailable()
    raise _expired(job)


def _notify(
    hosting: Hosting, place: Place, endpoint: Endpoint, job: Job, result: dict[str, str] | None, failure: str | None
) -> None:
    output = endpoint.config.get("AsyncInferenceConfig", {}).get("OutputConfig", {})
    topics = output.get("NotificationConfig", {})
    topic = topics.get("SuccessTopic" if failure is None else "ErrorTopic")
    if topic is None:
        return
    message: dict[str, Any] = {
        "awsRegion": place.region,
        "eventTime": _stamp(now()),
        "receivedTime": _stamp(job.received),
        "invocationStatus": "Completed" if failure is None else "Failed",
        "requestParameters": {
            "accept": job.question.accept,
            "contentType": job.question.content_type,
            "endpointName": endpoint.name,
            "inputLocation": job.input_uri,
        },
        "inferenceId": job.identity,
        "eventVersion": "1.0",
        "eventSource": "aws:sagemaker",
        "eventName": "InferenceResult",
    }
    message |= {"responseParameters": result} if failure is None else {"failureReason": failure}
    hosting.client("sns", place.region).publish(TopicArn=topic, Message=json.dumps(message))


def _stamp(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"
