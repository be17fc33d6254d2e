"""vLLM, only where it is installed: it knows one task of this model, text-matching, and is compared on that.

The last part of a run, because it takes a good deal of the device for itself. It has never been run by this program.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from benchmarks.agreement import Vectors
from benchmarks.gpu.bench import Bench, like_first
from benchmarks.gpu.session import UnavailableError
from benchmarks.gpu.throughput import model_flop
from benchmarks.timing import Variant
from benchmarks.variants import is_installed
from jina_v3.contract import PROMPTS, Task

PART = "vllm"
OURS, VLLM = "ours, text-matching", "vLLM, text-matching"
_MEMORY_SHARE = 0.3


def run(bench: Bench, until: float) -> None:
    """Time packs of one length against ours, texts to vectors."""
    length, limit_s = bench.plan.precision_length, until - bench.session.clock()
    bench.session.case(PART, str(length), limit_s, partial(_case, bench, length, limit_s))


def _case(bench: Bench, length: int, limit_s: float) -> None:
    if not is_installed("vllm"):
        raise UnavailableError("vllm is not installed")
    encoder = bench.engines.ours()
    if encoder is None:
        raise UnavailableError("none of our engines could be loaded with right vectors")
    from vllm import LLM  # type: ignore[import-not-found, unused-ignore]

    model: Any = LLM(
        model=str(bench.pair.original), runner="pooling", dtype=bench.dtype, trust_remote_code=True,
        gpu_memory_utilization=_MEMORY_SHARE, max_num_batched_tokens=bench.plan.pack_tokens,
    )  # fmt: skip
    lengths = [length] * (bench.plan.packs * bench.plan.pack_tokens // length)
    task = Task.TEXT_MATCHING
    texts = bench.lexicon.texts(lengths, tasks=[task] * len(lengths))
    flop = model_flop(bench, lengths)

    def theirs() -> Vectors:
        outputs = model.embed([PROMPTS[task] + text for text in texts], use_tqdm=False)
        return np.array([one.outputs.embedding for one in outputs], np.float32)

    variants = [
        Variant(OURS, bench.session.settled(lambda: np.asarray(encoder.encode(texts, task=task))), flop),
        Variant(VLLM, theirs, flop),
    ]
    bench.session.rounds(
        PART, str(length), sum(lengths), variants, most=bench.plan.rounds, limit_s=limit_s, inspect=like_first()
    )
