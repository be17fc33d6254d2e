"""Attention for packs of short sequences, rotary positions included.

The flash kernels for sequences of varied lengths give every sequence and head a tile of 128 rows, most of which a
short text leaves empty. Here a tile is 64 neighbouring tokens, whatever sequences they are of: their scores against
all keys of these sequences are computed, and those of other sequences masked. A token's sequence is known by the row
at which it begins: its own row less its position.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl

from jina_v3.encoder.fused.kernels.reference import SHORT_MOST

BLOCK_M = 64
"""Tokens of a tile: what one warpgroup's matrix product takes (Hopper); smaller tiles load their edges' keys twice."""

BLOCK_N = 32
"""Keys of a step: sequences that begin before the tile or end behind it cost one step more, which should be small."""

WARPS = 4

STAGES = 1
"""No loads ahead: they would take registers and instructions, where other programs of the same multiprocessor wait in
turn (128 registers, so four of them on Hopper). An estimate from the compiled code, not measured."""


@triton.jit
def _rotated(x, row_offsets, present, rotations, positions, DIM: tl.constexpr, WIDTH: tl.constexpr):
    """Load a head's channels of some rows and rotate them; return both halves, each ``(rows, WIDTH)``."""
    channels = tl.arange(0, WIDTH)[None, :]
    mask = present[:, None]
    if WIDTH != DIM // 2:
        mask = mask & (channels < DIM // 2)
    places = x + row_offsets[:, None] + channels
    angles = rotations + positions[:, None] * DIM + channels
    first = tl.load(places, mask=mask, other=0.0).to(tl.float32)
    second = tl.load(places + DIM // 2, mask=mask, other=0.0).to(tl.float32)
    cosines = tl.load(angles, mask=mask, other=0.0)
    sines = tl.load(angles + DIM // 2, mask=mask, other=0.0)
    half = x.dtype.element_ty
    return (first * cosines - second * sines).to(half), (second * cosines + first * sines).to(half)


@triton.jit
def _attend(
    q_first, q_second, row_sequences, qkv, rotations, positions, head, key_start, key_end, tokens,
    QKV_STRIDE: tl.constexpr, HEADS: tl.constexpr, DIM: tl.constexpr, WIDTH: tl.constexpr,
    BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr, CLEAN: tl.constexpr,
):  # fmt: skip
    """Return the tile's states, ``(rows, 2 · WIDTH)`` fp32.

    ``CLEAN``: values that are no numbers act on their own sequence alone, by way of the score; without it they make
    NaN of the whole tile, for a weight of zero times such a value is NaN.
    """
    scale: tl.constexpr = 1.4426950408889634 * DIM**-0.5  # the softmax is to base 2
    k = qkv + key_start.to(tl.int64) * QKV_STRIDE + (HEADS + head) * DIM  # rows × stride may need 64 bits
    v = k + HEADS * DIM
    channels = tl.arange(0, 2 * WIDTH)[None, :]
    most = tl.full((BLOCK_M,), -1e30, tl.float32)  # finite: a row may have no key in the first steps
    total = tl.zeros((BLOCK_M,), tl.float32)
    states = tl.zeros((BLOCK_M, 2 * WIDTH), tl.float32)
    for begin in tl.range(key_start, key_end, BLOCK_N):
        keys = begin + tl.arange(0, BLOCK_N)
        key_present = (keys < key_end) & (keys < tokens)
        key_positions = tl.load(positions + keys, mask=key_present, other=0)
        key_offsets = (keys - key_start) * QKV_STRIDE
        k_first, k_second = _rotated(k, key_offsets, key_present, rotations, key_positions, DIM, WIDTH)
        mask = key_present[:, None]
        if 2 * WIDTH != DIM:
            mask = mask & (channels < DIM)
        values = tl.load(v + key_offsets[:, None] + channels, mask=mask, other=0.0)

        scores = tl.dot(q_first, tl.trans(k_first), input_precision="ieee")
        scores = tl.dot(q_second, tl.trans(k_second), scores, input_precision="ieee")
        if CLEAN:
            finite = tl.abs(values.to(tl.float32)) < float("inf")
            broken = tl.max(tl.where(finite, 0, 1), 1) != 0
            values = tl.where(finite, values, 0.0)
            scores = tl.where(broken[None, :], float("nan"), scores)
        scores = tl.where(row_sequences[:, None] == (keys - key_positions)[None, :], scores, float("-inf"))
        new_most = tl.maximum(most, tl.max(scores, 1))
        weights = tl.exp2(scores * scale - (new_most * scale)[:, None])
        kept = tl.exp2((most - new_most) * scale)
        total = total * kept + tl.sum(weights, 1)
        states = tl.dot(weights.to(values.dtype), values, states * kept[:, None], input_precision="ieee")
        most = new_most
    return states * (1.0 / total)[:, None]


@triton.jit(do_not_specialize=["tokens"])
def _attend_short(
    qkv, rotations, positions, out, tokens,
    QKV_STRIDE: tl.constexpr, OUT_STRIDE: tl.constexpr,
    HEADS: tl.constexpr, DIM: tl.constexpr, WIDTH: tl.constexpr, LONGEST: tl.constexpr,
    BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr,
):  # fmt: skip
    """Attend for one tile of rows and one head. Grid: heads × tiles, so that neighbours read the same rows."""
    head, tile_start = tl.program_id(0), tl.program_id(1) * BLOCK_M
    tile_end = tile_start + BLOCK_M
    local = tl.arange(0, BLOCK_M)
    rows = tile_start + local
    present = rows < tokens
    row_positions = tl.load(positions + rows, mask=present, other=0)
    row_sequences = rows - row_positions

    # the keys: from the begin of the first row's sequence to the first sequence that begins behind the tile
    key_start = tile_start - tl.load(positions + tile_start)
    ahead = tile_end + tl.arange(0, LONGEST)
    ahead_positions = tl.load(positions + ahead, mask=ahead < tokens, other=0)
    key_end = tl.min(tl.where(ahead_positions == 0, ahead, tile_end + LONGEST), 0)

    q = qkv + tile_start.to(tl.int64) * QKV_STRIDE + head * DIM
    q_first, q_second = _rotated(q, local * QKV_STRIDE, present, rotations, row_positions, DIM, WIDTH)
    states = _attend(
        q_first, q_second, row_sequences, qkv, rotations, positions, head, key_start, key_end, tokens,
        QKV_STRIDE, HEADS, DIM, WIDTH, BLOCK_M, BLOCK_N, CLEAN=False,
    )  # fmt: skip
    sums = tl.sum(states, 1)
    if tl.max(tl.where(sums == sums, 0, 1), 0) != 0:  # rare: something here is no number
        states = _attend(
            q_first, q_second, row_sequences, qkv, rotations, positions, head, key_start, key_end, tokens,
            QKV_STRIDE, HEADS, DIM, WIDTH, BLOCK_M, BLOCK_N, CLEAN=True,
        )  # fmt: skip

    channels = tl.arange(0, 2 * WIDTH)[None, :]
    mask = present[:, None]
    if 2 * WIDTH != DIM:
        mask = mask & (channels < DIM)
    places = out + tile_start.to(tl.int64) * OUT_STRIDE + head * DIM + local[:, None] * OUT_STRIDE + channels
    tl.store(places, states.to(out.dtype.element_ty), mask=mask)


def attend_short(
    qkv: torch.Tensor, rotations: torch.Tensor, positions: torch.Tensor, heads: int, longest: int, out: torch.Tensor
) -> None:
    """See :class:`~jina_v3.encoder.fused.kernels.interface.Kernels`."""
    tokens, width = qkv.shape
    if not 1 <= longest <= SHORT_MOST:
        raise ValueError(f"the longest sequence has {longest} tokens; short attention is for 1 to {SHORT_MOST}")
    if width % (6 * heads) or rotations.shape[1] * heads * 3 != width:
        raise ValueError(
            f"{width} columns of q, k and v for {heads} heads do not fit rotations of {rotations.shape[1]} channels"
        )
    if out.shape != (tokens, width // 3) or positions.shape != (tokens,):
        raise ValueError(
            f"qkv {tuple(qkv.shape)} needs out {(tokens, width // 3)}, not {tuple(out.shape)}, "
            f"and positions {(tokens,)}, not {tuple(positions.shape)}"
        )
    if not (qkv.dtype == out.dtype and rotations.dtype == torch.float32 and positions.dtype == torch.int32):
        raise ValueError(
            f"qkv {qkv.dtype}, out {out.dtype}, rotations {rotations.dtype}, positions {positions.dtype}: "
            "qkv and out must be of one dtype, rotations float32, positions int32"
        )
    if qkv.stride(1) != 1 or out.stride(1) != 1 or not rotations.is_contiguous() or not positions.is_contiguous():
        raise ValueError("within a row of qkv and out values must be neighbours, rotations and positions contiguous")
    dim = rotations.shape[1]
    _attend_short[(heads, triton.cdiv(tokens, BLOCK_M))](
        qkv, rotations, positions, out, tokens, QKV_STRIDE=qkv.stride(0), OUT_STRIDE=out.stride(0), HEADS=heads,
        DIM=dim, WIDTH=max(16, triton.next_power_of_2(dim // 2)), LONGEST=SHORT_MOST,
        BLOCK_M=BLOCK_M, BLOCK_N=BLOCK_N, num_warps=WARPS, num_stages=STAGES,
    )  # fmt: skip
