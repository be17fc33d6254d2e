"""The cases: closed loops of few and many clients, open loops around the capacity, and what is measured beside."""

from __future__ import annotations

import itertools
import json
import math
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.endpoint import programs
from benchmarks.endpoint.child import Child
from benchmarks.endpoint.figures import Figures, Sample, summarize
from benchmarks.endpoint.http_client import post_message
from benchmarks.endpoint.load import poisson_arrivals
from benchmarks.endpoint.programs import common_environment
from benchmarks.endpoint.records import (
    ENCODING,
    GENERATOR,
    OPEN,
    Case,
    Record,
    by_round,
    closed_case,
)
from benchmarks.endpoint.response_encoding import time_writers
from benchmarks.endpoint.rounds import Contestant, run_rounds
from benchmarks.endpoint.session import Session
from benchmarks.endpoint.workloads import QUERIES

_ENGINE_BATCH = 64  # texts a call; with one client the engine gets one
_MOST_REQUESTS = 4096
_SHORTEST_OPEN_S = 2.0
_ANSWER_BYTES = 20_000  # about what a vector of 1024 floats is as JSON


@dataclass(frozen=True, slots=True)
class ClosedPlan:
    """A closed loop to measure; ``weight`` is its share of the time. At least ``requests`` are sent a run."""

    workload: str
    clients: int
    requests: int
    weight: float
    most_rounds: int

    @property
    def label(self) -> str:
        """Return the name that ``--only`` takes."""
        return f"{self.workload}@{self.clients}"


def measure_closed(session: Session, plan: ClosedPlan, limit_s: float, run_s: float) -> Iterator[Record]:
    """Measure a closed loop on every server and, with one or the most clients, the bare engine on the same texts.

    On a fast machine a run sends more requests, as many as ours answers in ``run_s``.
    """
    clients, workload = plan.clients, plan.workload
    rate_s = session.run_closed(programs.OURS, workload, clients, plan.requests).requests_s
    requests = min(max(plan.requests, math.ceil(rate_s * run_s / clients) * clients), _MOST_REQUESTS)
    contestants = [
        Contestant(name, _closed_run(session, name, plan, requests), spared=name != programs.OURS)
        for name in session.names
        if name != programs.OURS_BASE64 or clients in (1, _ENGINE_BATCH)
    ]
    if clients in (1, _ENGINE_BATCH):
        contestants.append(Contestant(programs.ENGINE, lambda: session.run_engine(workload, clients, requests)))
    case = closed_case(workload, clients)
    for index, name, figures in run_rounds(contestants, plan.most_rounds, limit_s, label=plan.label):
        yield Record(case, name, index, figures)


def _closed_run(session: Session, name: str, plan: ClosedPlan, requests: int) -> Callable[[], Figures]:
    return lambda: session.run_closed(name, plan.workload, plan.clients, requests)


@dataclass(frozen=True, slots=True)
class Rate:
    """How often requests arrive: a share of the capacity of ours, or of the slowest server's."""

    share: float
    of_ours: bool

    @property
    def label(self) -> str:
        """Say it in words."""
        return f"{self.share:.0%} of what {'ours' if self.of_ours else 'the slowest server'} can"


RATES = (Rate(0.5, False), Rate(0.8, False), Rate(0.5, True), Rate(0.8, True), Rate(1.2, True))


def capacities(records: Sequence[Record], most_clients: int) -> dict[str, float]:
    """Return the requests a second that each server answered to the most clients' queries, over the rounds' median."""
    case = closed_case(QUERIES, most_clients)
    found = {record.server: record.figures for record in records if record.case == case}
    return {
        name: statistics.median(by_round(records, case, name, lambda f: f.requests_s).values())
        for name in found
        if name not in (programs.ENGINE, programs.OURS_BASE64)
    }


def measure_open(
    session: Session, able: Mapping[str, float], limit_s: float, run_s: float, most_rounds: int
) -> Iterator[Record]:
    """Let queries arrive at random at rates below and above what the servers can (``able``, requests a second).

    All servers get the rates that they can keep up with, and ours those beyond its own too. A run lasts ``run_s``, or
    less where a round of all would not fit into ``limit_s``.
    """
    able = {name: rate_s for name, rate_s in able.items() if rate_s > 0}
    if programs.OURS not in able:
        return
    began = time.monotonic()
    rates_s = [rate.share * (able[programs.OURS] if rate.of_ours else min(able.values())) for rate in RATES]
    takers = [[name for name in able if name == programs.OURS or able[name] >= rate_s] for rate_s in rates_s]
    run_s = min(run_s, max(_SHORTEST_OPEN_S, limit_s / sum(map(len, takers))))
    for number, (rate, rate_s, names) in enumerate(zip(RATES, rates_s, takers, strict=True)):
        case = Case(OPEN, QUERIES, rate.label, rate_s=rate_s)
        contestants = [
            Contestant(name, _open_run(session, name, rate_s, run_s), spared=name != programs.OURS) for name in names
        ]
        share_s = (limit_s - (time.monotonic() - began)) / (len(RATES) - number)
        for index, name, figures in run_rounds(contestants, most_rounds, share_s, label=f"open loop, {rate.label}"):
            yield Record(case, name, index, figures)


def _open_run(session: Session, name: str, rate_s: float, run_s: float) -> Callable[[], Figures]:
    seeds = itertools.count(1)  # other arrivals in each round, the same ones for every server

    return lambda: session.run_open(name, QUERIES, poisson_arrivals(rate_s, run_s, next(seeds)))


def measure_generator(session: Session, clients: Sequence[int], requests: int) -> Iterator[Record]:
    """Put the load generator's closed loops on a server that does nothing."""
    path = session.setting.scratch / "trivial.json"
    path.write_text(json.dumps([post_message("/", b'{"input": "a few words of a query"}').decode()]))
    environment = common_environment(1)
    with Child("benchmarks.endpoint.trivial_server", str(_ANSWER_BYTES), environment=environment) as server:
        port = server.hear()["port"]
        for count in clients:
            command = {"port": port, "messages": str(path), "keep": [], "clients": count, "requests": requests}
            session.generator.ask(command)  # a warm-up
            answer = session.generator.ask(command)
            figures = summarize([Sample(*one) for one in answer["samples"]], [16], answer["cpu_s"])
            case = Case(GENERATOR, "", closed_case("", count).load, clients=count)
            yield Record(case, "a server that does nothing", 1, figures)


def measure_encoding(calls: int) -> Iterator[Record]:
    """Time the ways to write a response, in this process."""
    for name, (p50_ms, p95_ms) in time_writers(calls).items():
        yield Record(Case(ENCODING, "", "32 × 1024"), name, 1, Figures(calls, p50_ms=p50_ms, p95_ms=p95_ms))
