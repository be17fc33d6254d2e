"""Calls of functions: which processes take them, what they come to, and their log."""

from __future__ import annotations

import json
import logging
import threading
import time
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, NoReturn

from botocore.exceptions import BotoCoreError, ClientError

from local_aws.errors import ServiceError
from local_aws.faults import Call
from local_aws.functions import log
from local_aws.functions.deployment import Deployment, deploy
from local_aws.functions.pool import Pool, ThrottledError
from local_aws.functions.records import find_function
from local_aws.functions.worker import Outcome, Worker
from local_aws.settings import ACCOUNT

if TYPE_CHECKING:
    from local_aws.server import LocalAws

_LOG: Final = logging.getLogger(__name__)
_MOST_BYTES: Final = 6 * 2**20  # of a payload, each way
_MOST_EVENT_BYTES: Final = 2**20  # of a call that nobody waits for
_RETRIES_S: Final = (60.0, 120.0)  # between the attempts of such a call; scaled by the settings' ``waiting``
_STOP_S: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a call gives back."""

    payload: bytes
    failed: bool
    request_id: str
    log_tail: bytes


class Runs:
    """The calls of every function, until ``stop``."""

    def __init__(self, aws: LocalAws) -> None:
        self._aws = aws
        self._lock = threading.Lock()
        self._pools: dict[tuple[str, str], tuple[str, Pool]] = {}
        self._events: list[threading.Thread] = []
        self._stopping = threading.Event()

    def stop(self) -> None:
        """End every process and every call."""
        self._stopping.set()
        with self._lock:
            pools, self._pools = list(self._pools.values()), {}
        for _, pool in pools:
            pool.end(at_once=True)
        for thread in self._events:
            thread.join(_STOP_S)

    def retire(self, region: str, name: str) -> None:
        """End a function's processes, each after its call."""
        with self._lock:
            kept = self._pools.pop((region, name), None)
        if kept is not None:
            kept[1].end(at_once=False)

    def look(self, region: str, name: str) -> Deployment:
        """Return a function that could be called.

        **Raises**: ``ServiceError``.
        """
        function = find_function(region, name)
        if function is None:
            arn = f"arn:aws:lambda:{region}:{ACCOUNT}:function:{name}"
            raise ServiceError("ResourceNotFoundException", f"Function not found: {arn}", 404)
        return deploy(function, self._aws.settings.state_folder)

    def start(self, region: str, name: str, body: bytes) -> str:
        """Accept a call that nobody waits for, and return its identity.

        **Raises**: ``ServiceError``.
        """
        _check_size(body, _MOST_EVENT_BYTES)
        deployment, event, request_id = self.look(region, name), _read(body), str(uuid.uuid4())
        thread = threading.Thread(target=self._call_again, args=(deployment, event, request_id), daemon=True)
        self._events.append(thread)
        thread.start()
        return request_id

    def _call_again(self, deployment: Deployment, event: Any, request_id: str) -> None:
        for wait_s in (*_RETRIES_S, None):
            try:
                if not self._run(deployment, event, request_id).failed:
                    return
            except ServiceError:
                pass  # throttled: as a failure, to be tried again
            except Exception:  # noqa: BLE001  # nobody waits for it, so its log is all there is
                _LOG.exception("the call %s of %s failed inside the local AWS", request_id, deployment.name)
                return
            if wait_s is None or self._stopping.wait(wait_s * self._aws.settings.waiting):
                return

    def call(self, region: str, name: str, body: bytes) -> Answer:
        """Call a function and wait for its answer.

        **Raises**: ``ServiceError``.
        """
        self._meet_faults(region, name)
        _check_size(body, _MOST_BYTES)
        return self._run(self.look(region, name), _read(body), str(uuid.uuid4()))

    def _meet_faults(self, region: str, name: str) -> None:
        call = Call(operation="Invoke", region=region, endpoint=name)
        if (fault := self._aws.faults.take("latency", call)) is not None:
            self._stopping.wait(fault.latency_s)
        if self._aws.faults.take("throttle", call) is not None:
            _throttle("CallerRateLimitExceeded")
        if (fault := self._aws.faults.take("error", call)) is not None:
            raise ServiceError("ServiceException", "a fault on demand", fault.status)

    def _run(self, deployment: Deployment, event: Any, request_id: str) -> Answer:
        try:
            with self._pool(deployment).worker() as worker:
                first = worker.calls == 0
                outcome = worker.call(deployment, request_id, event)
                started_s = time.monotonic() - worker.started - outcome.took_s if first else None
        except ThrottledError:
            _throttle("ReservedFunctionConcurrentInvocationLimitExceeded")
        lines = log.lines_of(deployment, request_id, outcome, started_s)
        self._write_log(deployment, worker.stream, lines)
        payload, failed = _bounded(outcome)
        return Answer(payload=payload, failed=failed, request_id=request_id, log_tail=log.tail_of(lines))

    def _pool(self, deployment: Deployment) -> Pool:
        place, old = (deployment.region, deployment.name), None
        with self._lock:
            if self._stopping.is_set():
                raise ServiceError("ServiceException", "the local AWS is being stopped", 503)
            kept = self._pools.get(place)
            if kept is None or kept[0] != deployment.fingerprint:
                old = kept
                most = self._aws.settings.function_processes
                kept = (deployment.fingerprint, Pool(lambda: self._start(deployment), most, deployment.reserved))
                self._pools[place] = kept
        if old is not None:
            old[1].end(at_once=False)
        return kept[1]

    def _start(self, deployment: Deployment) -> Worker:
        identity = uuid.uuid4().hex
        stream = f"{datetime.now(UTC):%Y/%m/%d}/[$LATEST]{identity}"
        scratch = self._aws.settings.state_folder / "lambda" / "tmp" / identity
        scratch.mkdir(parents=True)
        environment = deployment.environment(stream, self._aws.environment(deployment.region), scratch)
        return Worker(deployment, environment, stream)

    def _write_log(self, deployment: Deployment, stream: str, lines: list[str]) -> None:
        try:
            log.write(self._aws.client("logs", deployment.region), deployment.log_group, stream, lines)
        except (BotoCoreError, ClientError):
            if not self._stopping.is_set():
                _LOG.exception("the log of %s cannot be written", deployment.name)


def _read(body: bytes) -> Any:
    try:
        return json.loads(body or b"{}")
    except ValueError as error:
        message = f"Could not parse request body into json: {error}"
        raise ServiceError("InvalidRequestContentException", message) from None


def _check_size(body: bytes, most: int) -> None:
    if len(body) > most:
        message = f"Request must be smaller than {most} bytes for the InvokeFunction operation"
        raise ServiceError("RequestTooLargeException", message, 413)


def _bounded(outcome: Outcome) -> tuple[bytes, bool]:
    if len(outcome.payload) <= _MOST_BYTES:
        return outcome.payload, outcome.failed
    message = f"Response payload size exceeded maximum allowed payload size ({_MOST_BYTES} bytes)."
    return json.dumps({"errorMessage": message, "errorType": "Function.ResponseSizeTooLarge"}).encode(), True


def _throttle(reason: str) -> NoReturn:
    raise ServiceError("TooManyRequestsException", "Rate Exceeded.", 429, Reason=reason)
