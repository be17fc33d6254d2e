"""Our engine in the precisions that trade accuracy for speed, beside the one of this run."""

from __future__ import annotations

from functools import partial

import numpy as np

from benchmarks.agreement import cosine_errors
from benchmarks.gpu.bench import Bench
from benchmarks.gpu.checks import MEAN, WORST, check_texts, load_reference
from benchmarks.gpu.forward import pool, to_packs
from benchmarks.gpu.rows import Row
from benchmarks.gpu.session import UnavailableError
from benchmarks.gpu.throughput import model_flop
from benchmarks.timing import Variant
from jina_v3.encoder import Encoder
from jina_v3.tokens.sequences import TokenBatch

PART = "precisions"
OTHERS = ("float8", "float16", "float16-fast")


def run(bench: Bench, until: float) -> None:
    """Time packs of one length from ids, each precision in every round, and write down its error."""
    name = str(bench.plan.precision_length)
    limit_s = until - bench.session.clock()
    bench.session.case(PART, name, limit_s, lambda: _case(bench, name, limit_s))


def _case(bench: Bench, name: str, limit_s: float) -> None:
    engines = {}
    for dtype in (bench.dtype, *OTHERS):
        engine = bench.engines.ours() if dtype == bench.dtype else bench.engines.in_precision(dtype)
        if engine is not None and bench.session.attempt(
            PART, name, f"{dtype}, error", partial(_error, bench, dtype, engine)
        ):
            engines[dtype] = engine
    if not engines:
        raise UnavailableError("no precision could be loaded")
    length = bench.plan.precision_length
    lengths = [length] * (bench.plan.packs * bench.plan.pack_tokens // length)
    packs = to_packs(bench.lexicon, bench.lexicon.texts(lengths), bench.plan.pack_tokens)
    settled = bench.session.settled
    variants = [
        Variant(dtype, settled(partial(_run, engine, packs)), model_flop(bench, lengths))
        for dtype, engine in engines.items()
    ]
    bench.session.rounds(PART, name, sum(lengths), variants, most=bench.plan.rounds, limit_s=limit_s)


def _error(bench: Bench, dtype: str, engine: Encoder) -> bool:
    reference = load_reference(bench)
    if reference is None:
        raise UnavailableError("there is no float32 reference to compare with")
    texts, _, _ = check_texts(bench)
    errors = cosine_errors(np.asarray(engine.encode(texts)), reference["base"])
    bench.session.log.add(
        Row(PART, "error", dtype, MEAN, float(errors.mean())), Row(PART, "error", dtype, WORST, float(errors.max()))
    )
    return True


def _run(engine: Encoder, packs: list[TokenBatch]) -> None:
    pool(engine, packs)
