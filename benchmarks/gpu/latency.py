"""One query at a time: on the device alone, and the whole call."""

from __future__ import annotations

from functools import partial

import numpy as np

from benchmarks.gpu import bench as names
from benchmarks.gpu.bench import Bench, like_first
from benchmarks.gpu.device import call_times
from benchmarks.gpu.forward import pool, to_packs
from benchmarks.gpu.rows import SECONDS, Row
from benchmarks.gpu.session import UnavailableError
from benchmarks.timing import Variant
from jina_v3.encoder import Encoder
from jina_v3.tokens.sequences import TokenBatch

PART = "latency"
DEVICE_GRAPH = "ours, on the device alone, the engine's graph"
DEVICE_EAGER = "ours, on the device alone, launch by launch"
_PEERS_SHARE = 2
"""The peers' calls are one in so many of ours."""


def run(bench: Bench, until: float) -> None:
    """Time single texts of each length."""
    lengths = bench.plan.query_lengths
    for length, limit_s in zip(lengths, bench.session.limits(until, [1.0] * len(lengths)), strict=True):
        bench.session.case(PART, str(length), limit_s, partial(_case, bench, length, limit_s))


def _case(bench: Bench, length: int, limit_s: float) -> None:
    (text,) = bench.lexicon.texts([length])
    bench.session.attempt(PART, str(length), DEVICE_GRAPH, lambda: _on_device(bench, text, length))
    encoder = bench.engines.ours()
    if encoder is None:
        raise UnavailableError("none of our engines could be loaded with right vectors")
    settled = bench.session.settled
    packs = to_packs(bench.lexicon, [text], bench.plan.pack_tokens)
    variants = [
        Variant(names.FROM_TEXTS, settled(lambda: np.asarray(encoder.encode([text])))),
        Variant(names.FORWARD, settled(lambda: _without_vectors(encoder, packs))),
    ]
    peer_calls = max(1, bench.plan.queries // _PEERS_SHARE)
    for name in names.PEERS:
        peer = bench.peer(name)
        if peer is not None:
            variants.append(Variant(name, settled(partial(peer, [text], 1)), max_rounds=peer_calls))
    bench.session.rounds(
        PART, str(length), length, variants, most=bench.plan.queries, limit_s=limit_s, inspect=like_first()
    )


def _on_device(bench: Bench, text: str, length: int) -> bool:
    """Time the replay of the engine's graph between two events of the device, and the kernels launched one by one."""
    bare = bench.bare()
    if bare is None:
        raise UnavailableError("the model alone could not be loaded")
    (pack,) = to_packs(bench.lexicon, [text], length)
    calls = bench.plan.queries
    for name, run in ((DEVICE_GRAPH, bare.replays(pack)), (DEVICE_EAGER, bare.runs([pack]))):
        call_times(run, calls // 10 + 1, bench.device)
        times = call_times(run, calls, bench.device)
        bench.session.log.add(
            *(Row(PART, str(length), name, SECONDS, one, i, length) for i, one in enumerate(times, 1))
        )
    return True


def _without_vectors(encoder: Encoder, packs: list[TokenBatch]) -> None:
    pool(encoder, packs)
