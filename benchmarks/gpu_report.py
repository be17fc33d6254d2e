"""From the GPU benchmark's measurements to tables and CSV."""

from __future__ import annotations

import csv
import io
import statistics
from dataclasses import dataclass, field

from benchmarks import gpu_cases
from benchmarks.gpu_cases import Latency, Throughput
from benchmarks.gpu_checks import Check
from benchmarks.gpu_peaks import Peak, find_peak
from benchmarks.report import NOT_MEASURED, table


@dataclass(slots=True)
class Result:
    """All of one run in one precision."""

    facts: dict[str, str]
    checks: list[Check] = field(default_factory=list)
    throughputs: list[Throughput] = field(default_factory=list)
    latencies: list[Latency] = field(default_factory=list)
    mixes: list[Throughput] = field(default_factory=list)


def markdown(result: Result) -> str:
    """Return the whole report."""
    peak = find_peak(result.facts["device"])
    lines = ["# Measured on GPU", "", *(f"- {name}: {value}" for name, value in result.facts.items())]
    shown = f"{peak.tflops:g} TFLOP/s dense ({peak.source})" if peak else "not listed for this device"
    lines += [f"- datasheet peak: {shown}", "", "## Are the vectors right", ""]
    rows = [[c.name, f"{c.mean:.1e}", f"{c.worst:.1e}", c.allowed] for c in result.checks]
    lines += table(["1−cos against float32 on the CPU", "mean", "worst", "allowed"], rows)
    lines += ["", "## Throughput", ""]
    header = [
        "tokens a text",
        "ids to vectors, tokens/s",
        "of the datasheet's peak",
        "of the model's shapes as products",
    ]
    header += ["of a square product", "texts to vectors, tokens/s", "sentence-transformers, tokens/s", "ours is faster"]
    lines += table(header, [throughput_row(one, peak) for one in result.throughputs])
    lines += ["", "## One query at a time", ""]
    rows = [[str(q.tokens), q.variant, f"{q.p50_s * 1e3:.2f} ms", f"{q.p99_s * 1e3:.2f} ms"] for q in result.latencies]
    lines += table(["tokens", "variant", "p50", "p99"], rows)
    lines += ["", "## A mix of tasks", ""]
    rows = [
        [mix.label, name, _times(mix.timings.median_ratio(name, "one task"))]
        for mix in result.mixes
        for name in mix.timings.seconds
    ]
    lines += table(["case", "variant", "time against one task, median"], rows)
    return "\n".join([*lines, ""])


def throughput_row(one: Throughput, peak: Peak | None) -> list[str]:
    """Return a length's row: rates from the median time, shares from the median of per-round ratios."""
    forward = _median(one, gpu_cases.FORWARD)
    reached_tflops = one.flop / forward / 1e12 if forward else 0.0
    return [
        one.label,
        _rate(one.tokens, forward),
        f"{reached_tflops / peak.tflops:.1%}" if peak else "",
        _share(one.timings.median_ratio(gpu_cases.MODEL_PRODUCTS, gpu_cases.FORWARD)),
        _share(one.timings.median_ratio(gpu_cases.SQUARE_PRODUCT, gpu_cases.FORWARD)),
        _rate(one.tokens, _median(one, gpu_cases.FROM_TEXTS)),
        _rate(one.tokens, _median(one, gpu_cases.PEER)),
        _times(one.timings.median_ratio(gpu_cases.PEER, gpu_cases.FROM_TEXTS)),
    ]


def raw_csv(result: Result) -> str:
    """Return every time of every round, and the latencies' percentiles."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["date", "commit", "device", "precision", "case", "variant", "tokens", "round", "seconds", "flop"])
    common = [result.facts[name] for name in ("date", "commit", "device", "precision")]
    for one in (*result.throughputs, *result.mixes):
        for name, times in one.timings.seconds.items():
            flop = f"{one.timings.work[name]:.6g}"
            writer.writerows(
                [*common, one.label, name, one.tokens, index, f"{seconds:.6f}", flop]
                for index, seconds in enumerate(times, 1)
                if seconds is not None
            )
    for query in result.latencies:
        case = "one query"
        writer.writerow([*common, case, query.variant, query.tokens, "p50", f"{query.p50_s:.6f}", ""])
        writer.writerow([*common, case, query.variant, query.tokens, "p99", f"{query.p99_s:.6f}", ""])
    return out.getvalue()


def _median(one: Throughput, name: str) -> float | None:
    times = [seconds for seconds in one.timings.seconds.get(name, []) if seconds is not None]
    return statistics.median(times) if times else None


def _rate(tokens: int, seconds: float | None) -> str:
    return f"{tokens / seconds:,.0f}" if seconds else NOT_MEASURED


def _share(ratio: float | None) -> str:
    return f"{ratio:.1%}" if ratio is not None else NOT_MEASURED


def _times(ratio: float | None) -> str:
    return f"{ratio:.2f}×" if ratio is not None else NOT_MEASURED
