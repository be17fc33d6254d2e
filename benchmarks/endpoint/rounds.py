"""Interleaved rounds of runs: each begins with another variant than the last, and none that would not fit.

When a round of all variants no longer fits, rounds of those that are never spared go on: ours and the engine, whose
differences are small and want many rounds.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from benchmarks.endpoint.figures import Figures
from benchmarks.timing import show_progress


@dataclass(frozen=True, slots=True)
class Contestant:
    """One way to serve a case; ``spared`` ones sit later rounds out when time is short."""

    name: str
    run: Callable[[], Figures]
    spared: bool = False


def run_rounds(
    contestants: Sequence[Contestant],
    most_rounds: int,
    limit_s: float,
    *,
    label: str = "",
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[tuple[int, str, Figures]]:
    """Yield the number of the round from 1, the name and the figures of every run; the first round is run whole."""
    started, costs_s = clock(), dict[str, float]()
    for index in range(most_rounds):
        chosen = list(contestants)
        if index:
            chosen = _affordable(contestants, costs_s, limit_s - (clock() - started))
        if not chosen:
            break
        shift = index % len(chosen)
        for contestant in (*chosen[shift:], *chosen[:shift]):
            show_progress(f"{label} round {index + 1}/{most_rounds}: {contestant.name}")
            begun = clock()
            figures = contestant.run()
            costs_s[contestant.name] = clock() - begun
            yield index + 1, contestant.name, figures
    show_progress(f"{label}: done in {clock() - started:.0f} s", last=True)


def _affordable(contestants: Sequence[Contestant], costs_s: dict[str, float], left_s: float) -> list[Contestant]:
    for chosen in (list(contestants), [one for one in contestants if not one.spared]):
        if sum(costs_s[one.name] for one in chosen) <= left_s:
            return chosen
    return []
