"""The process that has the device: loads, checks, and runs the parts until the time is over.

``bench_gpu`` starts it, and starts it again where the device or the process was lost; the journal says what to pass
over then.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from benchmarks.checkpoint import write_pair
from benchmarks.gpu import (
    attention_rates,
    checks,
    device,
    flash3,
    kernel_rates,
    latency,
    memory,
    precisions,
    product_rates,
    task_mix,
    throughput,
    vllm_peer,
    waterfall,
)
from benchmarks.gpu.bench import Bench
from benchmarks.gpu.engines import FULL as FULL_ENGINE
from benchmarks.gpu.engines import Engines
from benchmarks.gpu.journal import FAILED, Journal
from benchmarks.gpu.options import NO_DEVICE, RESTART, WRONG, add_options, stem
from benchmarks.gpu.peaks import find_peak
from benchmarks.gpu.plan import FULL, SMOKE
from benchmarks.gpu.rows import Log
from benchmarks.gpu.session import DeviceLostError, Session
from benchmarks.machine import describe_host
from benchmarks.workload import Lexicon

_PACKAGES = ("torch", "triton", "transformers", "sentence-transformers", "flash-attn", "vllm", "tokenizers", "numpy")


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the run and its share of the time that is left when it begins.

    ``needs``: what must be run before it, and goes with it where it is asked for alone.
    """

    name: str
    weight: float
    run: Callable[[Bench, float], None]
    needs: tuple[str, ...] = (checks.PART,)


# What the targets are judged by comes first: what the time does not suffice for is cut from the end.
PARTS = (
    Part(checks.PART, 120, checks.run, needs=()),
    Part(throughput.PART, 90, throughput.run),
    Part(latency.PART, 30, latency.run),
    Part(task_mix.PART, 10, task_mix.run),
    Part(precisions.PART, 55, precisions.run),
    Part(checks.COMBINATIONS_PART, 60, checks.run_combinations),
    Part(waterfall.PART, 35, waterfall.run, needs=(checks.PART, checks.COMBINATIONS_PART)),
    Part(memory.PART, 40, memory.run),
    Part(product_rates.PART, 8, product_rates.run, needs=()),
    Part(attention_rates.PART, 8, attention_rates.run, needs=()),
    Part(kernel_rates.PART, 15, kernel_rates.run, needs=()),
    Part(flash3.PART, 15, flash3.run),
    Part(vllm_peer.PART, 10, vllm_peer.run),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run what the journal does not have yet; the status is one of ``options.py``'s."""
    parser = argparse.ArgumentParser(prog="worker", description=__doc__)
    add_options(parser)
    parser.add_argument("--deadline", type=float, required=True, help="when to be done, as time.time() has it")
    options = parser.parse_args(argv)
    if options.device != "cpu" and not torch.cuda.is_available():
        return NO_DEVICE
    where = torch.device(options.device)
    if where.type == "cuda":
        where = torch.device("cuda", where.index or 0)
        torch.cuda.set_device(where)
    try:
        return run_parts(prepare(options, where), options.only or [part.name for part in PARTS])
    except DeviceLostError as error:
        print(f"the device answers with errors only, a new process goes on: {error}", file=sys.stderr)
        return RESTART


def prepare(options: argparse.Namespace, where: torch.device) -> Bench:
    """Write the weights, where no earlier run has, and open the files of results."""
    plan = SMOKE if options.smoke else FULL
    if options.smoke:
        torch.set_num_threads(1)  # tiny products on several threads wait for each other
    facts = describe_host(_PACKAGES, threads=str(torch.get_num_threads())) | device.describe(where, options.dtype)
    if options.commit:
        facts["commit"] = options.commit
    journal = Journal(options.folder / f"{stem(options.dtype)}.journal")
    log = Log(options.folder / f"{stem(options.dtype)}.csv", facts)
    session = Session(log, journal, where, options.deadline)
    session.progress(f"preparing {plan.config.layers} layers in {options.dtype} on {facts['device']}")
    log.add_facts(facts | _peak_facts(facts["device"]) | {"smoke": "yes" if options.smoke else "no"})
    log.add_facts(device.state(where), "before")
    lexicon = Lexicon(plan.config.vocab)
    pair = write_pair(options.cache / f"gpu-{plan.config.layers}x{plan.config.hidden}", plan.config, lexicon)
    engines = Engines(pair.original, options.dtype, str(where), session)
    return Bench(plan, pair, lexicon, engines, session, options.dtype)


def run_parts(bench: Bench, chosen: Sequence[str], parts: Sequence[Part] = PARTS) -> int:
    """Run the chosen parts, and what they need, in their order, each within its share of the time."""
    session = bench.session
    wanted = {name for part in parts if part.name in chosen for name in (part.name, *part.needs)}
    todo = [part for part in parts if part.name in wanted and session.journal.outcome(f"part/{part.name}/") is None]
    left = sum(part.weight for part in todo)
    for part in todo:
        until = session.clock() + max(0.0, session.deadline - session.clock()) * part.weight / left
        left -= part.weight
        begun = time.monotonic()
        session.attempt("part", part.name, "", lambda part=part, until=until: part.run(bench, until))  # type: ignore[misc]
        session.log.add_facts({part.name: f"{time.monotonic() - begun:.1f} s"}, "time taken")
        session.log.add_facts(device.state(session.device), f"after {part.name}")
    wrong = session.journal.outcome(f"checks/{FULL_ENGINE}/") == FAILED
    return WRONG if wrong else 0


def _peak_facts(name: str) -> dict[str, str]:
    peak = find_peak(name)
    return {"datasheet peak": f"{peak.tflops:g} TFLOP/s dense ({peak.source})" if peak else "not listed"}


if __name__ == "__main__":
    sys.exit(main())
