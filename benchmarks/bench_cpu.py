"""Time the encoder on this machine's CPU against its peers and against a bare matrix product.

Run it as ``make bench``; ``--smoke`` runs every line on a tiny model in seconds.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from demo.standin import StandInConfig

from benchmarks import cases, report
from benchmarks.agreement import WrongVectorsError
from benchmarks.cases import Measurement, Models
from benchmarks.checkpoint import write_pair
from benchmarks.machine import describe_machine
from benchmarks.variants import is_installed
from benchmarks.workload import Lengths, Lexicon

_CHECK_LENGTHS = (180, 40, 9, 97, 16, 64)


@dataclass(frozen=True, slots=True)
class Plan:
    """Sizes and rounds of a run. ``minutes`` is shared out over the cases by their ``weight``."""

    config: StandInConfig
    shallow_layers: int = 3
    few_texts: int = 64
    many_texts: int = 512
    lengths: Lengths = field(default_factory=Lengths)
    query_tokens: int = 16
    task_tokens: int = 2000
    check_lengths: tuple[int, ...] = _CHECK_LENGTHS
    query_rounds: int = 60
    minutes: float = 22.0


FULL = Plan(StandInConfig(layers=24, vocab=250002))
SMOKE = Plan(
    StandInConfig(layers=2, hidden=64, heads=4, intermediate=128, vocab=2000),
    shallow_layers=1,
    few_texts=6,
    many_texts=12,
    lengths=Lengths(median_tokens=12, longest_tokens=40),
    task_tokens=160,
    check_lengths=(20, 5, 9),
    query_rounds=3,
    minutes=0.2,
)


@dataclass(frozen=True, slots=True)
class Case:
    """A named case: how deep its model is, its share of the time, its most rounds, and how it is run."""

    name: str
    deep: bool
    weight: float
    rounds: int
    run: Callable[[Models, Plan, float, int, Sequence[int]], Measurement]

    def label(self, plan: Plan) -> str:
        """Return the name with the number of layers, as ``--only`` takes it."""
        return f"{self.name}@{plan.config.layers if self.deep else plan.shallow_layers}"


def _mixed(name: str, many: bool) -> Callable[[Models, Plan, float, int, Sequence[int]], Measurement]:
    def run(models: Models, plan: Plan, limit_s: float, rounds: int, batches: Sequence[int]) -> Measurement:
        lengths = plan.lengths.draw(plan.many_texts if many else plan.few_texts)
        return cases.mixed_texts(models, name, lengths, rounds=rounds, limit_s=limit_s, batches=batches)

    return run


def _query(models: Models, plan: Plan, limit_s: float, rounds: int, _: Sequence[int]) -> Measurement:
    rounds = max(rounds, plan.query_rounds)
    return cases.single_query(models, "query-16", plan.query_tokens, rounds=rounds, limit_s=limit_s)


def _tasks(models: Models, plan: Plan, limit_s: float, rounds: int, _: Sequence[int]) -> Measurement:
    return cases.task_mix(models, "tasks-2000", plan.task_tokens, rounds=rounds, limit_s=limit_s)


CASES = (
    Case("mixed-64", False, 6, 7, _mixed("mixed-64", many=False)),
    Case("mixed-512", False, 16, 5, _mixed("mixed-512", many=True)),
    Case("query-16", False, 1, 1, _query),
    Case("mixed-64", True, 32, 5, _mixed("mixed-64", many=False)),
    Case("query-16", True, 2, 1, _query),
    Case("tasks-2000", True, 5, 9, _tasks),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the chosen cases in the chosen precisions and write the report."""
    options = _parser().parse_args(argv)
    plan = SMOKE if options.smoke else FULL
    plan = replace(plan, minutes=options.minutes or plan.minutes)
    known = [case.label(plan) for case in CASES]
    if unknown := set(options.only) - set(known):
        print(f"unknown case {sorted(unknown)}; known are {', '.join(known)}", file=sys.stderr)
        return 2
    if not is_installed("sentence_transformers"):
        print("sentence-transformers is not installed here: its columns stay unmeasured", file=sys.stderr)
    facts = describe_machine() | {"method": "benchmarks/README.md"}
    measurements, status = [], 0
    try:
        for measurement in _run(plan, options):
            measurements.append(measurement)  # noqa: PERF402 - what came before an error is kept
    except WrongVectorsError as error:
        print(f"a result is wrong, so its case is void and the run ends: {error}", file=sys.stderr)
        status = 1
    title = "Measured on CPU" + (" (smoke run: tiny model, no meaning)" if options.smoke else "")
    partial = options.smoke or options.only or options.dtype or options.rounds or status
    folder = report.results_folder(options.out, options.cache, partial=bool(partial))
    text = report.markdown(title, facts, measurements)
    path = report.write_report(folder, "cpu", text, report.raw_csv(facts, measurements))
    report.show_report(path, text)
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="bench_cpu", description=__doc__)
    parser.add_argument("--smoke", action="store_true", help="a tiny model and few rounds; figures mean nothing")
    parser.add_argument("--rounds", type=int, help="most rounds of each case (default: each case's own)")
    parser.add_argument("--minutes", type=float, help="time to share out over the cases (default 22)")
    parser.add_argument("--dtype", action="append", choices=["float32", "bfloat16"], help="repeatable; default both")
    parser.add_argument("--only", action="append", default=[], metavar="CASE@LAYERS", help="repeatable; default all")
    parser.add_argument(
        "--out", type=Path, help="folder for cpu.md and cpu.csv (default benchmarks/results for a full run)"
    )
    parser.add_argument("--cache", type=Path, default=Path(".cache/bench"), help="folder for generated weights")
    return parser


def _run(plan: Plan, options: argparse.Namespace) -> Iterator[Measurement]:
    lexicon = Lexicon(plan.config.vocab)
    dtypes = options.dtype or ["float32", "bfloat16"]
    chosen = [case for case in CASES if not options.only or case.label(plan) in options.only]
    deadline = time.monotonic() + plan.minutes * 60
    weight_left = sum(case.weight for case in chosen) * len(dtypes)
    for dtype in dtypes:
        batches: dict[str, list[int]] = {}
        for deep in (False, True):
            of_depth = [case for case in chosen if case.deep == deep]
            # the shallow models are wanted even for deep cases alone: best batch sizes are looked for on them
            searching = not deep and any(case.name.startswith("mixed") for case in chosen)
            if not of_depth and not searching:
                continue
            models = _load(plan, options.cache, lexicon, dtype, deep=deep)
            if searching:
                batches = _best_batches(models, plan, chosen)
            for case in of_depth:
                limit_s = (deadline - time.monotonic()) * case.weight / weight_left
                weight_left -= case.weight
                rounds = options.rounds or case.rounds
                yield case.run(models, plan, limit_s, rounds, batches.get(case.name, []))
            models.close()


def _load(plan: Plan, cache: Path, lexicon: Lexicon, dtype: str, *, deep: bool) -> Models:
    config = plan.config if deep else replace(plan.config, layers=plan.shallow_layers)
    pair = write_pair(cache / f"{config.layers}x{config.hidden}", config, lexicon)
    models = Models(pair, config, lexicon, dtype)
    models.check(plan.check_lengths)
    return models


def _best_batches(models: Models, plan: Plan, chosen: Sequence[Case]) -> dict[str, list[int]]:
    counts = {"mixed-64": plan.few_texts, "mixed-512": plan.many_texts}
    names = {case.name for case in chosen} & counts.keys()
    return {name: cases.best_batches(models, plan.lengths.draw(counts[name])) for name in sorted(names)}


if __name__ == "__main__":
    sys.exit(main())
