"""Our engine with FlashAttention 3, where it is installed.

At the end of a run, because it is for the whole process: once torch takes it, its own flash attention is gone.
So it is not beside the others in their rounds, but beside bare products of its own: compare the shares.
"""

from __future__ import annotations

from functools import partial

from benchmarks.gpu import checks
from benchmarks.gpu.bench import Bench
from benchmarks.gpu.engines import FLASH3
from benchmarks.gpu.forward import pool, to_packs
from benchmarks.gpu.session import UnavailableError
from benchmarks.gpu.throughput import model_flop, product_variants
from benchmarks.timing import Variant
from benchmarks.variants import is_installed
from jina_v3.encoder import Encoder
from jina_v3.tokens.sequences import TokenBatch

PART = "flash3"
MODULE = "flash_attn_interface"


def run(bench: Bench, until: float) -> None:
    """Check it, then time every length from ids."""
    session, plan = bench.session, bench.plan
    session.case(PART, "right", until - session.clock(), lambda: _check(bench))
    if session.journal.outcome(f"{PART}/right/") != "ok":
        return
    limits = session.limits(until, [1.0] * len(plan.lengths))
    for length, limit_s in zip(plan.lengths, limits, strict=True):
        session.case(PART, str(length), limit_s, partial(_case, bench, length, limit_s))


def _check(bench: Bench) -> None:
    if not is_installed(MODULE):
        raise UnavailableError(f"{MODULE} is not installed")
    reference = checks.load_reference(bench)
    if reference is None:
        raise UnavailableError("there is no float32 reference to compare with")
    checks.check_engine(bench, FLASH3, reference)


def _case(bench: Bench, length: int, limit_s: float) -> None:
    engine = bench.engines.get(FLASH3)
    if engine is None:
        raise UnavailableError("it could not be loaded")
    lengths = [length] * (bench.plan.packs * bench.plan.pack_tokens // length)
    packs = to_packs(bench.lexicon, bench.lexicon.texts(lengths), bench.plan.pack_tokens)
    run_packs = bench.session.settled(partial(_run, engine, packs))
    variants = [Variant(FLASH3, run_packs, model_flop(bench, lengths)), *product_variants(bench)]
    bench.session.rounds(PART, str(length), sum(lengths), variants, most=bench.plan.rounds, limit_s=limit_s)


def _run(engine: Encoder, packs: list[TokenBatch]) -> None:
    pool(engine, packs)
