"""Bias and GELU for tokens without a task; with tasks it goes together with their additions, see ``adapters.py``."""

from __future__ import annotations

import torch
import triton
import triton.language as tl

from jina_v3.encoder.fused.kernels.triton_kernels.blocks import gelu, warps_for

BLOCK_ROWS = 4
BLOCK_WIDTH = 1024


def activate(x: torch.Tensor, bias: torch.Tensor, out: torch.Tensor) -> None:
    """Launch over blocks of both directions; see :meth:`Kernels.gelu`."""
    tokens, width = x.shape
    block = min(BLOCK_WIDTH, triton.next_power_of_2(width))
    across = triton.cdiv(width, block)
    _activate[(triton.cdiv(tokens, BLOCK_ROWS) * across,)](
        x, bias, out, tokens, x.stride(0), out.stride(0), width, across, BLOCK_ROWS, block,
        num_warps=warps_for(BLOCK_ROWS * block),
    )  # fmt: skip


@triton.jit(do_not_specialize=["tokens"])
def _activate(
    x, bias, out, tokens,
    X_STRIDE: tl.constexpr, OUT_STRIDE: tl.constexpr, WIDTH: tl.constexpr, ACROSS: tl.constexpr,
    BLOCK_ROWS: tl.constexpr, BLOCK_WIDTH: tl.constexpr,
):  # fmt: skip
    program = tl.program_id(0)
    rows = program // ACROSS * BLOCK_ROWS + tl.arange(0, BLOCK_ROWS)
    columns = program % ACROSS * BLOCK_WIDTH + tl.arange(0, BLOCK_WIDTH)
    far = rows.to(tl.int64)[:, None]
    inside = columns < WIDTH
    mask = (rows < tokens)[:, None] & inside[None, :]
    value = tl.load(x + far * X_STRIDE + columns[None, :], mask=mask, other=0.0).to(tl.float32)
    value += tl.load(bias + columns[None, :], mask=inside[None, :], other=0.0)
    tl.store(out + far * OUT_STRIDE + columns[None, :], gelu(value).to(out.dtype.element_ty), mask=mask)
