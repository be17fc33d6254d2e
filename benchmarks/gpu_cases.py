"""What the GPU benchmark times: throughput by length, latency of one query, a mix of tasks."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from demo.standin import StandInConfig

from benchmarks.agreement import Vectors
from benchmarks.timing import Timings, Variant, interleave
from benchmarks.variants import DTYPES, MatrixProducts, SentenceTransformers, encoder_flop
from benchmarks.workload import Lengths, Lexicon, round_robin_tasks
from jina_v3.contract import TASKS, Task
from jina_v3.encoder import Encoder
from jina_v3.tokens.sequences import NO_TASK, TokenSequence, lay_out, pack

FORWARD = "ours, ids to vectors"
FROM_TEXTS = "ours, texts to vectors"
PEER = "sentence-transformers, texts to vectors"
MODEL_PRODUCTS = "matrix product, the model's shapes"
SQUARE_PRODUCT = "matrix product, square"


@dataclass(frozen=True, slots=True)
class Throughput:
    """Times at one length: ``tokens`` and ``flop`` of one run of the model's variants."""

    label: str
    tokens: int
    flop: float
    timings: Timings


@dataclass(frozen=True, slots=True)
class Latency:
    """A single query's percentiles. **Units**: seconds."""

    variant: str
    tokens: int
    p50_s: float
    p99_s: float


@dataclass(frozen=True, slots=True)
class Bench:
    """The encoder under test, its peer where there is one, and the sizes of the run."""

    config: StandInConfig
    lexicon: Lexicon
    encoder: Encoder
    peer: SentenceTransformers | None
    device: str
    pack_tokens: int
    square: int
    rounds: int

    def throughput(self, label: str, lengths: Sequence[int]) -> Throughput:
        """Time texts of these lengths; the peer's batch holds as many padded tokens as one of our packs."""
        texts = self.lexicon.texts(lengths)
        sequences = self._sequences(texts)
        flop = encoder_flop(lengths, self.config.layers, self.config.hidden, self.config.intermediate)
        variants = [
            Variant(FORWARD, self._settled(lambda: self._forward(sequences)), flop),
            Variant(FROM_TEXTS, self._settled(lambda: np.asarray(self.encoder.encode(texts))), flop),
            *self._products(),
        ]
        peer = self.peer
        if peer is not None:
            batch_size = max(1, self.pack_tokens // max(lengths))
            variants.append(Variant(PEER, self._settled(lambda: peer.encode(texts, batch_size)), flop, max_rounds=3))
        for variant in variants:
            variant.run()
        timings = interleave(variants, self.rounds, limit_s=20.0, label=label)
        return Throughput(label, sum(lengths), flop, timings)

    def task_mix(self, label: str, tokens: int) -> Throughput:
        """Time one adapter, all five and none over the same number of tokens, prompts included."""
        lengths = Lengths(shortest_tokens=16).draw_total(tokens)
        mix: list[Task | None] = list(round_robin_tasks(len(lengths)))
        cases: dict[str, list[Task | None]] = {
            "base weights": [None] * len(lengths),
            "one task": [Task.TEXT_MATCHING] * len(lengths),
            "five-task mix": mix,
        }
        flop = encoder_flop(lengths, self.config.layers, self.config.hidden, self.config.intermediate)
        variants = []
        for name, tasks in cases.items():
            # ids without prompts: the same number of tokens is what is to be compared
            sequences = self._sequences(self.lexicon.texts(lengths), tasks)
            variants.append(Variant(name, self._settled(self._forwarding(sequences)), flop))
        for variant in variants:
            variant.run()
        timings = interleave(variants, 4 * self.rounds, limit_s=20.0, label=label)
        return Throughput(label, sum(lengths), flop, timings)

    def latencies(self, tokens: int, calls: int) -> list[Latency]:
        """Time one text by itself, ``calls`` times a variant, in turns."""
        (text,) = self.lexicon.texts([tokens])
        runs: dict[str, Callable[[], Vectors | None]] = {
            FROM_TEXTS: self._settled(lambda: np.asarray(self.encoder.encode([text])))
        }
        peer = self.peer
        if peer is not None:
            runs[PEER] = self._settled(lambda: peer.encode([text]))
        seconds: dict[str, list[float]] = {name: [] for name in runs}
        warm_up = calls // 10 + 1
        for index in range(calls + warm_up):
            for name, run in runs.items():
                begun = time.perf_counter()
                run()
                if index >= warm_up:
                    seconds[name].append(time.perf_counter() - begun)
        return [
            Latency(name, tokens, *(float(p) for p in np.percentile(times, [50, 99])))
            for name, times in seconds.items()
        ]

    def _sequences(self, texts: Sequence[str], tasks: Sequence[Task | None] | None = None) -> list[TokenSequence]:
        encodings = self.lexicon.tokenizer.encode_batch(list(texts))
        ids = [np.array(encoding.ids, dtype=np.int64) for encoding in encodings]
        kinds = tasks or [None] * len(ids)
        return [
            TokenSequence(one, NO_TASK if task is None else TASKS.index(task), ((len(one), row),))
            for row, (one, task) in enumerate(zip(ids, kinds, strict=True))
        ]

    def _forwarding(self, sequences: list[TokenSequence]) -> Callable[[], Vectors]:
        return lambda: self._forward(sequences)

    def _forward(self, sequences: list[TokenSequence]) -> Vectors:
        """Pack, run and pool: all that encode does but tokenising and normalising."""
        batches = pack(sequences, self.encoder.max_batch_tokens)
        sums: Vectors = np.sum([self.encoder.pool(lay_out(batch, len(sequences))) for batch in batches], axis=0)
        return sums

    def _products(self) -> list[Variant]:
        config, dtype = self.config, self.encoder.dtype
        shaped = MatrixProducts(
            self.pack_tokens, min(config.layers, 3), config.hidden, config.intermediate, dtype, self.device
        )
        variants = [Variant(MODEL_PRODUCTS, self._settled(shaped.plain), shaped.flop)]
        a, b = (torch.randn(self.square, self.square, device=self.device, dtype=DTYPES[dtype]) for _ in range(2))
        variants.append(Variant(SQUARE_PRODUCT, self._settled(lambda: _multiply(a, b)), 2.0 * self.square**3))
        return variants

    def _settled(self, run: Callable[[], Vectors | None]) -> Callable[[], Vectors | None]:
        """Wait for the device after the run, so that wall time is the device's time."""

        def settled() -> Vectors | None:
            vectors = run()
            if self.device != "cpu":
                torch.cuda.synchronize(self.device)
            return vectors

        return settled


@torch.inference_mode()
def _multiply(a: torch.Tensor, b: torch.Tensor) -> None:
    torch.mm(a, b)
