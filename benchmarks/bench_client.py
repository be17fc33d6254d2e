"""Measure our client beside hand-written boto3 and jina-sagemaker's way, against an endpoint on loopback.

Run it as ``make bench-client``; ``--smoke`` runs every line of it on a few texts.
"""

from __future__ import annotations

import argparse
import gc
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.client import measure, report
from benchmarks.client.records import Record, raw_csv
from benchmarks.loopback.endpoint import LoopbackEndpoint
from benchmarks.machine import describe_host
from benchmarks.report import results_folder, show_report, write_report

PACKAGES = ("boto3", "urllib3", "httpx", "numpy")


@dataclass(frozen=True, slots=True)
class Plan:
    """Sizes of a run; the first of the rates is the one with a target. **Units**: ``rates`` texts a second."""

    texts: int = 10_000
    rates: tuple[int, ...] = (5_000, 2_000, 10_000, 20_000)
    stream_texts: int = 100_000
    query_calls: int = 200
    rounds: int = 9


FULL = Plan()
SMOKE = Plan(texts=600, rates=(20_000,), stream_texts=2_000, query_calls=3, rounds=1)


def main(argv: Sequence[str] | None = None) -> int:
    """Measure everything and write the report."""
    options = _parser().parse_args(argv)
    plan = SMOKE if options.smoke else FULL
    facts = describe_host(PACKAGES) | {
        "texts": f"{plan.texts:,} of about eight words, 1024 dimensions; {plan.stream_texts:,} in the stream",
        "method": "benchmarks/README.md",
    }
    records: list[Record] = []
    status = 0
    try:
        records.extend(_measure(plan))
    except measure.WrongVectorsError as error:
        print(f"the run ends here: {error}", file=sys.stderr)
        status = 1
    title = "Smoke run of the client: figures without meaning" if options.smoke else "Client, measured on loopback"
    folder = results_folder(options.out, options.cache, partial=bool(options.smoke or status))
    text = report.markdown(title, facts, records, plan.rates)
    show_report(write_report(folder, "client", text, raw_csv(facts, records)), text)
    return status


def _measure(plan: Plan) -> Iterator[Record]:
    gc.freeze()  # what this program has imported for its report is no matter of those who are measured
    # nothing is recorded and no signature checked: the endpoint shall cost as little as it can
    with LoopbackEndpoint(verify=False, journal=False) as endpoint, measure.called(endpoint):
        yield from measure.measure_imports(plan.rounds)
        yield from measure.measure_many(endpoint, plan.texts, plan.rounds)
        yield from measure.measure_share(endpoint, plan.texts, plan.rates, max(1, plan.rounds // 3))
        yield from measure.measure_query(endpoint, plan.query_calls, plan.rounds)
        yield from measure.measure_stream(endpoint, plan.stream_texts)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="bench_client", description=__doc__)
    parser.add_argument("--smoke", action="store_true", help="a few texts and one round; figures mean nothing")
    parser.add_argument("--out", type=Path, help="folder for the results (default benchmarks/results for a full run)")
    parser.add_argument("--cache", type=Path, default=Path(".cache/bench"), help="folder for what is no full run")
    return parser


if __name__ == "__main__":
    sys.exit(main())
