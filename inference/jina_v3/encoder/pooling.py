"""From token states to vectors' beginnings: the sum over each segment in fp32, and the mean."""

from __future__ import annotations

import torch

from jina_v3.encoder.packing import PackedBatch
from jina_v3.tokens.sequences import DROPPED


class SegmentSums:
    """Sums and token counts of the segments of many batches, each into its row.

    A row may be fed by several segments, of several batches: a chunk that two windows share.

    **Shapes**: sums ``(rows, hidden)`` fp32.
    """

    def __init__(self, rows: int, hidden: int, device: torch.device) -> None:
        # one row more: where the dropped segments go
        self._sums = torch.zeros(rows + 1, hidden, dtype=torch.float32, device=device)
        self._counts = torch.zeros(rows + 1, dtype=torch.float32, device=device)

    def add(self, states: torch.Tensor, batch: PackedBatch) -> None:
        """Add one batch's states. **Shapes**: ``states: (tokens, hidden)`` of any dtype."""
        rows = batch.segment_rows
        rows = torch.where(rows == DROPPED, len(self._sums) - 1, rows)
        token_rows = torch.repeat_interleave(rows, batch.segment_lengths, output_size=len(states))
        self._sums.index_add_(0, token_rows, states.float())
        self._counts.index_add_(0, rows, batch.segment_lengths.float())

    def sums(self) -> torch.Tensor:
        """Return the sum of every row. **Shapes**: ``(rows, hidden)`` fp32."""
        return self._sums[:-1]

    def means(self) -> torch.Tensor:
        """Return the mean of every row. **Shapes**: ``(rows, hidden)`` fp32."""
        return self._sums[:-1] / self._counts[:-1, None]
