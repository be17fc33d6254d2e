"""Sums of segments of tokens, in fp32 and always in the same order.

A program sums one segment over 64 columns (128 bytes of each row, a cache line), many rows at once: each of the tile's
rows has a sum of its own, and a fixed tree joins them at the end. So a segment of 8,192 tokens takes 32 steps on each
of 16 multiprocessors, and one of 16 tokens a single small one. A second stage over parts of long segments is not worth
its launch: the pass before it takes hundreds of times as long (an estimate; not measured).
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl

_COLUMNS = 64
_MANY_ROWS = 256
"""A step of long segments; with 8 warps a thread has eight 16-byte loads under way."""
_FEW_ROWS = 32
"""A step of what is left, and of short segments: one 16-byte load a thread."""


def sum_segments(states: torch.Tensor, starts: torch.Tensor, lengths: torch.Tensor, out: torch.Tensor) -> None:
    """Sum each segment's states; see ``Kernels.sum_segments``."""
    segments, dimensions = out.shape
    _sum[(segments, triton.cdiv(dimensions, _COLUMNS))](
        states,
        starts,
        lengths,
        out,
        states.stride(0),
        out.stride(0),
        dimensions,
        hidden=states.shape[1],
        columns=_COLUMNS,
        many=_MANY_ROWS,
        few=_FEW_ROWS,
        num_warps=8,
    )


@triton.jit(do_not_specialize=["out_stride", "dimensions"], do_not_specialize_on_alignment=["starts", "lengths", "out"])
def _sum(
    states,
    starts,
    lengths,
    out,
    states_stride,
    out_stride,
    dimensions,
    hidden: tl.constexpr,
    columns: tl.constexpr,
    many: tl.constexpr,
    few: tl.constexpr,
):
    segment = tl.program_id(0).to(tl.int64)
    column = tl.program_id(1) * columns + tl.arange(0, columns)
    within = (column < hidden)[None, :]  # all of the state's columns may be read, and aligned: the cut is the store's
    start = tl.load(starts + segment).to(tl.int64)
    length = tl.load(lengths + segment)
    first = states + start * states_stride + column[None, :]

    sums = tl.zeros((many, columns), tl.float32)
    offset = 0
    while offset + many <= length:  # no range: the interpreter's has no bounds that are loaded
        rows = (offset + tl.arange(0, many))[:, None]
        sums += tl.load(first + rows * states_stride, mask=within, other=0.0).to(tl.float32)
        offset += many
    rest = tl.zeros((few, columns), tl.float32)
    while offset < length:
        rows = (offset + tl.arange(0, few))[:, None]
        rest += tl.load(first + rows * states_stride, mask=within & (rows < length), other=0.0).to(tl.float32)
        offset += few

    total = tl.sum(sums, 0) + tl.sum(rest, 0)
    tl.store(out + segment * out_stride + column, total, mask=column < dimensions)
