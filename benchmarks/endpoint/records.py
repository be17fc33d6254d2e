"""The figures of every run with where they belong, and how two ways are compared inside rounds."""

from __future__ import annotations

import csv
import io
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.endpoint.figures import Figures

CLOSED, OPEN, GENERATOR, ENCODING = "closed loop", "open loop", "load generator", "response encoding"
Value = Callable[[Figures], float]


@dataclass(frozen=True, slots=True)
class Case:
    """What a run was of: ``load`` is told in words, ``clients`` or ``rate_s`` is its number."""

    kind: str
    workload: str
    load: str
    clients: int = 0
    rate_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Record:
    """One run: its case, who served it, in which round of the case, and its figures."""

    case: Case
    server: str
    round: int
    figures: Figures


def closed_case(workload: str, clients: int) -> Case:
    """Return the case of a closed loop."""
    return Case(CLOSED, workload, f"{clients} client{'s' * (clients > 1)}", clients=clients)


def cases_of(records: Iterable[Record], kind: str) -> list[Case]:
    """Return the cases of a kind in the order they were run."""
    return list(dict.fromkeys(record.case for record in records if record.case.kind == kind))


def servers_of(records: Iterable[Record], case: Case) -> list[str]:
    """Return who took part in a case, in the order of the first round."""
    return list(dict.fromkeys(record.server for record in records if record.case == case))


def by_round(records: Iterable[Record], case: Case, server: str, value: Value) -> dict[int, float]:
    """Return a figure of a server in each round of a case."""
    return {r.round: value(r.figures) for r in records if r.case == case and r.server == server}


def median(records: Iterable[Record], case: Case, server: str, value: Value) -> float | None:
    """Return the median over the rounds, or ``None`` where there was none."""
    values = by_round(records, case, server, value).values()
    return statistics.median(values) if values else None


def within_rounds(
    records: Sequence[Record], case: Case, one: str, other: str, value: Value, combine: Callable[[float, float], float]
) -> list[float]:
    """Return ``combine(one, other)`` for each round that both took part in."""
    ours, theirs = by_round(records, case, one, value), by_round(records, case, other, value)
    return [combine(ours[index], theirs[index]) for index in ours if index in theirs]


def throughput_ratios(records: Sequence[Record], case: Case, one: str, other: str) -> list[float]:
    """Return how many times as many requests a second ``one`` answered as ``other``, a round each."""
    return within_rounds(records, case, one, other, lambda f: f.requests_s, lambda a, b: a / b if b else float("inf"))


def raw_csv(facts: Mapping[str, str], records: Iterable[Record]) -> str:
    """Return every run's figures, so that any other statistic can be drawn from them."""
    common = ("date", "commit", "device", "precision", "layers")
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    measured = ("p50_ms", "p95_ms", "p99_ms", "requests_s", "tokens_s", "late_ms", "client_cpu_ms")
    writer.writerow(
        [*common, "kind", "workload", "load", "clients", "rate_s", "server", "round", "requests", "errors", *measured]
    )
    for record in records:
        case, figures = record.case, record.figures
        where = [case.kind, case.workload, case.load, case.clients or "", f"{case.rate_s:.4g}" if case.rate_s else ""]
        errors = " ".join(f"{status}:{count}" for status, count in sorted(figures.errors.items()))
        numbers = [f"{getattr(figures, name):.6g}" for name in measured]
        ran = [record.server, record.round, figures.requests, errors]
        writer.writerow([*(facts[name] for name in common), *where, *ran, *numbers])
    return out.getvalue()
