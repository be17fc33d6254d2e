"""Check the encoder on a CUDA device, then time it: throughput by length, one query's latency, a mix of tasks.

Run it as ``make bench-gpu``, or with any Python that has torch ≥2.10, tokenizers, safetensors and numpy, as
``PYTHONPATH=inference:. python3 -m benchmarks.bench_gpu``; it fetches nothing. ``--device cpu --smoke`` runs every
line of it on a tiny model.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from demo.standin import StandInConfig

from benchmarks import gpu_report
from benchmarks.agreement import WrongVectorsError
from benchmarks.checkpoint import write_pair
from benchmarks.gpu_cases import Bench
from benchmarks.gpu_checks import check_vectors
from benchmarks.machine import describe_machine
from benchmarks.report import results_folder, show_report, write_report
from benchmarks.timing import show_progress
from benchmarks.variants import SentenceTransformers, is_installed, load_ours
from benchmarks.workload import Lengths, Lexicon


@dataclass(frozen=True, slots=True)
class Plan:
    """Sizes of a run."""

    config: StandInConfig
    lengths: tuple[int, ...]
    pack_tokens: int
    packs: int
    square: int
    query_lengths: tuple[int, ...]
    queries: int
    mixed_texts: int
    mix_tokens: tuple[int, ...]
    check_lengths: tuple[int, ...]
    rounds: int


# Outlier channels, as trained models have them: half precision is easy on purely Gaussian weights.
FULL = Plan(
    config=StandInConfig(layers=24, vocab=250002, outliers=True),
    lengths=(16, 128, 512, 2048, 8192),
    pack_tokens=16384,
    packs=4,
    square=8192,
    query_lengths=(16, 128, 512),
    queries=200,
    mixed_texts=512,
    mix_tokens=(2000, 16384),
    check_lengths=(30, 45, 16, 128, 700, 64, 300, 97, 33, 512, 200, 77),
    rounds=7,
)
SMOKE = Plan(
    config=StandInConfig(layers=2, hidden=64, heads=4, intermediate=128, vocab=2000, outliers=True),
    lengths=(16, 32),
    pack_tokens=64,
    packs=2,
    square=64,
    query_lengths=(16,),
    queries=5,
    mixed_texts=6,
    mix_tokens=(160,),
    check_lengths=(20, 30, 17, 24, 19, 40),
    rounds=2,
)


def main(argv: Sequence[str] | None = None) -> int:
    """Return 0 when all was measured, 1 when the vectors were wrong, 2 where there is no device."""
    options = _parser().parse_args(argv)
    if options.device != "cpu" and not torch.cuda.is_available():
        print("bench-gpu needs a CUDA device and torch finds none; nothing was measured", file=sys.stderr)
        return 2
    plan, facts = SMOKE if options.smoke else FULL, describe_machine()
    out = options.out or os.environ.get("OUT")
    folder = results_folder(Path(out) if out else None, options.cache, partial=options.smoke)
    lexicon = Lexicon(plan.config.vocab)
    name = f"gpu-{plan.config.layers}x{plan.config.hidden}"
    pair = write_pair(options.cache / name, plan.config, lexicon)
    for dtype in options.dtype or ["bfloat16"]:
        show_progress(f"loading {plan.config.layers} layers in {dtype} on {options.device}")
        encoder = load_ours(pair.original, dtype, options.device)
        try:
            checks = check_vectors(pair, lexicon, encoder, plan.check_lengths, options.device)
        except WrongVectorsError as error:
            print(f"the vectors are wrong, so nothing is timed: {error}", file=sys.stderr)
            return 1
        installed = is_installed("sentence_transformers")
        peer = SentenceTransformers(pair.native, dtype, options.device) if installed else None
        bench = Bench(
            config=plan.config,
            lexicon=lexicon,
            encoder=encoder,
            peer=peer,
            device=options.device,
            pack_tokens=plan.pack_tokens,
            square=plan.square,
            rounds=plan.rounds,
        )
        result = measure(bench, plan, facts | describe_device(options.device, dtype))
        result.checks.extend(checks)
        text = gpu_report.markdown(result)
        show_report(write_report(folder, f"gpu-{dtype}", text, gpu_report.raw_csv(result)), text)
    return 0


def measure(bench: Bench, plan: Plan, facts: dict[str, str]) -> gpu_report.Result:
    """Run every case."""
    result = gpu_report.Result(facts)
    for length in plan.lengths:
        lengths = [length] * (plan.packs * plan.pack_tokens // length)
        result.throughputs.append(bench.throughput(str(length), lengths))
    longest = min(512, plan.pack_tokens)
    mixed = Lengths(longest_tokens=longest).draw(plan.mixed_texts)
    result.throughputs.append(bench.throughput(f"{plan.mixed_texts} mixed", mixed))
    for length in plan.query_lengths:
        show_progress(f"one query of {length} tokens")
        result.latencies.extend(bench.latencies(length, plan.queries))
    for tokens in plan.mix_tokens:
        result.mixes.append(bench.task_mix(f"tasks, {tokens} tokens", tokens))
    return result


def describe_device(device: str, dtype: str) -> dict[str, str]:
    """Return the device's name and driver-side versions."""
    if device == "cpu":
        return {"device": "cpu", "precision": dtype}
    properties = torch.cuda.get_device_properties(device)
    return {
        "device": torch.cuda.get_device_name(device),
        "memory": f"{properties.total_memory / 2**30:.0f} GiB",
        "CUDA": str(torch.version.cuda),
        "precision": dtype,
    }


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="bench_gpu", description=__doc__)
    parser.add_argument("--device", default="cuda", help="cuda, cuda:N, or cpu to try the program out")
    parser.add_argument("--smoke", action="store_true", help="a tiny model; the figures mean nothing")
    parser.add_argument("--dtype", action="append", choices=["bfloat16", "float16"], help="repeatable; bfloat16")
    parser.add_argument("--out", type=Path, help="folder for results (default $OUT, else benchmarks/results)")
    parser.add_argument("--cache", type=Path, default=Path(".cache/bench"), help="folder for generated weights")
    return parser


if __name__ == "__main__":
    sys.exit(main())
