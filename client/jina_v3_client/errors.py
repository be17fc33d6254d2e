"""What can go wrong, as one tree.

JinaClientError
├── ConfigurationError (ValueError)      the client was set up in a way that cannot be
├── InvalidInputError (ValueError)       the texts or parameters are at fault: code, field, value, allowed, index
│   └── TooLargeError                    more than one request may hold, and not to be cut smaller
├── AccessError                          no credentials, wrong or expired ones, or no permission
├── EndpointNotFoundError                there is no such endpoint, variant, component, router, or run
├── NotInServiceError                    it exists and cannot answer now: being made, failed, or no machine yet
├── OverloadedError                      throttled or queues full for longer than patience lasts; retry_after_s
├── ModelError                           the container failed: original_status, original_code
├── ConnectionFailedError                nothing answered, or the connection broke each time
├── DeadlineError (TimeoutError)         the call's deadline has passed
├── ResponseError                        an answer that is none: cut off, not of the contract's form
└── BatchError                           a batch run failed, or is incomplete: its report says why

Every one has ``request_id`` (the service's, to ask AWS about), ``target`` (who was asked), ``attempts`` and ``advice``
(what to do); all that is there stands in the message. Credentials and texts never do.
"""

from __future__ import annotations

from typing import Any


class JinaClientError(Exception):
    """Base of everything this package raises on purpose.

    >>> error = JinaClientError("it failed", advice="try again", request_id="6f1c", attempts=3)
    >>> print(error)
    it failed; try again (request 6f1c, 3 attempts)
    """

    def __init__(
        self,
        message: str,
        *,
        advice: str = "",
        request_id: str | None = None,
        target: str | None = None,
        attempts: int = 1,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.advice = advice
        self.request_id = request_id
        self.target = target
        self.attempts = attempts

    def __str__(self) -> str:
        facts = [
            self.target or "",
            f"request {self.request_id}" if self.request_id else "",
            f"{self.attempts} attempts" if self.attempts > 1 else "",
        ]
        shown = ", ".join(fact for fact in facts if fact)
        told = f"{self.message.rstrip('.')}; {self.advice}" if self.advice else self.message
        return f"{told}{f' ({shown})' if shown else ''}"

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle whole, whatever the subclass adds."""
        return _restore, (type(self), self.args, self.__dict__)


def _restore(kind: type[JinaClientError], arguments: tuple[Any, ...], members: dict[str, Any]) -> JinaClientError:
    error = kind.__new__(kind, *arguments)
    Exception.__init__(error, *arguments)
    error.__dict__.update(members)
    return error


class ConfigurationError(JinaClientError, ValueError):
    """The client was set up in a way that cannot be; nothing was sent.

    >>> client.embed("sunrise", route="asynchronous")
    Traceback (most recent call last):
    jina_v3_client.errors.ConfigurationError: route is 'asynchronous', and this client has none; pass asynchronous=AsynchronousEndpoint(…), or use from_deployment of an asynchronous one
    """  # noqa: E501  # the message is one line


class InvalidInputError(JinaClientError, ValueError):
    """Texts or parameters that cannot be embedded, by the contract's ``code``.

    ``index`` is the text's place among those the caller gave, where one text is at fault; ``field``, ``value`` and
    ``allowed`` are as in the wire contract's error body. Retrying the same input never helps.

    >>> try:
    ...     client.embed(["sunrise", ""])
    ... except InvalidInputError as error:
    ...     print(error.code, error.index)
    empty_text 1
    """

    def __init__(
        self,
        message: str,
        *,
        code: str,
        field: str | None = None,
        value: object = None,
        allowed: Any = None,
        index: int | None = None,
        **facts: Any,
    ) -> None:
        super().__init__(message, **facts)
        self.code = code
        self.field = field
        self.value = value
        self.allowed = allowed
        self.index = index


class TooLargeError(InvalidInputError):
    """More than one request may hold, and not to be cut smaller: one long text, or one document's chunks.

    >>> try:
    ...     client.embed(["sunrise", 7_000_000 * "sunset"])
    ... except TooLargeError as error:
    ...     print(error.code, error.index)
    body_too_large 1
    """


class AccessError(JinaClientError):
    """No credentials were found, AWS does not know them, they have expired, or they may not do this.

    >>> client.transport.fail(403, "ExpiredTokenException")
    >>> try:
    ...     client.embed("sunrise")
    ... except AccessError as error:
    ...     print(error.message)
    the credentials have expired
    """


class EndpointNotFoundError(JinaClientError):
    """There is no such endpoint, variant, inference component, router or run in this account and region.

    >>> client.transport.fail(400, "ValidationError", message="Endpoint texts of account 123456789012 not found.")
    >>> try:
    ...     client.embed("sunrise")
    ... except EndpointNotFoundError as error:
    ...     print(error.message)
    Endpoint texts of account 123456789012 not found, in us-east-1
    """


class NotInServiceError(JinaClientError):
    """The endpoint exists and cannot answer now: being made, failed, or without a machine for longer than patience.

    >>> client.transport.fail(503, "ServiceUnavailable", times=None)
    >>> try:
    ...     client.embed("sunrise")
    ... except NotInServiceError as error:
    ...     print(error.message)
    SageMaker could not serve the request (ServiceUnavailable, HTTP 503)
    """


class OverloadedError(JinaClientError):
    """Throttled, or queues were full, for longer than patience lasts. **Units**: ``retry_after_s`` seconds.

    >>> client.transport.fail(429, "ThrottlingException", times=None)
    >>> try:
    ...     client.embed("sunrise")
    ... except OverloadedError as error:
    ...     print(error.message)
    AWS throttles these calls
    """

    def __init__(self, message: str, *, retry_after_s: float | None = None, **facts: Any) -> None:
        super().__init__(message, **facts)
        self.retry_after_s = retry_after_s


class ModelError(JinaClientError):
    """The container answered with a fault of its own: its HTTP status and its code.

    >>> client.transport.fail(original_status=500)
    >>> try:
    ...     client.embed("sunrise")
    ... except ModelError as error:
    ...     print(error.original_status, error.original_code)
    500 internal
    """

    def __init__(
        self, message: str, *, original_status: int | None = None, original_code: str | None = None, **facts: Any
    ) -> None:
        super().__init__(message, **facts)
        self.original_status = original_status
        self.original_code = original_code


class ConnectionFailedError(JinaClientError):
    """Nothing answered at the endpoint's address, or the connection broke at every attempt.

    >>> from jina_v3_client.transport import TransportError
    >>> client.transport.fail(TransportError("connect", "no route to host"), times=None)
    >>> try:
    ...     client.embed("sunrise")
    ... except ConnectionFailedError as error:
    ...     print(error.message)
    no whole answer: no route to host
    """


class DeadlineError(JinaClientError, TimeoutError):
    """The deadline that the caller set for the whole call has passed.

    >>> client.transport.fail(429, "ThrottlingException", retry_after_s=60)
    >>> try:
    ...     client.embed("sunrise", deadline_s=5)
    ... except DeadlineError as error:
    ...     print(isinstance(error, TimeoutError))
    True
    """


class ResponseError(JinaClientError):
    """An answer that is none: cut off in the middle, or not of the contract's form.

    >>> client.transport.fail(200)
    >>> try:
    ...     client.embed("sunrise")
    ... except ResponseError as error:
    ...     print(error.advice)
    it may have been cut off on its way; if it comes again, compare the versions of server and client
    """


class BatchError(JinaClientError):
    """A batch run failed or is incomplete; ``run`` is its name, ``report`` what its report says (may be empty).

    >>> BatchError("the run docs-1 was stopped", run="docs-1").run
    'docs-1'
    """

    def __init__(self, message: str, *, run: str, report: dict[str, Any] | None = None, **facts: Any) -> None:
        super().__init__(message, **facts)
        self.run = run
        self.report = report or {}
