"""What each technique is worth: our engine with one after another switched off, in the same rounds."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from benchmarks.agreement import Vectors
from benchmarks.gpu.bench import Bench, like_first
from benchmarks.gpu.engines import FULL, SDPA
from benchmarks.gpu.forward import pool, to_packs
from benchmarks.gpu.session import UnavailableError
from benchmarks.gpu.throughput import model_flop
from benchmarks.timing import Variant
from jina_v3.contract import Task
from jina_v3.encoder import Encoder
from jina_v3.tokens.sequences import TokenBatch

PART = "waterfall"
COLUMNS = "with the columns of one task"
_MOST_SDPA_TEXTS = 512
"""SDPA is called for every text in every layer: with more, one run would take seconds."""
_QUERY_ROUNDS = 10
"""Times the plan's rounds, for a single query."""


def run(bench: Bench, until: float) -> None:
    """Time packs of each length from ids, those of one length from texts too, and a single query."""
    plan = bench.plan
    cases = []
    for length in plan.waterfall_lengths:
        lengths = [length] * (plan.packs * plan.pack_tokens // length)
        cases.append((f"{length}, ids", lengths, plan.rounds, True))
        if length == plan.waterfall_texts:
            cases.append((f"{length}, texts", lengths, plan.rounds, False))
    cases.append((f"one query of {plan.waterfall_query}", [plan.waterfall_query], _QUERY_ROUNDS * plan.rounds, False))
    limits = bench.session.limits(until, [1.0] * len(cases))
    for (name, lengths, rounds, ids), limit_s in zip(cases, limits, strict=True):
        bench.session.case(PART, name, limit_s, partial(_case, bench, name, lengths, rounds, limit_s, ids=ids))


def _case(bench: Bench, name: str, lengths: Sequence[int], rounds: int, limit_s: float, *, ids: bool) -> None:
    chosen = [one for one in bench.engines.right() if one != SDPA or len(lengths) <= _MOST_SDPA_TEXTS]
    engines = {one: engine for one in chosen if (engine := bench.engines.get(one)) is not None}
    if FULL not in engines:
        raise UnavailableError("the engine with all techniques is not there to compare with")
    texts = bench.lexicon.texts(lengths)
    plain = to_packs(bench.lexicon, texts, bench.plan.pack_tokens)
    one_task = to_packs(bench.lexicon, texts, bench.plan.pack_tokens, [Task.TEXT_MATCHING] * len(texts))
    settled, flop = bench.session.settled, model_flop(bench, lengths)
    if ids:
        variants = [Variant(one, settled(partial(_ids, engine, plain)), flop) for one, engine in engines.items()]
        variants.append(Variant(COLUMNS, settled(partial(_ids, engines[FULL], one_task)), flop))
    else:
        variants = [Variant(one, settled(partial(_texts, engine, texts)), flop) for one, engine in engines.items()]
    bench.session.rounds(PART, name, sum(lengths), variants, most=rounds, limit_s=limit_s, inspect=like_first())


def _ids(engine: Encoder, packs: list[TokenBatch]) -> None:
    pool(engine, packs)


def _texts(engine: Encoder, texts: list[str]) -> Vectors:
    return np.asarray(engine.encode(texts))
