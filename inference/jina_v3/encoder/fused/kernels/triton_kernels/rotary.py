"""Rotary positions on packed q and k, in place."""

from __future__ import annotations

import torch
import triton
import triton.language as tl

from jina_v3.encoder.fused.kernels.triton_kernels.blocks import warps_for


def rotate_(qkv: torch.Tensor, rotations: torch.Tensor, positions: torch.Tensor, heads: int) -> None:
    """Launch a program a token; see :meth:`Kernels.rotate_`."""
    tokens, width = qkv.shape
    half = width // (6 * heads)
    heads_block, half_block = triton.next_power_of_2(2 * heads), triton.next_power_of_2(half)
    _rotate[(tokens,)](
        qkv, rotations, positions, qkv.stride(0), 2 * heads, heads_block, half, half_block,
        num_warps=warps_for(heads_block * half_block),
    )  # fmt: skip


@triton.jit
def _rotate(
    qkv, rotations, positions,
    STRIDE: tl.constexpr, HEADS: tl.constexpr, HEADS_BLOCK: tl.constexpr, HALF: tl.constexpr,
    HALF_BLOCK: tl.constexpr,
):  # fmt: skip
    token = tl.program_id(0)
    position = tl.load(positions + token)
    head = tl.arange(0, HEADS_BLOCK)[:, None]  # of q, then of k
    channel = tl.arange(0, HALF_BLOCK)
    inside = channel < HALF
    table = rotations + position * (2 * HALF) + channel
    cosine = tl.load(table, mask=inside, other=0.0)[None, :]
    sine = tl.load(table + HALF, mask=inside, other=0.0)[None, :]
    places = qkv + token.to(tl.int64) * STRIDE + head * (2 * HALF) + channel[None, :]
    mask = (head < HEADS) & inside[None, :]
    one = tl.load(places, mask=mask, other=0.0).to(tl.float32)
    other = tl.load(places + HALF, mask=mask, other=0.0).to(tl.float32)
    tl.store(places, (one * cosine - other * sine).to(qkv.dtype.element_ty), mask=mask)
    tl.store(places + HALF, (other * cosine + one * sine).to(qkv.dtype.element_ty), mask=mask)
