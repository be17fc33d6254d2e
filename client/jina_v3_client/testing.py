"""For applications' own tests: the client without a network, an account or a model."""

from __future__ import annotations

import itertools
import json
import threading
from dataclasses import dataclass
from typing import Final

from jina_v3.contract import MODEL_DIMENSIONS, Task
from jina_v3_client._aws.access import Access
from jina_v3_client._aws.signing import Credentials
from jina_v3_client._clients.aio import AsyncEmbeddingClient
from jina_v3_client._clients.sync import EmbeddingClient
from jina_v3_client._texts.answering import Reply, refusal, reply
from jina_v3_client.batch.in_memory import InMemoryBatchClient as InMemoryBatchClient
from jina_v3_client.parameters import TaskName
from jina_v3_client.routing.policies import Choice
from jina_v3_client.routing.targets import Target
from jina_v3_client.settings import BreakerSettings, RetrySettings, Settings
from jina_v3_client.transport import HttpRequest, HttpResponse, TransportError

_CODES: Final = {429: "overloaded", 500: "internal", 503: "not_ready"}
_MAX_MESSAGE: Final = 2048  # characters of a container's message that SageMaker passes on


@dataclass(slots=True, kw_only=True)
class _Fault:
    """What shall happen to some requests instead of an answer."""

    result: HttpResponse | TransportError
    where: str
    times: int | None


class _InMemoryEndpoints:
    """Every endpoint of every region, as if each had the model; what both transports share."""

    def __init__(self, *, max_tokens: int = 8192) -> None:
        self.requests = 0
        """How many requests came, failed ones too."""
        self._max_tokens = max_tokens
        self._faults: list[_Fault] = []
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)

    def fail(
        self,
        status: int | TransportError = 503,
        error_type: str = "ServiceUnavailable",
        *,
        message: str = "a failure that a test asked for",
        original_status: int | None = None,
        code: str | None = None,
        retry_after_s: float | None = None,
        where: str = "",
        times: int | None = 1,
    ) -> None:
        """Let the next requests fail: ``times`` of them (``None``: all) whose URL has ``where`` in it.

        With ``original_status`` it is the container that fails, with an error of ``code``, and SageMaker tells it as a
        ``ModelError``. A ``TransportError`` is raised.

        >>> transport = InMemoryTransport()
        >>> transport.fail(429, "ThrottlingException", retry_after_s=2)
        >>> transport.fail(original_status=503, code="deadline_exceeded", times=3)
        >>> transport.fail(TransportError("broken", "the connection ended"), where="eu-west-1", times=None)
        """
        headers = {} if retry_after_s is None else {"retry-after": f"{retry_after_s:g}"}
        result: HttpResponse | TransportError
        if isinstance(status, TransportError):
            result = status
        elif original_status is not None:
            failed = refusal(code or _CODES.get(original_status, "internal"), message, status=original_status)
            result = self._model_error(failed, headers)
        else:
            result = self._error(status, error_type, {"Message": message}, headers)
        with self._lock:
            self._faults.append(_Fault(result=result, where=where, times=times))

    def _respond(self, request: HttpRequest) -> HttpResponse:
        fault = self._meet(request)
        if isinstance(fault, TransportError):
            raise fault
        if fault is not None:
            return fault
        answer = reply(request.body, request.headers.get("content-type", ""), max_tokens=self._max_tokens)
        if answer.status != 200:
            return self._model_error(answer, {})
        headers = {"content-type": "application/json", "x-amzn-invoked-production-variant": "main"}
        return HttpResponse(status=200, headers=headers | self._identity(), body=answer.body)

    def _meet(self, request: HttpRequest) -> HttpResponse | TransportError | None:
        """Count a request, and take the fault that is there for it."""
        with self._lock:
            self.requests += 1
            fault = next((fault for fault in self._faults if fault.where in request.url), None)
            if fault is None:
                return None
            if fault.times is not None:
                fault.times -= 1
                if fault.times <= 0:
                    self._faults.remove(fault)
            return fault.result

    def _model_error(self, answer: Reply, headers: dict[str, str]) -> HttpResponse:
        original = answer.body.decode()[:_MAX_MESSAGE]
        kind = "client" if 400 <= answer.status < 500 else "server"
        members = {
            "Message": f'Received {kind} error ({answer.status}) from primary with message "{original}". '
            "See https://console.aws.amazon.com/cloudwatch/home in account 123456789012 for more information.",
            "OriginalStatusCode": answer.status,
            "OriginalMessage": original,
            "LogStreamArn": "arn:aws:logs:us-east-1:123456789012:log-group:/aws/sagemaker/Endpoints/texts",
        }
        return self._error(424, "ModelError", members, headers)

    def _error(self, status: int, error_type: str, members: dict[str, object], headers: dict[str, str]) -> HttpResponse:
        told = {"content-type": "application/json", "x-amzn-errortype": error_type, **headers, **self._identity()}
        return HttpResponse(status=status, headers=told, body=json.dumps(members).encode())

    def _identity(self) -> dict[str, str]:
        return {"x-amzn-requestid": f"in-memory-{next(self._numbers)}"}


class InMemoryTransport(_InMemoryEndpoints):
    """A ``Transport`` to endpoints in memory, which answer as SageMaker's with this model would.

    A vector depends on a text's words: texts that share words are near each other, another task gives another vector,
    and fewer ``dimensions`` are the beginning of the whole vector. Texts of more than ``max_tokens`` words are refused,
    or cut.

    >>> from jina_v3_client._texts.pieces import Piece
    >>> from jina_v3_client.parameters import Parameters
    >>> work = Piece(0, ("sunrise",), Parameters()).work
    >>> request = HttpRequest(method="POST", url="https://x", headers={"content-type": work.content_type}, body=work.body)
    >>> transport = InMemoryTransport()
    >>> transport.fail(429, "ThrottlingException")
    >>> [transport.send(request, timeout_s=70).status for _ in range(2)], transport.requests
    ([429, 200], 2)
    """  # noqa: E501  # a request is one line

    def send(self, request: HttpRequest, *, timeout_s: float) -> HttpResponse:  # noqa: ARG002  # it takes no time
        """Answer, or do what ``fail`` said."""
        return self._respond(request)

    def close(self) -> None:
        """Do nothing."""


class AsyncInMemoryTransport(_InMemoryEndpoints):
    """An ``AsyncTransport`` to endpoints in memory; see ``InMemoryTransport``.

    >>> import asyncio
    >>> request = HttpRequest(method="POST", url="https://x", headers={}, body=b'{"data": "sunrise"}')
    >>> asyncio.run(AsyncInMemoryTransport().send(request, timeout_s=70)).status
    200
    """

    async def send(self, request: HttpRequest, *, timeout_s: float) -> HttpResponse:  # noqa: ARG002  # it takes no time
        """Answer, or do what ``fail`` said."""
        return self._respond(request)

    async def aclose(self) -> None:
        """Do nothing."""


class _InMemoryAccess(Access):
    """Anybody's credentials, and addresses that lead nowhere."""

    def __init__(self) -> None:
        super().__init__(region="us-east-1")

    def credentials(self, target: Target | None = None) -> Credentials:  # noqa: ARG002  # everyone is the same
        return Credentials(access_key="in-memory", secret_key="in-memory", token=None)  # noqa: S106  # it opens nothing

    def may_block(self, target: Target | None = None) -> bool:  # noqa: ARG002  # nothing does
        return False

    def renew(self, target: Target, refused: Credentials) -> bool:  # noqa: ARG002  # there are no others
        return False

    def url(self, target: Target) -> str:
        return f"https://in-memory/{target.label}/invocations"


def _settings(settings: Settings | None) -> Settings:
    """Return what a double works with: nobody shall wait for it."""
    if settings is not None:
        return settings
    return Settings(retry=RetrySettings(first_wait_s=0.0), breaker=BreakerSettings(rest_s=0.0))


class InMemoryClient(EmbeddingClient):
    """An ``EmbeddingClient`` of endpoints in memory, for tests of what uses one: no network, account or model.

    Texts that share words are near each other; ``transport`` counts requests, and lets them fail. Retries do not wait
    unless ``settings`` says so. ``batch`` is in memory too.

    >>> client = InMemoryClient(dimensions=256)
    >>> client.transport.fail(original_status=503)
    >>> client.embed("sunrise").shape, client.transport.requests
    ((1, 256), 2)
    """

    def __init__(
        self,
        target: Choice = "in-memory",
        *,
        task: Task | TaskName | None = None,
        dimensions: int = MODEL_DIMENSIONS,
        settings: Settings | None = None,
        max_tokens: int = 8192,
    ) -> None:
        self.transport = InMemoryTransport(max_tokens=max_tokens)
        super().__init__(
            target,
            task=task,
            dimensions=dimensions,
            settings=_settings(settings),
            transport=self.transport,
            batch=InMemoryBatchClient(),
        )
        self._access = _InMemoryAccess()


class AsyncInMemoryClient(AsyncEmbeddingClient):
    """An ``AsyncEmbeddingClient`` of endpoints in memory; see ``InMemoryClient``.

    >>> import asyncio
    >>> asyncio.run(AsyncInMemoryClient(dimensions=256).embed("sunrise")).shape
    (1, 256)
    """

    def __init__(
        self,
        target: Choice = "in-memory",
        *,
        task: Task | TaskName | None = None,
        dimensions: int = MODEL_DIMENSIONS,
        settings: Settings | None = None,
        max_tokens: int = 8192,
    ) -> None:
        self.transport = AsyncInMemoryTransport(max_tokens=max_tokens)
        super().__init__(
            target,
            task=task,
            dimensions=dimensions,
            settings=_settings(settings),
            transport=self.transport,
            batch=InMemoryBatchClient(),
        )
        self._access = _InMemoryAccess()
