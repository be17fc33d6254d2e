"""What the server is to reach, and whether it did."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from benchmarks.endpoint import programs
from benchmarks.endpoint.records import (
    CLOSED,
    ENCODING,
    Case,
    Record,
    cases_of,
    median,
    throughput_ratios,
    within_rounds,
)
from benchmarks.endpoint.response_encoding import OUR_BASE64, OUR_JSON
from benchmarks.endpoint.workloads import QUERIES
from benchmarks.report import NOT_MEASURED

HEADER = ("target", "where", "against", "wanted", "median", "rounds", "verdict")
LEAST_OF_ENGINE = 0.9
LEAST_OF_PEER = 2.0
MOST_OVERHEAD_MS = 1.5
MOST_ENCODING_MS = {OUR_JSON: 1.5, OUR_BASE64: 0.1}


def target_rows(records: Sequence[Record], most_clients: int) -> list[list[str]]:
    """Return a row a target and case, with "not measured" where the run has no figures for it."""
    rows = []
    crowded = [case for case in cases_of(records, CLOSED) if case.clients == most_clients]
    for case in crowded:
        rows.append(_engine_row(records, case))
        rows.append(_peer_row(records, case))
    rows.append(_overhead_row(records))
    rows += [_encoding_row(records, name, bound) for name, bound in MOST_ENCODING_MS.items()]
    return rows


def better_peer(records: Sequence[Record], case: Case) -> str | None:
    """Return the peer over which ours has the smallest median ratio of throughput."""
    ratios = {
        peer: statistics.median(found)
        for peer in programs.PEERS
        if (found := throughput_ratios(records, case, programs.OURS, peer))
    }
    return min(ratios, key=ratios.__getitem__) if ratios else None


def _row(title: str, where: str, against: str, wanted: str, shown: list[str], reached: bool | None) -> list[str]:
    verdict = NOT_MEASURED if reached is None else "reached" if reached else "**not reached**"
    return [title, where, against, wanted, *(shown or ["", ""]), verdict]


def _ratio_row(records: Sequence[Record], case: Case, title: str, other: str | None, least: float) -> list[str]:
    ratios = throughput_ratios(records, case, programs.OURS, other) if other else []
    where = f"{case.workload}, {case.load}"
    if not ratios:
        return _row(title, where, other or "", f"≥{least:g}×", [], None)
    middle = statistics.median(ratios)
    return _row(title, where, other or "", f"≥{least:g}×", [f"{middle:.2f}×", str(len(ratios))], middle >= least)


def _engine_row(records: Sequence[Record], case: Case) -> list[str]:
    title = "requests a second, share of the engine's own at 64 texts a call"
    return _ratio_row(records, case, title, programs.ENGINE, LEAST_OF_ENGINE)


def _peer_row(records: Sequence[Record], case: Case) -> list[str]:
    title = "requests a second, times those of the best other server"
    return _ratio_row(records, case, title, better_peer(records, case), LEAST_OF_PEER)


def _overhead_row(records: Sequence[Record]) -> list[str]:
    title, wanted = "one query: the server's p50 less the engine's", f"≤{MOST_OVERHEAD_MS:g} ms"
    case = next((c for c in cases_of(records, CLOSED) if (c.workload, c.clients) == (QUERIES, 1)), None)
    over_ms = []
    if case is not None:
        over_ms = within_rounds(records, case, programs.OURS, programs.ENGINE, lambda f: f.p50_ms, lambda a, b: a - b)
    if not over_ms:
        return _row(title, f"{QUERIES}, 1 client", programs.ENGINE, wanted, [], None)
    middle = statistics.median(over_ms)
    shown = [f"{middle:.2f} ms", str(len(over_ms))]
    return _row(title, f"{QUERIES}, 1 client", programs.ENGINE, wanted, shown, middle <= MOST_OVERHEAD_MS)


def _encoding_row(records: Sequence[Record], name: str, bound_ms: float) -> list[str]:
    case = next(iter(cases_of(records, ENCODING)), None)
    middle = median(records, case, name, lambda f: f.p50_ms) if case else None
    title, wanted = "writing a response of 32 vectors of 1024", f"≤{bound_ms:g} ms"
    if middle is None:
        return _row(title, name, "", wanted, [], None)
    return _row(title, name, "", wanted, [f"{middle:.3f} ms", "1"], middle <= bound_ms)
