"""One request's work on its way: its jobs, their sequences, and the sums that come back for them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from itertools import accumulate

import numpy as np
import numpy.typing as npt

from jina_v3.contract import EncodeJob, Task
from jina_v3.errors import RequestError
from jina_v3.serving.batching.fair_queue import Entry
from jina_v3.tokens.results import Embeddings
from jina_v3.tokens.sequencer import Sequencer
from jina_v3.tokens.sequences import DROPPED, TokenSequence
from jina_v3.tokens.vectors import add_rows, finish
from jina_v3.tokens.work import blocks, open_output

Result = Embeddings | RequestError


class Submission:
    """The jobs of one request. Made and tokenised anywhere; the rest belongs to the event loop.

    ``dimensions``: the most that any of its vectors has.

    **Units**: ``tokens`` after tokenising; times are ``time.perf_counter()``'s.
    """

    def __init__(self, jobs: Sequence[EncodeJob], tasks: tuple[Task, ...], hidden: int) -> None:
        self.jobs = jobs
        self.tokens = 0
        self.texts = sum(len(job.texts) for job in jobs)
        self.submitted = time.perf_counter()
        self.dispatched: float | None = None
        self.is_cancelled = False
        self.entry: Entry[Submission] | None = None
        self._outputs = [open_output(job, tasks, hidden) for job in jobs]
        self.dimensions = max((output.vectors.shape[1] for output in self._outputs), default=0)
        self._first_rows = [0, *accumulate(len(job.texts) for job in jobs)]
        self._left = [0] * len(jobs)  # sequences that have not come back, by job
        self._results: list[Result | None] = [None] * len(jobs)
        self._finished = 0  # how many jobs from the first on are finished without a gap
        self._waiter: tuple[int, asyncio.Future[None]] | None = None
        self._sums: npt.NDArray[np.float32] | None = None

    @property
    def characters(self) -> int:
        """How many characters its texts have, which tells how long tokenising takes."""
        return sum(len(text) for job in self.jobs for text in job.texts if isinstance(text, str))

    @property
    def error(self) -> RequestError | None:
        """The first job's error, if any has one."""
        return next((output.error for output in self._outputs if output.error is not None), None)

    def tokenize(self, sequencer: Sequencer) -> list[tuple[int, TokenSequence]]:
        """Return the sequences of all good jobs in order, each with its job's index; the others have their error."""
        index_of = {id(output): index for index, output in enumerate(self._outputs)}
        sequences: list[tuple[int, TokenSequence]] = []
        for block in blocks(self._outputs):
            for unit, ids in sequencer.tokenize(block):
                index = index_of[id(unit.output)]
                first_row = self._first_rows[index] + unit.texts.start
                made = sequencer.sequences(unit, ids, first_row)
                sequences += [(index, sequence) for sequence in made]
        kept = [(index, sequence) for index, sequence in sequences if self._outputs[index].error is None]
        for index, sequence in kept:
            self._left[index] += 1
            self.tokens += len(sequence.ids)
        return kept

    def start(self) -> None:
        """Finish the jobs that have an error or nothing to do; the others now wait for their sums."""
        for index, left in enumerate(self._left):
            if not left:
                self._finish(index)
        self._notify()

    def add(self, sequences: Sequence[tuple[int, TokenSequence]], sums: npt.NDArray[np.float32]) -> None:
        """Take the sums of some sequences' segments, in order, and finish the jobs that have all of theirs.

        **Shapes**: ``sums``: ``(segments that are not dropped, dimensions)`` float32, or more columns.
        """
        if self.is_cancelled:
            return
        if self._sums is None:
            self._sums = np.zeros((self._first_rows[-1], self.dimensions), np.float32)
        rows = [row for _, sequence in sequences for _, row in sequence.segments if row != DROPPED]
        add_rows(self._sums, np.array(rows, np.int64), sums[:, : self.dimensions])
        for index, _ in sequences:
            self._left[index] -= 1
            if not self._left[index]:
                self._finish(index)
        self._notify()

    def fail(self, error: RequestError) -> None:
        """Give every job that is not finished an error."""
        for index, result in enumerate(self._results):
            if result is None:
                self._results[index] = error
        self._notify()

    def cancel(self) -> None:
        """Forget it: nobody waits for it any more."""
        self.is_cancelled = True
        self._sums = self.entry = None

    async def wait(self, jobs: int | None = None) -> list[Result]:
        """Wait for the first ``jobs`` jobs, or all, and return their results."""
        wanted = len(self.jobs) if jobs is None else jobs
        if self._finished < wanted:
            assert self._waiter is None
            self._waiter = wanted, asyncio.get_running_loop().create_future()
            try:
                await self._waiter[1]
            finally:
                self._waiter = None
        return [result for result in self._results[:wanted] if result is not None]

    def _finish(self, index: int) -> None:
        output = self._outputs[index]
        if self._results[index] is not None:
            return
        if output.error is None:
            rows = slice(self._first_rows[index], self._first_rows[index + 1])
            assert self._sums is not None
            counts = np.array(output.token_counts, np.float32)[:, None]
            output.vectors = finish(self._sums[rows] / counts, output.job.dimensions, output.job.normalized)
        self._results[index] = output.result()

    def _notify(self) -> None:
        while self._finished < len(self._results) and self._results[self._finished] is not None:
            self._finished += 1
        if self._finished == len(self._results):
            self.entry = self._sums = None  # what waits and what owns it know each other: let both go now
        if self._waiter and self._finished >= self._waiter[0] and not self._waiter[1].done():
            self._waiter[1].set_result(None)
