"""The batches that an engine process runs before it is ready: they warm the model up, and say how fast it is."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np

from jina_v3.tokens.sequences import NO_TASK, TokenBatch, TokenSequence, lay_out

if TYPE_CHECKING:
    from jina_v3.encoder import Encoder

_WARM_UP_TOKENS = {"cuda": (16, 64, 512, 4096), "cpu": (16, 256)}
"""Sizes of the batches before ``/ping`` is 200; on CUDA the full budget comes last, so that it is known to fit."""


def warm_up(model: Encoder) -> float:
    """Run batches of growing size, and return how many tokens a second the last of them made, at its best."""
    kind = model.device.partition(":")[0]
    sizes = [size for size in _WARM_UP_TOKENS[kind] if size < model.max_batch_tokens]
    if kind == "cuda":
        sizes.append(model.max_batch_tokens)
    rate = 1.0
    for size in sizes or [model.max_batch_tokens]:
        batch = lay_out(_sequences(model, size), rows=1)
        model.pool(batch)  # the first time also sets things up
        rate = size / min(_time(model, batch) for _ in range(2))
    return rate


def _time(model: Encoder, batch: TokenBatch) -> float:
    """Return the seconds a batch, as many at a time as keep the device busy."""
    started = time.perf_counter()
    for pending in [model.submit(batch) for _ in range(model.in_flight)]:
        pending.result()
    return (time.perf_counter() - started) / model.in_flight


def _sequences(model: Encoder, tokens: int) -> list[TokenSequence]:
    """Return sequences of at most 128 tokens, with an adapter where there is one, that make up ``tokens``."""
    vocabulary = model.sequencer_config.vocabulary
    longest = min(128, model.max_tokens, tokens)
    lengths = [longest] * (tokens // longest) + [tokens % longest]
    return [
        TokenSequence(np.full(length, vocabulary.eos_id), 0 if model.tasks else NO_TASK, ((length, 0),))
        for length in lengths
        if length
    ]
