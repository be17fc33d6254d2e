"""What becomes of a batch that the device has no memory for: it is cut in two, and tried once more."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from jina_v3.encoder.pooling import Sums
from jina_v3.encoder.running import Finished, Pending, Runner
from jina_v3.errors import DeviceMemoryError
from jina_v3.tokens.sequences import TokenBatch

_log = logging.getLogger("jina_v3.encoder")


class SplittingRunner:
    """Another runner, whose batches are cut in two by sequences where memory runs out; see :class:`Runner`.

    ``release`` gives memory that is kept for reuse back to the device; ``free_bytes`` is what it then has.

    **Raises**: where the halves fail too, ``submit`` or the result raises ``DeviceMemoryError``; later batches are
    served as before.
    """

    def __init__(self, runner: Runner, release: Callable[[], None], free_bytes: Callable[[], int]) -> None:
        self._runner = runner
        self._release = release
        self._free_bytes = free_bytes
        self.device, self.dtype, self.hidden = runner.device, runner.dtype, runner.hidden
        self.in_flight = runner.in_flight

    def submit(self, batch: TokenBatch, dimensions: int) -> Pending:
        """Start a batch; if that fails for memory, run its halves and return when they are done."""
        try:
            return _Guarded(self, self._runner.submit(batch, dimensions), batch, dimensions)
        except torch.OutOfMemoryError as error:
            asked = _asked(error)
        return Finished(self.run_halves(batch, dimensions, asked))  # here the exception has let go of what it held

    def states(self, batch: TokenBatch) -> Sums:
        """Return every token's last state; one sequence's, so nothing is to be split."""
        try:
            return self._runner.states(batch)
        except torch.OutOfMemoryError as error:
            asked = _asked(error)
        self._release()
        raise self._no_room(batch, asked)

    def describe(self) -> dict[str, Any]:
        """Return what the log says of the runner."""
        return self._runner.describe()

    def run_halves(self, batch: TokenBatch, dimensions: int, asked: str) -> Sums:
        """Run a batch that failed once more, one half after the other, or at one time if it is one sequence."""
        self._release()
        parts = halves(batch) if len(batch.lengths) > 1 else (batch,)
        _log.warning(
            "out of memory: the batch is cut in two and tried again",
            extra={"fields": {"tokens": len(batch.ids), "parts": len(parts), "free_bytes": self._free_bytes()}},
        )
        try:
            # each by itself: only then is all of the memory its own
            return np.concatenate([self._runner.submit(part, dimensions).result() for part in parts])
        except torch.OutOfMemoryError as error:
            asked = _asked(error) or asked
        self._release()
        raise self._no_room(batch, asked)

    def _no_room(self, batch: TokenBatch, asked: str) -> DeviceMemoryError:
        what, fix = "a text", "Stop what else uses the device, or take one with more memory"
        if len(batch.lengths) > 1:
            what = "the half of a batch"
            fix = "Set JINA_V3_MAX_BATCH_TOKENS (max_batch_tokens) lower, or stop what else uses the device"
        error = DeviceMemoryError(
            f"{what} of {len(batch.ids)} tokens does not fit into the memory of {self.device}: {asked}; "
            f"{self._free_bytes() / 2**20:.0f} MiB are free. {fix}"
        )
        _log.error("out of memory", extra={"fields": {"message": str(error)}})
        return error


class _Guarded:
    """A batch on its way, whose halves are run if it comes back without memory."""

    def __init__(self, runner: SplittingRunner, pending: Pending, batch: TokenBatch, dimensions: int) -> None:
        self._runner, self._pending, self._batch, self._dimensions = runner, pending, batch, dimensions

    def result(self) -> Sums:
        """Wait for the batch, or run it again."""
        try:
            return self._pending.result()
        except torch.OutOfMemoryError as error:
            asked = _asked(error)
        self._pending = Finished(self._runner.run_halves(self._batch, self._dimensions, asked))
        return self._pending.result()


def halves(batch: TokenBatch) -> tuple[TokenBatch, TokenBatch]:
    """Cut a batch of several sequences in two, of about as many tokens each. Both keep the rows of the whole."""
    ends = np.cumsum(batch.lengths)
    middle = int(np.abs(ends[:-1] - ends[-1] / 2).argmin()) + 1  # sequences in the first half
    tokens = int(ends[middle - 1])
    segments = int(np.searchsorted(np.cumsum(batch.segments[:, 0]), tokens)) + 1
    first, second = (
        TokenBatch(
            ids=batch.ids[of_tokens],
            lengths=batch.lengths[of_sequences],
            tasks=batch.tasks[of_sequences],
            segments=batch.segments[of_segments],
            rows=batch.rows,
            dimensions=batch.dimensions,
        )
        for of_tokens, of_sequences, of_segments in (
            (slice(tokens), slice(middle), slice(segments)),
            (slice(tokens, None), slice(middle, None), slice(segments, None)),
        )
    )
    return first, second


def _asked(error: BaseException) -> str:
    """Return what was asked for, where torch says so: its message goes on with the device's whole memory."""
    found = re.search(r"Tried to allocate [\d.]+ \w+", str(error))
    return found[0] if found else str(error).partition(". ")[0]
