"""Asynchronous invocation: a request is accepted, and waits for its turn."""

from __future__ import annotations

import json
import uuid
from typing import Any, Final

from werkzeug.datastructures import Headers
from werkzeug.wrappers import Response

from local_aws.sagemaker.asynchronous_jobs import Job, do_job, expire_job
from local_aws.sagemaker.endpoint import Endpoint
from local_aws.sagemaker.errors import refuse_call
from local_aws.sagemaker.hosting import Hosting
from local_aws.sagemaker.invocation import Place, question_of
from local_aws.sagemaker.queue import BoundedQueue, Waiting
from local_aws.sagemaker.store import now

_MAX_INLINE_BYTES: Final = 128_000
_DEFAULT_CONCURRENCY: Final = 4  # the service chooses one itself
_LIMIT_S: Final = 900
_LIMIT_RANGE_S: Final = (1, 3600)
_TTL_S: Final = 21_600
_TTL_RANGE_S: Final = (60, 21_600)
_PREFIX: Final = "X-Amzn-SageMaker-"


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
            work=hosting.guard(name, lambda: do_job(hosting, place, endpoint, job)),
            arrived_s=job.arrived_s,
            deadline_s=job.arrived_s + job.ttl_s,
            expire=hosting.guard(name, lambda: expire_job(hosting, place, endpoint, job)),
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
