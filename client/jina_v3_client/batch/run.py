"""One run, known by its name in any process: how far it is, its end, its report and its result."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from jina_v3_client.batch.progress import following
from jina_v3_client.batch.result import BatchResult
from jina_v3_client.batch.service import RunService
from jina_v3_client.batch.status import BatchStatus
from jina_v3_client.batch.store import Store
from jina_v3_client.errors import BatchError, ConnectionFailedError, DeadlineError, OverloadedError
from jina_v3_client.protocols import Progress

FIRST_POLL_S: Final = 1.0
LONGEST_POLL_S: Final = 20.0
_GROWTH: Final = 1.5
_SHOWN: Final = 3


class BatchRun:
    """A run of a ``BatchClient``; ``name`` is all that another process needs.

    >>> from jina_v3_client.testing import InMemoryBatchClient
    >>> batch = InMemoryBatchClient()
    >>> run = batch.submit(["sunrise", "sunset"], dimensions=64, name="docs-1")
    >>> print(run.wait())
    docs-1: complete
    >>> ids, vectors = batch.run("docs-1").result().to_numpy()
    >>> vectors.shape
    (2, 64)
    """

    def __init__(
        self,
        name: str,
        service: RunService,
        store: Store,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.name = name
        self._service, self._store = service, store
        self._clock, self._sleep = clock, sleep

    def __repr__(self) -> str:
        return f"<BatchRun {self.name}>"

    def status(self) -> BatchStatus:
        """Return how far the run is.

        **Raises**: ``EndpointNotFoundError`` that says which runs there are, ``AccessError``.

        >>> from jina_v3_client.testing import InMemoryBatchClient
        >>> InMemoryBatchClient().submit(["sunrise"]).status().state
        'succeeded'
        """
        return self._service.status(self.name)

    def wait(self, timeout_s: float | None = None, *, progress: Progress | None = None) -> BatchStatus:
        """Wait for the run's end, and return how it ended: ``complete``, or ``dry_run``.

        Ctrl-C ends the waiting, not the run. ``progress`` as of ``embed``; by default a line that moves, on a terminal.

        **Raises**: ``DeadlineError`` after ``timeout_s``: the run goes on, ``client.batch.run(name)`` waits again;
        ``BatchError`` where it was refused, failed, was stopped or left files outstanding, with its reasons.

        >>> from jina_v3_client.testing import InMemoryBatchClient
        >>> InMemoryBatchClient().submit(["sunrise"]).wait(timeout_s=3600).outcome
        'complete'
        """
        try:
            with following(progress) as show:
                status = self._await_end(timeout_s, show)
        except KeyboardInterrupt as stopped:
            stopped.add_note(f"the run {self.name} goes on; client.batch.run({self.name!r}).wait() waits for it again")
            raise
        self._check(status)
        return status

    def report(self) -> dict[str, Any]:
        """Return the report of a run that has ended, as ``report.json`` has it; empty where it left none.

        >>> from jina_v3_client.testing import InMemoryBatchClient
        >>> InMemoryBatchClient().submit(["sunrise"]).report()["outcome"]
        'complete'
        """
        return self._service.report(self.name)

    def result(self, *, partial: bool = False) -> BatchResult:
        """Return what the run has embedded. ``partial``: what it has verified, though files are outstanding.

        **Raises**: ``BatchError`` where the run goes on still, failed, or has embedded nothing.

        >>> from jina_v3_client.testing import InMemoryBatchClient
        >>> [record.tokens for record in InMemoryBatchClient().submit(["sunrise", "at the sea"]).result()]
        [3, 5]
        """
        status = self.status()
        if status.is_running:
            raise BatchError(
                f"the run {self.name} is not at its end: {status}", run=self.name, advice="run.wait() waits for it"
            )
        if status.outcome == "dry_run":
            raise BatchError(f"the run {self.name} was planned only; nothing is embedded", run=self.name)
        if not partial:
            self._check(status)
        return BatchResult(self._store, self._service.outputs(self.name))

    def stop(self) -> None:
        """Stop the run and its jobs; what was verified stays, and ``submit(resume=name)`` does the rest.

        **Raises**: ``EndpointNotFoundError``, ``AccessError``.

        >>> from jina_v3_client.testing import InMemoryBatchClient
        >>> InMemoryBatchClient().submit(["sunrise"]).stop()  # at its end already: nothing happens
        """
        if self.status().is_running:
            self._service.stop(self.name)

    def _await_end(self, timeout_s: float | None, show: Callable[[str, int, int | None], None]) -> BatchStatus:
        end = None if timeout_s is None else self._clock() + timeout_s
        wait_s = FIRST_POLL_S
        status: BatchStatus | None = None
        while True:
            try:
                status = self.status()
            except (ConnectionFailedError, OverloadedError):  # a run of hours outlives a bad minute of its observer's
                if end is None and status is None:
                    raise
            if status is not None:
                show(str(status), status.records_done or 0, status.records)
                if not status.is_running:
                    return status
            left_s = wait_s if end is None else end - self._clock()
            if left_s <= 0:
                raise DeadlineError(
                    f"the run {self.name} has not ended after {timeout_s:g} s ({status})",
                    advice=f"it goes on; client.batch.run({self.name!r}).wait() waits for it again",
                )
            self._sleep(min(wait_s, left_s))
            wait_s = min(LONGEST_POLL_S, wait_s * _GROWTH)

    def _check(self, status: BatchStatus) -> None:
        """Refuse a run that did not do all that was asked of it. **Raises**: ``BatchError``."""
        if status.state == "succeeded" and status.outcome in ("complete", "dry_run"):
            return
        report = self.report()
        again = f"client.batch.submit(resume={self.name!r}) embeds the rest" if self._service.resumes else ""
        if status.state == "stopped":
            raise BatchError(f"the run {self.name} was stopped", run=self.name, report=report, advice=again)
        if status.outcome == "refused":
            raise BatchError(
                f"the run {self.name} was refused: {_reason(report, status)}", run=self.name, report=report
            )
        if status.outcome == "incomplete":
            raise BatchError(
                f"the run {self.name} is incomplete: {_outstanding(report)}", run=self.name, report=report, advice=again
            )
        raise BatchError(
            f"the run {self.name} failed: {_reason(report, status)}", run=self.name, report=report, advice=again
        )


def _reason(report: Mapping[str, Any], status: BatchStatus) -> str:
    error = report.get("error")
    return str(error["message"]) if error else status.reason or "its report does not say why"


def _outstanding(report: Mapping[str, Any]) -> str:
    files, listed = report["files"], report["outstanding"]
    named = "; ".join(f"{one['file']}: {one['message'] or one['reason']}" for one in listed[:_SHOWN])
    more = "; …" if len(listed) > _SHOWN else ""
    return f"{files['outstanding']} of {files['all']} files are outstanding ({named}{more})"
