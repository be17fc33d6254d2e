"""The work of a transform job: its instances' files through one container, so many requests at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from local_aws.sagemaker.transform.calls import Calls, OverError
from local_aws.sagemaker.transform.file import FileError, TransformFile
from local_aws.sagemaker.transform.inputs import InputFile
from local_aws.sagemaker.transform.job import TransformJob
from local_aws.sagemaker.transform.log import DataLog
from local_aws.sagemaker.transform.plan import Plan
from local_aws.sagemaker.transform.records import Record


@dataclass(frozen=True, slots=True)
class _Pending:
    """What is to be done, in its turn, once an answer is there."""

    settle: Callable[[], None]
    answer: Future[bytes] | None = None

    @property
    def is_ready(self) -> bool:
        return self.answer is None or self.answer.done()


class Work:
    """The files of one job; ``failures`` has why some failed."""

    def __init__(
        self,
        s3: Any,
        job: TransformJob,
        calls: Calls,
        plan: Plan,
        log: DataLog,
        folder: Path,
    ) -> None:
        self.failures: list[FileError] = []
        self._s3 = s3
        self._job = job
        self._calls = calls
        self._plan = plan
        self._log = log
        self._folder = folder

    def run(self, files: Sequence[InputFile]) -> None:
        """Do all files, each instance its own share of them, side by side."""
        numbered = [
            TransformFile(self._s3, source, self._folder / str(number), self._plan)
            for number, source in enumerate(files)
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
            except OverError:
                senders.shutdown(cancel_futures=True)

    def _send(self, file: TransformFile, senders: ThreadPoolExecutor, ahead: deque[_Pending]) -> None:
        try:
            for records in file.read():
                _settle(ahead, 2 * self._plan.concurrent - 1)  # more than are in flight: there is always one to send
                if file.failure is not None:
                    return
                answer = senders.submit(self._calls.ask, file.source, b"".join(record.asked for record in records))
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
            raise OverError
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


def _settle(ahead: deque[_Pending], most: int) -> None:
    """Do what is next, waiting until no more than this is left, and then all that need not be waited for."""
    while ahead and (len(ahead) > most or ahead[0].is_ready):
        ahead.popleft().settle()
