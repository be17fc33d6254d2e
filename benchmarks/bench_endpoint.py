"""Measure our HTTP server under load, against other servers of the same model and against the bare encoder.

Run it as ``make bench-endpoint``; ``--smoke`` runs every line on a tiny model, ``--server-only`` leaves the peers out.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from demo.standin import StandInConfig

from benchmarks.agreement import WrongVectorsError
from benchmarks.checkpoint import write_pair
from benchmarks.endpoint import measure, programs, records, report
from benchmarks.endpoint.child import ROOT, ChildFailedError
from benchmarks.endpoint.measure import ClosedPlan
from benchmarks.endpoint.programs import Program, Setting
from benchmarks.endpoint.records import Record
from benchmarks.endpoint.report import Circumstances
from benchmarks.endpoint.servers import ServerFailedError
from benchmarks.endpoint.session import Session
from benchmarks.endpoint.workloads import DOCUMENTS, QUERIES, make_workloads
from benchmarks.machine import describe_machine
from benchmarks.report import results_folder, show_report, write_report
from benchmarks.workload import Lengths, Lexicon

CLIENTS = (1, 8, 64)


@dataclass(frozen=True, slots=True)
class Plan:
    """Sizes of a run. ``minutes`` is shared out over the cases by their weight, the open loops' share last.

    ``run_s`` is how long a closed loop's run shall take ours at least, on machines where that is many requests.
    """

    config: StandInConfig
    closed: tuple[ClosedPlan, ...]
    lengths: Lengths = field(default_factory=Lengths)
    query_tokens: int = 16
    minutes: float = 23.0
    run_s: float = 1.0
    open_weight: float = 6.0
    open_run_s: float = 12.0
    open_rounds: int = 3
    idle_s: float = 2.0
    generator_requests: int = 2000
    encoding_calls: int = 200


FULL = Plan(
    StandInConfig(layers=24, vocab=250002),
    (
        ClosedPlan(QUERIES, 1, 20, 3, 20),
        ClosedPlan(QUERIES, 64, 128, 6, 9),
        ClosedPlan(DOCUMENTS, 64, 64, 15, 7),
        ClosedPlan(QUERIES, 8, 32, 1.5, 9),
        ClosedPlan(DOCUMENTS, 8, 24, 3.5, 5),
        ClosedPlan(DOCUMENTS, 1, 8, 2, 9),
    ),
)
SMOKE = Plan(
    StandInConfig(layers=2, hidden=64, heads=4, intermediate=128, vocab=2000),
    tuple(replace(one, requests=max(one.clients, 8), most_rounds=2) for one in FULL.closed),
    lengths=Lengths(median_tokens=12, longest_tokens=40),
    minutes=0.2,
    run_s=0.0,
    open_run_s=0.3,
    open_rounds=1,
    idle_s=0.2,
    generator_requests=200,
    encoding_calls=3,
)


def main(argv: Sequence[str] | None = None) -> int:
    """Start everything, measure the cases, write the report."""
    options = _parser().parse_args(argv)
    labels = [one.label for one in FULL.closed]
    if unknown := set(options.only) - set(labels):
        print(f"unknown case {sorted(unknown)}; known are {', '.join(labels)}", file=sys.stderr)
        return 2
    plan = _plan(options)
    versions = {} if options.server_only else programs.peer_versions()
    facts = _facts(plan, options, versions)
    found, about, status = _measure(plan, options, versions)
    if options.smoke:
        title = "Smoke run of the endpoint: a tiny model, figures without meaning"
    else:
        title = f"Endpoint, measured on {'CPU' if options.device == 'cpu' else options.device}"
    partial = options.smoke or options.only or options.rounds or options.server_only or options.layers or status
    folder = results_folder(options.out, options.cache, partial=bool(partial))
    stem = "endpoint" if options.device == "cpu" else f"endpoint-{options.device.partition(':')[0]}"
    raw = records.raw_csv(facts, found)
    (folder / f"{stem}.svg").unlink(missing_ok=True)
    text = report.markdown(title, facts, found, about, max(CLIENTS))
    path = write_report(folder, stem, text, raw)
    if _draw(path.with_suffix(".csv")):
        text += f"\n![Latency against requests a second]({stem}.svg)\n"
        path.write_text(text)
    show_report(path, text)
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="bench_endpoint", description=__doc__)
    parser.add_argument("--smoke", action="store_true", help="a tiny model and few requests; figures mean nothing")
    parser.add_argument("--server-only", action="store_true", help="ours and the bare encoder, without the peers")
    parser.add_argument("--layers", type=int, help="layers of the model (default 24)")
    parser.add_argument("--minutes", type=float, help="time to share out over the cases (default 23)")
    parser.add_argument("--rounds", type=int, help="most rounds of each case (default: each case's own)")
    parser.add_argument("--only", action="append", default=[], metavar="TEXTS@CLIENTS", help="repeatable; no open loop")
    parser.add_argument("--device", default="cpu", help="cpu, cuda or cuda:N (default cpu)")
    parser.add_argument("--dtype", choices=["float32", "bfloat16", "float16"], help="default: bfloat16 on CUDA")
    parser.add_argument("--threads", type=int, help="of every program (default: the processors; 1 with --smoke)")
    parser.add_argument("--out", type=Path, help="folder for the results (default benchmarks/results for a full run)")
    parser.add_argument("--cache", type=Path, default=Path(".cache/bench"), help="folder for generated weights")
    return parser


def _plan(options: argparse.Namespace) -> Plan:
    """Return the plan that the options ask for."""
    plan = SMOKE if options.smoke else FULL
    closed = tuple(
        replace(one, most_rounds=options.rounds or one.most_rounds)
        for one in plan.closed
        if not options.only or one.label in options.only
    )
    config = replace(plan.config, layers=options.layers or plan.config.layers)
    # tiny products on several threads only wait for each other
    options.threads = options.threads or (1 if options.smoke else len(os.sched_getaffinity(0)))
    options.dtype = options.dtype or ("float32" if options.device == "cpu" else "bfloat16")
    return replace(plan, closed=closed, config=config, minutes=options.minutes or plan.minutes)


def _facts(plan: Plan, options: argparse.Namespace, versions: dict[str, str]) -> dict[str, str]:
    """Return where and on what it is measured."""
    peers = ", ".join(f"{name} {version}" for name, version in versions.items())
    measured = describe_machine() | {
        "threads": f"{options.threads} of each program, {os.cpu_count()} processors seen",
        "device": options.device,
        "precision": options.dtype,
        "layers": str(plan.config.layers),
        "versions of the peers": peers or "none",
    }
    return measured | {"method": "benchmarks/README.md"}


def _measure(
    plan: Plan, options: argparse.Namespace, versions: dict[str, str]
) -> tuple[list[Record], Circumstances, int]:
    """Measure what there is time for; what came before a failure is kept, and the status says it."""
    deadline = time.monotonic() + plan.minutes * 60
    lexicon = Lexicon(plan.config.vocab)
    pair = write_pair(options.cache / f"{plan.config.layers}x{plan.config.hidden}", plan.config, lexicon)
    workloads = make_workloads(lexicon, plan.lengths, plan.query_tokens)
    found: list[Record] = []
    with tempfile.TemporaryDirectory(prefix="bench-endpoint-") as scratch:
        setting = Setting(pair, options.device, options.dtype, options.threads, Path(scratch))
        with Session(setting, workloads) as session:
            try:
                session.start(_wanted(setting, options, versions, session.about), plan.idle_s)
                for record in _cases(session, plan, deadline, open_loop=not options.only):
                    found.append(record)  # noqa: PERF402 - what came before an error is kept
            except (WrongVectorsError, ServerFailedError, ChildFailedError) as error:
                print(f"the run ends here: {error}", file=sys.stderr)
                return found, session.about, 1
            return found, session.about, 0


def _wanted(
    setting: Setting, options: argparse.Namespace, versions: dict[str, str], about: Circumstances
) -> list[Program]:
    """Return the servers to start, and say which are not installed."""
    wanted = [programs.our_program(setting)]
    for program in [] if options.server_only else programs.peer_programs(setting):
        if missing := programs.missing_packages(program.name, versions):
            about.missing[program.name] = f"{', '.join(missing)} not installed in .venv-peers-endpoint"
        else:
            wanted.append(program)
    return wanted


def _cases(session: Session, plan: Plan, deadline: float, *, open_loop: bool) -> Iterator[Record]:
    yield from measure.measure_encoding(plan.encoding_calls)
    yield from measure.measure_generator(session, CLIENTS, plan.generator_requests)
    weight_left = sum(one.weight for one in plan.closed) + plan.open_weight * open_loop
    found: list[Record] = []
    for one in plan.closed:
        limit_s = (deadline - time.monotonic()) * one.weight / weight_left
        weight_left -= one.weight
        for record in measure.measure_closed(session, one, limit_s, plan.run_s):
            found.append(record)
            yield record
    if open_loop:
        able = measure.capacities(found, max(CLIENTS))
        limit_s = deadline - time.monotonic()
        yield from measure.measure_open(session, able, limit_s, plan.open_run_s, plan.open_rounds)


def _draw(path: Path) -> bool:
    """Draw the plot with the peers' Python, which has matplotlib; say whether there is one."""
    if not programs.PEERS_PYTHON.is_file():
        return False
    command = [programs.PEERS_PYTHON, ROOT / "benchmarks" / "endpoint" / "plot.py", path.resolve()]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        print(f"no plot: {done.stderr.strip().splitlines()[-1:]}", file=sys.stderr)
    return done.returncode == 0


if __name__ == "__main__":
    sys.exit(main())
