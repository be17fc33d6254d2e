"""Which sequences go through the model together: laid end to end, with no padding anywhere."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

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
class PackedBatch:
    """Sequences laid end to end on a device.

    **Shapes**: ``ids``, ``positions``, ``tasks``: ``(tokens,)`` int64; ``cu_seqlens: (sequences + 1,)`` int32;
    ``segment_lengths``, ``segment_rows``: ``(segments,)`` int64. ``runs``: ``(first token, sequences, length)`` of
    each run of neighbours of one length. ``task_set``: the task indices that occur.
    """

    ids: torch.Tensor
    positions: torch.Tensor
    tasks: torch.Tensor
    task_set: frozenset[int]
    cu_seqlens: torch.Tensor
    max_length: int
    runs: tuple[tuple[int, int, int], ...]
    segment_lengths: torch.Tensor
    segment_rows: torch.Tensor


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


def to_batch(sequences: Sequence[TokenSequence], device: torch.device) -> PackedBatch:
    """Lay sequences end to end and move them to ``device``."""
    lengths = np.array([len(sequence.ids) for sequence in sequences])
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    segments = np.array([segment for sequence in sequences for segment in sequence.segments]).reshape(-1, 2)
    tasks = np.array([sequence.task for sequence in sequences])
    return PackedBatch(
        ids=_send(np.concatenate([sequence.ids for sequence in sequences]), device),
        positions=_send(np.arange(offsets[-1]) - np.repeat(offsets[:-1], lengths), device),
        tasks=_send(np.repeat(tasks, lengths), device),
        task_set=frozenset(tasks.tolist()),
        cu_seqlens=_send(offsets.astype(np.int32), device),
        max_length=int(lengths.max()),
        runs=tuple(_runs(lengths, offsets)),
        segment_lengths=_send(segments[:, 0], device),
        segment_rows=_send(segments[:, 1], device),
    )


def _runs(lengths: npt.NDArray[np.int64], offsets: npt.NDArray[np.int64]) -> Iterator[tuple[int, int, int]]:
    starts = np.flatnonzero(np.diff(lengths, prepend=-1))
    for start, end in zip(starts, [*starts[1:], len(lengths)], strict=True):
        yield int(offsets[start]), int(end - start), int(lengths[start])


def _send(array: npt.NDArray[np.integer], device: torch.device) -> torch.Tensor:
    tensor = torch.from_numpy(np.ascontiguousarray(array))
    if device.type == "cuda":
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor
