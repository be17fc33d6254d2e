"""Interleaved timing: every variant once a round, so that a machine whose speed drifts slows all of them alike.

Only ratios inside a round are compared; the median over rounds and the ratio of the best times are what is
reported. Knows nothing of models.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from benchmarks.agreement import Vectors


@dataclass(frozen=True, slots=True)
class Variant:
    """One way to do the work.

    ``run`` does all of it, tokenising included, and returns ``(texts, dimensions)`` vectors or ``None`` where
    there are none to compare (a bare matrix product). ``work`` is what one run is worth against another variant's
    run (FLOP of both, say); times are divided by it. ``max_rounds`` spares a run's time on slow variants.
    """

    name: str
    run: Callable[[], Vectors | None]
    work: float = 1.0
    max_rounds: int | None = None


@dataclass(slots=True)
class Timings:
    """Seconds of every variant in every round; ``None`` where a variant sat a round out."""

    seconds: dict[str, list[float | None]] = field(default_factory=dict)
    work: dict[str, float] = field(default_factory=dict)

    def ratios(self, slow: str, fast: str) -> list[float]:
        """Return how many times longer ``slow`` took than ``fast`` for equal work, a round each."""
        pairs = zip(self.seconds.get(slow, []), self.seconds.get(fast, []), strict=False)
        scale = self.work.get(fast, 1.0) / self.work.get(slow, 1.0)
        return [s / f * scale for s, f in pairs if s is not None and f is not None]

    def median_ratio(self, slow: str, fast: str) -> float | None:
        """Return the median of the per-round ratios, or ``None`` where the two never shared a round."""
        ratios = self.ratios(slow, fast)
        return statistics.median(ratios) if ratios else None

    def best_ratio(self, slow: str, fast: str) -> float | None:
        """Return the ratio of the two best times, or ``None`` where one of them never ran."""
        best_slow, best_fast = self.best(slow), self.best(fast)
        if best_slow is None or best_fast is None:
            return None
        return best_slow / best_fast * self.work.get(fast, 1.0) / self.work.get(slow, 1.0)

    def best(self, name: str) -> float | None:
        """Return the variant's shortest time in seconds."""
        times = [s for s in self.seconds.get(name, []) if s is not None]
        return min(times) if times else None

    def rounds(self, name: str) -> int:
        """Return the number of rounds that the variant took part in."""
        return sum(s is not None for s in self.seconds.get(name, []))


def interleave(
    variants: Sequence[Variant],
    rounds: int,
    *,
    limit_s: float = float("inf"),
    min_rounds: int = 2,
    label: str = "",
    clock: Callable[[], float] = time.perf_counter,
    inspect: Callable[[str, Vectors], None] | None = None,
) -> Timings:
    """Run every variant once a round, starting each round with another one, and return all times.

    After ``min_rounds`` no round is begun that would not fit into ``limit_s`` seconds. ``inspect`` sees each
    timed run's vectors, outside the timed section.
    """
    timings = Timings({v.name: [] for v in variants}, {v.name: v.work for v in variants})
    started = clock()
    for index in range(rounds):
        spent = clock() - started
        if index >= min_rounds and spent + spent / index > limit_s:
            break
        shift = index % len(variants)
        for variant in (*variants[shift:], *variants[:shift]):
            if variant.max_rounds is not None and index >= variant.max_rounds:
                timings.seconds[variant.name].append(None)
                continue
            show_progress(f"{label} round {index + 1}/{rounds}: {variant.name}")
            begun = clock()
            vectors = variant.run()
            timings.seconds[variant.name].append(clock() - begun)
            if inspect is not None and vectors is not None:
                inspect(variant.name, vectors)
            del vectors  # freeing millions of numbers takes time, which is not the next variant's
    show_progress(f"{label}: {max(map(timings.rounds, timings.seconds), default=0)} rounds done", last=True)
    return timings


def show_progress(message: str, *, last: bool = False) -> None:
    """Write one line to stderr; on a terminal the next one replaces it."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{message[:110]}", end="\n" if last else "", file=sys.stderr, flush=True)
    elif last:
        print(message, file=sys.stderr, flush=True)
