"""The operations between the matrix products, as both the reference and Triton's kernels have them.

Half precision is bf16 or fp16; every operation computes in fp32 and rounds once, when it writes. Matrices may be views
with any distance between rows; within a row values are neighbours. Rows do not influence one another, so rows that
only fill a buffer up may hold anything, NaN too.

"Wide" matrices have ``columns`` more columns than the layer's width: room for the tasks' additions, see ``linear.py``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch


@dataclass(frozen=True, slots=True)
class Adapters:
    """The tasks' A matrices of one linear layer, one below the other; each token uses those rows that its task owns.

    **Shapes**: ``a: (columns, in)`` half; rows behind the last task's are zero. ``owners: (columns,)`` int32, indices
    into ``contract.TASKS``, for filling rows one that no token has. ``first``, ``ranks``: ``(tasks + 1,)`` int32, where
    a task's rows begin and how many they are; the last entry is for tokens without a task: none. ``most``: the largest
    rank.
    """

    a: torch.Tensor
    owners: torch.Tensor
    first: torch.Tensor
    ranks: torch.Tensor
    most: int


@dataclass(frozen=True, slots=True)
class EmbeddingTables:
    """What a token's embedding is summed from.

    **Shapes**: ``words: (vocab, hidden)`` half. ``constant: (tasks + 1, hidden)`` fp32: the token type's row with each
    task's addition, the last row for no task. ``a: (slots · vocab, rank)`` half and ``b: (slots · rank, hidden)`` fp32:
    the additions to the word table, ``slots: (tasks + 1,)`` int32 saying which block a task has, -1 for none;
    all three empty for a checkpoint without adapters, with ``rank`` 0.
    """

    words: torch.Tensor
    constant: torch.Tensor
    a: torch.Tensor
    b: torch.Tensor
    slots: torch.Tensor
    rank: int


@dataclass(frozen=True, slots=True)
class NormParameters:
    """A layer norm. **Shapes**: ``weight``, ``bias``: ``(hidden,)`` fp32."""

    weight: torch.Tensor
    bias: torch.Tensor
    eps: float


class Kernels(Protocol):
    """The operations. ``tasks``: ``(tokens,)`` int32, indices into ``contract.TASKS`` or -1."""

    name: str

    def embed(
        self, ids: torch.Tensor, tasks: torch.Tensor, tables: EmbeddingTables, norm: NormParameters, out: torch.Tensor
    ) -> None:
        """Gather and sum each token's embedding, normalise it, and write it.

        **Shapes**: ``ids: (tokens,)`` int32; ``out: (tokens, hidden)`` half.
        """
        ...

    def rotate_(self, qkv: torch.Tensor, rotations: torch.Tensor, positions: torch.Tensor, heads: int) -> None:
        """Rotate q and k in place, channel ``i`` of a head with channel ``i + head_dim / 2``.

        **Shapes**: ``qkv: (tokens, 3 · hidden)`` half, columns ordered q, k, v, each by heads;
        ``rotations: (positions, head_dim)`` fp32, the cosines, then the sines; ``positions: (tokens,)`` int32.
        """
        ...

    def attend_short(
        self,
        qkv: torch.Tensor,
        rotations: torch.Tensor,
        positions: torch.Tensor,
        heads: int,
        longest: int,
        out: torch.Tensor,
    ) -> None:
        """Rotate as :meth:`rotate_` does, and write softmax(q·kᵀ / √head_dim)·v of every sequence; qkv stays as it is.

        Every row of position 0 begins a sequence, so a row that only fills up attends to itself. ``longest``: no
        sequence has more tokens; at most 128.

        **Shapes**: ``qkv``, ``rotations``, ``positions`` as for :meth:`rotate_`; ``out: (tokens, hidden)`` half.
        **Errors**: ``ValueError`` for another ``longest``, and for shapes or dtypes that do not fit together.
        """
        ...

    def adapt(self, x: torch.Tensor, adapters: Adapters, tasks: torch.Tensor, out: torch.Tensor) -> None:
        """Write ``[x | m∘(A·x)]``; nothing is copied where ``x`` already is the first columns of ``out``.

        **Shapes**: ``x: (tokens, in)``, ``out: (tokens, in + columns)`` half.
        """
        ...

    def add_norm(
        self,
        x: torch.Tensor,
        bias: torch.Tensor,
        residual: torch.Tensor,
        norm: NormParameters,
        out: torch.Tensor,
        adapters: Adapters | None,
        tasks: torch.Tensor,
    ) -> None:
        """Write the layer norm of ``x + bias + residual``, and with ``adapters`` what :meth:`adapt` makes of it.

        ``out`` may be ``residual``'s memory. Without ``adapters`` only ``hidden`` columns are written.

        **Shapes**: ``x``, ``residual``: ``(tokens, hidden)`` half; ``bias: (hidden,)`` fp32;
        ``out: (tokens, hidden + columns)`` half.
        """
        ...

    def gelu(
        self, x: torch.Tensor, bias: torch.Tensor, out: torch.Tensor, adapters: Adapters | None, tasks: torch.Tensor
    ) -> None:
        """Write ``GELU(x + bias)`` by erf, and with ``adapters`` what :meth:`adapt` makes of it.

        ``x`` may be the first columns of ``out``. Without ``adapters`` only ``width`` columns are written.

        **Shapes**: ``x: (tokens, width)`` half; ``bias: (width,)`` fp32; ``out: (tokens, width + columns)`` half.
        """
        ...

    def sum_segments(
        self, states: torch.Tensor, starts: torch.Tensor, lengths: torch.Tensor, out: torch.Tensor
    ) -> None:
        """Sum each segment's states in fp32, always in the same order; a segment of no tokens is zeros.

        **Shapes**: ``states: (tokens, hidden)`` half; ``starts``, ``lengths``: ``(segments,)`` int32;
        ``out: (segments, dimensions)`` fp32: only the first ``dimensions`` columns are summed.
        """
        ...

    def quantize_rows(self, x: torch.Tensor, out: torch.Tensor, scales: torch.Tensor) -> None:
        """Write each row as float8 (e4m3) with a scale of its own: ``x ≈ out · scale``; a row of zeros has scale 1.

        A row with nothing above 1e-30 counts as zeros.

        **Shapes**: ``x: (tokens, width)`` half; ``out: (tokens, width)`` float8_e4m3fn; ``scales: (tokens, 1)`` fp32.
        """
        ...
