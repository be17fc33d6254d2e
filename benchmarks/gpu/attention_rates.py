"""Attention by itself, in every kind that this device has, by length.

Short attention rotates q and k too, so the flash kernel is there with the rotation before it as well. FlashAttention 3
is not among them, see ``flash3.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch

from benchmarks.gpu.bench import Bench
from benchmarks.gpu.device import call_times
from benchmarks.gpu.forward import best_kernels
from benchmarks.gpu.rows import SECONDS, Row
from benchmarks.gpu.session import UnavailableError
from benchmarks.variants import DTYPES
from jina_v3.encoder.fused import attention as attentions
from jina_v3.encoder.fused.inputs import Capacity, Inputs, fill
from jina_v3.tokens.sequences import NO_TASK, TokenSequence, lay_out

PART = "attention"
KINDS = ("flash", "cudnn", "sdpa")
ROTATED, SHORT = "flash, rotation included", "short, rotation included"


def run(bench: Bench, until: float) -> None:
    """Time each kind at each length, in packs of the plan's size."""
    lengths = bench.plan.attention_lengths
    for length, limit_s in zip(lengths, bench.session.limits(until, [1.0] * len(lengths)), strict=True):
        bench.session.case(PART, str(length), limit_s, partial(_case, bench, length))


def _case(bench: Bench, length: int) -> None:
    for kind in (*KINDS, ROTATED, SHORT):
        bench.session.attempt(PART, str(length), kind, partial(_kind, bench, length, kind))


def _kind(bench: Bench, length: int, kind: str) -> bool:
    device, width = bench.device, bench.plan.config.hidden
    texts = max(1, bench.plan.pack_tokens // length)
    inputs, tokens = _inputs(length, texts, device), texts * length
    qkv = torch.randn(tokens, 3 * width, device=device).to(DTYPES[bench.dtype])
    out = torch.empty(tokens, width, dtype=qkv.dtype, device=device)
    attend = torch.inference_mode()(_calls(bench, kind, qkv, inputs, out))
    try:
        attend()
    except ValueError as reason:  # short attention of long texts
        raise UnavailableError(str(reason)) from reason
    times = call_times(attend, bench.plan.repeats, device)
    flop = 4.0 * texts * length * length * width
    bench.session.log.add(*(Row(PART, str(length), kind, SECONDS, t, i, tokens, flop) for i, t in enumerate(times, 1)))
    return True


def _calls(
    bench: Bench, kind: str, qkv: torch.Tensor, inputs: Inputs, out: torch.Tensor
) -> Callable[[], torch.Tensor | None]:
    """Return what attends once. **Raises**: UnavailableError for a kind that cannot be had here."""
    heads = bench.plan.config.heads
    if kind in KINDS:
        if bench.device.type == "cpu" and kind != "sdpa":
            raise UnavailableError(f"{kind} runs on CUDA devices alone")
        named: Any = getattr(attentions, kind, None)
        if named is None:
            raise UnavailableError(f"the engine has no attention of the kind {kind!r}")
        return partial(named, qkv, heads, inputs, out)
    kernels: Any = best_kernels(bench.device)
    rotations = torch.randn(inputs.max_length, qkv.shape[1] // 3 // heads, device=bench.device)
    if kind == SHORT:
        if not hasattr(kernels, "attend_short"):
            raise UnavailableError("the engine has no short attention")
        return partial(kernels.attend_short, qkv, rotations, inputs.positions, heads, inputs.max_length, out)
    if bench.device.type == "cpu":
        raise UnavailableError("flash runs on CUDA devices alone")

    def rotate_and_attend() -> torch.Tensor:
        kernels.rotate_(qkv, rotations, inputs.positions, heads)
        return attentions.flash(qkv, heads, inputs, out)

    return rotate_and_attend


def _inputs(length: int, texts: int, device: torch.device) -> Inputs:
    ids = np.zeros(length, np.int64)
    batch = lay_out([TokenSequence(ids, NO_TASK, ((length, row),)) for row in range(texts)], texts)
    capacity = Capacity.of(batch)
    block = np.empty(capacity.values, np.int32)
    fill(block, capacity, batch)
    return Inputs.view(torch.from_numpy(block).to(device), capacity, adapted=False)
