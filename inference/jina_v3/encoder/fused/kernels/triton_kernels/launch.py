"""All kernels as the engine calls them, each in the variant for the number of tokens."""

from __future__ import annotations

import torch

from jina_v3.encoder.fused.kernels.interface import Adapters, EmbeddingTables, NormParameters
from jina_v3.encoder.fused.kernels.triton_kernels.adapters import adapt_blocks, adapt_rows
from jina_v3.encoder.fused.kernels.triton_kernels.embedding import embed
from jina_v3.encoder.fused.kernels.triton_kernels.gelu import activate
from jina_v3.encoder.fused.kernels.triton_kernels.norm import ROWS, add_norm
from jina_v3.encoder.fused.kernels.triton_kernels.pooling import sum_segments
from jina_v3.encoder.fused.kernels.triton_kernels.quantize import quantize_rows
from jina_v3.encoder.fused.kernels.triton_kernels.rotary import rotate_
from jina_v3.encoder.fused.kernels.triton_kernels.short_attention import attend_short

FEW_TOKENS = 4096
"""Below, a program has a row and does its own task's additions; from it on a block fills a third of an H200's
multiprocessors at least, and A is read once for many rows. An estimate, not measured."""


class TritonKernels:
    """See :class:`~jina_v3.encoder.fused.kernels.interface.Kernels`.

    Triton launches on torch's current device, which the caller has to make that of the tensors. Numbers of tokens
    cause no compilation; widths, strides, precisions and the two variants do, once. Matrices begin at addresses that
    are multiples of 16 bytes.
    """

    name = "triton"

    def __init__(self, few_tokens: int = FEW_TOKENS) -> None:
        """``few_tokens``: below how many the variants for small batches run."""
        self._few_tokens = few_tokens

    def embed(
        self, ids: torch.Tensor, tasks: torch.Tensor, tables: EmbeddingTables, norm: NormParameters, out: torch.Tensor
    ) -> None:
        """Gather, add, normalise."""
        embed(ids, tasks, tables, norm, out)

    def rotate_(self, qkv: torch.Tensor, rotations: torch.Tensor, positions: torch.Tensor, heads: int) -> None:
        """Rotate q and k."""
        rotate_(qkv, rotations, positions, heads)

    def attend_short(
        self,
        qkv: torch.Tensor,
        rotations: torch.Tensor,
        positions: torch.Tensor,
        heads: int,
        longest: int,
        out: torch.Tensor,
    ) -> None:
        """Rotate and attend."""
        attend_short(qkv, rotations, positions, heads, longest, out)

    def adapt(self, x: torch.Tensor, adapters: Adapters, tasks: torch.Tensor, out: torch.Tensor) -> None:
        """Copy, and add the columns."""
        variant = adapt_rows if len(x) < self._few_tokens else adapt_blocks
        variant(x, None, adapters, tasks, out)

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
        """Add, normalise, adapt."""
        if len(x) < self._few_tokens:
            add_norm(x, bias, residual, norm, out, adapters, tasks, 1)
            return
        add_norm(x, bias, residual, norm, out, None, tasks, ROWS)
        if adapters is not None:
            adapt_blocks(out[:, : x.shape[1]], None, adapters, tasks, out)

    def gelu(
        self, x: torch.Tensor, bias: torch.Tensor, out: torch.Tensor, adapters: Adapters | None, tasks: torch.Tensor
    ) -> None:
        """Add, activate, adapt."""
        if adapters is None:
            activate(x, bias, out)
        else:
            variant = adapt_rows if len(x) < self._few_tokens else adapt_blocks
            variant(x, bias, adapters, tasks, out)

    def sum_segments(
        self, states: torch.Tensor, starts: torch.Tensor, lengths: torch.Tensor, out: torch.Tensor
    ) -> None:
        """Sum."""
        sum_segments(states, starts, lengths, out)

    def quantize_rows(self, x: torch.Tensor, out: torch.Tensor, scales: torch.Tensor) -> None:
        """Scale and round."""
        quantize_rows(x, out, scales)
