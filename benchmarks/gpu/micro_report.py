"""Tables of the kernels, products and attention by themselves; the engine's constants are set from them."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Sequence

from benchmarks.gpu import attention_rates, kernel_rates, product_rates
from benchmarks.gpu.rows import SECONDS, Results

Section = Callable[[str, Sequence[str], Iterable[Sequence[str]]], list[str]]


def sections(results: Results, section: Section) -> list[str]:
    """Return the four tables."""
    lines = section(
        "Kernels by themselves", ["kernel", "of", "rows", "GB/s", "of a copy on the device"], kernel_rows(results)
    )
    few, many = kernel_rates.FEW, kernel_rates.MANY
    lines += section(
        "Few rows or many", ["tokens", "kernel", f"{few}, µs", f"{many}, µs", "faster"], crossover_rows(results)
    )
    lines += section("Products by themselves", ["product", "way", "rows", "TFLOP/s"], flop_rows(results))
    lines += section("Attention by itself", ["tokens a text", "kind", "TFLOP/s", "µs"], attention_rows(results))
    return lines


def _medians(results: Results, part: str) -> dict[tuple[str, str], tuple[float, float, int]]:
    """Return by case and variant: median seconds, work, tokens."""
    times: dict[tuple[str, str], list[float]] = {}
    work: dict[tuple[str, str], tuple[float, int]] = {}
    for row in results.of(part, SECONDS):
        if row.value is not None:
            times.setdefault((row.case, row.variant), []).append(row.value)
            work[row.case, row.variant] = (row.work, row.tokens)
    return {key: (statistics.median(values), *work[key]) for key, values in times.items()}


def kernel_rows(results: Results) -> list[list[str]]:
    """Return bytes a second of every kernel."""
    found = _medians(results, kernel_rates.PART)
    copies = [work / seconds for (case, _), (seconds, work, _) in found.items() if case == kernel_rates.COPY]
    return [
        [case, of, str(rows), f"{work / seconds / 1e9:,.0f}", f"{work / seconds / copies[0]:.0%}" if copies else ""]
        for (case, of), (seconds, work, rows) in found.items()
    ]


def crossover_rows(results: Results) -> list[list[str]]:
    """Return both families' times by number of tokens and kernel."""
    found = _medians(results, kernel_rates.CROSSOVER)
    rows = []
    for case, variant in found:
        name, _, family = variant.rpartition(": ")
        other = found.get((case, f"{name}: {kernel_rates.MANY}"))
        if family == kernel_rates.FEW and other is not None:
            few, many = found[case, variant][0], other[0]
            faster = kernel_rates.FEW if few < many else kernel_rates.MANY
            rows.append([case, name, f"{few * 1e6:.1f}", f"{many * 1e6:.1f}", faster])
    return rows


def flop_rows(results: Results) -> list[list[str]]:
    """Return operations a second of every product."""
    return [
        [case, way, str(rows), f"{flop / seconds / 1e12:.1f}"]
        for (case, way), (seconds, flop, rows) in _medians(results, product_rates.PART).items()
    ]


def attention_rows(results: Results) -> list[list[str]]:
    """Return operations a second of every kind of attention."""
    return [
        [case, kind, f"{flop / seconds / 1e12:.1f}", f"{seconds * 1e6:.0f}"]
        for (case, kind), (seconds, flop, _) in _medians(results, attention_rates.PART).items()
    ]
