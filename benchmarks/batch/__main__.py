"""`make batch-scale`: a million to a billion documents through the batch state machine, simulated.

The definition and the function's steps are the real ones, and every file of a listing of up to 100,000 is planned,
verified and reported on; the services are simulated, with throttling, missing machines, lost ones and failing files.
Durations and dollars are estimates from the figures that are printed with them.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import jina_v3_batch
from benchmarks.batch.machine import Machine
from benchmarks.batch.tables import Case, Outcome, write_designs, write_outcomes
from benchmarks.batch.tasks import TaskError
from benchmarks.batch.world import DIMENSIONS, FOLDER, Troubles, World, settings_of

DEFINITION: Final = Path(jina_v3_batch.__file__).with_name("state_machine.asl.json")
CASES: Final = (
    Case(shards=100, instances=2, jobs=1),
    Case(shards=10_000, instances=5, jobs=4),
    Case(shards=100_000, instances=5, jobs=10),
)


def simulate(case: Case, seed: int = 0, troubles: Troubles | None = None) -> Outcome:
    """Run a case's dataset through the state machine."""
    settings = settings_of(
        instances=case.instances, jobs=case.jobs, usd_per_hour=case.usd_per_hour, tokens_per_s=case.tokens_per_s
    )
    world = World(settings=settings, dataset=case.dataset, troubles=troubles or Troubles(), seed=seed)
    definition = json.loads(DEFINITION.read_text().replace("${Bucket}", settings.bucket))
    machine = Machine(definition, world.perform, world.read_items, seed)
    request = {
        "dataset": f"s3://{settings.bucket}/{FOLDER}",
        "embedding_type": "base64",
        "dimensions": DIMENSIONS,
    }
    try:
        _, seconds = machine.run("simulation", request)
    except TaskError as error:  # with files outstanding a run ends so, and with its report
        seconds = error.seconds
    report = json.loads(world.s3.get_object(Bucket="", Key="batch/runs/simulation/report.json")["Body"].read())
    return Outcome(case=case, world=world, counts=machine.counts, seconds=seconds, report=report)


def main(arguments: Sequence[str] | None = None) -> int:
    """Simulate the cases and print the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.batch", description=__doc__)
    parser.add_argument("--smoke", action="store_true", help="the smallest case alone: a second")
    parser.add_argument("--seed", type=int, default=0, help="of what goes wrong (default: %(default)s)")
    options = parser.parse_args(arguments)
    cases = CASES[:1] if options.smoke else CASES
    outcomes = [simulate(case, options.seed) for case in cases]
    print(write_outcomes(outcomes))
    print()
    print(write_designs(cases[-1]))
    return 0 if all(outcome.report["outcome"] == "complete" for outcome in outcomes) else 1


if __name__ == "__main__":
    raise SystemExit(main())
