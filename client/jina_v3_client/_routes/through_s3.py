"""Requests of an asynchronous endpoint: the body into S3, the call, and its output out of S3 once it is there.

One request is an ``Errand``: a generator of steps, which are blocking calls of boto3 and waits. A synchronous client
does them as they come, an asynchronous one does the calls in threads.
"""

from __future__ import annotations

import json
import logging
import random
import re
import time
import uuid
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from jina_v3.contract import ErrorCode
from jina_v3_client._aws.errors import aws_errors
from jina_v3_client._calls.classify import classify
from jina_v3_client._calls.steps import Answer, Outcome, Wait, Work
from jina_v3_client._texts.wire import error_body
from jina_v3_client.errors import (
    AccessError,
    ConfigurationError,
    ConnectionFailedError,
    DeadlineError,
    EndpointNotFoundError,
    JinaClientError,
    OverloadedError,
)
from jina_v3_client.routing.targets import Endpoint
from jina_v3_client.transport import HttpResponse

if TYPE_CHECKING:
    from jina_v3_client._aws.access import Access

_LOG: Final = logging.getLogger(__name__)

_FIRST_LOOK_S: Final = 0.5
_LONGEST_LOOK_S: Final = 10.0
_LOOK_FACTOR: Final = 1.5
_MOST_FAULTS: Final = 5
"""How many looks in a row may fail: hours of waiting shall not end by one bad minute."""
_WORK_RANGE_S: Final = (1, 3600)
_LIFE_RANGE_S: Final = (60, 21_600)
"""What the service allows for the container's work, and for waiting and working together."""
_BUCKET: Final = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")

Step = Callable[[], Any] | Wait


@dataclass(frozen=True, slots=True, kw_only=True)
class AsynchronousEndpoint:
    """An asynchronous endpoint, and where its inputs go: ``s3://bucket/prefix/inputs/``.

    ``in_flight`` requests wait in its queue at a time: with too few an endpoint that scales by its backlog never grows.
    ``region`` defaults to the client's.

    **Raises**: ``ConfigurationError``.

    >>> AsynchronousEndpoint(name="later", bucket="later-data").inputs
    'asynchronous/inputs/'
    """

    name: str
    bucket: str
    prefix: str = "asynchronous/"
    region: str | None = None
    in_flight: int = 64

    def __post_init__(self) -> None:
        if not _BUCKET.fullmatch(self.bucket):
            raise ConfigurationError(f"{self.bucket!r} is no name of a bucket; give it without s3:// and without a key")
        if self.in_flight < 1:
            raise ConfigurationError(f"in_flight is {self.in_flight!r}; it must be at least 1")

    @property
    def label(self) -> str:
        """What errors and logs call it."""
        return "/".join(part for part in (self.region, self.name) if part)

    @property
    def inputs(self) -> str:
        """The prefix of inputs."""
        return f"{self.prefix.strip('/')}/inputs/".lstrip("/")


class ThroughS3:
    """The way of all requests to one asynchronous endpoint; for many threads at once."""

    def __init__(self, endpoint: AsynchronousEndpoint, access: Access) -> None:
        self.endpoint = endpoint
        self._access = access

    def errand(self, work: Work, deadline: float | None) -> Errand:
        """Begin one request. **Units**: ``deadline`` is by ``time.monotonic``."""
        return Errand(self, work, deadline)

    def client(self, service: str) -> Any:
        """Return the boto3 client of a service, in the endpoint's region."""
        return self._access.client(service, self.endpoint.region)


@dataclass(frozen=True, slots=True)
class _Accepted:
    output: str
    failure: str | None


class Errand:
    """One request: its steps, and what to clear away when it has ended, however it has ended."""

    def __init__(self, way: ThroughS3, work: Work, deadline: float | None) -> None:
        self._way = way
        self._endpoint = way.endpoint
        self._work = work
        self._deadline = deadline
        self._target = Endpoint(way.endpoint.name, region=way.endpoint.region)
        self._places: list[str] = []
        self._is_over = False

    def steps(self) -> Generator[Step, Any, Answer]:
        """Go the way: whatever a call returns is sent in, and what it raises is thrown in.

        **Raises**: ``AccessError``, ``EndpointNotFoundError``, ``DeadlineError``, and what a failure stands for.
        """
        began = time.monotonic()
        place = f"s3://{self._endpoint.bucket}/{self._endpoint.inputs}{uuid.uuid4()}"
        yield lambda: self._put(place)
        accepted: _Accepted = yield lambda: self._invoke(place)
        pause_s, faults = _FIRST_LOOK_S, 0
        while True:
            yield Wait(seconds=min(pause_s * random.uniform(0.8, 1.2), self._left_s()))  # noqa: S311  # jitter
            try:
                found: HttpResponse | None = yield lambda: self._look(accepted)
            except (ConnectionFailedError, OverloadedError):
                faults += 1
                if faults == _MOST_FAULTS:
                    raise
            else:
                if found is not None:
                    took_s = time.monotonic() - began
                    return Answer(target=self._target, response=found, attempts=1, hedges=0, seconds=took_s)
                faults = 0
            if self._left_s() <= 0:
                raise DeadlineError(
                    "the deadline passed before the asynchronous endpoint had answered",
                    advice="see its backlog and machines, or give more time",
                    target=self._endpoint.label,
                )
            pause_s = min(pause_s * _LOOK_FACTOR, _LONGEST_LOOK_S)

    def clear_away(self) -> None:
        """Delete input and output. What cannot be deleted is no failure of the call."""
        self._is_over = True
        places, self._places = self._places, []
        for place in places:
            self._delete(place)

    def _delete(self, place: str) -> None:
        try:
            with _errors(self._endpoint.label):
                self._way.client("s3").delete_object(**_address(place))
        except JinaClientError as error:
            _LOG.warning("%s stays in S3: %s", place, error.message)

    def _left_s(self) -> float:
        return float("inf") if self._deadline is None else self._deadline - time.monotonic()

    def _put(self, place: str) -> None:
        self._places.append(place)
        with _errors(self._endpoint.label):
            self._way.client("s3").put_object(
                **_address(place), Body=self._work.body, ContentType=self._work.content_type
            )
        if self._is_over:  # a task that was cancelled meanwhile has deleted too early
            self._delete(place)

    def _invoke(self, place: str) -> _Accepted:
        left_s = min(self._left_s(), _LIFE_RANGE_S[1])
        with _errors(self._endpoint.label):
            told = self._way.client("sagemaker-runtime").invoke_endpoint_async(
                EndpointName=self._endpoint.name,
                InputLocation=place,
                ContentType=self._work.content_type,
                Accept=self._work.accept,
                RequestTTLSeconds=_within(left_s, _LIFE_RANGE_S),
                InvocationTimeoutSeconds=_within(left_s, _WORK_RANGE_S),
            )
        accepted = _Accepted(told["OutputLocation"], told.get("FailureLocation"))
        self._places += [accepted.output, *([accepted.failure] if accepted.failure else [])]
        return accepted

    def _look(self, accepted: _Accepted) -> HttpResponse | None:
        output = self._fetch(accepted.output)
        if output is not None:
            return HttpResponse(status=200, headers={"content-type": self._work.accept}, body=output)
        failure = None if accepted.failure is None else self._fetch(accepted.failure)
        if failure is not None:
            raise _explained(self._target, failure)
        return None

    def _fetch(self, place: str) -> bytes | None:
        s3 = self._way.client("s3")
        try:
            with _errors(self._endpoint.label):
                try:
                    body: bytes = s3.get_object(**_address(place))["Body"].read()
                except s3.exceptions.NoSuchKey:
                    return None
        except AccessError as error:
            error.advice = (
                f"allow s3:GetObject of {place.rpartition('/')[0]}/* and s3:ListBucket of its bucket: without the "
                "latter S3 says so of what is not there yet"
            )
            raise
        return body


def _explained(target: Endpoint, failure: bytes) -> JinaClientError:
    """Say what a failure means, which is a container's answer or the service's words: as that of a real-time call."""
    said = error_body(failure)
    status = next((code.status for code in ErrorCode if said is not None and code.wire_name == said.code), 0)
    members = {"OriginalStatusCode": status, "OriginalMessage": failure.decode("utf-8", "replace")}
    response = HttpResponse(status=424, headers={"x-amzn-errortype": "ModelError"}, body=json.dumps(members).encode())
    error = classify(Outcome(target=target, result=response, seconds=0.0)).error
    assert error is not None
    return error


@contextmanager
def _errors(target: str) -> Iterator[None]:
    """Raise what botocore raises as one of our errors, and what can be told of an endpoint or a bucket by its name."""
    from botocore.exceptions import ClientError, IncompleteReadError

    with aws_errors(target=target):
        try:
            yield
        except IncompleteReadError:
            raise ConnectionFailedError("an object of S3 came back cut off", target=target) from None
        except ClientError as error:
            told = error.response["Error"]
            if told.get("Code") == "NoSuchBucket":
                raise ConfigurationError("there is no such bucket", advice="see AsynchronousEndpoint's") from None
            if told.get("Code") == "ValidationError" and "not found" in told.get("Message", ""):
                raise EndpointNotFoundError(
                    "there is no such endpoint in this account and region",
                    advice="see jina-v3 endpoints",
                    target=target,
                ) from None
            raise


def advance(steps: Generator[Step, Any, Answer], came: Any) -> Step | Answer:
    """Tell an errand's steps what came of the last one, and return the next one, or the answer at their end."""
    try:
        return steps.throw(came) if isinstance(came, JinaClientError) else steps.send(came)
    except StopIteration as end:
        answer: Answer = end.value
        return answer


def _within(seconds: float, bounds: tuple[int, int]) -> int:
    return int(min(max(seconds, bounds[0]), bounds[1]))


def _address(place: str) -> dict[str, str]:
    parts = urlsplit(place)
    return {"Bucket": parts.netloc, "Key": parts.path[1:]}
