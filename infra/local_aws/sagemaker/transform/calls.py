"""The calls of a transform job's container: tried again where it is worth it, and met by the faults on demand."""

from __future__ import annotations

import time
from typing import Final

import urllib3

from local_aws.faults import Call
from local_aws.sagemaker.container import Container, is_healthy
from local_aws.sagemaker.hosting import Hosting
from local_aws.sagemaker.invocation import Question, post
from local_aws.sagemaker.transform.file import ALGORITHM, CLIENT, FileError
from local_aws.sagemaker.transform.inputs import InputFile
from local_aws.sagemaker.transform.job import TransformJob
from local_aws.sagemaker.transform.plan import Plan

_RETRY_S: Final = 1.0
_POLL_S: Final = 0.05
_REPLACE_LIMIT_S: Final = 480.0
_BROKEN: Final = "Unable to get response from algorithm"


class OverError(Exception):
    """The job is over; nothing is to be done any more."""


class Calls:
    """The way to one job's container; ``lost`` says that the machine was lost, with which the job is over."""

    def __init__(self, hosting: Hosting, region: str, job: TransformJob, container: Container, plan: Plan) -> None:
        self.lost = False
        self._hosting = hosting
        self._region = region
        self._job = job
        self._container = container
        self._plan = plan
        self._broke_off: urllib3.HTTPConnectionPool | None = None

    def ask(self, file: InputFile, body: bytes) -> bytes:
        """Return the answer to one request of a file's.

        **Raises**: ``FileError``, ``OverError``.
        """
        question = Question(body=body, content_type=self._plan.content_type, accept=self._plan.accept)
        for left in reversed(range(self._plan.retries + 1)):
            try:
                return self._try(file, question)
            except FileError as error:
                if error.kind == CLIENT or not left:
                    raise
            if self._job.over.wait(_RETRY_S * self._hosting.settings.waiting):
                break
        raise OverError

    def _try(self, file: InputFile, question: Question) -> bytes:
        deadline = time.monotonic() + _REPLACE_LIMIT_S
        while time.monotonic() < deadline:
            pool = self._container.pool
            if pool is not None and self._is_sound(pool):
                self._meet_faults(file)
                try:
                    answer = post(pool, question, limit_s=self._plan.timeout_s)
                except urllib3.exceptions.ReadTimeoutError as error:
                    raise FileError(
                        ALGORITHM,
                        f"Model server did not respond to /invocations request within {self._plan.timeout_s} seconds",
                    ) from error
                except (urllib3.exceptions.NewConnectionError, urllib3.exceptions.ConnectTimeoutError):
                    pass  # the process has just ended, and nobody has seen it yet; another one comes
                except urllib3.exceptions.HTTPError as error:
                    self._broke_off = pool
                    raise FileError(ALGORITHM, _BROKEN) from error
                else:
                    _check_status(answer.status, answer.data)
                    return answer.data
            if self._job.over.wait(_POLL_S):
                raise OverError
        raise FileError(ALGORITHM, _BROKEN)

    def _is_sound(self, pool: urllib3.HTTPConnectionPool) -> bool:
        """Say whether a process can be asked: one that broke a call off may be ending, and would fail another call."""
        return pool is not self._broke_off or is_healthy(pool)

    def _meet_faults(self, file: InputFile) -> None:
        call = Call(
            operation="CreateTransformJob",
            region=self._region,
            job=self._job.name,
            key=file.key,
            instance_type=self._job.instance_type,
        )
        if self._hosting.faults.take("instance_lost", call) is not None:
            self.lost = True
            self._job.over.set()
            self._container.lose()
            raise OverError
        if self._hosting.faults.take("container_death", call) is not None:
            self._container.lose()
            raise FileError(ALGORITHM, _BROKEN)
        fault = self._hosting.faults.take("model_error", call)
        if fault is not None:
            _check_status(fault.original_status, fault.original_message.encode())


def _check_status(status: int, body: bytes) -> None:
    """Check what a container has answered.

    **Raises**: ``FileError``.
    """
    message = body.decode(errors="replace")
    if 400 <= status < 500:
        raise FileError(CLIENT, f"ClientError: {status}", message)
    if not 200 <= status < 300:
        raise FileError(ALGORITHM, f"Bad HTTP status received from algorithm: {status}", message)
