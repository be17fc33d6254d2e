"""Token sequences, and several of them laid end to end: what goes to a model together, with no padding anywhere."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from jina_v3.contract import MODEL_DIMENSIONS

Ids = npt.NDArray[np.int64]
"""Token ids. **Shapes**: ``(tokens,)``."""

NO_TASK = -1
DROPPED = -1
"""Row of a segment whose states are not wanted: the overlap of a later window."""


@dataclass(frozen=True, slots=True)
class TokenSequence:
    """What the model sees as one text.

    **Shapes**: ``ids: (tokens,)`` int64 with ``<s>``, prompt and ``</s>``. ``segments``: ``(length, row)`` of the
    consecutive spans that cover it, each to be summed into that row of the results (or ``DROPPED``).
    ``task``: index into ``contract.TASKS``, or ``NO_TASK``.
    """

    ids: Ids
    task: int
    segments: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class TokenBatch:
    """Sequences laid end to end, on the host; what crosses to the process that has the device.

    **Shapes**: ``ids: (tokens,)`` int64; ``lengths``, ``tasks: (sequences,)`` int64; ``segments: (segments, 2)`` int64,
    ``(length, row)`` of every span in order, a row being ``DROPPED`` or one of ``rows``. ``dimensions``: how many of
    the vectors' first values any row wants; a model that is narrower gives what it has.
    """

    ids: Ids
    lengths: npt.NDArray[np.int64]
    tasks: npt.NDArray[np.int64]
    segments: npt.NDArray[np.int64]
    rows: int
    dimensions: int = MODEL_DIMENSIONS


def lay_out(sequences: Sequence[TokenSequence], rows: int, dimensions: int = MODEL_DIMENSIONS) -> TokenBatch:
    """Lay sequences end to end, their segments' rows being among ``rows``."""
    return TokenBatch(
        ids=np.concatenate([sequence.ids for sequence in sequences]),
        lengths=np.array([len(sequence.ids) for sequence in sequences]),
        tasks=np.array([sequence.task for sequence in sequences]),
        segments=np.array([segment for sequence in sequences for segment in sequence.segments]).reshape(-1, 2),
        rows=rows,
        dimensions=dimensions,
    )


def pack(sequences: Iterable[TokenSequence], max_batch_tokens: int) -> Iterator[list[TokenSequence]]:
    """Cut sequences into batches of at most ``max_batch_tokens``; a longer sequence is a batch by itself.

    Longest first, so that equal lengths are neighbours (one attention call) and a batch's lengths are alike.
    """
    batch: list[TokenSequence] = []
    tokens = 0
    for sequence in sorted(sequences, key=lambda one: -len(one.ids)):
        if batch and tokens + len(sequence.ids) > max_batch_tokens:
            yield batch
            batch, tokens = [], 0
        batch.append(sequence)
        tokens += len(sequence.ids)
    if batch:
        yield batch
