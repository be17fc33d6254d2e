"""What the parts of the benchmark share: sizes, weights, our engines and the peers, loaded once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from benchmarks.agreement import Vectors, WrongVectorsError, cosine_errors, spread
from benchmarks.checkpoint import CheckpointPair
from benchmarks.gpu.engines import Engines
from benchmarks.gpu.forward import BareModel
from benchmarks.gpu.journal import OK
from benchmarks.gpu.packed_native import PackedNativeClass
from benchmarks.gpu.plan import Plan
from benchmarks.gpu.session import Session, UnavailableError
from benchmarks.variants import NativeClass, SentenceTransformers, is_installed
from benchmarks.workload import Lexicon

FORWARD = "ours, ids to vectors"
FORWARD_TASK = "ours, ids to vectors, one task"
DEVICE = "ours, on the device alone"
FROM_TEXTS = "ours, texts to vectors"
SENTENCE_TRANSFORMERS = "sentence-transformers, SDPA"
SENTENCE_TRANSFORMERS_FLASH = "sentence-transformers, flash attention (unpadded)"
NATIVE = "transformers, native class, padded"
PACKED = "native class, packed, varlen attention (unpadded)"
PEERS = (SENTENCE_TRANSFORMERS, SENTENCE_TRANSFORMERS_FLASH, NATIVE, PACKED)
MODEL_PRODUCTS = "matrix product, the model's shapes"
SQUARE_PRODUCT = "matrix product, square"

Embed = Callable[[list[str], int], Vectors]
"""Texts and how many go together, to vectors."""


@dataclass(slots=True)
class Bench:
    """One run in one precision."""

    plan: Plan
    pair: CheckpointPair
    lexicon: Lexicon
    engines: Engines
    session: Session
    dtype: str
    _peers: dict[str, Embed] = field(default_factory=dict)
    _bare: BareModel | None = None

    @property
    def device(self) -> torch.device:
        """Where all is run."""
        return self.session.device

    def peer(self, name: str, *, checked: bool = True) -> Embed | None:
        """Return a peer, or ``None`` for one that is not installed, cannot be loaded or has not been found right."""
        if checked and self.session.journal.outcome(f"checks/{name}/") != OK:
            return None
        if name not in self._peers:
            made = self.session.attempt("load", name, "", lambda: make_peer(name, self))
            if made is None:
                return None
            self._peers[name] = made
        return self._peers[name]

    def bare(self) -> BareModel | None:
        """Return the CUDA engine's model alone."""
        if self._bare is None:
            self._bare = self.session.attempt(
                "load", DEVICE, "", lambda: BareModel(self.pair.original, self.dtype, self.device)
            )
        return self._bare

    def drop(self) -> None:
        """Let all weights go."""
        self.engines.drop()
        self._peers.clear()
        self._bare = None


def make_peer(name: str, bench: Bench) -> Embed:
    """Load a peer. **Raises**: UnavailableError where it is not installed."""
    folder, dtype, device = bench.pair.native, bench.dtype, str(bench.device)
    if name in (NATIVE, PACKED):
        _want("transformers")
        if name == NATIVE:
            native = NativeClass(folder, dtype, device)
            return lambda texts, batch_size: native.encode(texts, batch_size, sort=True)
        packed = PackedNativeClass(folder, dtype, device, bench.plan.pack_tokens)
        return lambda texts, _: packed.encode(texts)
    _want("sentence_transformers")
    attention = "sdpa"
    if name == SENTENCE_TRANSFORMERS_FLASH:
        _want("flash_attn")
        attention = "flash_attention_2"
    return SentenceTransformers(folder, dtype, device, attention).encode


def _want(module: str) -> None:
    if not is_installed(module):
        raise UnavailableError(f"{module} is not installed")


def check_alike(name: str, vectors: Vectors, wanted: Vectors) -> None:
    """Hold vectors in half precision against others: a mistaken order or text would show.

    **Raises**: WrongVectorsError.
    """
    if vectors.shape != wanted.shape or not np.isfinite(vectors).all():
        raise WrongVectorsError(f"{name}: shape {vectors.shape} or values are wrong; expected {wanted.shape}")
    error, distance = float(cosine_errors(vectors, wanted).mean()), spread(wanted)
    if error > distance / 2:
        raise WrongVectorsError(f"{name}: mean 1-cos is {error:.1e} against ours; different texts have {distance:.1e}")


def like_first() -> Callable[[str, Vectors], None]:
    """Return what holds every variant's vectors against those of the first that it is shown."""
    seen: list[Any] = []

    def inspect(name: str, vectors: Vectors) -> None:
        if not seen:
            seen.append(vectors)
        check_alike(name, vectors, seen[0])

    return inspect
