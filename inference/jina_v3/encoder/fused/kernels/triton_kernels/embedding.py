"""A token's embedding: the rows that it is summed from, and the first norm, in one pass over the row."""

from __future__ import annotations

import torch
import triton
import triton.language as tl

from jina_v3.encoder.fused.kernels.interface import EmbeddingTables, NormParameters

_VALUES_A_THREAD = 8
"""Of half precision: 16 bytes, the widest load."""


def embed(
    ids: torch.Tensor, tasks: torch.Tensor, tables: EmbeddingTables, norm: NormParameters, out: torch.Tensor
) -> None:
    """Gather and sum each token's embedding, normalise it, and write it; see ``Kernels.embed``."""
    vocab, hidden = tables.words.shape
    block = triton.next_power_of_2(hidden)
    _embed[(len(ids),)](
        ids,
        tasks,
        tables.words,
        tables.constant,
        tables.a,
        tables.b,
        tables.slots,
        norm.weight,
        norm.bias,
        out,
        out.stride(0),
        vocab,
        norm.eps,
        no_task=len(tables.slots) - 1,
        rank=tables.rank,
        hidden=hidden,
        block=block,
        num_warps=min(max(block // (32 * _VALUES_A_THREAD), 1), 16),
    )


@triton.jit(do_not_specialize_on_alignment=["ids", "tasks"])
def _embed(
    ids,
    tasks,
    words,
    constant,
    a,
    b,
    slots,
    weight,
    bias,
    out,
    out_stride,
    vocab,
    eps,
    no_task: tl.constexpr,
    rank: tl.constexpr,
    hidden: tl.constexpr,
    block: tl.constexpr,
):
    row = tl.program_id(0).to(tl.int64)
    columns = tl.arange(0, block)
    within = columns < hidden
    token = tl.load(ids + row).to(tl.int64)
    task = tl.load(tasks + row)
    task = tl.where(task < 0, no_task, task)
    x = tl.load(words + token * hidden + columns, mask=within, other=0.0).to(tl.float32)
    x += tl.load(constant + task * hidden + columns, mask=within, other=0.0)
    if rank > 0:
        slot = tl.load(slots + task)
        adapted = slot >= 0
        slot = tl.maximum(slot, 0).to(tl.int64)
        for index in tl.static_range(rank):
            # the tasks' A are the size of the word table each: the row's number passes 2³¹ values with a larger rank
            down = tl.load(a + (slot * vocab + token) * rank + index, mask=adapted, other=0.0).to(tl.float32)
            x += down * tl.load(b + (slot * rank + index) * hidden + columns, mask=within & adapted, other=0.0)
    centred = tl.where(within, x - tl.sum(x, 0) / hidden, 0.0)
    variance = tl.sum(centred * centred, 0) / hidden
    y = centred / tl.sqrt_rn(variance + eps)
    y = y * tl.load(weight + columns, mask=within, other=0.0) + tl.load(bias + columns, mask=within, other=0.0)
    tl.store(out + row * out_stride + columns, y.to(out.dtype.element_ty), mask=within)
