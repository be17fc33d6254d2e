"""Tokens a second by length: ours from ids and from texts, the model alone, the peers, and bare matrix products."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import torch

from benchmarks.agreement import Vectors
from benchmarks.gpu import bench as names
from benchmarks.gpu.bench import Bench, Embed, like_first
from benchmarks.gpu.forward import pool, to_packs
from benchmarks.gpu.session import UnavailableError
from benchmarks.timing import Variant
from benchmarks.variants import DTYPES, MatrixProducts, encoder_flop
from benchmarks.workload import Lengths
from jina_v3.contract import Task
from jina_v3.encoder import Encoder
from jina_v3.tokens.sequences import TokenBatch

PART = "throughput"
_PEER_ROUNDS = 3
_PRODUCT_LAYERS = 3


def run(bench: Bench, until: float) -> None:
    """Time every length and the mixed load."""
    plan = bench.plan
    cases = {str(length): [length] * (plan.packs * plan.pack_tokens // length) for length in plan.lengths}
    cases[f"{plan.mixed_texts} mixed"] = Lengths(longest_tokens=plan.longest_mixed).draw(plan.mixed_texts)
    limits = bench.session.limits(until, [1.0] * len(cases))
    for (name, lengths), limit_s in zip(cases.items(), limits, strict=True):
        bench.session.case(PART, name, limit_s, partial(_case, bench, name, lengths, limit_s))


def _case(bench: Bench, name: str, lengths: Sequence[int], limit_s: float) -> None:
    encoder = bench.engines.ours()
    if encoder is None:
        raise UnavailableError("none of our engines could be loaded with right vectors")
    flop = model_flop(bench, lengths)
    texts = bench.lexicon.texts(lengths)
    settled = bench.session.settled
    variants = [
        Variant(names.FROM_TEXTS, settled(lambda: np.asarray(encoder.encode(texts))), flop),
        *_forward_variants(bench, encoder, texts, flop),
        *product_variants(bench),
    ]
    batch_size = max(1, bench.plan.pack_tokens // max(lengths))
    for peer_name in names.PEERS:
        peer = bench.peer(peer_name)
        if peer is not None:
            run_peer = settled(_embedding(peer, texts, batch_size))
            variants.append(Variant(peer_name, run_peer, flop, max_rounds=_PEER_ROUNDS))
    bench.session.rounds(
        PART, name, sum(lengths), variants, most=bench.plan.rounds, limit_s=limit_s, inspect=like_first()
    )


def _forward_variants(bench: Bench, encoder: Encoder, texts: list[str], flop: float) -> list[Variant]:
    settled = bench.session.settled
    plain = to_packs(bench.lexicon, texts, bench.plan.pack_tokens)
    one_task = to_packs(bench.lexicon, texts, bench.plan.pack_tokens, [Task.TEXT_MATCHING] * len(texts))
    variants = [
        Variant(names.FORWARD, settled(lambda: _without_vectors(encoder, plain)), flop),
        Variant(names.FORWARD_TASK, settled(lambda: _without_vectors(encoder, one_task)), flop),
    ]
    bare = bench.bare()
    if bare is not None:
        variants.append(Variant(names.DEVICE, settled(bare.runs(plain)), flop))
    return variants


def _without_vectors(encoder: Encoder, packs: Sequence[TokenBatch]) -> None:
    pool(encoder, packs)


def _embedding(peer: Embed, texts: list[str], batch_size: int) -> Callable[[], Vectors]:
    return lambda: peer(texts, batch_size)


def product_variants(bench: Bench) -> list[Variant]:
    """Return the model's shapes as bare products, and a square one: what the device gives now."""
    config, plan, dtype = bench.plan.config, bench.plan, bench.dtype
    layers = min(config.layers, _PRODUCT_LAYERS)
    shaped = MatrixProducts(plan.pack_tokens, layers, config.hidden, config.intermediate, dtype, str(bench.device))
    a, b = (torch.randn(plan.square, plan.square, device=bench.device, dtype=DTYPES[dtype]) for _ in range(2))
    settled = bench.session.settled
    return [
        Variant(names.MODEL_PRODUCTS, settled(shaped.plain), shaped.flop),
        Variant(names.SQUARE_PRODUCT, settled(lambda: _multiply(a, b)), 2.0 * plan.square**3),
    ]


def model_flop(bench: Bench, lengths: Sequence[int]) -> float:
    """Return the work of texts of these lengths, padding not counted."""
    config = bench.plan.config
    return encoder_flop(lengths, config.layers, config.hidden, config.intermediate)


@torch.inference_mode()
def _multiply(a: torch.Tensor, b: torch.Tensor) -> None:
    torch.mm(a, b)
