"""Encoding block by block: while a device computes, the host tokenises what comes next and finishes what has come."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future
from functools import partial
from itertools import groupby
from threading import Thread
from typing import TypeVar

from jina_v3.encoder.pooling import RowSums, Sums
from jina_v3.encoder.running import Pending, Runner
from jina_v3.tokens.sequencer import Sequencer
from jina_v3.tokens.sequences import TokenBatch, TokenSequence, lay_out, pack
from jina_v3.tokens.vectors import finish
from jina_v3.tokens.work import Unit

T = TypeVar("T")


class Block:
    """Some units that were tokenised together; a unit whose text cannot be served has failed its job by now."""

    def __init__(self, units: Sequence[Unit], sequencer: Sequencer, hidden: int) -> None:
        self.units = units
        self._placed: list[tuple[Unit, int]] = []  # with the unit's first row
        self._rows = 0
        sequences: list[TokenSequence] = []
        for unit, ids in sequencer.tokenize(units):
            sequences += sequencer.sequences(unit, ids, self._rows)
            self._placed.append((unit, self._rows))
            self._rows += len(unit.texts)
        self._sequences = sequences
        widest = max((unit.output.job.dimensions for unit, _ in self._placed), default=0)
        self._dimensions = min(widest, hidden)

    @property
    def is_spoilt(self) -> bool:
        """Say whether the job of any unit has failed."""
        return any(unit.output.error for unit in self.units)

    def run(self, runner: Runner, max_batch_tokens: int, waiting: Waiting) -> None:
        """Start all batches; the vectors are there when the last of them has come back."""
        batches = list(pack(self._sequences, max_batch_tokens))
        sums = RowSums(self._rows, self._dimensions)
        for number, sequences in enumerate(batches, 1):
            waiting.make_room(runner.in_flight)
            batch = lay_out(sequences, self._rows, self._dimensions)
            waiting.add(runner.submit(batch, self._dimensions), batch, sums, self if number == len(batches) else None)

    def finish(self, means: Sums) -> None:
        """Cut, normalise and hand over, one job's rows at a time: they are neighbours, in order."""
        for _, group in groupby(self._placed, key=lambda one: id(one[0].output)):
            members = list(group)
            (first, start), (last, last_start) = members[0], members[-1]
            output = first.output
            rows = means[start : last_start + len(last.texts)]
            vectors = finish(rows, output.job.dimensions, output.job.normalized)
            output.vectors[first.texts.start : last.texts.stop] = vectors


class Waiting:
    """The batches that a device has, in order."""

    def __init__(self) -> None:
        self._batches: deque[tuple[Pending, TokenBatch, RowSums, Block | None]] = deque()

    def add(self, pending: Pending, batch: TokenBatch, sums: RowSums, last_of: Block | None) -> None:
        """Note a batch whose sums belong to ``sums``, and the block that is done with it."""
        self._batches.append((pending, batch, sums, last_of))

    def make_room(self, most: int) -> None:
        """Take results until fewer than ``most`` batches are left."""
        while len(self._batches) >= most:
            pending, batch, sums, block = self._batches.popleft()
            sums.add(pending.result(), batch)
            if block is not None:
                block.finish(sums.means())


def run_blocks(blocks: Iterable[Block], runner: Runner, max_batch_tokens: int) -> None:
    """Run blocks one after another, as many batches at a time as keep the device busy."""
    waiting = Waiting()
    for block in blocks:
        block.run(runner, max_batch_tokens, waiting)
    waiting.make_room(1)


def ahead(items: Iterator[T]) -> Generator[T]:
    """Yield items while a thread makes the next one.

    A thread for each, which ends with it: nothing outlives a call, nor is there to be missed in a fork. An executor
    would refuse work once the interpreter ends, though threads of the program may still be encoding then.
    """
    end = object()
    coming = _begin(partial(next, items, end))
    try:
        while (item := coming()) is not end:
            coming = _begin(partial(next, items, end))
            yield item
    except BaseException:
        with contextlib.suppress(Exception):  # nobody wants it any more, but its thread has to end
            coming()
        raise


def _begin(make: Callable[[], T]) -> Callable[[], T]:
    """Have a thread make something; return what waits for it, or where no thread can be had, what makes it."""
    made: Future[T] = Future()

    def run() -> None:
        try:
            made.set_result(make())
        except BaseException as error:  # noqa: BLE001  it is for whoever waits
            made.set_exception(error)

    thread = Thread(target=run, name="tokenize")
    try:
        thread.start()
    except RuntimeError:  # the interpreter ends
        return make

    def wait() -> T:
        thread.join()
        return made.result()

    return wait
