"""The work of a transform job: its instances' files through one container, so many requests at a time."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import urllib3

from local_aws.faults import Call
from local_aws.sagemaker.container import Container
from local_aws.sagemaker.hosting import Hosting
from local_aws.sagemaker.invocation import Question, post
from local_aws.sagemaker.transform_file import ALGORITHM, CLIENT, FileError, TransformFile
from local_aws.sagemaker.transform_inputs import InputFile
from local_aws.sagemaker.transform_job import TransformJob
from local_aws.sagemaker.transform_log import DataLog
from local_aws.sagemaker.transform_plan import Plan
from local_aws.sagemaker.transform_records import Record

_RETRY_S: Final = 1.0
_POLL_S: Final = 0.05
_REPLACE_LIMIT_S: Final = 480.0
_BROKEN: Final = "Unable to get response from algorithm"


class _OverError(Exception):
    """The job is over; nothing is to be done any more."""


@dataclass(frozen=True, slots=True)
class _Pending:
    """What is to be done, in its turn, once an answer is there."""

    settle: Callable[[], None]
    answer: Future[bytes] | None = None

    @property
    def is_ready(self) -> bool:
        return self.answer is None or self.answer.done()


class Work:
    """The files of one job; ``failures`` has why some failed, ``lost`` says that a machine was lost on the way."""

    def __init__(
        self,
        hosting: Hosting,
        region: str,
        job: TransformJob,
        container: Container,
        plan: Plan,
        log: DataLog,
        folder: Path,
    ) -> None:
        self.failures: list[FileError] = []
        self.lost = False
        self._hosting = hosting
        self._region = region
        self._job = job
        self._container = container
        self._plan = plan
        self._log = log
        self._folder = folder

    def run(self, files: Sequence[InputFile]) -> None:
        """Do all files, each instance its own share of them, side by side."""
        s3 = self._hosting.client("s3", self._region)
        numbered = [
            TransformFile(s3, source, self._folder / str(number), self._plan) for number, source in enumerate(files)
        ]
        count = self._job.instances
        with ThreadPoolExecutor(count, "transform instance") as instances:
            for share in [instances.submit(self._run_instance, numbered[first::count]) for first in range(count)]:
                share.result()

    def _run_instance(self, files: Sequence[TransformFile]) -> None:
        """Send the files' requests in their order, as many at a time as are allowed, and take the answers in it too."""
        ahead: deque[_Pending] = deque()
        with ThreadPoolExecutor(self._plan.concurrent, "transform request") as senders:
            try:
                for file in files:
                    self._send(file, senders, ahead)
                    ahead.append(_Pending(partial(self._finish, file)))
                _settle(ahead, 0)
            except _OverError:
                senders.shutdown(cancel_futures=True)

    def _send(self, file: TransformFile, senders: ThreadPoolExecutor, ahead: deque[_Pending]) -> None:
        try:
            for records in file.read():
                _settle(ahead, 2 * self._plan.concurrent - 1)  # more than are in flight: there is always one to send
                if file.failure is not None:
                    return
                answer = senders.submit(self._ask, file, b"".join(record.asked for record in records))
                ahead.append(_Pending(partial(self._take, file, records, answer), answer))
        except FileError as error:
            self._fail(file, error)

    def _take(self, file: TransformFile, records: list[Record], answer: Future[bytes]) -> None:
        if file.failure is not None:
            answer.cancel()
            return
        try:
            file.add(records, answer.result())
        except FileError as error:
            self._fail(file, error)

    def _finish(self, file: TransformFile) -> None:
        if self._job.over.is_set():
            raise _OverError
        if file.failure is None:
            try:
                file.upload(self._job.definition["TransformOutput"])
            except FileError as error:
                self._fail(file, error)
        file.remove()

    def _fail(self, file: TransformFile, error: FileError) -> None:
        file.failure = error
        self.failures.append(error)
        self._log.blame(file.source.place, str(error), error.message)

    def _ask(self, file: TransformFile, body: bytes) -> bytes:
        """Return the answer to one request, tried again where it is worth it.

        **Raises**: ``FileError``, ``_OverError``.
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
        raise _OverError

    def _try(self, file: TransformFile, question: Question) -> bytes:
        deadline = time.monotonic() + _REPLACE_LIMIT_S
        while time.monotonic() < deadline:
            pool = self._container.pool
            if pool is not None:
                self._meet_faults(file)
                try:
                    answer = post(pool, question, limit_s=self._plan.timeout_s)
                except urllib3.exceptions.ReadTimeoutError as error:
                    raise FileError(
                        ALGORITHM,
                        f"Model server did not respond to /invocations request within {self._plan.timeout_s} seconds",
                    ) from error
                except urllib3.exceptions.NewConnectionError:
                    pass  # the process has just ended, and nobody has seen it yet; another one comes
                except urllib3.exceptions.HTTPError as error:
                    raise FileError(ALGORITHM, _BROKEN) from error
                else:
                    _check_status(answer.status, answer.data)
                    return answer.data
            if self._job.over.wait(_POLL_S):
                raise _OverError
        raise FileError(ALGORITHM, _BROKEN)

    def _meet_faults(self, file: TransformFile) -> None:
        call = Call(
            operation="CreateTransformJob",
            region=self._region,
            job=self._job.name,
            key=file.source.key,
            instance_type=self._job.instance_type,
        )
        if self._hosting.faults.take("instance_lost", call) is not None:
            self.lost = True
            self._job.over.set()
            self._container.lose()
            raise _OverError
        if self._hosting.faults.take("container_death", call) is not None:
            self._container.lose()
            raise FileError(ALGORITHM, _BROKEN)
        fault = self._hosting.faults.take("model_error", call)
        if fault is not None:
            _check_status(fault.original_status, fault.original_message.encode())


def _settle(ahead: deque[_Pending], most: int) -> None:
    """Do what is next, waiting until no more than this is left, and then all that need not be waited for."""
    while ahead and (len(ahead) > most or ahead[0].is_ready):
        ahead.popleft().settle()


def _check_status(status: int, body: bytes) -> None:
    """Check what a container has answered.

    **Raises**: ``FileError``.
    """
    message = body.decode(errors="replace")
    if 400 <= status < 500:
        raise FileError(CLIENT, f"ClientError: {status}", message)
    if not 200 <= status < 300:
        raise FileError(ALGORITHM, f"Bad HTTP status received from algorithm: {status}", message)
