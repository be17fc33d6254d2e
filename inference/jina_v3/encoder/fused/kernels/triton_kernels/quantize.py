"""Rows to float8 with a scale each: what a scaled product takes. Compute capability ≥ 8.9."""

from __future__ import annotations

import torch
import triton
import triton.language as tl

from jina_v3.encoder.fused.kernels.reference import FLOAT8_LEAST, FLOAT8_MOST

_VALUES_A_THREAD = 16


def quantize_rows(x: torch.Tensor, out: torch.Tensor, scales: torch.Tensor) -> None:
    """Write each row as float8 (e4m3) with a scale of its own; see ``Kernels.quantize_rows``.

    A row is held in registers as two parts, the largest power of two of columns and what is left (a wide row's
    additions): one block would be half empty.
    """
    tokens, width = x.shape
    most = 1 << (width.bit_length() - 1)
    _quantize[(tokens,)](
        x,
        out,
        scales,
        x.stride(0),
        out.stride(0),
        least=FLOAT8_LEAST,
        most=FLOAT8_MOST,
        width=width,
        block=most,
        rest=triton.next_power_of_2(width - most) if width > most else 0,
        num_warps=min(max(most // (32 * _VALUES_A_THREAD), 1), 16),
    )


@triton.jit
def _quantize(
    x,
    out,
    scales,
    x_stride,
    out_stride,
    least: tl.constexpr,
    most: tl.constexpr,
    width: tl.constexpr,
    block: tl.constexpr,
    rest: tl.constexpr,
):
    row = tl.program_id(0).to(tl.int64)
    x += row * x_stride
    out += row * out_stride
    columns = tl.arange(0, block)
    values = tl.load(x + columns).to(tl.float32)
    largest = tl.max(tl.abs(values), 0)
    if rest > 0:
        rest_columns = block + tl.arange(0, rest)
        rest_values = tl.load(x + rest_columns, mask=rest_columns < width, other=0.0).to(tl.float32)
        largest = tl.maximum(largest, tl.max(tl.abs(rest_values), 0))
    scaled = largest > least  # the inverse of less would not be finite
    inverse = most / tl.where(scaled, largest, most)
    tl.store(scales + row, tl.where(scaled, largest / most, 1.0))
    # the product may pass the largest value by a rounding; a NaN must be seen, not become a number
    values = tl.clamp(values * inverse, -most, most, propagate_nan=tl.PropagateNan.ALL)
    tl.store(out + columns, values.to(tl.float8e4nv))
    if rest > 0:
        rest_values = tl.clamp(rest_values * inverse, -most, most, propagate_nan=tl.PropagateNan.ALL)
        tl.store(out + rest_columns, rest_values.to(tl.float8e4nv), mask=rest_columns < width)
