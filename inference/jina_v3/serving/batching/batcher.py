"""Forms batches across requests and keeps every engine busy.

A batch goes out at once when an engine is idle. While it is busy a second one waits at its door, but only a full one:
what is not full yet goes on filling, so there is no delay to choose. Belongs to the event loop; only tokenising is done
in threads.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from jina_v3.contract import EncodeJob
from jina_v3.errors import RequestError
from jina_v3.serving.batching.fair_queue import Entry, FairQueue, entry_of
from jina_v3.serving.batching.submission import Submission
from jina_v3.serving.engine.messages import ModelDescription
from jina_v3.serving.engine.process import CallFailedError, EngineLostError, EngineProcess
from jina_v3.serving.faults import DeviceLostError, OverloadedError, internal_error
from jina_v3.serving.logs import describe_exception
from jina_v3.serving.metrics import Metrics
from jina_v3.tokens.sequencer import Sequencer
from jina_v3.tokens.sequences import DROPPED, TokenBatch, TokenSequence, lay_out

_log = logging.getLogger("jina_v3.batcher")

_INLINE_CHARACTERS: Final = 2000
"""Texts of so few characters in all are tokenised on the spot: going to a thread and back takes longer."""

_CHARACTERS_A_TOKEN: Final = 4
"""Roughly, where tokens are not known yet."""

_TURNS_A_BATCH: Final = 8
_IN_FLIGHT: Final = 2
_RATE_MEMORY: Final = 0.2

Taken = list[tuple[Entry[Submission], int, TokenSequence]]


@dataclass(slots=True)
class Lane:
    """One engine and the tokens of each batch that it has been given."""

    engine: EngineProcess
    batches: list[int] = field(default_factory=list)

    @property
    def is_open(self) -> bool:
        """Say whether batches can still be sent."""
        return not self.engine.is_lost


class Batcher:
    """Turns the jobs of many requests into batches for some engines with one model.

    **Units**: ``max_queue_s`` is how long a new request may have to wait for those before it.
    """

    def __init__(
        self,
        engines: Sequence[EngineProcess],
        model: ModelDescription,
        metrics: Metrics,
        *,
        max_queue_s: float,
        threads: int,
    ) -> None:
        self._lanes = [Lane(engine) for engine in engines]
        self._model = model
        self._sequencer = Sequencer(model.sequencer)
        self._metrics = metrics
        self._max_queue_s = max_queue_s
        self._queue: FairQueue[Submission] = FairQueue(max(1, model.max_batch_tokens // _TURNS_A_BATCH))
        self._tokens_per_s = model.tokens_per_s  # of one engine
        self._threads = ThreadPoolExecutor(threads, "tokenize")
        self._pump_is_due = False
        self._running: set[asyncio.Task[None]] = set()
        self.is_broken = False
        metrics.watch("queue_requests", "Requests that wait for a batch", lambda: len(self._queue))
        metrics.watch("queue_tokens", "Tokens that wait for a batch", lambda: self._queue.tokens)
        metrics.watch("in_flight_tokens", "Tokens in batches that engines have", lambda: self._in_flight_tokens)
        metrics.watch("tokens_per_second", "What full batches are measured to do, all engines", lambda: self.rate)

    @property
    def rate(self) -> float:
        """Tokens a second that the open engines do together, as measured on batches of some size."""
        return self._tokens_per_s * sum(lane.is_open for lane in self._lanes)

    @property
    def _in_flight_tokens(self) -> int:
        return sum(sum(lane.batches) for lane in self._lanes)

    async def submit(self, jobs: Sequence[EncodeJob], *, all_or_nothing: bool) -> Submission:
        """Tokenise jobs and let them wait for their batches; ``Submission.wait`` then gives their results.

        With ``all_or_nothing`` a job that cannot be served spares the others the device.

        **Raises**: ``OverloadedError`` where too much waits already; ``DeviceLostError``.
        """
        submission = Submission(jobs, self._model.tasks, self._model.hidden)
        characters = submission.characters
        self.refuse_if_full(characters // _CHARACTERS_A_TOKEN)
        if characters <= _INLINE_CHARACTERS:
            sequences = submission.tokenize(self._sequencer)
        else:
            loop = asyncio.get_running_loop()
            sequences = await loop.run_in_executor(self._threads, submission.tokenize, self._sequencer)
            self.refuse_if_full(submission.tokens)
        if all_or_nothing and (error := submission.error) is not None:
            submission.fail(error)
            return submission
        submission.start()
        if sequences:
            submission.entry = entry_of(submission, sequences)
            self._queue.add(submission.entry)
            self._pump_soon()
        return submission

    def refuse_if_full(self, tokens: int) -> None:
        """Refuse a request of ``tokens`` if those before it would keep it waiting for too long.

        **Raises**: ``OverloadedError``; ``DeviceLostError`` where no engine is left.
        """
        if self.is_broken or not any(lane.is_open for lane in self._lanes):
            raise DeviceLostError
        most = self._max_queue_s * self.rate
        in_flight = self._in_flight_tokens
        if self._queue.tokens + in_flight <= most:
            return
        wait_s = (self._queue.tokens_before(tokens) + in_flight) / self.rate
        if wait_s > self._max_queue_s:
            self._metrics.refused.inc()
            raise OverloadedError.for_wait(wait_s, self._max_queue_s)

    def cancel(self, submission: Submission) -> None:
        """Drop what nobody waits for any more; what is on a device already is let run."""
        if not submission.is_cancelled:
            if submission.entry is not None:
                self._queue.discard(submission.entry)
            submission.cancel()

    def engine_lost(self) -> None:
        """Fail whoever waits, if no engine is left to serve them."""
        if not any(lane.is_open for lane in self._lanes):
            for submission in self._queue.clear():
                submission.fail(DeviceLostError())

    def close(self) -> None:
        """Let the threads go."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _pump_soon(self) -> None:
        """Form batches once the event loop has taken in all that has arrived by now."""
        if not self._pump_is_due:
            self._pump_is_due = True
            asyncio.get_running_loop().call_soon(self._pump)

    def _pump(self) -> None:
        self._pump_is_due = False
        for depth in range(_IN_FLIGHT):
            for lane in self._lanes:
                if not lane.is_open or len(lane.batches) != depth:
                    continue
                if depth and self._queue.tokens < self._model.max_batch_tokens:
                    return
                if taken := self._queue.take(self._model.max_batch_tokens):
                    self._dispatch(lane, taken)

    def _dispatch(self, lane: Lane, taken: Taken) -> None:
        taken.sort(key=lambda one: -len(one[2].ids))  # equal lengths become neighbours: one attention call for them
        lane.batches.append(sum(len(sequence.ids) for _, _, sequence in taken))
        now = time.perf_counter()
        for entry, _, _ in taken:
            if entry.owner.dispatched is None:
                entry.owner.dispatched = now
                self._metrics.left_queue(now - entry.owner.submitted)
        task = asyncio.get_running_loop().create_task(self._run(lane, taken))
        self._running.add(task)
        task.add_done_callback(self._ended)

    async def _run(self, lane: Lane, taken: Taken) -> None:
        batch = _lay_out(taken)
        try:
            encoded = await lane.engine.encode(batch)
        except CallFailedError:
            self._fail(taken, internal_error)
        except EngineLostError:
            self._fail(taken, DeviceLostError)
        else:
            self._learn(len(batch.ids), encoded.device_s)
            _hand_out(taken, encoded.sums)
        finally:
            lane.batches.remove(len(batch.ids))
        self._pump_soon()

    def _ended(self, task: asyncio.Task[None]) -> None:
        """Make ``/ping`` fail after a batch that ended otherwise than expected: this class is then at fault."""
        self._running.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.is_broken = True
            _log.critical("the batcher is broken", extra={"fields": describe_exception(error)})
            for submission in self._queue.clear():
                submission.fail(DeviceLostError())

    def _fail(self, taken: Taken, error: Callable[[], RequestError]) -> None:
        for entry in {id(entry): entry for entry, _, _ in taken}.values():
            self._queue.discard(entry)
            entry.owner.fail(error())

    def _learn(self, tokens: int, device_s: float) -> None:
        """Move the measured rate towards that of a batch of some size; small ones say nothing of a busy hour."""
        self._metrics.batch_ended(tokens, device_s)
        share = tokens / self._model.max_batch_tokens
        if share >= 0.25 and device_s > 0:
            weight = _RATE_MEMORY * min(1.0, share)
            self._tokens_per_s += weight * (tokens / device_s - self._tokens_per_s)


def _lay_out(taken: Taken) -> TokenBatch:
    """Lay a batch out with a row of its own for every segment whose states are wanted, as wide as any request asks."""
    rows = 0
    sequences = []
    for _, _, sequence in taken:
        segments = []
        for length, row in sequence.segments:
            segments.append((length, row if row == DROPPED else rows))
            rows += row != DROPPED
        sequences.append(TokenSequence(sequence.ids, sequence.task, tuple(segments)))
    return lay_out(sequences, rows, max(entry.owner.dimensions for entry, _, _ in taken))


def _hand_out(taken: Taken, sums: np.ndarray[tuple[int, int], np.dtype[np.float32]]) -> None:
    """Give every request the rows that are its own."""
    sequences: dict[int, list[tuple[int, TokenSequence]]] = {}
    rows: dict[int, list[int]] = {}
    owners: dict[int, Submission] = {}
    row = 0
    for entry, index, sequence in taken:
        key = id(entry.owner)
        owners[key] = entry.owner
        sequences.setdefault(key, []).append((index, sequence))
        own = rows.setdefault(key, [])
        for _, target in sequence.segments:
            if target != DROPPED:
                own.append(row)
                row += 1
    for key, owner in owners.items():
        owner.add(sequences[key], sums[rows[key]])
