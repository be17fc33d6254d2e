"""What is done with an asynchronous request once it is its turn: input from S3, the container, output or failure to S3.

Who is told of it, and what is counted, is here too; how it waits for its turn is not.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from botocore.exceptions import ClientError

from local_aws.errors import ServiceError
from local_aws.sagemaker.endpoint import Endpoint
from local_aws.sagemaker.errors import unavailable
from local_aws.sagemaker.hosting import Hosting
from local_aws.sagemaker.invocation import BROKEN, Place, Question, ask
from local_aws.sagemaker.metrics import put_metrics
from local_aws.sagemaker.model_data import split_uri
from local_aws.sagemaker.store import now
from local_aws.sagemaker.traffic import NobodyError

_MAX_INPUT_BYTES: Final = 2**30
_RETRY_S: Final = 0.2
_TIMES_LOST: Final = 3


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


def do_job(hosting: Hosting, place: Place, endpoint: Endpoint, job: Job) -> None:
    """Fetch the input, ask the container, and leave its output or the failure; whoever shall be told is told."""
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


def expire_job(hosting: Hosting, place: Place, endpoint: Endpoint, job: Job) -> None:
    """Fail a request whose time is over before its turn came."""
    _fail(hosting, place, endpoint, job, _expired(job))


def _expired(job: Job) -> ServiceError:
    return ServiceError("RequestExpired", f"The request was not processed within {job.ttl_s:.0f} seconds.")


def _fail(hosting: Hosting, place: Place, endpoint: Endpoint, job: Job, error: ServiceError | ClientError) -> None:
    """Leave a failure in S3, and tell of it."""
    expired = isinstance(error, ServiceError) and error.code == "RequestExpired"
    reason = error.message if isinstance(error, ServiceError) else f"ClientError: {error}"
    # Counted first: who finds the failure in S3 may ask for the metric at once.
    _count(hosting, place, endpoint, {"ExpiredRequests" if expired else "InvocationFailures": 1})
    if job.failure_uri is not None:
        bucket, key = split_uri(job.failure_uri)
        original = error.members.get("OriginalMessage", reason) if isinstance(error, ServiceError) else reason
        hosting.client("s3", place.region).put_object(Bucket=bucket, Key=key, Body=original.encode())
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
