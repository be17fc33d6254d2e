"""The tasks' additions ``m∘(A·x)`` behind a matrix's columns, which may be copied or activated on the way.

*Rows*: a program has one row and multiplies it with the rows of A that its own task owns; for few tokens.
*Blocks*: a program has many rows, multiplies them with all of A by tensor cores and masks what is not theirs.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl

from jina_v3.encoder.fused.kernels.interface import Adapters
from jina_v3.encoder.fused.kernels.triton_kernels.blocks import (
    find_own,
    gelu,
    group_of,
    load_own,
    warps_for,
    write_additions,
)

BLOCK_ROWS = 32
BLOCK_BYTES = 256
"""Of a row, a step."""
LEAST_DOT = 16
"""tl.dot multiplies nothing smaller."""


def adapt_rows(
    x: torch.Tensor, bias: torch.Tensor | None, adapters: Adapters, tasks: torch.Tensor, out: torch.Tensor
) -> None:
    """Launch a program a row. With ``bias`` the row is activated: GELU(x + bias)."""
    tokens, width = x.shape
    columns = len(adapters.a)
    block = triton.next_power_of_2(width)
    _rows[(tokens,)](
        x, bias, out, adapters.a, adapters.first, adapters.ranks, tasks,
        x.stride(0), out.stride(0), width, block, columns, max(1, triton.next_power_of_2(columns)), adapters.most,
        group_of(adapters.most), len(adapters.first) - 1,
        bias is not None, bias is not None or x.data_ptr() != out.data_ptr(),
        num_warps=warps_for(block),
    )  # fmt: skip


def adapt_blocks(
    x: torch.Tensor, bias: torch.Tensor | None, adapters: Adapters, tasks: torch.Tensor, out: torch.Tensor
) -> None:
    """Launch a program for each :data:`BLOCK_ROWS` rows. With ``bias`` they are activated: GELU(x + bias)."""
    tokens, width = x.shape
    columns = len(adapters.a)
    _blocks[(triton.cdiv(tokens, BLOCK_ROWS),)](
        x, bias, out, adapters.a, adapters.owners, tasks, tokens,
        x.stride(0), out.stride(0), width, columns, max(triton.next_power_of_2(columns), LEAST_DOT),
        bias is not None, bias is not None or x.data_ptr() != out.data_ptr(),
        BLOCK_ROWS, max(LEAST_DOT, min(BLOCK_BYTES // x.itemsize, triton.next_power_of_2(width))),
        num_warps=4, num_stages=3,
    )  # fmt: skip


@triton.jit
def _rows(
    x, bias, out, a, first, ranks, tasks,
    X_STRIDE: tl.constexpr, OUT_STRIDE: tl.constexpr, WIDTH: tl.constexpr, BLOCK: tl.constexpr,
    COLUMNS: tl.constexpr, COLUMNS_BLOCK: tl.constexpr, MOST: tl.constexpr, GROUP: tl.constexpr,
    TASKS: tl.constexpr, ACTIVATE: tl.constexpr, WRITE: tl.constexpr,
):  # fmt: skip
    row = tl.program_id(0)
    far = row.to(tl.int64)
    columns = tl.arange(0, BLOCK)
    inside = (columns < WIDTH)[None, :]
    value = tl.load(x + far * X_STRIDE + columns[None, :], mask=inside, other=0.0)
    if ACTIVATE:
        added = tl.load(bias + columns[None, :], mask=inside, other=0.0)
    begin, rank = find_own(tasks, first, ranks, row, TASKS)
    weights = load_own(a, begin, rank, columns, 0, WIDTH, GROUP)
    if ACTIVATE:
        value = gelu(value.to(tl.float32) + added).to(out.dtype.element_ty)
    if WRITE:
        tl.store(out + far * OUT_STRIDE + columns[None, :], value, mask=inside)
    write_additions(
        value.to(tl.float32), weights, out + far * OUT_STRIDE + WIDTH, a, begin, rank, columns,
        WIDTH, COLUMNS, COLUMNS_BLOCK, MOST, GROUP,
    )  # fmt: skip


@triton.jit(do_not_specialize=["tokens"])
def _blocks(
    x, bias, out, a, owners, tasks, tokens,
    X_STRIDE: tl.constexpr, OUT_STRIDE: tl.constexpr, WIDTH: tl.constexpr, COLUMNS: tl.constexpr,
    COLUMNS_BLOCK: tl.constexpr, ACTIVATE: tl.constexpr, WRITE: tl.constexpr,
    BLOCK_ROWS: tl.constexpr, BLOCK_WIDTH: tl.constexpr,
):  # fmt: skip
    rows = tl.program_id(0) * BLOCK_ROWS + tl.arange(0, BLOCK_ROWS)
    live = rows < tokens
    far = rows.to(tl.int64)[:, None]
    column = tl.arange(0, COLUMNS_BLOCK)
    there = column < COLUMNS
    sums = tl.zeros((BLOCK_ROWS, COLUMNS_BLOCK), tl.float32)
    for begin in range(0, WIDTH, BLOCK_WIDTH):
        columns = begin + tl.arange(0, BLOCK_WIDTH)
        inside = columns < WIDTH
        mask = live[:, None] & inside[None, :]
        value = tl.load(x + far * X_STRIDE + columns[None, :], mask=mask, other=0.0)
        if ACTIVATE:
            added = value.to(tl.float32) + tl.load(bias + columns[None, :], mask=inside[None, :], other=0.0)
            value = gelu(added).to(out.dtype.element_ty)
        if WRITE:
            tl.store(out + far * OUT_STRIDE + columns[None, :], value, mask=mask)
        weights = tl.load(
            a + column[:, None] * WIDTH + columns[None, :], mask=there[:, None] & inside[None, :], other=0.0
        )
        sums = tl.dot(value, weights.T, sums, input_precision="ieee")  # of use in fp32 alone
    owner = tl.load(owners + column, mask=there, other=-2)
    task = tl.load(tasks + rows, mask=live, other=-1)
    additions = tl.where(task[:, None] == owner[None, :], sums, 0.0).to(out.dtype.element_ty)
    tl.store(out + far * OUT_STRIDE + WIDTH + column[None, :], additions, mask=live[:, None] & there[None, :])
