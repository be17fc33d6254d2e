"""The operations in torch: what Triton's kernels are tested against, and what computes where Triton is not."""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F

from jina_v3.encoder.fused.kernels.interface import Adapters, EmbeddingTables, NormParameters

FLOAT8_MOST = 448.0
"""The largest value of float8_e4m3fn."""

SHORT_MOST = 128
"""The longest sequence that short attention is for, in tokens."""

FLOAT8_LEAST = 1e-30
"""A row with nothing larger counts as zeros: no layer's input is, and the inverse of its scale would not be finite."""


class ReferenceKernels:
    """See :class:`~jina_v3.encoder.fused.kernels.interface.Kernels`."""

    name = "torch"

    def embed(
        self, ids: torch.Tensor, tasks: torch.Tensor, tables: EmbeddingTables, norm: NormParameters, out: torch.Tensor
    ) -> None:
        """Gather, add, normalise."""
        x = F.embedding(ids, tables.words).float() + tables.constant[tasks.long()]  # -1: the last row
        if tables.rank:
            slots = tables.slots[tasks.long()].long()
            rows = slots.clamp(min=0) * len(tables.words) + ids
            down = tables.a[rows].float() * (slots >= 0)[:, None]  # (tokens, rank)
            b = tables.b.view(-1, tables.rank, x.shape[1])[slots.clamp(min=0)]  # (tokens, rank, hidden)
            x += torch.einsum("tr,trh->th", down, b)
        out.copy_(_norm(x, norm))

    def rotate_(self, qkv: torch.Tensor, rotations: torch.Tensor, positions: torch.Tensor, heads: int) -> None:
        """Rotate q and k."""
        tokens, width = qkv.shape
        head_dim = width // (3 * heads)
        qk = qkv[:, : 2 * width // 3].view(tokens, 2, heads, 2, head_dim // 2)
        cosines, sines = rotations[positions.long()].view(tokens, 1, 1, 2, head_dim // 2).unbind(3)
        first, second = qk.float().unbind(3)
        qk.copy_(torch.stack((first * cosines - second * sines, second * cosines + first * sines), 3))

    def attend_short(
        self,
        qkv: torch.Tensor,
        rotations: torch.Tensor,
        positions: torch.Tensor,
        heads: int,
        longest: int,
        out: torch.Tensor,
    ) -> None:
        """Rotate a copy and attend sequence by sequence."""
        if not 1 <= longest <= SHORT_MOST:
            raise ValueError(f"the longest sequence has {longest} tokens; short attention is for 1 to {SHORT_MOST}")
        tokens = len(qkv)
        rotated = qkv.clone(memory_format=torch.contiguous_format)
        self.rotate_(rotated, rotations, positions, heads)
        starts = (positions == 0).nonzero().flatten().tolist()
        for start, end in pairwise([*starts, tokens]):
            q, k, v = rotated[start:end].float().view(end - start, 3, heads, -1).permute(1, 2, 0, 3)
            weights = torch.softmax(q @ k.mT * q.shape[-1] ** -0.5, -1)  # (heads, length, length)
            out[start:end] = (weights @ v).transpose(0, 1).flatten(1)

    def adapt(self, x: torch.Tensor, adapters: Adapters, tasks: torch.Tensor, out: torch.Tensor) -> None:
        """Copy, and add the columns."""
        width = x.shape[1]
        if x.data_ptr() != out.data_ptr():
            out[:, :width] = x
        mask = tasks[:, None] == adapters.owners[None]
        down = F.linear(x.float(), adapters.a.float())
        out[:, width:] = torch.where(mask, down, 0.0)

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
        self._write(_norm(x.float() + bias + residual.float(), norm), out, adapters, tasks)

    def gelu(
        self, x: torch.Tensor, bias: torch.Tensor, out: torch.Tensor, adapters: Adapters | None, tasks: torch.Tensor
    ) -> None:
        """Add, activate, adapt."""
        self._write(F.gelu(x.float() + bias), out, adapters, tasks)

    def sum_segments(
        self, states: torch.Tensor, starts: torch.Tensor, lengths: torch.Tensor, out: torch.Tensor
    ) -> None:
        """Sum one segment after the other."""
        for row, (start, length) in enumerate(zip(starts.tolist(), lengths.tolist(), strict=True)):
            out[row] = states[start : start + length, : out.shape[1]].float().sum(0)

    def quantize_rows(self, x: torch.Tensor, out: torch.Tensor, scales: torch.Tensor) -> None:
        """Scale each row's largest value to the largest that float8 has."""
        most = x.float().abs().amax(1, keepdim=True)
        scales.copy_(torch.where(most > FLOAT8_LEAST, most / FLOAT8_MOST, 1.0))
        out.copy_((x.float() / scales).clamp(-FLOAT8_MOST, FLOAT8_MOST))

    def _write(self, values: torch.Tensor, out: torch.Tensor, adapters: Adapters | None, tasks: torch.Tensor) -> None:
        first = out[:, : values.shape[1]]
        first.copy_(values)
        if adapters is not None:
            self.adapt(first, adapters, tasks, out)


def _norm(x: torch.Tensor, norm: NormParameters) -> torch.Tensor:
    return F.layer_norm(x, norm.weight.shape, norm.weight, norm.bias, norm.eps)
