"""What the CPU benchmark times: each case builds its texts and its variants over one loaded set of models."""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from demo.standin import StandInConfig

from benchmarks.agreement import Vectors, check_same
from benchmarks.checkpoint import CheckpointPair
from benchmarks.timing import Timings, Variant, interleave, show_progress
from benchmarks.variants import (
    MatrixProducts,
    NativeClass,
    SentenceTransformers,
    encoder_flop,
    is_installed,
    load_ours,
)
from benchmarks.workload import Lengths, Lexicon, round_robin_tasks
from jina_v3.contract import Task

OURS = "ours"
NATIVE_GIVEN = "transformers, batch 32 as given"
NATIVE_SORTED = "transformers, batch 32 sorted"
SENTENCE_TRANSFORMERS = "sentence-transformers"
PLAIN_PRODUCT = "matrix product, plain"
PACKED_PRODUCT = "matrix product, oneDNN packed"
BASE, ONE_TASK, FIVE_TASKS = "base weights", "one task", "five-task mix"

PEER_BATCH = 32
BATCH_CANDIDATES = (4, 8, 16, 64)
_PRODUCT_ROWS = 4096
# 1-cos between two correct programs on the same weights, with room for another order of summation
_TOLERANCES = {"float32": 1e-6, "bfloat16": 5e-4, "float16": 1e-4}


def peer_name(batch_size: int) -> str:
    """Name sentence-transformers at a batch size."""
    return f"{SENTENCE_TRANSFORMERS}, batch {batch_size}"


@dataclass(frozen=True, slots=True)
class Measurement:
    """One case's times in one precision, and the worst ``1 - cos`` of each variant against transformers."""

    case: str
    layers: int
    dtype: str
    texts: int
    tokens: int
    timings: Timings
    errors: dict[str, float]


class Models:
    """Every program loaded over one set of weights in one precision, checked to give the same vectors."""

    def __init__(self, pair: CheckpointPair, config: StandInConfig, lexicon: Lexicon, dtype: str) -> None:
        self.config, self.lexicon, self.dtype = config, lexicon, dtype
        show_progress(f"loading {config.layers} layers in {dtype}")
        self.ours = load_ours(pair.original, dtype)
        self.native = NativeClass(pair.native, dtype)
        installed = is_installed("sentence_transformers")
        self.peer = SentenceTransformers(pair.native, dtype) if installed else None

    def check(self, lengths: Sequence[int]) -> None:
        """Compare all programs on a few ragged texts before anything is timed; it also warms them up."""
        texts = self.lexicon.texts(lengths, seed=3)
        wanted = self.native.encode(texts, sort=True)
        check_same(OURS, self.encode_ours(texts), wanted, _TOLERANCES[self.dtype])
        if self.peer is not None:
            check_same(SENTENCE_TRANSFORMERS, self.peer.encode(texts), wanted, _TOLERANCES[self.dtype])

    def encode_ours(self, texts: Sequence[str], tasks: Task | list[Task] | None = None) -> Vectors:
        """Embed with our encoder."""
        return np.asarray(self.ours.encode(list(texts), task=tasks))

    def flop(self, lengths: Sequence[int]) -> float:
        """Return the work of these texts, padding not counted."""
        return encoder_flop(lengths, self.config.layers, self.config.hidden, self.config.intermediate)

    def close(self) -> None:
        """Let the weights go before the next set is loaded."""
        del self.ours, self.native, self.peer
        gc.collect()


def mixed_texts(
    models: Models, case: str, lengths: Sequence[int], *, rounds: int, limit_s: float, batches: Sequence[int]
) -> Measurement:
    """Time ours, both peers and the bare matrix product on texts of mixed lengths.

    The native class without sorting pads the most and takes the longest, so it sits out later rounds.
    """
    texts = models.lexicon.texts(lengths)
    variants = [
        Variant(OURS, lambda: models.encode_ours(texts), work=models.flop(lengths)),
        *_peer_variants(models, texts, batches, models.flop(lengths)),
        Variant(NATIVE_SORTED, lambda: models.native.encode(texts, sort=True), models.flop(lengths), max_rounds=3),
        Variant(NATIVE_GIVEN, lambda: models.native.encode(texts), models.flop(lengths), max_rounds=1),
        *_product_variants(models, min(sum(lengths), _PRODUCT_ROWS)),
    ]
    return _measure(models, case, lengths, variants, rounds, limit_s)


def single_query(models: Models, case: str, tokens: int, *, rounds: int, limit_s: float) -> Measurement:
    """Time one short text by itself."""
    texts = models.lexicon.texts([tokens])
    variants = [
        Variant(OURS, lambda: models.encode_ours(texts)),
        Variant(NATIVE_SORTED, lambda: models.native.encode(texts)),
        *_peer_variants(models, texts, [PEER_BATCH], 1.0),
    ]
    return _measure(models, case, [tokens], variants, rounds, limit_s, min_rounds=min(rounds, 20))


def task_mix(models: Models, case: str, tokens: int, *, rounds: int, limit_s: float) -> Measurement:
    """Time our base weights, one adapter and all five in one batch, each over the same number of tokens.

    The prompts of two tasks count as tokens, so their texts are shorter by as much.
    """
    lengths = Lengths(shortest_tokens=16).draw_total(tokens)
    mix = round_robin_tasks(len(lengths))
    one, plain = models.lexicon.texts(lengths), models.lexicon.texts(lengths)
    mixed = models.lexicon.texts(lengths, tasks=mix)
    for texts, tasks in ((plain, None), (one, Task.TEXT_MATCHING), (mixed, mix)):
        counts = models.ours.encode(texts, task=tasks).token_counts
        assert sum(counts) == tokens, f"{sum(counts)} tokens were embedded, {tokens} wanted"
    variants = [
        Variant(BASE, lambda: models.encode_ours(plain)),
        Variant(ONE_TASK, lambda: models.encode_ours(one, Task.TEXT_MATCHING)),
        Variant(FIVE_TASKS, lambda: models.encode_ours(mixed, mix)),
    ]
    for variant in variants:
        variant.run()
    label = f"{case} {models.dtype}"
    timings = interleave(variants, rounds, limit_s=limit_s, min_rounds=min(rounds, 4), label=label)
    return Measurement(case, models.config.layers, models.dtype, len(lengths), tokens, timings, {})


def best_batches(models: Models, lengths: Sequence[int], keep: int = 2) -> list[int]:
    """Return the batch sizes at which sentence-transformers is fastest on these texts, fastest first."""
    peer = models.peer
    if peer is None:
        return []
    texts = models.lexicon.texts(lengths)
    variants = [Variant(str(size), _encoding(peer, texts, size)) for size in BATCH_CANDIDATES]
    timings = interleave(variants, 2, min_rounds=1, limit_s=30.0, label="best batch size")
    return sorted(BATCH_CANDIDATES, key=lambda size: timings.best(str(size)) or 0.0)[:keep]


def _encoding(peer: SentenceTransformers, texts: Sequence[str], batch_size: int) -> Callable[[], Vectors]:
    return lambda: peer.encode(texts, batch_size)


def _peer_variants(models: Models, texts: Sequence[str], batches: Sequence[int], work: float) -> list[Variant]:
    if models.peer is None:
        return []
    sizes = dict.fromkeys((PEER_BATCH, *batches))
    return [Variant(peer_name(size), _encoding(models.peer, texts, size), work) for size in sizes]


def _product_variants(models: Models, rows: int) -> list[Variant]:
    config = models.config
    products = MatrixProducts(rows, min(config.layers, 3), config.hidden, config.intermediate, models.dtype, "cpu")
    variants = [Variant(PLAIN_PRODUCT, products.plain, products.flop)]
    packed = products.prepacked()
    if packed is not None:
        variants.append(Variant(PACKED_PRODUCT, packed, products.flop))
    return variants


def _measure(
    models: Models,
    case: str,
    lengths: Sequence[int],
    variants: Sequence[Variant],
    rounds: int,
    limit_s: float,
    min_rounds: int = 2,
) -> Measurement:
    """Interleave the variants and hold every timed run's vectors against the native class's."""
    outputs: dict[str, list[Vectors]] = {}
    for variant in variants:
        if variant.name not in (NATIVE_GIVEN, NATIVE_SORTED) and not variant.name.startswith(SENTENCE_TRANSFORMERS):
            variant.run()
    label = f"{case} {models.config.layers} layers {models.dtype}"
    timings = interleave(
        variants,
        rounds,
        limit_s=limit_s,
        min_rounds=min_rounds,
        label=label,
        inspect=lambda name, vectors: outputs.setdefault(name, []).append(vectors),
    )
    wanted = outputs[NATIVE_SORTED][0]
    errors = {
        name: max(check_same(name, vectors, wanted, _TOLERANCES[models.dtype]) for vectors in runs)
        for name, runs in outputs.items()
    }
    return Measurement(case, models.config.layers, models.dtype, len(lengths), sum(lengths), timings, errors)
