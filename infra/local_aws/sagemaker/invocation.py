"""One call of a container: what goes to it, what comes back, and how a failure of its is reported."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import urllib3
from urllib3.util import SKIP_HEADER, Timeout
from werkzeug.datastructures import Headers

from local_aws.errors import ServiceError
from local_aws.faults import Call
from local_aws.sagemaker.errors import unavailable
from local_aws.sagemaker.hosting import Hosting, component_log_group, endpoint_log_group, log_group_arn
from local_aws.sagemaker.traffic import Variant
from local_aws.settings import ACCOUNT

CUSTOM_ATTRIBUTES: Final = "X-Amzn-SageMaker-Custom-Attributes"
_CONNECT_S: Final = 5.0
_MAX_MESSAGE: Final = 2048  # characters, as the API's model has it
_TIMED_OUT: Final = (
    "Your invocation timed out while waiting for a response from container primary. Review the latency metrics for "
    "each container in Amazon CloudWatch, resolve the issue, and try again."
)
BROKEN: Final = "The connection to container primary was closed before it had answered."
"""The original message where the container ended under a call."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What a container gets: a body and three headers, and nothing else of the request."""

    body: bytes
    content_type: str | None
    accept: str | None
    custom_attributes: str | None = None

    def headers(self) -> dict[str, str]:
        """Return the headers; urllib3's own are left out."""
        given = {"Content-Type": self.content_type, "Accept": self.accept, CUSTOM_ATTRIBUTES: self.custom_attributes}
        # the markers keep urllib3 from adding its own
        kept = {"User-Agent": SKIP_HEADER, "Accept-Encoding": SKIP_HEADER}
        return kept | {name: value for name, value in given.items() if value is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a call goes, for its errors and faults."""

    operation: str
    region: str
    endpoint: str
    component: str | None = None

    @property
    def log_group(self) -> str:
        """Where its container logs."""
        return endpoint_log_group(self.endpoint) if self.component is None else component_log_group(self.component)


def question_of(headers: Headers, body: bytes, *, prefix: str = "", accept: str = "Accept") -> Question:
    """Take from a request what its container is to have; ``prefix`` and ``accept`` name the operation's own headers."""
    return Question(
        body=body,
        content_type=headers.get(f"{prefix}Content-Type"),
        accept=headers.get(accept),
        custom_attributes=headers.get(CUSTOM_ATTRIBUTES),
    )


def ask(
    hosting: Hosting, place: Place, variant: Variant, question: Question, *, limit_s: float, stream: bool = False
) -> urllib3.BaseHTTPResponse:
    """Send a question to a variant's container and return its answer, whose status is a success.

    **Raises**: ``ServiceError``: ModelError for what the container does wrong, ServiceUnavailable where there is none.
    """
    _meet_model_faults(hosting, place, variant)
    container = variant.container
    pool = None if container is None else container.pool
    if pool is None:
        raise unavailable()
    try:
        response = post(pool, question, limit_s=limit_s, stream=stream)
        if not 200 <= response.status < 300:
            body = response.data
            response.release_conn()
            raise model_error(place, response.status, body.decode(errors="replace"))
    except (urllib3.exceptions.NewConnectionError, urllib3.exceptions.ConnectTimeoutError) as error:
        raise unavailable() from error
    except urllib3.exceptions.ReadTimeoutError as error:
        raise model_error(place, 0, _TIMED_OUT) from error
    except urllib3.exceptions.HTTPError as error:
        raise model_error(place, 0, BROKEN) from error
    return response


def post(
    pool: urllib3.HTTPConnectionPool, question: Question, *, limit_s: float, stream: bool = False
) -> urllib3.BaseHTTPResponse:
    """Send a question to a container's process, once, and return its answer, whatever its status is.

    **Raises**: urllib3's ``HTTPError`` where there is none.
    """
    return pool.urlopen(
        "POST",
        "/invocations",
        body=question.body,
        headers=question.headers(),
        retries=False,
        redirect=False,
        timeout=Timeout(connect=_CONNECT_S, read=limit_s),
        preload_content=not stream,
        decode_content=False,
    )


def _meet_model_faults(hosting: Hosting, place: Place, variant: Variant) -> None:
    call = Call(operation=place.operation, region=place.region, endpoint=place.endpoint, variant=variant.name)
    if hosting.faults.take("instance_lost", call) is not None:
        if variant.container is not None:
            variant.container.lose()
        raise unavailable()  # even where another process is there by now
    fault = hosting.faults.take("model_error", call)
    if fault is not None:
        raise model_error(place, fault.original_status, fault.original_message)


def model_error(place: Place, status: int, original: str) -> ServiceError:
    """Make the error that tells what a container answered."""
    kind = "client" if 400 <= status < 500 else "server"
    console = (
        f"https://{place.region}.console.aws.amazon.com/cloudwatch/home?region={place.region}"
        f"#logEventViewer:group={place.log_group}"
    )
    original = original[:_MAX_MESSAGE]
    message = (
        f'Received {kind} error ({status}) from primary with message "{original}". '
        f"See {console} in account {ACCOUNT} for more information."
    )
    return ServiceError(
        "ModelError",
        message,
        424,
        OriginalStatusCode=status,
        OriginalMessage=original,
        LogStreamArn=log_group_arn(place.region, place.log_group),
    )
