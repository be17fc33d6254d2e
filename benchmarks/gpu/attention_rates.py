"""Attention by itself, in every kind that this device has, by length.

FlashAttention 3 is not among them, see ``flash3.py``.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import torch

from benchmarks.gpu.bench import Bench
from benchmarks.gpu.device import call_times
from benchmarks.gpu.rows import SECONDS, Row
from benchmarks.gpu.session import UnavailableError
from benchmarks.variants import DTYPES
from jina_v3.encoder.fused import attention as attentions
from jina_v3.encoder.fused.inputs import Capacity, Inputs, fill
from jina_v3.tokens.sequences import NO_TASK, TokenSequence, lay_out

PART = "attention"
KINDS = ("flash", "cudnn", "sdpa")


def run(bench: Bench, until: float) -> None:
    """Time each kind at each length, in packs of the plan's size."""
    lengths = bench.plan.attention_lengths
    for length, limit_s in zip(lengths, bench.session.limits(until, [1.0] * len(lengths)), strict=True):
        bench.session.case(PART, str(length), limit_s, partial(_case, bench, length))


def _case(bench: Bench, length: int) -> None:
    for kind in KINDS:
        bench.session.attempt(PART, str(length), kind, partial(_kind, bench, length, kind))


def _kind(bench: Bench, length: int, kind: str) -> bool:
    attend: Any = getattr(attentions, kind, None)
    if attend is None:
        raise UnavailableError(f"the engine has no attention of the kind {kind!r}")
    config, device = bench.plan.config, bench.device
    if device.type == "cpu" and kind != "sdpa":
        raise UnavailableError(f"{kind} runs on CUDA devices alone")
    texts = max(1, bench.plan.pack_tokens // length)
    inputs = _inputs(length, texts, device)
    tokens = texts * length
    qkv = torch.randn(tokens, 3 * config.hidden, device=device).to(DTYPES[bench.dtype])
    out = torch.empty(tokens, config.hidden, dtype=qkv.dtype, device=device)
    flop = 4.0 * texts * length * length * config.hidden

    @torch.inference_mode()
    def call() -> None:
        attend(qkv, config.heads, inputs, out)

    call()
    times = call_times(call, bench.plan.repeats, device)
    bench.session.log.add(*(Row(PART, str(length), kind, SECONDS, t, i, tokens, flop) for i, t in enumerate(times, 1)))
    return True


def _inputs(length: int, texts: int, device: torch.device) -> Inputs:
    ids = np.zeros(length, np.int64)
    batch = lay_out([TokenSequence(ids, NO_TASK, ((length, row),)) for row in range(texts)], texts)
    capacity = Capacity.of(batch)
    block = np.empty(capacity.values, np.int32)
    fill(block, capacity, batch)
    return Inputs.view(torch.from_numpy(block).to(device), capacity, adapted=False)
