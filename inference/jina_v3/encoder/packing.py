"""Batches on a device, and which of their sequences share an attention call."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from jina_v3.tokens.sequences import TokenBatch, TokenSequence, lay_out


@dataclass(frozen=True, slots=True)
class PackedBatch:
    """Sequences laid end to end on a device.

    **Shapes**: ``ids``, ``positions``, ``tasks``: ``(tokens,)`` int64; ``cu_seqlens: (sequences + 1,)`` int32;
    ``segment_lengths``: ``(segments,)`` int64. ``runs``: ``(first token, sequences, length)`` of each run of neighbours
    of one length. ``task_set``: the task indices that occur.
    """

    ids: torch.Tensor
    positions: torch.Tensor
    tasks: torch.Tensor
    task_set: frozenset[int]
    cu_seqlens: torch.Tensor
    max_length: int
    runs: tuple[tuple[int, int, int], ...]
    segment_lengths: torch.Tensor


def to_batch(sequences: Sequence[TokenSequence], device: torch.device) -> PackedBatch:
    """Lay sequences end to end and move them to ``device``."""
    return to_device(lay_out(sequences, rows=0), device)


def to_device(batch: TokenBatch, device: torch.device) -> PackedBatch:
    """Move a batch to ``device``, with all that attention and pooling need to know of its sequences."""
    lengths = batch.lengths
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    return PackedBatch(
        ids=_send(batch.ids, device),
        positions=_send(np.arange(offsets[-1]) - np.repeat(offsets[:-1], lengths), device),
        tasks=_send(np.repeat(batch.tasks, lengths), device),
        task_set=frozenset(batch.tasks.tolist()),
        cu_seqlens=_send(offsets.astype(np.int32), device),
        max_length=int(lengths.max()),
        runs=tuple(_runs(lengths, offsets)),
        segment_lengths=_send(batch.segments[:, 0], device),
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
