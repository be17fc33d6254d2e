"""The device's memory at its peak while long documents are embedded: ours, and the peers with their own defaults.

Each is loaded by itself. What the CUDA context and the libraries take beside torch is not in it.
"""

from __future__ import annotations

import gc
import time
from functools import partial

import numpy as np
import torch

from benchmarks.gpu.bench import FROM_TEXTS, PEERS, Bench, Embed, make_peer
from benchmarks.gpu.engines import FULL
from benchmarks.gpu.rows import SECONDS, Row
from benchmarks.gpu.session import UnavailableError
from benchmarks.variants import load_ours

PART = "memory"
ALLOCATED, RESERVED, BEFORE = "bytes allocated", "bytes reserved", "bytes before loading"
_BATCH_SIZE = 32
"""What sentence-transformers embeds together unless told otherwise."""


def run(bench: Bench, until: float) -> None:
    """Measure each contender at each number of documents."""
    bench.drop()
    contenders = (FROM_TEXTS, *PEERS)
    limits = bench.session.limits(until, [1.0] * len(contenders))
    for name, limit_s in zip(contenders, limits, strict=True):
        bench.session.case(PART, name, limit_s, partial(_contender, bench, name))


def _contender(bench: Bench, name: str) -> None:
    cuda = bench.device.type == "cuda"
    gc.collect()
    if cuda:
        torch.cuda.empty_cache()
        bench.session.log.add(Row(PART, "before", name, BEFORE, float(torch.cuda.memory_allocated(bench.device))))
    embed = _ours(bench) if name == FROM_TEXTS else make_peer(name, bench)
    for documents in bench.plan.memory_documents:
        bench.session.attempt(PART, str(documents), name, partial(_peak, bench, name, embed, documents, cuda=cuda))


def _ours(bench: Bench) -> Embed:
    if bench.session.journal.outcome(f"checks/{FULL}/") == "failed":
        raise UnavailableError("the engine with all techniques was wrong or could not be loaded")
    encoder = load_ours(bench.pair.original, bench.dtype, str(bench.device))
    return lambda texts, _: np.asarray(encoder.encode(texts))


def _peak(bench: Bench, name: str, embed: Embed, documents: int, *, cuda: bool) -> bool:
    length = bench.plan.memory_length
    texts = bench.lexicon.texts([length] * documents)
    if cuda:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(bench.device)
    begun = time.perf_counter()
    embed(texts, _BATCH_SIZE)
    seconds = time.perf_counter() - begun
    if not cuda:
        raise UnavailableError("torch counts the memory of CUDA devices alone")
    case, tokens = str(documents), documents * length
    bench.session.log.add(
        Row(PART, case, name, SECONDS, seconds, 1, tokens),
        Row(PART, case, name, ALLOCATED, float(torch.cuda.max_memory_allocated(bench.device)), tokens=tokens),
        Row(PART, case, name, RESERVED, float(torch.cuda.max_memory_reserved(bench.device)), tokens=tokens),
    )
    return True
