"""Whether what the device computes is right, and its rounding no worse than the reference's own.

The reference is our encoder in float32 on the CPU, which the parity tests hold to transformers and peft; the native
class, where it is installed, confirms it here and gives the half-precision error that ours is measured against.
"""

from __future__ import annotations

import gc
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.agreement import Vectors, WrongVectorsError, check_same, cosine_errors
from benchmarks.checkpoint import CheckpointPair
from benchmarks.variants import NativeClass, is_installed, load_ours
from benchmarks.workload import Lexicon, round_robin_tasks
from jina_v3.contract import Task
from jina_v3.encoder import Encoder

ALLOWED_RATIO = 1.5
"""Our half-precision error may be this many times the native class's own. **Source**: ``docs/contract.md``."""

_FP32_TOLERANCE = 1e-6
_TASK_TOLERANCE = 5e-3


@dataclass(frozen=True, slots=True)
class Check:
    """One comparison: the mean and the worst ``1 - cos`` over its texts, and what the mean is held to."""

    name: str
    mean: float
    worst: float
    allowed: str


def check_vectors(
    pair: CheckpointPair, lexicon: Lexicon, ours: Encoder, lengths: Sequence[int], device: str
) -> list[Check]:
    """Compare the loaded encoder on its device with float32 on the CPU, with and without tasks.

    **Raises**: ``WrongVectorsError`` where a bound is broken: nothing after it is worth timing.
    """
    texts = lexicon.texts(lengths, seed=5)
    mix: list[Task | None] = [None, *round_robin_tasks(len(lengths) - 1)]
    mixed_texts = lexicon.texts(lengths, tasks=mix, seed=6)
    reference = load_ours(pair.original, "float32")
    wanted = np.asarray(reference.encode(texts))
    wanted_mixed = np.asarray(reference.encode(mixed_texts, task=mix))
    del reference
    gc.collect()
    base = np.asarray(ours.encode(texts))
    mixed = np.asarray(ours.encode(mixed_texts, task=mix))
    check_same("ours, tasks mixed", mixed, wanted_mixed, _TASK_TOLERANCE)
    checks = [
        _check(f"ours, {ours.dtype} on {device}, base weights", base, wanted, "see below"),
        _check(f"ours, {ours.dtype} on {device}, tasks mixed", mixed, wanted_mixed, f"worst {_TASK_TOLERANCE:.0e}"),
    ]
    if is_installed("transformers"):
        checks += _native_checks(pair, ours, texts, wanted, checks[0], device)
    return checks


def _native_checks(
    pair: CheckpointPair, ours: Encoder, texts: list[str], wanted: Vectors, base: Check, device: str
) -> list[Check]:
    exact = NativeClass(pair.native, "float32", device).encode(texts, batch_size=4, sort=True)
    check_same("transformers in float32", exact, wanted, _FP32_TOLERANCE)
    half = NativeClass(pair.native, ours.dtype, device).encode(texts, batch_size=4, sort=True)
    own = _check(f"transformers, {ours.dtype} on {device}, base weights", half, wanted, "the reference's own error")
    ratio = base.mean / own.mean if own.mean else 1.0
    if ours.dtype != "float32" and ratio > ALLOWED_RATIO:
        raise WrongVectorsError(
            f"our {ours.dtype} error is {ratio:.2f} times the native class's own ({base.mean:.1e} against "
            f"{own.mean:.1e}); at most {ALLOWED_RATIO} is allowed"
        )
    return [
        _check(f"transformers, float32 on {device}, base weights", exact, wanted, f"worst {_FP32_TOLERANCE:.0e}"),
        own,
        Check(f"our error as a multiple of transformers' own: {ratio:.2f}", base.mean, base.worst, f"{ALLOWED_RATIO}×"),
    ]


def _check(name: str, vectors: Vectors, wanted: Vectors, allowed: str) -> Check:
    errors = cosine_errors(vectors, wanted)
    return Check(name, float(errors.mean()), float(errors.max()), allowed)
