"""What the engine is to reach, and whether a run has reached it."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.gpu import bench as names
from benchmarks.gpu import checks, latency, precisions, task_mix, throughput
from benchmarks.gpu.engines import COMBINATIONS
from benchmarks.gpu.peaks import find_peak
from benchmarks.gpu.rows import FAILED, Results
from benchmarks.report import NOT_MEASURED

Measure = Callable[[Results], float | None]


@dataclass(frozen=True, slots=True)
class Target:
    """A bound on one figure of a run. ``shown`` writes the figure with its unit."""

    title: str
    against: str
    bound: float
    measure: Measure
    shown: Callable[[float], str]
    at_most: bool = False
    precision: str = ""
    """Whose speed it is, where a speed without accuracy is no feature."""

    def row(self, results: Results) -> list[str]:
        """Return the table's row."""
        wanted = f"{'≤' if self.at_most else '≥'}{self.shown(self.bound)}"
        value = self.measure(results)
        if value is None:
            return [self.title, self.against, wanted, "", NOT_MEASURED]
        if results.facts().get("smoke") == "yes":
            return [self.title, self.against, wanted, self.shown(value), "no meaning: smoke run"]
        reached = value <= self.bound if self.at_most else value >= self.bound
        verdict = "reached" if reached else "**not reached**"
        if self.precision:
            verdict += f"; {gate_verdict(results, self.precision) or 'accuracy not measured'}"
        return [self.title, self.against, wanted, self.shown(value), verdict]


def gate_verdict(results: Results, precision: str) -> str | None:
    """Return what the accuracy gate says of a precision on the run's weights."""
    rows = [row for row in results.of(precisions.PART, precisions.BOUND) if row.variant == precision]
    return f"{rows[-1].note} by the accuracy gate" if rows else None


def rate(results: Results, part: str, case: str, variant: str) -> float | None:
    """Return tokens a second by the median time."""
    times = results.values(part, case, variant)
    return results.tokens(part, case) / statistics.median(times) if times else None


def _h200_rate(results: Results, part: str, case: str, variant: str) -> float | None:
    return rate(results, part, case, variant) if "H200" in results.facts().get("device", "") else None


def peak_share(results: Results, case: str, variant: str = names.FORWARD) -> float | None:
    """Return the share of the datasheet's rate by the median time."""
    peak = find_peak(results.facts().get("device", ""))
    times = results.values(throughput.PART, case, variant)
    if peak is None or not times:
        return None
    return results.timings(throughput.PART, case).work[variant] / statistics.median(times) / 1e12 / peak.tflops


def percentile(results: Results, case: str, variant: str, percent: float) -> float | None:
    """Return a percentile of a query's times. **Units**: seconds."""
    times = results.values(latency.PART, case, variant)
    return float(np.percentile(times, percent)) if times else None


def _share(case: str, bound: float, title: str = "") -> Target:
    return Target(
        title or f"packs of {case} tokens a text", "datasheet's peak", bound,
        lambda results: peak_share(results, case), lambda value: f"{value:.1%}",
    )  # fmt: skip


def _rate(case: str, bound: float) -> Target:
    return Target(
        f"packs of {case} tokens a text", "on an H200", bound,
        lambda results: _h200_rate(results, throughput.PART, case, names.FORWARD), _tokens,
    )  # fmt: skip


def _faster(case: str, peer: str, bound: float) -> Target:
    return Target(
        f"texts of {case} tokens, faster than", peer, bound,
        lambda results: results.timings(throughput.PART, case).median_ratio(peer, names.FROM_TEXTS), _times,
    )  # fmt: skip


def _query(case: str) -> Target:
    return Target(
        f"one query of {case} tokens, p50 on the device alone", "", 1e-3,
        lambda results: percentile(results, case, latency.DEVICE_GRAPH, 50), _milliseconds, at_most=True,
    )  # fmt: skip


def _mix(case: str) -> Target:
    return Target(
        f"five-task mix of {case} tokens, time against", task_mix.ONE_TASK, 1.05,
        lambda results: results.timings(task_mix.PART, case).median_ratio(task_mix.FIVE_TASKS, task_mix.ONE_TASK),
        _times, at_most=True,
    )  # fmt: skip


def _tokens(value: float) -> str:
    return f"{value / 1e3:,.0f}k tokens/s"


def _times(value: float) -> str:
    return f"{value:.2f}×"


def _count(value: float) -> str:
    return f"{value:.0f}"


def _milliseconds(value: float) -> str:
    return f"{value * 1e3:.2f} ms"


def _wrong_combinations(results: Results) -> float | None:
    checked = {row.case for row in results.of(checks.PART, checks.MEAN)} & set(COMBINATIONS)
    wrong = {row.case for row in results.of(checks.PART, FAILED)} & set(COMBINATIONS)
    return float(len(wrong)) if checked else None


def _changed_by_graphs(results: Results) -> float | None:
    values = [row.value for row in results.of(checks.PART, checks.UNEQUAL) if row.value is not None]
    return sum(values) if values else None


_STRETCH = "… as far as the best known engine of this geometry comes"
TARGETS: tuple[Target, ...] = (
    _share("128", 0.52),
    _rate("128", 834e3),
    _share("512", 0.52),
    _rate("512", 786e3),
    _share("16", 0.45),
    _share("2048", 0.45),
    _share("8192", 0.42),
    _share("128", 0.63, f"{_STRETCH}, 128 tokens a text"),
    _share("512", 0.63, f"{_STRETCH}, 512 tokens a text"),
    Target(
        "packs of 512 tokens a text in float8", "on an H200", 1e6,
        lambda results: _h200_rate(results, precisions.PART, "512", "float8"), _tokens, precision="float8",
    ),
    *(_query(case) for case in ("16", "128")),
    *(_mix(case) for case in ("128", "2000", "16384")),
    *(
        _faster(case, peer, bound)
        for peer in (names.SENTENCE_TRANSFORMERS, names.SENTENCE_TRANSFORMERS_FLASH, names.PACKED)
        for case, bound in (("16", 2.0), ("128", 2.0), ("512", 1.3))
    ),
    Target(
        "combinations of options with wrong vectors", "float32 reference", 0, _wrong_combinations, _count, at_most=True
    ),
    Target(
        "values that graphs change by a bit or more", "the same without graphs", 0, _changed_by_graphs, _count,
        at_most=True,
    ),
)  # fmt: skip


def target_rows(results: Results, targets: Sequence[Target] = TARGETS) -> list[list[str]]:
    """Return one row a target."""
    return [target.row(results) for target in targets]
