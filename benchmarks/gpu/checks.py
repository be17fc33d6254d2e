"""Whether what the device computes is right, and its rounding no worse than the reference's own.

The reference is our encoder in float32 on the CPU, which the parity tests hold to transformers and peft; the native
class, where it is installed, confirms it here and gives the half-precision error that everything is measured against.
Each combination of the engine's options is checked by itself, and one that is wrong is not timed.
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.agreement import Vectors, WrongVectorsError, check_same, cosine_errors
from benchmarks.gpu.bench import NATIVE, PEERS, Bench
from benchmarks.gpu.engines import COMBINATIONS, FULL, GRAPHS_OFF
from benchmarks.gpu.rows import Row
from benchmarks.gpu.session import UnavailableError
from benchmarks.variants import NativeClass, load_ours
from benchmarks.workload import round_robin_tasks
from jina_v3.contract import Task

PART, COMBINATIONS_PART = "checks", "combinations"
GRAPHS = "graphs on and off"
REFERENCE = "float32 reference"
ALLOWED_RATIO = 1.5
"""A half-precision error may be this many times the native class's own. **Source**: ``docs/contract.md``."""

MEAN, WORST, RATIO, UNEQUAL = "1-cos mean", "1-cos worst", "times the native class's own", "values that differ"
_FP32_TOLERANCE = 1e-6
_HALF_TOLERANCE = 5e-3


def run(bench: Bench, _until: float) -> None:
    """Check the reference, the engine with all techniques and the peers; write down every error.

    None of it is cut while the run lasts, as nothing could be timed without it.
    """
    session = bench.session

    def case(name: str, check: Callable[[], None]) -> None:
        session.case(PART, name, session.deadline - session.clock(), check)

    case(REFERENCE, lambda: _reference(bench))
    reference = load_reference(bench)
    if reference is None:
        return
    case(NATIVE, lambda: _native(bench, reference))
    for name in COMBINATIONS:  # where the full one is wrong, the first that is right stands in for it
        if not bench.engines.right():
            case(name, partial(check_engine, bench, name, reference))
    for name in PEERS:
        case(name, partial(_peer, bench, name, reference))


def run_combinations(bench: Bench, until: float) -> None:
    """Check every other combination; what the targets compare has been checked, and timed, before."""
    session = bench.session
    reference = load_reference(bench)
    if reference is None:
        return
    for name in COMBINATIONS:
        check = partial(check_engine, bench, name, reference)
        session.case(PART, name, until - session.clock(), check)
        if name == GRAPHS_OFF:
            session.case(PART, GRAPHS, until - session.clock(), lambda: _graphs(bench))


def check_texts(bench: Bench) -> tuple[list[str], list[str], list[Task | None]]:
    """Return texts for the base weights, and others with a task for each."""
    lengths = bench.plan.check_lengths
    mix: list[Task | None] = [None, *round_robin_tasks(len(lengths) - 1)]
    return bench.lexicon.texts(lengths, seed=5), bench.lexicon.texts(lengths, tasks=mix, seed=6), mix


def load_reference(bench: Bench) -> dict[str, Vectors] | None:
    """Return the float32 vectors, which the first process of a run leaves in a file."""
    path = _reference_path(bench)
    if not path.is_file():
        return None
    with np.load(path) as found:
        return {name: found[name] for name in found.files}


def _reference_path(bench: Bench) -> Path:
    return bench.pair.original.parent / "reference.npz"


def _reference(bench: Bench) -> None:
    _reference_path(bench).unlink(missing_ok=True)  # an earlier run's
    texts, mixed_texts, mix = check_texts(bench)
    ours = load_ours(bench.pair.original, "float32")
    base = np.asarray(ours.encode(texts))
    mixed = np.asarray(ours.encode(mixed_texts, task=mix))
    del ours
    gc.collect()
    bench.session.attempt(PART, REFERENCE, "transformers", lambda: _confirm(bench, texts, base))
    np.savez(_reference_path(bench), base=base, mixed=mixed)


def _confirm(bench: Bench, texts: list[str], base: Vectors) -> bool:
    try:
        native = NativeClass(bench.pair.native, "float32", str(bench.device))
    except ImportError as error:
        raise UnavailableError(str(error)) from error
    vectors = native.encode(texts, batch_size=4, sort=True)
    _write(bench, REFERENCE, "transformers in float32", cosine_errors(vectors, base))
    check_same("transformers in float32", vectors, base, _FP32_TOLERANCE)
    return True


def _native(bench: Bench, reference: dict[str, Vectors]) -> None:
    native = bench.peer(NATIVE, checked=False)
    if native is not None:
        texts, _, _ = check_texts(bench)
        _write(bench, NATIVE, "base weights", cosine_errors(native(texts, 4), reference["base"]))


def check_engine(bench: Bench, name: str, reference: dict[str, Vectors]) -> None:
    """Hold one engine's vectors against the reference: several texts at once, one by one, and tasks mixed.

    **Raises**: WrongVectorsError; UnavailableError where the engine could not be loaded.
    """
    engine = bench.engines.get(name)
    if engine is None:
        raise UnavailableError("it could not be loaded")
    texts, mixed_texts, mix = check_texts(bench)
    together: dict[str, Callable[[], Vectors]] = {
        "base weights": lambda: np.asarray(engine.encode(texts)),
        "base weights, one by one": lambda: np.concatenate([np.asarray(engine.encode([text])) for text in texts]),
    }
    for what, embed in together.items():
        _hold(bench, name, what, embed(), reference["base"])
    vectors = np.asarray(engine.encode(mixed_texts, task=mix))
    errors = cosine_errors(vectors, reference["mixed"])
    _write(bench, name, "tasks mixed", errors)
    if not errors.max() <= _HALF_TOLERANCE:
        raise WrongVectorsError(f"tasks mixed: 1-cos is {errors.max():.1e}; at most {_HALF_TOLERANCE} is allowed")


def _peer(bench: Bench, name: str, reference: dict[str, Vectors]) -> None:
    embed = bench.peer(name, checked=False)
    if embed is None:
        raise UnavailableError("it could not be loaded")
    texts, _, _ = check_texts(bench)
    _hold(bench, name, "base weights", embed(texts, 4), reference["base"])


def _hold(bench: Bench, name: str, what: str, vectors: Vectors, wanted: Vectors) -> None:
    """Write an error down and hold it to the native class's own, where that is known."""
    if vectors.shape != wanted.shape or not np.isfinite(vectors).all():
        raise WrongVectorsError(f"{what}: shape {vectors.shape} or values are wrong; expected {wanted.shape}")
    errors = cosine_errors(vectors, wanted)
    _write(bench, name, what, errors)
    own = _native_error(bench)
    if own:
        ratio = float(errors.mean()) / own
        bench.session.log.add(Row(PART, name, what, RATIO, ratio))
        if ratio > ALLOWED_RATIO:
            raise WrongVectorsError(f"{what}: the error is {ratio:.2f} times the native class's own {own:.1e}")
    elif errors.max() > _HALF_TOLERANCE:
        raise WrongVectorsError(f"{what}: 1-cos is {errors.max():.1e}; at most {_HALF_TOLERANCE} is allowed")


def _native_error(bench: Bench) -> float | None:
    values = bench.session.results().values(PART, NATIVE, "base weights", MEAN)
    return values[0] if values else None


def _graphs(bench: Bench) -> None:
    """Count the values that are not the same to the bit with graphs and without."""
    on, off = bench.engines.get(FULL), bench.engines.get(GRAPHS_OFF)
    if on is None or off is None:
        raise UnavailableError("one of the two could not be loaded")
    texts, mixed_texts, mix = check_texts(bench)
    for text, task in [*zip(texts, [None] * len(texts), strict=True), *zip(mixed_texts, mix, strict=True)]:
        vectors = [np.asarray(engine.encode([text], task=task)) for engine in (on, off)]
        differing = int((vectors[0] != vectors[1]).sum())
        tokens = len(bench.lexicon.tokenizer.encode(text).ids)
        bench.session.log.add(Row(PART, GRAPHS, str(task or "base weights"), UNEQUAL, float(differing), tokens=tokens))


def _write(bench: Bench, case: str, what: str, errors: np.ndarray) -> None:
    bench.session.log.add(
        Row(PART, case, what, MEAN, float(errors.mean())), Row(PART, case, what, WORST, float(errors.max()))
    )
