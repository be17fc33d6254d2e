"""From a run's rows to its tables."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence

from benchmarks.gpu import bench as names
from benchmarks.gpu import checks, latency, memory, micro_report, precisions, targets, task_mix, throughput, waterfall
from benchmarks.gpu.engines import FACTS, FULL, LOAD, TIME_TO_LOAD, engine_facts
from benchmarks.gpu.rows import ABSENT, CUT, FAILED, Results
from benchmarks.report import NOT_MEASURED, table

_HIDDEN_FACTS = ("smoke",)


def markdown(results: Results, picture: str | None = None) -> str:
    """Return the whole report; ``picture`` is the name of a file beside it."""
    facts = results.facts()
    smoke = " (smoke run: tiny model, no meaning)" if facts.get("smoke") == "yes" else ""
    lines = [f"# Measured on GPU{smoke}", ""]
    lines += [f"- {name}: {value}" for name, value in facts.items() if name not in _HIDDEN_FACTS]
    lines += _device_states(results)
    lines += _section("Targets", ["target", "against", "wanted", "measured", "verdict"], targets.target_rows(results))
    lines += ["", f"![Tokens a second by length, and what each technique is worth]({picture})"] if picture else []
    lines += _section("Our engines", ["engine", "loaded in", *map(_words, FACTS)], engine_rows(results))
    lines += _section("Are the vectors right", ["what", "texts", "figure", "value"], check_rows(results))
    lines += _throughput(results)
    lines += _section("One query at a time", ["tokens", "variant", "p50", "p99", "calls"], latency_rows(results))
    lines += _section("A mix of tasks", ["tokens", "variant", f"time against {task_mix.ONE_TASK}"], task_rows(results))
    lines += _section(
        "Precisions",
        ["tokens a text", "precision", "tokens/s", "1−cos, mean", "gate: mean", "worst", "allowed", "on these weights"],
        precision_rows(results),
    )
    lines += _section(
        "What each technique is worth", ["case", "switched off", "median", "time against all techniques"],
        waterfall_rows(results),
    )  # fmt: skip
    lines += _section(
        "Memory of the device", ["documents", "variant", "allocated, GB", "reserved, GB", "seconds"],
        memory_rows(results),
    )  # fmt: skip
    lines += micro_report.sections(results, _section)
    lines += _section("What failed, could not be had, or was cut", ["what", "how", "why"], trouble_rows(results))
    return "\n".join([*lines, ""])


def engine_rows(results: Results) -> list[list[str]]:
    """Return how long each engine took to load, and what it then was: with ``auto`` only it knows."""
    return [
        [name, f"{results.values(LOAD, name, TIME_TO_LOAD)[-1]:.1f} s", *(facts.get(fact, "") for fact in FACTS)]
        for name, facts in engine_facts(results).items()
    ]


def check_rows(results: Results) -> list[list[str]]:
    """Return every error, and how many values graphs change."""
    return [
        [row.case, row.variant, row.unit, f"{row.value:.2f}×" if row.unit == checks.RATIO else f"{row.value:.3g}"]
        for row in results.of(checks.PART, checks.MEAN, checks.WORST, checks.RATIO, checks.UNEQUAL)
        if row.value is not None and (row.unit != checks.UNEQUAL or row.value)
    ] + _equal_bits(results)


def _equal_bits(results: Results) -> list[list[str]]:
    rows = results.of(checks.PART, checks.UNEQUAL)
    same = sum(not row.value for row in rows)
    return [["graphs on and off", "single texts", "equal to the bit", f"{same} of {len(rows)}"]] if rows else []


def _throughput(results: Results) -> list[str]:
    header = ["tokens a text", "variant", "tokens/s", "of the datasheet's peak", "of the model's shapes as products"]
    header += ["of a square product", "ours, texts to vectors, is faster", "rounds"]
    return _section("Throughput", header, throughput_rows(results))


def throughput_rows(results: Results) -> list[list[str]]:
    """Return a row a length and variant: rates from the median time, ratios from the medians of rounds."""
    rows = []
    for case in results.cases(throughput.PART):
        timings = results.timings(throughput.PART, case)
        for name in timings.seconds:
            if name in (names.MODEL_PRODUCTS, names.SQUARE_PRODUCT):
                continue
            share = targets.peak_share(results, case, name)
            rows.append(
                [
                    case, name, _rate(targets.rate(results, throughput.PART, case, name)), _percent(share, ""),
                    _percent(timings.median_ratio(names.MODEL_PRODUCTS, name)),
                    _percent(timings.median_ratio(names.SQUARE_PRODUCT, name)),
                    _times(timings.median_ratio(name, names.FROM_TEXTS)) if name in names.PEERS else "",
                    str(timings.rounds(name)),
                ]
            )  # fmt: skip
    return rows


def latency_rows(results: Results) -> list[list[str]]:
    """Return each variant's percentiles."""
    rows = []
    for case in results.cases(latency.PART):
        for name in results.timings(latency.PART, case).seconds:
            p50, p99 = (targets.percentile(results, case, name, percent) for percent in (50, 99))
            calls = str(len(results.values(latency.PART, case, name)))
            rows.append([case, name, _milliseconds(p50), _milliseconds(p99), calls])
    return rows


def task_rows(results: Results) -> list[list[str]]:
    """Return what base weights and the mix take against one task."""
    return [
        [case, name, _times(timings.median_ratio(name, task_mix.ONE_TASK))]
        for case in results.cases(task_mix.PART)
        for timings in [results.timings(task_mix.PART, case)]
        for name in timings.seconds
    ]


def precision_rows(results: Results) -> list[list[str]]:
    """Return each precision's rate, its error on the run's texts, and what the accuracy gate finds."""
    rows = []
    for case in results.cases(precisions.PART):
        for name in results.timings(precisions.PART, case).seconds:
            error = _last_error(results, precisions.ERROR, name, checks.MEAN)
            gate = [
                _last_error(results, precisions.GATE, name, unit)
                for unit in (checks.MEAN, checks.WORST, precisions.BOUND)
            ]
            speed = _rate(targets.rate(results, precisions.PART, case, name))
            rows.append([case, name, speed, error, *gate, targets.gate_verdict(results, name) or NOT_MEASURED])
    return rows


def _last_error(results: Results, case: str, name: str, unit: str) -> str:
    errors = results.values(precisions.PART, case, name, unit)
    return f"{errors[-1]:.1e}" if errors else ""


def waterfall_rows(results: Results) -> list[list[str]]:
    """Return how much longer it takes without each technique."""
    rows = []
    for case in results.cases(waterfall.PART):
        timings = results.timings(waterfall.PART, case)
        for name in timings.seconds:
            median = statistics.median(results.values(waterfall.PART, case, name))
            rows.append([case, name, _milliseconds(median), _times(timings.median_ratio(name, FULL))])
    return rows


def memory_rows(results: Results) -> list[list[str]]:
    """Return the peaks, and what failed where a peak would be."""
    rows = []
    for row in results.of(memory.PART, memory.ALLOCATED, FAILED):
        if row.unit == FAILED:
            rows.append([row.case, row.variant, row.note[:80], "", ""])
            continue
        reserved, seconds = (
            results.values(memory.PART, row.case, row.variant, unit)[-1] for unit in (memory.RESERVED, "s")
        )
        rows.append([row.case, row.variant, _gigabytes(row.value), _gigabytes(reserved), f"{seconds:.2f}"])
    return rows


def trouble_rows(results: Results) -> list[list[str]]:
    """Return all that gave no figures, and why."""
    return [
        [": ".join(filter(None, (row.part, row.case, row.variant))), row.unit, row.note.replace("|", "/")]
        for row in results.rows
        if row.unit in (FAILED, ABSENT, CUT)
    ]


def _device_states(results: Results) -> list[str]:
    lines = []
    moments = dict.fromkeys(row.case for row in results.of("facts"))
    for moment in moments:
        if moment == "before" or moment.startswith("after "):
            states = results.facts(moment)
            lines.append(f"- device {moment}: " + ", ".join(f"{name} {value}" for name, value in states.items()))
    if taken := results.facts("time taken"):
        lines.append("- time taken: " + ", ".join(f"{name} {value}" for name, value in taken.items()))
    return lines


def _section(title: str, header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    found = list(rows)
    return ["", f"## {title}", "", *(table(header, found) if found else ["None."])]


def _words(fact: str) -> str:
    return fact.replace("_ms", ", ms").replace("_", " ")


def _rate(value: float | None) -> str:
    return f"{value:,.0f}" if value else NOT_MEASURED


def _percent(value: float | None, otherwise: str = NOT_MEASURED) -> str:
    return f"{value:.1%}" if value is not None else otherwise


def _times(value: float | None) -> str:
    return f"{value:.2f}×" if value is not None else NOT_MEASURED


def _milliseconds(value: float | None) -> str:
    return f"{value * 1e3:.3f} ms" if value is not None else NOT_MEASURED


def _gigabytes(value: float | None) -> str:
    return f"{value / 1e9:.2f}" if value is not None else NOT_MEASURED
