"""Our engine in the precisions that trade accuracy for speed, beside the one of this run.

The gate that refuses them on a model where they err too much is not in the way here, but its figures stand beside
the speeds.
"""

from __future__ import annotations

from functools import partial
from math import isinf

import numpy as np

from benchmarks.agreement import cosine_errors
from benchmarks.gpu.bench import Bench
from benchmarks.gpu.checks import MEAN, WORST, check_texts, load_reference
from benchmarks.gpu.forward import pool, to_packs
from benchmarks.gpu.rows import CUT, Row
from benchmarks.gpu.session import UnavailableError
from benchmarks.gpu.throughput import model_flop
from benchmarks.gpu.ungated import accumulate_as, measure_gate
from benchmarks.timing import Variant
from jina_v3.encoder import Encoder
from jina_v3.encoder.gate import GateReport
from jina_v3.tokens.sequences import TokenBatch

PART = "precisions"
OTHERS = ("float8", "float8-mlp", "float16", "float16-fast")
ERROR, GATE = "error", "gate"
BOUND = "1-cos allowed"
PASSES, REFUSES, UNCHECKED = "passed", "**refused**", "not checked"
_LOADING_SHARE = 0.7
"""Of a case's time: no further precision is loaded after it, so that those that are there get their rounds."""


def run(bench: Bench, until: float) -> None:
    """Time packs of one length from ids, each precision in every round, and write down its errors."""
    name = str(bench.plan.precision_length)
    limit_s = until - bench.session.clock()
    try:
        bench.session.case(PART, name, limit_s, lambda: _case(bench, name, limit_s))
    finally:
        accumulate_as(bench.dtype, bench.device)
        bench.engines.drop(*OTHERS)


def _case(bench: Bench, name: str, limit_s: float) -> None:
    session = bench.session
    begun = session.clock()
    engines = {}
    for dtype in dict.fromkeys((bench.dtype, *OTHERS)):
        if session.clock() - begun > _LOADING_SHARE * limit_s:
            session.log.add(Row(PART, name, dtype, CUT, note="no time was left to load it"))
            continue
        engine = bench.engines.ours() if dtype == bench.dtype else bench.engines.in_precision(dtype)
        if engine is not None and session.attempt(PART, name, f"{dtype}, error", partial(_error, bench, dtype, engine)):
            engines[dtype] = engine
    if not engines:
        raise UnavailableError("no precision could be loaded")
    length = bench.plan.precision_length
    lengths = [length] * (bench.plan.packs * bench.plan.pack_tokens // length)
    packs = to_packs(bench.lexicon, bench.lexicon.texts(lengths), bench.plan.pack_tokens)
    variants = [
        Variant(dtype, session.settled(partial(_run, bench, engine, dtype, packs)), model_flop(bench, lengths))
        for dtype, engine in engines.items()
    ]
    left = limit_s - (session.clock() - begun)
    session.rounds(PART, name, sum(lengths), variants, most=bench.plan.rounds, limit_s=left)


def _error(bench: Bench, dtype: str, engine: Encoder) -> bool:
    """Write down how far it lies from float32: on the run's own texts, and what the gate says on its sentences."""
    accumulate_as(dtype, bench.device)
    reference = load_reference(bench)
    if reference is not None:
        texts, _, _ = check_texts(bench)
        _write(bench, ERROR, dtype, cosine_errors(np.asarray(engine.encode(texts)), reference["base"]))
    report = measure_gate(engine, bench.pair.original, dtype)
    bench.session.log.add(
        Row(PART, GATE, dtype, MEAN, report.mean),
        Row(PART, GATE, dtype, WORST, report.worst),
        Row(PART, GATE, dtype, BOUND, None if isinf(report.bound) else report.bound, note=verdict(report)),
    )
    return True


def verdict(report: GateReport) -> str:
    """Return what the gate would do with it."""
    if isinf(report.bound):
        return UNCHECKED
    return PASSES if report.worst <= report.bound else REFUSES


def _write(bench: Bench, case: str, dtype: str, errors: np.ndarray) -> None:
    bench.session.log.add(
        Row(PART, case, dtype, MEAN, float(errors.mean())), Row(PART, case, dtype, WORST, float(errors.max()))
    )


def _run(bench: Bench, engine: Encoder, dtype: str, packs: list[TokenBatch]) -> None:
    accumulate_as(dtype, bench.device)
    pool(engine, packs)
