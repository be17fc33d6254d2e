"""The tables of ``endpoint.md``."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from benchmarks.endpoint import programs, targets
from benchmarks.endpoint.records import (
    CLOSED,
    ENCODING,
    GENERATOR,
    OPEN,
    Case,
    Record,
    Value,
    by_round,
    cases_of,
    median,
    servers_of,
    throughput_ratios,
)
from benchmarks.report import table

_P50: Value = lambda f: f.p50_ms  # noqa: E731
_LATENCIES: tuple[Value, ...] = (_P50, lambda f: f.p95_ms, lambda f: f.p99_ms)


@dataclass(slots=True)
class Circumstances:
    """What must be known beside the figures.

    ``errors`` is the worst ``1 - cos`` of each server's vectors, ``missing`` why a server has none, ``idle`` the share
    of a core it takes unasked, ``held`` those stopped while another was measured.
    """

    errors: dict[str, float] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    idle: dict[str, float] = field(default_factory=dict)
    held: list[str] = field(default_factory=list)


def markdown(
    title: str, facts: Mapping[str, str], records: Sequence[Record], about: Circumstances, most_clients: int
) -> str:
    """Return the whole report."""
    lines = [f"# {title}", "", *(f"- {name}: {value}" for name, value in facts.items()), ""]
    lines += ["## Targets", "", *table(targets.HEADER, targets.target_rows(records, most_clients)), ""]
    lines += ["## Closed loop", "", *_closed(records), ""]
    lines += ["## Open loop, queries", "", *_open(records), ""]
    lines += ["## Writing a response of 32 vectors of 1024 values", "", *_encoding(records), ""]
    lines += ["## The load generator by itself", "", *_generator(records), ""]
    lines += ["## The servers", "", *_servers(about), ""]
    return "\n".join(lines)


def _number(value: float | None, digits: int = 3) -> str:
    """Show three digits that count, and no exponent."""
    if value is None or value != value:  # NaN: no request was answered
        return ""
    return f"{value:.0f}" if abs(value) >= 10 ** (digits - 1) else f"{value:.{digits}g}"


def _errors(records: Sequence[Record], case: Case, server: str) -> str:
    counts: dict[int, int] = {}
    for record in records:
        if record.case == case and record.server == server:
            for status, count in record.figures.errors.items():
                counts[status] = counts.get(status, 0) + count
    return ", ".join(f"{count} × {status or 'no answer'}" for status, count in sorted(counts.items()))


def _medians(records: Sequence[Record], case: Case, server: str, values: Sequence[Value]) -> list[str]:
    return [_number(median(records, case, server, value)) for value in values]


def _closed(records: Sequence[Record]) -> list[str]:
    header = ["texts", "load", "server", "p50 ms", "p95 ms", "p99 ms", "requests/s", "tokens/s"]
    rows = []
    for case in cases_of(records, CLOSED):
        for server in servers_of(records, case):
            values = [*_LATENCIES, lambda f: f.requests_s, lambda f: f.tokens_s]
            ratios = throughput_ratios(records, case, programs.OURS, server)
            ratio = f"{statistics.median(ratios):.2f}×" if ratios and server != programs.OURS else ""
            tries = by_round(records, case, server, _P50)
            requests = next(r.figures.requests for r in records if r.case == case and r.server == server)
            row = [case.workload, case.load, server, *_medians(records, case, server, values), ratio]
            rows.append([*row, f"{len(tries)} × {requests}", _errors(records, case, server)])
    return table([*header, "ours against it", "rounds × requests", "errors"], rows)


def _open(records: Sequence[Record]) -> list[str]:
    header = ["arrivals", "requests/s due", "server", "p50 ms", "p95 ms", "p99 ms", "answered/s", "requests", "errors"]
    rows = []
    for case in cases_of(records, OPEN):
        for server in servers_of(records, case):
            values = [*_LATENCIES, lambda f: f.requests_s]
            requests = sum(by_round(records, case, server, lambda f: f.requests).values())
            row = [case.load, _number(case.rate_s), server, *_medians(records, case, server, values)]
            rows.append([*row, f"{requests:.0f}", _errors(records, case, server)])
    return table(header, rows)


def _encoding(records: Sequence[Record]) -> list[str]:
    rows = [
        [server, *_medians(records, case, server, _LATENCIES[:2])]
        for case in cases_of(records, ENCODING)
        for server in servers_of(records, case)
    ]
    return table(["way", "median ms", "p95 ms"], rows)


def _generator(records: Sequence[Record]) -> list[str]:
    rows = [
        [case.load, *_medians(records, case, server, [_P50, lambda f: f.requests_s, lambda f: f.client_cpu_ms])]
        for case in cases_of(records, GENERATOR)
        for server in servers_of(records, case)
    ]
    return table(["against a server that does nothing", "p50 ms", "requests/s", "its processor ms a request"], rows)


def _servers(about: Circumstances) -> list[str]:
    rows = []
    for name in (programs.OURS, programs.OURS_BASE64, *programs.PEERS):
        if name in about.missing:
            rows.append([name, f"not measured: {about.missing[name]}".replace("|", "/"), "", ""])
        elif name in about.errors:
            shown = ["", ""]  # another way to ask the same server
            if name in about.idle:
                shown = [f"{about.idle[name]:.1%}", "yes" if name in about.held else "no"]
            rows.append([name, f"{about.errors[name]:.1e}", *shown])
    header = ["server", "1−cos against our encoder, worst", "of a core while idle", "stopped while others are measured"]
    return table(header, rows)
