"""What tasks cost: base weights, one task and all five in one batch, over the same tokens."""

from __future__ import annotations

from functools import partial

from benchmarks.gpu.bench import Bench
from benchmarks.gpu.forward import pool, to_packs
from benchmarks.gpu.session import UnavailableError
from benchmarks.gpu.throughput import model_flop
from benchmarks.timing import Variant
from benchmarks.workload import Lengths, round_robin_tasks
from jina_v3.contract import Task
from jina_v3.encoder import Encoder
from jina_v3.tokens.sequences import TokenBatch

PART = "tasks"
BASE, ONE_TASK, FIVE_TASKS = "base weights", "one task", "five-task mix"
_ROUNDS = 4
"""Times the plan's rounds: a twentieth is to be seen."""


def run(bench: Bench, until: float) -> None:
    """Time each number of tokens."""
    sizes = bench.plan.mix_tokens
    for tokens, limit_s in zip(sizes, bench.session.limits(until, [1.0] * len(sizes)), strict=True):
        bench.session.case(PART, str(tokens), limit_s, partial(_case, bench, tokens, limit_s))


def _case(bench: Bench, tokens: int, limit_s: float) -> None:
    encoder = bench.engines.ours()
    if encoder is None:
        raise UnavailableError("none of our engines could be loaded with right vectors")
    lengths = Lengths(shortest_tokens=16).draw_total(tokens)
    texts = bench.lexicon.texts(lengths)
    mixed: list[Task | None] = list(round_robin_tasks(len(lengths)))
    cases: dict[str, list[Task | None]] = {
        BASE: [None] * len(lengths),
        ONE_TASK: [Task.TEXT_MATCHING] * len(lengths),
        FIVE_TASKS: mixed,
    }
    variants = []
    for name, tasks in cases.items():
        packs = to_packs(bench.lexicon, texts, bench.plan.pack_tokens, tasks)
        run_packs = bench.session.settled(partial(_run, encoder, packs))
        variants.append(Variant(name, run_packs, model_flop(bench, lengths)))
    bench.session.rounds(PART, str(tokens), tokens, variants, most=_ROUNDS * bench.plan.rounds, limit_s=limit_s)


def _run(encoder: Encoder, packs: list[TokenBatch]) -> None:
    pool(encoder, packs)
