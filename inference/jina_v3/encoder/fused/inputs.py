"""A batch as the CUDA engine takes it: one block of int32 that crosses to the device in one copy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from jina_v3.tokens.sequences import DROPPED, NO_TASK, TokenBatch

_ALIGNED = 4
"""int32 values in 16 bytes: every field begins at a multiple, so that kernels may load 16 bytes at a time."""


@dataclass(frozen=True, slots=True)
class Capacity:
    """How much a block has room for; ``max_length`` is the longest sequence. **Units**: tokens, sequences, segments."""

    tokens: int
    sequences: int
    segments: int
    max_length: int

    @classmethod
    def of(cls, batch: TokenBatch) -> Capacity:
        """Return what a batch needs, and no more."""
        return cls(len(batch.ids), len(batch.lengths), len(batch.segments), int(batch.lengths.max()))

    def holds(self, other: Capacity) -> bool:
        """Say whether a batch that needs ``other`` fits."""
        return (
            other.tokens <= self.tokens
            and other.sequences <= self.sequences
            and other.segments <= self.segments
            and other.max_length <= self.max_length
        )

    @property
    def fields(self) -> dict[str, tuple[int, int]]:
        """Where each field begins in the block and how many values it has."""
        sizes = {
            "ids": self.tokens,
            "positions": self.tokens,
            "tasks": self.tokens,
            "cu_seqlens": self.sequences + 1,
            "segment_starts": self.segments,
            "segment_lengths": self.segments,
        }
        places, offset = {}, 0
        for name, size in sizes.items():
            places[name] = (offset, size)
            offset += -(-size // _ALIGNED) * _ALIGNED
        return places

    @property
    def values(self) -> int:
        """How many int32 values the whole block has."""
        offset, size = list(self.fields.values())[-1]
        return offset + -(-size // _ALIGNED) * _ALIGNED


def fill(block: npt.NDArray[np.int32], capacity: Capacity, batch: TokenBatch) -> None:
    """Write a batch into a block of host memory.

    What is beyond the batch is filled so that it is harmless: tokens of id 0 at position 0 without a task, which
    belong to no sequence; sequences and segments of no tokens.

    **Shapes**: ``block: (capacity.values,)``.
    """
    tokens, sequences, segments = len(batch.ids), len(batch.lengths), len(batch.segments)
    offsets = np.zeros(sequences + 1, np.int64)
    np.cumsum(batch.lengths, out=offsets[1:])
    parts = {name: block[start : start + size] for name, (start, size) in capacity.fields.items()}
    parts["ids"][:tokens] = batch.ids
    parts["positions"][:tokens] = np.arange(tokens) - np.repeat(offsets[:-1], batch.lengths)
    parts["tasks"][:tokens] = np.repeat(batch.tasks, batch.lengths)
    parts["cu_seqlens"][: sequences + 1] = offsets
    lengths = batch.segments[:, 0]
    parts["segment_starts"][:segments] = np.cumsum(lengths) - lengths
    parts["segment_lengths"][:segments] = np.where(batch.segments[:, 1] == DROPPED, 0, lengths)
    parts["ids"][tokens:] = 0
    parts["positions"][tokens:] = 0
    parts["tasks"][tokens:] = NO_TASK
    parts["cu_seqlens"][sequences + 1 :] = tokens
    parts["segment_starts"][segments:] = 0
    parts["segment_lengths"][segments:] = 0


@dataclass(frozen=True, slots=True)
class Inputs:
    """A block on the device, seen as its fields.

    **Shapes**: ``ids``, ``positions``, ``tasks``: ``(tokens,)``; ``cu_seqlens: (sequences + 1,)``;
    ``segment_starts``, ``segment_lengths``: ``(segments,)``; all int32. ``adapted``: whether any token may have a task.
    """

    ids: torch.Tensor
    positions: torch.Tensor
    tasks: torch.Tensor
    cu_seqlens: torch.Tensor
    segment_starts: torch.Tensor
    segment_lengths: torch.Tensor
    max_length: int
    adapted: bool

    @classmethod
    def view(cls, block: torch.Tensor, capacity: Capacity, *, adapted: bool) -> Inputs:
        """See a block as its fields. **Shapes**: ``block: (capacity.values,)`` int32."""
        parts = {name: block[start : start + size] for name, (start, size) in capacity.fields.items()}
        return cls(**parts, max_length=capacity.max_length, adapted=adapted)
