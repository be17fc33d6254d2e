"""Bias, residual and layer norm in one pass, and the tasks' additions for the next product."""

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl

from jina_v3.encoder.fused.kernels.interface import Adapters, NormParameters
from jina_v3.encoder.fused.kernels.triton_kernels.blocks import (
    find_own,
    group_of,
    load_own,
    warps_for,
    write_additions,
)

ROWS = 4
"""How many rows a program has where there are many: they share the norm's parameters."""


def add_norm(
    x: torch.Tensor,
    bias: torch.Tensor,
    residual: torch.Tensor,
    norm: NormParameters,
    out: torch.Tensor,
    adapters: Adapters | None,
    tasks: torch.Tensor,
    rows: int,
) -> None:
    """Launch, with ``rows`` rows a program, which is one with ``adapters``; see :meth:`Kernels.add_norm`."""
    tokens, hidden = x.shape
    block = triton.next_power_of_2(hidden)
    own: tuple[Any, ...] = (None, None, None, 0, 0, 0)
    if adapters is not None:
        own = (adapters.a, adapters.first, adapters.ranks, adapters.most, len(adapters.first) - 1, len(adapters.a))
    a, first, ranks, most, last, columns = own
    _add_norm[(triton.cdiv(tokens, rows),)](
        x, bias, residual, norm.weight, norm.bias, out, a, first, ranks, tasks, tokens,
        norm.eps, x.stride(0), residual.stride(0), out.stride(0), hidden, block,
        columns, triton.next_power_of_2(columns), most, group_of(most), last, rows,
        num_warps=warps_for(rows * block),
    )  # fmt: skip


@triton.jit(do_not_specialize=["tokens"])
def _add_norm(
    x, bias, residual, weight, shift, out, a, first, ranks, tasks, tokens,
    EPS: tl.constexpr, X_STRIDE: tl.constexpr, RESIDUAL_STRIDE: tl.constexpr, OUT_STRIDE: tl.constexpr,
    HIDDEN: tl.constexpr, BLOCK: tl.constexpr, COLUMNS: tl.constexpr, COLUMNS_BLOCK: tl.constexpr,
    MOST: tl.constexpr, GROUP: tl.constexpr, TASKS: tl.constexpr, ROWS: tl.constexpr,
):  # fmt: skip
    rows = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    live = rows < tokens
    far = rows.to(tl.int64)[:, None]  # tokens · stride goes beyond int32
    columns = tl.arange(0, BLOCK)
    inside = columns < HIDDEN
    mask = live[:, None] & inside[None, :]
    value = tl.load(x + far * X_STRIDE + columns[None, :], mask=mask, other=0.0).to(tl.float32)
    before = tl.load(residual + far * RESIDUAL_STRIDE + columns[None, :], mask=mask, other=0.0).to(tl.float32)
    added = tl.load(bias + columns[None, :], mask=inside[None, :], other=0.0)
    if COLUMNS > 0:
        tl.static_assert(ROWS == 1)
        begin, rank = find_own(tasks, first, ranks, tl.program_id(0), TASKS)
        weights = load_own(a, begin, rank, columns, 0, HIDDEN, GROUP)
    value += added
    value += before
    mean = tl.sum(value, 1) / HIDDEN
    value = tl.where(inside[None, :], value - mean[:, None], 0.0)
    scale = tl.rsqrt(tl.sum(value * value, 1) / HIDDEN + EPS)
    value *= scale[:, None]
    value *= tl.load(weight + columns[None, :], mask=inside[None, :], other=0.0)
    value += tl.load(shift + columns[None, :], mask=inside[None, :], other=0.0)
    rounded = value.to(out.dtype.element_ty)
    tl.store(out + far * OUT_STRIDE + columns[None, :], rounded, mask=mask)
    if COLUMNS > 0:
        additions = out + tl.program_id(0).to(tl.int64) * OUT_STRIDE + HIDDEN
        write_additions(
            rounded.to(tl.float32), weights, additions, a, begin, rank, columns,
            HIDDEN, COLUMNS, COLUMNS_BLOCK, MOST, GROUP,
        )  # fmt: skip
