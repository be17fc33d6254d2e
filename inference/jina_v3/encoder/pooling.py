"""From token states to the beginnings of vectors: the sum over each segment in fp32, then over each row's segments."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from jina_v3.encoder.packing import PackedBatch
from jina_v3.tokens.sequences import DROPPED, TokenBatch
from jina_v3.tokens.vectors import add_rows

Sums = npt.NDArray[np.float32]


def segment_sums(states: torch.Tensor, batch: PackedBatch, dimensions: int) -> torch.Tensor:
    """Sum each segment's states; those of dropped segments are summed too.

    **Shapes**: ``states: (tokens, hidden)`` of any dtype → ``(segments, dimensions)`` fp32.
    """
    lengths = batch.segment_lengths
    segments = torch.arange(len(lengths), device=states.device)
    owners = torch.repeat_interleave(segments, lengths, output_size=len(states))
    sums = torch.zeros(len(lengths), dimensions, dtype=torch.float32, device=states.device)
    return sums.index_add_(0, owners, states[:, :dimensions].float())


class RowSums:
    """Sums and token counts of rows, fed by the segments of many batches.

    A row may be fed by several segments, of several batches: a chunk that two windows share.

    **Shapes**: ``sums: (rows, dimensions)`` float32.
    """

    def __init__(self, rows: int, dimensions: int) -> None:
        self.sums: Sums = np.zeros((rows, dimensions), np.float32)
        self._counts = np.zeros((rows, 1), np.float32)

    def add(self, sums: Sums, batch: TokenBatch) -> None:
        """Add one batch's segments. **Shapes**: ``sums: (segments, dimensions)``."""
        lengths, rows = batch.segments.T
        kept = rows != DROPPED
        if not kept.all():
            lengths, rows, sums = lengths[kept], rows[kept], sums[kept]
        add_rows(self.sums, rows, sums)
        np.add.at(self._counts[:, 0], rows, lengths)

    def means(self) -> Sums:
        """Return the mean of every row. **Shapes**: ``(rows, dimensions)``."""
        return self.sums / self._counts


def row_sums(sums: Sums, batch: TokenBatch) -> Sums:
    """Return the sum of every row of one batch. **Shapes**: ``(segments, dimensions)`` → ``(rows, dimensions)``."""
    if np.array_equal(batch.segments[:, 1], np.arange(batch.rows)):  # as a server lays them out
        return sums
    rows = RowSums(batch.rows, sums.shape[1])
    rows.add(sums, batch)
    return rows.sums
